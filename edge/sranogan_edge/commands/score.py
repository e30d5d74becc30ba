"""``sranogan-score``: parse, call, return an exit code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from sranogan_edge.commands.archive_options import (
    Address,
    Engine,
    Heat,
    KeepMeasurements,
    PartImages,
    Workers,
)
from sranogan_edge.commands.film_options import (
    BodyParts,
    Modalities,
    PresentationOnly,
    SopClasses,
    TakeEmpty,
    TurnUpright,
    Views,
    film_settings,
)
from sranogan_edge.commands.forget import forget_what
from sranogan_edge.commands.kept_options import Anomalous, Coco, Json, Masks, Overlays, Report
from sranogan_edge.commands.options import feeds_of, named_bundle, refuse_beside_config, sinks_of
from sranogan_edge.commands.print_findings import print_check, print_status
from sranogan_edge.commands.probe import configured, probe_feed
from sranogan_edge.commands.score_archive import refuse_without_engine, score_archive_to
from sranogan_edge.commands.score_clips import Clips, clips_of
from sranogan_edge.commands.score_files import check_places, find_images, refuse_of_files, score_files
from sranogan_edge.commands.scoring_options import (
    Backend,
    BudgetMs,
    BundleKey,
    CalibrationFile,
    CalibrationKey,
    Domain,
    HeatThreshold,
    MaxPixels,
    Steps,
    Threads,
)
from sranogan_edge.commands.video_options import Every, Fps, Probe, Roi, Videos
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import CalibrationSettings, DomainSettings, Loader, ScoringSettings
from sranogan_edge.errors import ExitCode, SranoganError
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.kinds import feed_kind
from sranogan_edge.files import check_named, private_files
from sranogan_edge.image.film import EVERY_FILM
from sranogan_edge.image.image_list import ImageList
from sranogan_edge.image.own_outputs import DEFAULT_OUT
from sranogan_edge.log import LogSettings, log_to_stderr, logging_to_stderr
from sranogan_edge.results.coco import CocoRegions, check_regions
from sranogan_edge.results.kept_apart import KeptApart
from sranogan_edge.settings.folders import not_inputs
from sranogan_edge.settings.read import read_for_check, read_settings
from sranogan_edge.settings.tree import PageSettings, Settings, SpoolSettings, SwapSettings
from sranogan_edge.spool.lock import refuse_held_results
from sranogan_edge.terminal import Command, Verbose, Version, main, run, say

EXIT_CODES = """
Exit codes: 0 all images were scored, the service was told to stop, --check-config or --doctor found no
error, --status found a runner at work and nothing to look at, or --probe saw a frame; 1 something
unexpected: an error of ours, with a traceback; 2 wrong usage or settings; 3 there was nothing to score, or
a feed, file or folder cannot be opened; 4 some images could not be scored (each has its line with the
error), one feed of several ended with an error, --status found something to look at, or --doctor an error
in other places than the settings; 5 the bundle or the calibration was refused: damaged, of another version,
or its golden cases score otherwise here; 6 results, the spool or standard output cannot be written, or
another runner holds them; 8 the backend that was asked for is missing or fails, or no step budget is fast
enough on it now; 130 interrupted.
"""

_log = logging.getLogger("sranogan_edge.commands.score")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command, epilog=EXIT_CODES)
def score(
    context: typer.Context,
    bundle: Annotated[
        Path | None, typer.Argument(help="The bundle that sranogan-export wrote (NAME.sranogan).")
    ] = None,
    feeds: Annotated[
        list[str] | None,
        typer.Argument(
            help="Image files, folders of images (DICOM too), watch:DIR (files dropped into a folder), "
            "dicom:PORT, camera:DEVICE, rtsp://HOST/PATH, gst:PIPELINE, FILE.mp4."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Run the service that this TOML file describes; see docs/guide/settings.md."),
    ] = None,
    check_config: Annotated[
        bool, typer.Option("--check-config", help="Look at all that would run, start nothing.")
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Tell how the runner fares, from its spool; change nothing.")
    ] = False,
    doctor: Annotated[
        bool, typer.Option("--doctor", help="--check-config, --status, and whether all peers answer.")
    ] = False,
    probe: Probe = None,
    out: Annotated[
        Path,
        typer.Option(help="Folder for results.jsonl, heat_maps/ and more, of one run at a time."),
    ] = Path(DEFAULT_OUT),
    backend: Backend = "auto",
    threads: Threads = 1,
    steps: Steps = None,
    budget_ms: BudgetMs = None,
    bundle_key: BundleKey = None,
    calibration: CalibrationFile = None,
    calibration_key: CalibrationKey = None,
    max_pixels: MaxPixels = None,
    heat_threshold: HeatThreshold = None,
    other_input: Annotated[
        bool, typer.Option("--other-input", help="Let a bundle for other images replace the one in use.")
    ] = False,
    domain: Domain = True,
    spool: Annotated[
        Path | None,
        typer.Option(
            help="Folder where objects wait on disk until they are scored; an interrupted run goes on "
            "from it [default: OUT/spool; with files alone and none of --sink, --serve, --config: none]."
        ),
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            help="Where else results go: jsonl:FOLDER, sqlite:FILE, mqtt://HOST, https://HOST/PATH, "
            "dicom://HOST:PORT/TITLE."
        ),
    ] = None,
    serve: Annotated[
        str | None, typer.Option(help="HOST:PORT of the live page, /metrics and /healthz.")
    ] = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="PEM file of the page's certificate: HTTPS, with --tls-key.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of the certificate's key.")] = None,
    fps: Fps = None,
    every: Every = None,
    videos: Videos = False,
    roi: Roi = None,
    modalities: Modalities = None,
    body_parts: BodyParts = None,
    views: Views = None,
    sop_classes: SopClasses = None,
    presentation_only: PresentationOnly = False,
    take_empty: TakeEmpty = None,
    turn_upright: TurnUpright = False,
    log_format: Annotated[Literal["text", "json"], typer.Option(help="Of the service's log.")] = "text",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], typer.Option(help="The least that is logged.")
    ] = "info",
    forget: Annotated[
        str | None,
        typer.Option(
            metavar="PATIENT_ID",
            help="Take all of this patient out of spool, results, heat maps, sinks on this machine and "
            "watched folders, and tell what went; the runner is stopped meanwhile.",
        ),
    ] = None,
    older_than: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="DAYS",
            help="Take out what ended before so many days, with --forget the patient's.",
        ),
    ] = None,
    json: Json = None,
    report: Report = None,
    masks: Masks = None,
    overlays: Overlays = None,
    anomalous: Anomalous = None,
    regions: Coco = None,
    engine: Engine = None,
    workers: Workers = None,
    address: Address = None,
    heat: Heat = False,
    keep_measurements: KeepMeasurements = False,
    part_images: PartImages = None,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Score images with a bundle: an anomaly score, a p-value, a verdict and a heat map each.

    Feeds that do not end are scored until SIGTERM or Ctrl-C. Files of a watched folder move to done/ and
    failed/ inside it.

    The bundle proves itself first: its hashes are checked and its golden inputs re-scored on this machine.
    """
    forgets = forget is not None or older_than is not None

    def call() -> ExitCode:
        check_regions(regions)
        check_named(
            bundle_key=bundle_key,
            calibration=calibration,
            calibration_key=calibration_key if calibration else None,
            tls_cert=tls_cert,
            tls_key=tls_key,
        )
        scoring = ScoringSettings(backend, threads, steps, budget_ms, bundle_key, max_pixels, heat_threshold)
        site = CalibrationSettings(calibration, calibration_key)
        unlike = DomainSettings() if domain else None
        log = LogSettings(log_format, "debug" if verbose else log_level)
        if engine:
            loader = Loader(scoring, site, unlike)
            named = named_bundle(bundle, any_will_do=False)
            return score_archive_to(context, named, feeds or [], out, loader, log)
        refuse_without_engine(context)
        if config:
            refuse_beside_config(context)
            if check_config or doctor:
                read = read_for_check(config)
                return print_check(read.settings, read.problems, read.unusable, doctor=doctor)
            settings = read_settings(config)
            if probe is not None:
                return probe_feed(configured(settings, probe))
        elif probe is not None:
            return probe_feed(feeds_of([probe], fps, roi, every=every)[0])
        else:
            settings = Settings(
                bundle=named_bundle(bundle, any_will_do=forgets or status),
                feeds=()
                if (forgets or status) and not feeds
                else feeds_of(
                    feeds or [], fps, roi, film_settings(context.params), every, videos_in_folders=videos
                ),
                out=out,
                sinks=sinks_of(sink or []),
                scoring=scoring,
                calibration=site,
                domain=unlike,
                spool=SpoolSettings(folder=spool),
                swap=SwapSettings(other_input=other_input),
                page=PageSettings(serve, tls_certificate=tls_cert, tls_key=tls_key),
                log=log,
            )
        if forgets:
            return forget_what(settings, forget, older_than)
        ends = all(feed_kind(feed) in ("files", "video") for feed in feeds or [])
        goes_on = spool or sink or serve or config or not ends
        if status:
            return print_status(settings)
        if check_config or doctor:
            left_out = () if goes_on else ("spool", "swap of the bundle")
            return print_check(settings, left_out=left_out, doctor=doctor)
        apart = KeptApart(masks, overlays, anomalous)
        if goes_on:
            refuse_of_files(
                json=json,
                report=report,
                masks=masks,
                overlays=overlays,
                anomalous=anomalous,
                regions=regions,
                videos=Path() if videos else None,
            )
            return _serve(settings)
        found = clips_of(settings, in_folders=videos, fps=fps, roi=roi, every=every)
        return _score_files(settings, found, json, report, apart, verbose, regions is not None)

    run(call)


