"""The metrics, as Prometheus would read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.page_board_fakes import filled_board

pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from prometheus_client.parser import text_string_to_metric_families

from sranogan_edge.page.metrics import metrics_text

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: bytes) -> Samples:
    """Every value by name and labels."""
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.fixture
def found() -> Samples:
    """Give the metrics of a board on a bad day."""
    return samples(metrics_text(filled_board(alarm=True)))


def test_images_by_verdict(found: Samples) -> None:
    """Every image is counted once."""
    counts = {
        labels[0][1]: value for (name, labels), value in found.items() if name == "sranogan_images_total"
    }
    assert sum(counts.values()) == 60
    assert (counts["error"], counts["out of domain"]) == (1, 2)


def test_feeds(found: Samples) -> None:
    """State, drops and reconnects of each feed; one state is 1."""
    camera = ("feed", "camera:/dev/video0")
    assert found["sranogan_feed_dropped_total", (camera,)] == 37
    assert found["sranogan_feed_reconnects_total", (camera,)] == 2
    assert found["sranogan_feed_state", (camera, ("state", "stalled"))] == 1
    assert found["sranogan_feed_state", (camera, ("state", "running"))] == 0


def test_sinks(found: Samples) -> None:
    """What waits for each sink, what it got, lost, was refused, and what is set apart."""
    broker = (("sink", "mqtt://broker"),)
    assert found["sranogan_sink_waiting", broker] == 120
    assert found["sranogan_sink_lost_total", broker] == 3
    assert found["sranogan_sink_refused_total", broker] == 2
    assert found["sranogan_sink_written_total", broker] == 7
    assert found["sranogan_sink_apart", broker] == 1


def test_latencies_are_a_histogram(found: Samples) -> None:
    """Buckets are cumulative, in seconds, and end with all judged images."""
    buckets = [
        value
        for (name, labels), value in found.items()
        if name == "sranogan_stage_seconds_bucket" and ("stage", "search") in labels
    ]
    assert buckets == sorted(buckets)
    assert buckets[-1] == found["sranogan_stage_seconds_count", (("stage", "search"),)] == 59
    assert 0.1 < found["sranogan_stage_seconds_sum", (("stage", "search"),)] < 2


def test_the_rest(found: Samples) -> None:
    """Alarms, queue, readiness, and how long the loop has been silent."""
    assert found["sranogan_alarms", ()] == 2
    assert found["sranogan_queue", ()] == 2
    assert found["sranogan_ready", ()] == 1
    assert 0 <= found["sranogan_loop_age_seconds", ()] < 60


def test_temperatures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the machine tells of its temperature is there by zone."""
    monkeypatch.setattr("sranogan_edge.page.metrics.temperatures", lambda: {"cpu-thermal": 51.5})
    assert (
        samples(metrics_text(filled_board(1)))["sranogan_temperature_celsius", (("zone", "cpu-thermal"),)]
        == 51.5
    )
