"""The runner set up from its settings: bundle, spool, feeds, sinks, page."""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sranogan_edge.alarms import Alarms
from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import ExitCode, ResultsError, SpoolError, SpoolInUseError
from sranogan_edge.feeds.feed import Feed
from sranogan_edge.feeds.open import open_feed
from sranogan_edge.log import log_to_stderr
from sranogan_edge.page.board import Board
from sranogan_edge.page.recall import recalled
from sranogan_edge.redact import without_credentials
from sranogan_edge.service.bundles import KeptBundles
from sranogan_edge.service.delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service.loader import Loader
from sranogan_edge.service.loop import Service, ServiceSettings, stopped_by_signals
from sranogan_edge.service.report import about
from sranogan_edge.service.swap import Swap
from sranogan_edge.service.threshold import AppliedThreshold
from sranogan_edge.settings.feeds import FilesFeedSettings, WatchFeedSettings
from sranogan_edge.settings.folders import not_inputs, refuse_what_would_be_moved
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.jsonl_files import Rotation
from sranogan_edge.sinks.open import open_sink, sink_key
from sranogan_edge.spool.lock import lock_results
from sranogan_edge.spool.spool import Spool

__all__ = ["log_to_stderr", "serve_settings"]

_log = logging.getLogger(__name__)
_RESULTS = "results.jsonl"


def serve_settings(
    settings: Settings, *, environ: Mapping[str, str] | None = None, judge: Judge | None = None
) -> ExitCode:
    """Score the feeds of ``settings`` until they end or a signal comes.

    Args:
        settings: of all parts.
        environ: variables that hold secrets; the process's own by default.
        judge: scores instead of the bundle, which is then neither read nor watched.

    Raises:
        BundleError: the bundle is refused, or the site's calibration.
        SpoolInUseError: another runner holds the spool, ``out`` or a watched folder.
        SettingsError: files of the runner's own lie in a watched folder.
        SranoganError: a feed, a sink or the page cannot be opened, or the spool not be written to.
    """
    refuse_what_would_be_moved(settings)
    known = os.environ if environ is None else environ
    address = settings.page.address(known)
    with ExitStack() as parts:
        folder, out = settings.spool_folder, settings.out
        spool = Spool(folder, settings.spool)
        parts.callback(spool.close)
        log = _results(out, spool, settings.results)
        _own(out, parts)
        alarms = Alarms()
        swap = None
        if judge is None:
            swap = _swap(settings, folder, alarms)
            judge = swap.first()
        readers = {_RESULTS: log, **_sinks(settings, parts, known)}
        feeds = _feeds(settings, parts)
        threshold = AppliedThreshold(folder, judge.scorer)
        board = _board(judge, settings, threshold) if address else None
        how = ServiceSettings(out, settings.retention, drift=settings.drift, bundle=settings.bundle)
        service = Service(
            judge, spool, feeds, readers, how, threshold=threshold, board=board, alarms=alarms, swap=swap
        )
        if board and address:
            from sranogan_edge.page.server import serving

            parts.enter_context(serving(board, address, alarms))
        with stopped_by_signals(service):
            return service.run()


def _results(out: Path, spool: Spool, rotation: Rotation | None = None) -> ResultsLog:
    """``results.jsonl`` below ``out``; where this spool's runner wrote there before, it may wait for a cure.

    Raises:
        ResultsError: it cannot be written to, and never was: somebody named a wrong folder.
    """
    try:
        return ResultsLog(out / _RESULTS, rotation)
    except ResultsError as error:
        reached = spool.outbox.cursor(_RESULTS)
        if not (reached and reached.number):
            raise
        _log.error("%s", error)
        return ResultsLog(out / _RESULTS, rotation, must_be_writable=False)


def _own(out: Path, parts: ExitStack) -> None:
    """Keep other runners out of ``out``; where we may not write, nor does another.

    Raises:
        SpoolInUseError: another runner writes its results there.
    """
    try:
        lock = lock_results(out)
    except SpoolInUseError:
        raise
    except SpoolError as error:
        _log.error("%s", error)
    else:
        parts.callback(lock.close)


def _sinks(settings: Settings, parts: ExitStack, environ: Mapping[str, str]) -> dict[str, Reader]:
    readers: dict[str, Reader] = {}
    for sink in settings.sinks:
        options: dict[str, Any] = dict(sink.options())
        secrets = {**environ, **sink.secrets(environ)}
        outboxes = settings.spool_folder / "sinks"
        opened = open_sink(sink.uri, outboxes, environ=secrets, pictures=settings.out, **options)
        parts.callback(opened.close)
        readers[_name(sink.uri, readers)] = SinkReader(opened, sink_key(sink.uri))
    return readers


def _name(uri: str, taken: Container[str]) -> str:
    """What a sink is called in log, alarms and metrics: a number tells apart what differs in secrets only."""
    name = shown = without_credentials(uri)
    number = 1
    while name in taken:
        number += 1
        name = f"{shown} ({number})"
    return name


def _feeds(settings: Settings, parts: ExitStack) -> list[Feed]:
    feeds = []
    for feed in settings.feeds:
        options = feed.options()
        if isinstance(feed, (FilesFeedSettings, WatchFeedSettings)):
            options["without"] = not_inputs(settings)
        feeds.append(open_feed(feed.address(), **options))
        parts.callback(feeds[-1].close)
    return feeds


def _swap(settings: Settings, spool: Path, alarms: Alarms) -> Swap:
    loader = Loader(settings.scoring, settings.calibration, settings.domain)
    kept = KeptBundles(spool, settings.bundle, settings.swap.keep)
    return Swap(settings.bundle, loader, kept, alarms, every_s=settings.swap.every_s)


def _board(judge: Judge, settings: Settings, threshold: AppliedThreshold) -> Board:
    return Board(
        judge.rule.calibration,
        judge.heat_limit or 1.0,
        about(judge, settings.bundle),
        threshold=threshold.value,
        on_threshold=threshold.apply,
        earlier=recalled(settings.out / _RESULTS),
        out=settings.out,
    )
