"""The runner set up from its settings: bundle, spool, feeds, sinks, page."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sranogan_edge.alarms import Alarms
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import Loader
from sranogan_edge.errors import ExitCode, ResultsError, SpoolError, SpoolInUseError
from sranogan_edge.feeds.feed import Feed
from sranogan_edge.files import private_files
from sranogan_edge.log import log_to_stderr
from sranogan_edge.page.audit import AuditTrail
from sranogan_edge.page.board import Board
from sranogan_edge.page.recall import recalled
from sranogan_edge.redact import without_credentials
from sranogan_edge.service.bundles import KeptBundles
from sranogan_edge.service.delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service.loop import Service, ServiceSettings, stopped_by_signals
from sranogan_edge.service.report import about
from sranogan_edge.service.swap import Swap
from sranogan_edge.service.threshold import AppliedThreshold
from sranogan_edge.settings.folders import not_inputs, refuse_what_would_be_moved
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.jsonl_files import Rotation
from sranogan_edge.sinks.sink import SinkContext
from sranogan_edge.spool.lock import lock_results
from sranogan_edge.spool.search import Search
from sranogan_edge.spool.spool import Spool
from sranogan_edge.uploads.waiting import Uploads

if TYPE_CHECKING:
    from sranogan_edge.page.access import Address

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
    address = settings.page.address(environ)
    with ExitStack() as parts:
        parts.enter_context(private_files())
        folder, out = settings.spool_folder, settings.out
        spool = Spool(folder, settings.spool)
        parts.callback(spool.close)
        log = _results(out, spool, settings.results)
        _own(out, parts)
        decoder = Decoder(settings.decoding)
        parts.callback(decoder.close)
        decoder.warm()  # while the bundle is proven
        alarms = Alarms()
        swap = None
        if judge is None:
            swap = _swap(settings, folder, alarms)
            judge = swap.first()
        readers = {_RESULTS: log, **_sinks(settings, parts, environ)}
        feeds = _feeds(settings, parts)
        threshold = AppliedThreshold(folder, judge.scorer, judge.rule.calibration)
        board = _board(judge, settings, threshold) if address else None
        how = ServiceSettings(out, settings.retention, drift=settings.drift, bundle=settings.bundle)
        audit = AuditTrail(folder)
        uploads = Uploads(settings.uploads) if address and settings.uploads else None
        service = Service(
            judge,
            spool,
            feeds,
            readers,
            how,
            threshold=threshold,
            board=board,
            alarms=alarms,
            swap=swap,
            audit=audit,
            decoder=decoder,
            uploads=uploads,
        )
        if board and address:
            if uploads:
                uploads.wake = service.wake
            page = _page(board, address, alarms, audit, uploads, settings.bundle.stem, folder)
            parts.enter_context(page)
        with stopped_by_signals(service):
            return service.run()


def _page(
    board: Board,
    address: Address,
    alarms: Alarms,
    audit: AuditTrail,
    uploads: Uploads | None,
    model: str,
    spool: Path,
) -> AbstractContextManager[str]:
    from sranogan_edge.page.app import More
    from sranogan_edge.page.results_page import search_routes
    from sranogan_edge.page.server import serving

    found = tuple(search_routes(Search(spool), board))
    if uploads is None:
        return serving(board, address, alarms, audit, More(found))
    from sranogan_edge.uploads.connections import upload_connections
    from sranogan_edge.uploads.metrics import UploadsCollector
    from sranogan_edge.uploads.routes import routes_of

    more = More((*found, *routes_of(uploads, model)), (UploadsCollector(uploads),))
    return serving(board, address, alarms, audit, more, upload_connections())


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


def _sinks(settings: Settings, parts: ExitStack, environ: Mapping[str, str] | None) -> dict[str, Reader]:
    context = SinkContext(settings.spool_folder / "sinks", settings.out, environ)
    readers: dict[str, Reader] = {}
    for sink in settings.sinks:
        opened = sink.open(context)
        parts.callback(opened.close)
        readers[_name(sink.uri, readers)] = SinkReader(opened, sink.key, sink.choice)
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
    feeds, without = [], not_inputs(settings)
    for feed in settings.feeds:
        feeds.append(feed.open(without))
        parts.callback(feeds[-1].close)
    return feeds


def _swap(settings: Settings, spool: Path, alarms: Alarms) -> Swap:
    loader = Loader(settings.scoring, settings.calibration, settings.domain)
    kept = KeptBundles(spool, settings.bundle, settings.swap.keep)
    how = settings.swap
    return Swap(settings.bundle, loader, kept, alarms, every_s=how.every_s, other_input=how.other_input)


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
