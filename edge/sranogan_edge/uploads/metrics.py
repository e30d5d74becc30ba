"""Uploads as Prometheus metrics. Needs the extra ``page``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from sranogan_edge.results.line import VERDICTS
from sranogan_edge.uploads.waiting import Uploads

__all__ = ["EndpointCollector", "UploadsCollector"]


class UploadsCollector(Collector):
    """Reads the counts when Prometheus asks."""

    def __init__(self, uploads: Uploads) -> None:
        """Watch ``uploads``."""
        self._uploads = uploads

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, all of one moment."""
        now = self._uploads.figures()
        images = CounterMetricFamily("sranogan_uploads", "Uploaded images by verdict.", labels=["verdict"])
        for verdict in VERDICTS:
            images.add_metric([verdict], now.verdicts.get(verdict, 0))
        refused = CounterMetricFamily(
            "sranogan_uploads_refused", "Requests that were answered with this status.", labels=["status"]
        )
        for status, count in sorted(now.refused.items()):
            refused.add_metric([str(status)], count)
        yield from (images, refused)
        yield GaugeMetricFamily("sranogan_uploads_requests", "Requests in hand.", value=now.inside)
        yield GaugeMetricFamily(
            "sranogan_uploads_waiting", "Uploaded images that wait to be scored.", value=now.waiting
        )


class EndpointCollector(Collector):
    """What a page would tell beside, where there is none."""

    def __init__(self, uploads: Uploads, about: Mapping[str, str], wrong_tokens: int) -> None:
        """Watch ``uploads``; ``about`` is what scores."""
        self._uploads, self._about, self._wrong_tokens = uploads, about, wrong_tokens

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        ready = float(not self._uploads.why_not)
        yield GaugeMetricFamily("sranogan_ready", "Whether images are being scored.", value=ready)
        wrong = "Wrong tokens that the page was given."
        yield CounterMetricFamily("sranogan_page_wrong_tokens", wrong, value=self._wrong_tokens)
        about = {name.replace(" ", "_"): value for name, value in self._about.items()}
        yield InfoMetricFamily("sranogan_bundle", "What scores.", value=about)
