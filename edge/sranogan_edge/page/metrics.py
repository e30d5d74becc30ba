"""The board as Prometheus metrics. Needs the extra ``page``."""

from __future__ import annotations

import math
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sranogan_edge.device import temperatures
from sranogan_edge.page.board import BUCKETS_MS, VERDICTS, Board, Snapshot

__all__ = ["METRICS_TYPE", "BoardCollector", "metrics_text", "text_of"]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

FEED_STATES = ("starting", "running", "waiting", "stalled", "failed", "closed")


class BoardCollector(Collector):
    """Reads the board when Prometheus asks: nothing is counted twice."""

    def __init__(self, board: Board, wrong_tokens: int = 0, closed: int = 0) -> None:
        """Watch ``board``; the page counted ``wrong_tokens``, and connections ``closed`` for others."""
        self._board, self._wrong_tokens, self._closed = board, wrong_tokens, closed

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, all of one moment."""
        now = self._board.snapshot()
        yield from _results(now)
        yield from _feeds(now)
        yield from _sinks(now)
        yield _gauge("sranogan_ready", "Whether images are being scored.", float(now.ready))
        yield _gauge("sranogan_alarms", "Alarms in force.", float(len(now.alarms)))
        yield _gauge("sranogan_queue", "Objects that wait to be scored.", float(now.queue))
        yield _gauge("sranogan_loop_age_seconds", "Since the loop last gave a sign.", now.beat_age_s)
        wrong = "Wrong tokens that the page was given."
        yield CounterMetricFamily("sranogan_page_wrong_tokens", wrong, value=self._wrong_tokens)
        closed = "Connections to the page that were closed because too many were open."
        yield CounterMetricFamily("sranogan_page_connections_closed", closed, value=self._closed)
        about = {name.replace(" ", "_"): str(value) for name, value in now.about.items()}
        yield InfoMetricFamily("sranogan_bundle", "What scores.", value=about)
        heat = GaugeMetricFamily("sranogan_temperature_celsius", "Of the machine.", labels=["zone"])
        for zone, celsius in temperatures().items():
            heat.add_metric([zone], celsius)
        yield heat


def _results(now: Snapshot) -> Iterator[Metric]:
    images = CounterMetricFamily("sranogan_images", "Images by verdict.", labels=["verdict"])
    for verdict in VERDICTS:
        images.add_metric([verdict], now.counts.get(verdict, 0))
    yield images
    stages = HistogramMetricFamily("sranogan_stage_seconds", "Time by stage.", labels=["stage"])
    for stage, (counts, total_ms) in now.histograms.items():
        so_far, buckets = 0, []
        for limit, count in zip((*BUCKETS_MS, math.inf), counts, strict=True):
            so_far += count
            buckets.append((f"{limit / 1000:g}" if math.isfinite(limit) else "+Inf", so_far))
        stages.add_metric([stage], buckets, total_ms / 1000)
    yield stages
    yield _gauge("sranogan_threshold", "Scores above it are flagged.", now.threshold)
    judged = [entry.line.score for entry in now.entries if entry.line.score is not None]
    if judged:
        yield _gauge("sranogan_last_score", "Of the newest judged image.", judged[-1])


def _feeds(now: Snapshot) -> Iterator[Metric]:
    state = GaugeMetricFamily("sranogan_feed_state", "1 for the state it is in.", labels=["feed", "state"])
    dropped = CounterMetricFamily("sranogan_feed_dropped", "Frames left out.", labels=["feed"])
    again = CounterMetricFamily("sranogan_feed_reconnects", "Times opened again.", labels=["feed"])
    refused = CounterMetricFamily(
        "sranogan_feed_refused", "Senders sent away, or that had to make room.", labels=["feed"]
    )
    last = GaugeMetricFamily(
        "sranogan_feed_last_arrival_timestamp_seconds", "When the last image came.", labels=["feed"]
    )
    differs = GaugeMetricFamily(
        "sranogan_site_differs",
        "Whether its images score unlike the bundle's normals: adapt.",
        labels=["feed"],
    )
    problem = GaugeMetricFamily(
        "sranogan_feed_problem", "1 for why it gives no image.", labels=["feed", "reason"]
    )
    for name in now.feeds:
        differs.add_metric([name], float(name in now.differing))
    for name, health in now.feeds.items():
        for one in FEED_STATES:
            state.add_metric([name, one], float(health.state == one))
        dropped.add_metric([name], health.dropped)
        again.add_metric([name], health.reconnects)
        refused.add_metric([name], health.refused)
        if health.reason and health.state in ("stalled", "failed"):
            problem.add_metric([name, health.reason], 1.0)
        if health.last_arrival is not None:
            last.add_metric([name], health.last_arrival)
    yield from (state, dropped, again, refused, last, differs, problem)


def _sinks(now: Snapshot) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(
        "sranogan_sink_waiting", "Results that it has not got: in the spool, in its outbox.", labels=["sink"]
    )
    written = CounterMetricFamily("sranogan_sink_written", "Results that arrived.", labels=["sink"])
    apart = GaugeMetricFamily("sranogan_sink_apart", "Results that are set apart.", labels=["sink"])
    lost = CounterMetricFamily("sranogan_sink_lost", "Results let go: its outbox was full.", labels=["sink"])
    refused = CounterMetricFamily("sranogan_sink_refused", "Results that it never takes.", labels=["sink"])
    for name, health in now.sinks.items():
        waiting.add_metric([name], health.waiting)
        written.add_metric([name], health.written)
        apart.add_metric([name], health.apart)
        lost.add_metric([name], health.lost)
        refused.add_metric([name], health.refused)
    yield from (waiting, written, lost, refused, apart)


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(name, documentation, value=value)


def metrics_text(board: Board, wrong_tokens: int = 0, closed: int = 0, *more: Collector) -> bytes:
    """Return the metrics in Prometheus' text format, and ``more``.

    The page counted ``wrong_tokens``, and connections ``closed`` for others.
    """
    return text_of(BoardCollector(board, wrong_tokens, closed), *more)


def text_of(*collectors: Collector) -> bytes:
    """Return what ``collectors`` tell in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    for one in collectors:
        registry.register(one)
    return generate_latest(registry)
