"""The runner set up from a command line: URIs, a spool folder, a results folder."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds import open_feed
from sranogan_edge.service import Service, ServiceSettings, stopped_by_signals
from sranogan_edge.service_delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service_scoring import Judge
from sranogan_edge.sinks.open import open_sink
from sranogan_edge.spool import Spool, SpoolLimits

__all__ = ["log_to_stderr", "serve"]


def serve(
    judge: Judge,
    uris: Sequence[str],
    out: Path,
    spool: Path,
    *,
    sinks: Sequence[str] = (),
    limits: SpoolLimits | None = None,
) -> ExitCode:
    """Score ``uris`` until they end or a signal comes; objects wait in ``spool``.

    Results go to ``out/results.jsonl`` and to ``sinks`` (see :func:`sranogan_edge.sinks.open.open_sink`).

    Raises:
        SpoolInUseError: another runner holds the spool or a watched folder.
        SranoganError: a feed cannot be opened, or the spool or ``out`` cannot be written to.
    """
    with ExitStack() as open_parts:
        readers: dict[str, Reader] = {"results.jsonl": ResultsLog(out / "results.jsonl")}
        held = Spool(spool, limits)
        open_parts.callback(held.close)
        for sink in sinks:
            readers[sink] = SinkReader(open_sink(sink, spool / "sinks", pictures=out))
        feeds = []
        for uri in uris:
            feeds.append(open_feed(uri))
            open_parts.callback(feeds[-1].close)
        service = Service(judge, held, feeds, readers, ServiceSettings(out=out))
        with stopped_by_signals(service):
            return service.run()


def log_to_stderr() -> None:
    """Send what happens to standard error, where the service manager keeps it."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
