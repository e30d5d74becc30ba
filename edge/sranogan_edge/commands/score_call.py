"""What a call of ``sranogan-score`` is for, and the settings that its options are."""

from __future__ import annotations

import logging
from pathlib import Path
from types import SimpleNamespace

import typer

from sranogan_edge.commands.film_options import film_settings
from sranogan_edge.commands.forget import forget_what
from sranogan_edge.commands.options import feeds_of, named_bundle, refuse_beside_config, sinks_of
from sranogan_edge.commands.print_findings import print_check, print_status
from sranogan_edge.commands.probe import configured, probe_feed
from sranogan_edge.commands.score_archive import refuse_without_engine, score_archive_to
from sranogan_edge.commands.score_clips import Clips, clips_of
from sranogan_edge.commands.score_files import check_places, find_images, refuse_of_files, score_files
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import CalibrationSettings, DomainSettings, Loader, ScoringSettings
from sranogan_edge.errors import ExitCode, SranoganError
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.kinds import feed_kind
from sranogan_edge.files import check_named, private_files
from sranogan_edge.image.film import EVERY_FILM
from sranogan_edge.image.image_list import ImageList
from sranogan_edge.log import LogSettings, log_to_stderr, logging_to_stderr
from sranogan_edge.results.coco import CocoRegions, check_regions
from sranogan_edge.results.kept_apart import KeptApart
from sranogan_edge.settings.folders import not_inputs
from sranogan_edge.settings.read import read_for_check, read_settings
from sranogan_edge.settings.tree import PageSettings, Settings, SpoolSettings, SwapSettings
from sranogan_edge.spool.lock import refuse_held_results
from sranogan_edge.terminal import say

__all__ = ["score_as_asked"]

_log = logging.getLogger("sranogan_edge.commands.score")


def score_as_asked(context: typer.Context) -> ExitCode:
    """Do what the options of ``sranogan-score`` ask for.

    Raises:
        SranoganError: see the command's exit codes.
    """
    asked = SimpleNamespace(**context.params)
    check_regions(asked.regions)
    check_named(
        bundle_key=asked.bundle_key,
        calibration=asked.calibration,
        calibration_key=asked.calibration_key if asked.calibration else None,
        tls_cert=asked.tls_cert,
        tls_key=asked.tls_key,
    )
    feeds = asked.feeds or []
    if asked.engine:
        named = named_bundle(asked.bundle, any_will_do=False)
        return score_archive_to(context, named, feeds, asked.out, Loader(*_judging(asked)), _logging(asked))
    refuse_without_engine(context)
    if asked.config:
        refuse_beside_config(context)
        if asked.check_config or asked.doctor:
            read = read_for_check(asked.config)
            return print_check(read.settings, read.problems, read.unusable, doctor=asked.doctor)
        settings = read_settings(asked.config)
        if asked.probe is not None:
            return probe_feed(configured(settings, asked.probe))
    elif asked.probe is not None:
        return probe_feed(feeds_of([asked.probe], asked.fps, asked.roi, every=asked.every)[0])
    else:
        settings = _settings(context, asked)
    if _forgets(asked):
        return forget_what(settings, asked.forget, asked.older_than)
    if asked.status:
        return print_status(settings)
    ends = all(feed_kind(feed) in ("files", "video") for feed in feeds)
    goes_on = asked.spool or asked.sink or asked.serve or asked.config or not ends
    if asked.check_config or asked.doctor:
        left_out = () if goes_on else ("spool", "swap of the bundle")
        return print_check(settings, left_out=left_out, doctor=asked.doctor)
    return _score_on(settings, asked) if goes_on else _score_files(settings, asked)


def _forgets(asked: SimpleNamespace) -> bool:
    return asked.forget is not None or asked.older_than is not None


def _judging(asked: SimpleNamespace) -> tuple[ScoringSettings, CalibrationSettings, DomainSettings | None]:
    """Return what a loader takes."""
    return (
        ScoringSettings(
            asked.backend,
            asked.threads,
            asked.steps,
            asked.budget_ms,
            asked.bundle_key,
            asked.max_pixels,
            asked.heat_threshold,
        ),
        CalibrationSettings(asked.calibration, asked.calibration_key),
        DomainSettings() if asked.domain else None,
    )


