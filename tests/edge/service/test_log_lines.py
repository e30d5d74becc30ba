"""The log has a line for each object that is received and scored, in which no patient stands."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.log import LogSettings, log_to_stderr
from sranogan_edge.service.delivery import ResultsLog
from tests.support.service_bench import Bench, Camera, images, lines, wait_for

pytest.importorskip("pydicom", reason="the extra dicom is not installed")


@pytest.fixture
def own_log() -> Iterator[None]:
    """Leave the process's log as it was."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.captureWarnings(False)


def logged(tmp_path: Path, make_dicom: Callable[..., bytes], form: Any, level: Any = "info") -> list[str]:
    """What a runner logs of a film, a torn one, an image and a frame of a camera."""
    stream, bench, watched = io.StringIO(), Bench(tmp_path), tmp_path / "in"
    log_to_stderr(LogSettings(form, level), stream=stream)
    images(watched, 250)
    whole = make_dicom(np.full((20, 20), 100, np.uint16), PatientID="P-77", PatientName="Roe^Jane")
    (watched / "roe_jane.dcm").write_bytes(whole)
    (watched / "roe_jane_2.dcm").write_bytes(whole[:-100])
    log = ResultsLog(tmp_path / "results.jsonl")
    feed = WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open()
    stop = bench.in_background(bench.build(feed, Camera(1), log=log))
    wait_for(lambda: len(lines(log.path)) == 4)
    assert stop() == 0
    bench.spool.close()
    return stream.getvalue().splitlines()


@pytest.mark.usefixtures("own_log")
def test_as_json(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """Facts stand by their names: which object, from where, what came of it; of films, no name or number."""
    said = [json.loads(text) for text in logged(tmp_path, make_dicom, "json")]
    events = [one for one in said if "event" in one]
    received = [one for one in events if one["event"] == "received"]
    scored = [one for one in events if one["event"] == "scored"]
    assert sorted(one["object"] for one in received) == sorted(one["object"] for one in scored) == [1, 2, 3]
    assert all(one["bytes"] > 0 and one["feed"] == f"watch:{tmp_path / 'in'}" for one in received)
    assert sorted(one["verdict"] for one in scored) == ["anomalous", "error", "normal"]
    assert sorted(one["score"] for one in scored if one["score"] is not None) == [100.0, 250.0]
    kept = {line["number"]: line["verdict"] for line in lines(tmp_path / "results.jsonl")}
    assert all(kept[one["result"]] == one["verdict"] for one in scored)
    assert not [one for one in events if "roe" in json.dumps(one).lower() or "P-77" in json.dumps(one)]


@pytest.mark.usefixtures("own_log")
def test_as_text(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """One line each; frames of a camera only for those who ask for more."""
    told = "\n".join(logged(tmp_path, make_dicom, "text", "debug"))
    assert told.count(" received from watch:") == 3
    assert "from camera:fake: normal, score 1.00, 1.0 ms" in told
    assert "a frame from camera:fake" in told
    ours = [one for one in told.splitlines() if " received from " in one or "service.report: result " in one]
    assert len(ours) == 7
    assert not [one for one in ours if "roe" in one.lower() or "P-77" in one]


@pytest.mark.usefixtures("own_log")
def test_a_camera_does_not_fill_the_log(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """By default its frames have no line."""
    assert "a frame from" not in "\n".join(logged(tmp_path, make_dicom, "text"))