def _score_files(
    settings: Settings,
    clips: Clips,
    json: Path | None,
    report: Path | None,
    apart: KeptApart,
    verbose: bool,
    regions: bool,
) -> ExitCode:
    check_places(settings.out, json=json, report=report)
    refuse_held_results(settings.out)  # before the bundle takes its time to load
    named = [feed for feed in settings.feeds if isinstance(feed, FilesFeedSettings)]
    images, without = [Path(feed.uri) for feed in named], (*not_inputs(settings), *apart.folders)
    apart.check(settings.out, images)
    found = find_images(images, without, beside=bool(clips.taken)) if images else ImageList()
    if clips.taken and (apart.folders or regions):
        say("masks, overlays, copies and regions are kept of images; frames of videos have heat maps alone")
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
            json,
            films,
            report=report,
            apart=apart,
            regions=_regions(judge, settings) if regions else None,
            decoding=settings.decoding,
            verbose=verbose,
            clips=clips.taken,
        )


def _regions(judge: Judge, settings: Settings) -> CocoRegions:
    """Gather regions, names told below the folder that was named, where it is one."""
    places = [Path(feed.uri) for feed in settings.feeds]
    root = places[0] if len(places) == 1 and places[0].is_dir() else None
    return CocoRegions(root, {"bundle": judge.scorer.bundle, "root": str(root or "")})


def _serve(settings: Settings) -> ExitCode:
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


def score_main() -> None:
    """Entry point of ``sranogan-score``."""
    main(app, "sranogan-score")


if __name__ == "__main__":
    score_main()
