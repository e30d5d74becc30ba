"""The runner set up from its settings: bundle, spool, feeds, sinks, page."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sranogan_edge.errors import ExitCode, ResultsError
from sranogan_edge.feeds import Feed, open_feed
from sranogan_edge.log import log_to_stderr
from sranogan_edge.page.board import Board
from sranogan_edge.service.alarms import Alarms
from sranogan_edge.service.bundles import KeptBundles
from sranogan_edge.service.delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service.judge import Judge
from sranogan_edge.service.loop import Service, ServiceSettings, stopped_by_signals
from sranogan_edge.service.model import Loader
from sranogan_edge.service.report import about
from sranogan_edge.service.swap import Swap
from sranogan_edge.service.threshold import AppliedThreshold
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.open import open_sink
from sranogan_edge.spool.spool import Spool, SpoolLimits

__all__ = ["log_to_stderr", "serve", "serve_settings"]

_log = logging.getLogger(__name__)
_RESULTS = "results.jsonl"


def serve_settings(settings: Settings, *, environ: Mapping[str, str] | None = None) -> ExitCode:
    """Score the feeds of ``settings`` until they end or a signal comes.

    Raises:
        BundleError: the bundle is refused, or the site's calibration.
        SpoolInUseError: another runner holds the spool or a watched folder.
        SranoganError: a feed, a sink or the page cannot be opened, or the spool not be written to.
    """
    known = os.environ if environ is None else environ
    address = settings.page.address(known)
    with ExitStack() as parts:
        folder, out = settings.spool_folder, settings.out
        spool = Spool(folder, settings.spool)
        parts.callback(spool.close)
        log = _results(out, spool)
        alarms = Alarms()
        swap = _swap(settings, folder, alarms)
        judge = swap.first()
        readers = {_RESULTS: log, **_sinks(settings, parts, known)}
        feeds = _feeds(settings, parts)
        threshold = AppliedThreshold(folder, judge.scorer)
        board = _board(judge, settings.bundle, threshold) if address else None
        how = ServiceSettings(out, settings.retention, drift=settings.drift, bundle=settings.bundle)
        service = Service(
            judge, spool, feeds, readers, how, threshold=threshold, board=board, alarms=alarms, swap=swap
        )
        if board and address:
            from sranogan_edge.page.app import serving

            url = parts.enter_context(serving(board, address))
            _log.info("the live page is at %s", url)
        with stopped_by_signals(service):
            return service.run()


def serve(
    judge: Judge,
    uris: Sequence[str],
    out: Path,
    spool: Path,
    *,
    sinks: Sequence[str] = (),
    limits: SpoolLimits | None = None,
) -> ExitCode:
    """Score ``uris`` with ``judge`` alone until they end or a signal comes; objects wait in ``spool``.

    Results go to ``out/results.jsonl`` and to ``sinks`` (see :func:`sranogan_edge.sinks.open.open_sink`).

    Raises:
        SpoolInUseError: another runner holds the spool or a watched folder.
        SranoganError: a feed cannot be opened, or the spool or ``out`` cannot be written to.
    """
    with ExitStack() as parts:
        held = Spool(spool, limits)
        parts.callback(held.close)
        readers: dict[str, Reader] = {_RESULTS: _results(out, held)}
        for sink in sinks:
            readers[sink] = SinkReader(open_sink(sink, spool / "sinks", pictures=out))
        feeds = []
        for uri in uris:
            feeds.append(open_feed(uri))
            parts.callback(feeds[-1].close)
        service = Service(judge, held, feeds, readers, ServiceSettings(out=out))
        with stopped_by_signals(service):
            return service.run()


def _results(out: Path, spool: Spool) -> ResultsLog:
    """``results.jsonl`` below ``out``; where this spool's runner wrote there before, it may wait for a cure.

    Raises:
        ResultsError: it cannot be written to, and never was: somebody named a wrong folder.
    """
    try:
        return ResultsLog(out / _RESULTS)
    except ResultsError as error:
        if not spool.outbox.cursor(_RESULTS).number:
            raise
        _log.error("%s", error)
        return ResultsLog(out / _RESULTS, must_be_writable=False)


def _sinks(settings: Settings, parts: ExitStack, environ: Mapping[str, str]) -> dict[str, Reader]:
    readers: dict[str, Reader] = {}
    for sink in settings.sinks:
        options: dict[str, Any] = dict(sink.options())
        secrets = {**environ, **sink.secrets(environ)}
        outboxes = settings.spool_folder / "sinks"
        opened = open_sink(sink.uri, outboxes, environ=secrets, pictures=settings.out, **options)
        parts.callback(opened.close)
        readers[sink.uri] = SinkReader(opened)
    return readers


def _feeds(settings: Settings, parts: ExitStack) -> list[Feed]:
    feeds = []
    for feed in settings.feeds:
        feeds.append(open_feed(feed.address(), **feed.options()))
        parts.callback(feeds[-1].close)
    return feeds


def _swap(settings: Settings, spool: Path, alarms: Alarms) -> Swap:
    loader = Loader(settings.scoring, settings.calibration, settings.domain)
    kept = KeptBundles(spool, settings.bundle, settings.swap.keep)
    return Swap(settings.bundle, loader, kept, alarms, every_s=settings.swap.every_s)


def _board(judge: Judge, bundle: Path, threshold: AppliedThreshold) -> Board:
    assert judge.calibration
    return Board(
        judge.calibration,
        judge.heat_limit or 1.0,
        about(judge, bundle),
        threshold=threshold.value,
        on_threshold=threshold.apply,
    )