def _logging(asked: SimpleNamespace) -> LogSettings:
    return LogSettings(asked.log_format, "debug" if asked.verbose else asked.log_level)


def _settings(context: typer.Context, asked: SimpleNamespace) -> Settings:
    """Return the settings that the options are, as a file of ``--config`` would hold them."""
    looks = _forgets(asked) or asked.status  # at what is there: neither a bundle nor a feed is needed
    scoring, site, unlike = _judging(asked)
    films = film_settings(context.params)
    return Settings(
        bundle=named_bundle(asked.bundle, any_will_do=looks),
        feeds=feeds_of(
            asked.feeds or [], asked.fps, asked.roi, films, asked.every, videos_in_folders=asked.videos
        )
        if asked.feeds or not looks
        else (),
        out=asked.out,
        sinks=sinks_of(asked.sink or []),
        scoring=scoring,
        calibration=site,
        domain=unlike,
        spool=SpoolSettings(folder=asked.spool),
        swap=SwapSettings(other_input=asked.other_input),
        page=PageSettings(asked.serve, tls_certificate=asked.tls_cert, tls_key=asked.tls_key),
        log=_logging(asked),
    )


def _score_files(settings: Settings, asked: SimpleNamespace) -> ExitCode:
    apart = KeptApart(asked.masks, asked.overlays, asked.anomalous)
    clips = clips_of(settings, in_folders=asked.videos, fps=asked.fps, roi=asked.roi, every=asked.every)
    check_places(settings.out, json=asked.json, report=asked.report)
    refuse_held_results(settings.out)  # before the bundle takes its time to load
    named = [feed for feed in settings.feeds if isinstance(feed, FilesFeedSettings)]
    images, without = [Path(feed.uri) for feed in named], (*not_inputs(settings), *apart.folders)
    apart.check(settings.out, images)
    found = find_images(images, without, beside=bool(clips.taken)) if images else ImageList()
    _tell_clips(clips, kept=bool(apart.folders or asked.regions is not None))
    log_to_stderr(settings.log, text="%(message)s")
    say(*clips.told())
    loader = Loader(settings.scoring, settings.calibration, settings.domain)
    judge = loader.judge(loader.proven(settings.bundle))
    films = named[0].films if named else EVERY_FILM  # what is asked for holds for all of the call
    with private_files():
        return score_files(
            judge,
            found,
            settings.out,
            asked.json,
            films,
            report=asked.report,
            apart=apart,
            regions=None if asked.regions is None else _regions(judge, settings),
            decoding=settings.decoding,
            verbose=asked.verbose,
            clips=clips.taken,
        )


def _tell_clips(clips: Clips, *, kept: bool) -> None:
    if clips.taken and kept:
        say("masks, overlays, copies and regions are kept of images; frames of videos have heat maps alone")


def _regions(judge: Judge, settings: Settings) -> CocoRegions:
    """Gather regions, names told below the folder that was named, where it is one."""
    places = [Path(feed.uri) for feed in settings.feeds]
    root = places[0] if len(places) == 1 and places[0].is_dir() else None
    return CocoRegions(root, {"bundle": judge.scorer.bundle, "root": str(root or "")})


def _score_on(settings: Settings, asked: SimpleNamespace) -> ExitCode:
    """Score as a service does: what is to come, through a spool, to other sinks, or with a page."""
    refuse_of_files(
        json=asked.json,
        report=asked.report,
        masks=asked.masks,
        overlays=asked.overlays,
        anomalous=asked.anomalous,
        regions=asked.regions,
        videos=Path() if asked.videos else None,
    )
    from sranogan_edge.service.run import serve_settings

    with logging_to_stderr(settings.log):
        _log.info("bundle %s; feeds %s", settings.bundle, ", ".join(map(str, settings.feeds)))
        try:
            if all(isinstance(feed, FilesFeedSettings) for feed in settings.feeds):
                find_images([Path(feed.uri) for feed in settings.feeds], without=not_inputs(settings))
            code = serve_settings(settings)
        except SranoganError as error:
            if settings.log.format == "text":
                raise
            _log.critical("%s", error)
            return error.exit_code
        _log.info("ended with exit code %d", code)
        return code
