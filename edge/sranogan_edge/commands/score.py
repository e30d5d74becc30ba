"""``sranogan-score``: parse, call, return an exit code."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

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
from sranogan_edge.commands.options import feeds_of, print_check, sinks_of
from sranogan_edge.commands.score_files import find_images, score_files
from sranogan_edge.detector.load import CalibrationSettings, DomainSettings, Loader, ScoringSettings
from sranogan_edge.errors import ExitCode, SettingsError, SranoganError
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.kinds import is_feed_uri
from sranogan_edge.image.film import EVERY_FILM
from sranogan_edge.image.own_outputs import DEFAULT_OUT
from sranogan_edge.log import LogSettings, log_to_stderr, logging_to_stderr
from sranogan_edge.runtime.graph import BACKENDS
from sranogan_edge.settings.folders import not_inputs
from sranogan_edge.settings.read import read_for_check, read_settings
from sranogan_edge.settings.tree import PageSettings, Settings, SpoolSettings
from sranogan_edge.spool.lock import refuse_held_results
from sranogan_edge.terminal import Verbose, Version, main, run

EXIT_CODES = """
Exit codes: 0 all images were scored, the service was told to stop, or --check-config found no
error; 1 something unexpected: an error of ours, with a traceback; 2 wrong usage or settings; 3 there
was nothing to score, or a feed, file or folder cannot be opened; 4 some images could not be scored
(each has its line with the error), or one feed of several ended with an error; 5 the bundle or the
calibration was refused: damaged, of another version, or its golden cases score otherwise here; 6
results, the spool or standard output cannot be written, or another runner holds them; 8 the backend
that was asked for is missing or fails, or no step budget is fast enough on it now; 130 interrupted.
"""

_log = logging.getLogger("sranogan_edge.commands.score")

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EXIT_CODES)
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
    out: Annotated[
        Path, typer.Option(help="Folder for results.jsonl and heat_maps/, of one run at a time.")
    ] = Path(DEFAULT_OUT),
    backend: Annotated[
        str, typer.Option(help=f"What runs the graphs: {', '.join(BACKENDS)}. See docs/guide/backends.md.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    steps: Annotated[
        int | None, typer.Option(min=0, help="Search steps; one of the bundle's budgets [default: its own].")
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Take the most search steps that keep an image within these milliseconds (p95, without "
            "reading and writing files), measured at start-up.",
        ),
    ] = None,
    bundle_key: Annotated[Path | None, typer.Option(help="The key that must have signed the bundle.")] = None,
    calibration: Annotated[
        Path | None, typer.Option(help="This site's calibration, from sranogan-calibrate.")
    ] = None,
    calibration_key: Annotated[
        Path | None, typer.Option(help="The key that must have signed the calibration.")
    ] = None,
    domain: Annotated[
        bool,
        typer.Option(
            help='Answer "not like the training data" to foreign images, by the calibration\'s normals or, '
            "without one, the bundle's own."
        ),
    ] = True,
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
    fps: Annotated[float | None, typer.Option(help="Most frames a second to take of each camera.")] = None,
    roi: Annotated[
        str | None, typer.Option(help="x,y,width,height in pixels: the part of each camera's picture.")
    ] = None,
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
    json: Annotated[
        Path | None, typer.Option(help="Write the figures (counts, mean milliseconds, bundle) to this file.")
    ] = None,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Score images with a bundle: an anomaly score, a p-value, a verdict and a heat map each.

    Feeds that do not end are scored until SIGTERM or Ctrl-C. Files of a watched folder move to done/ and
    failed/ inside it.

    The bundle proves itself first: its hashes are checked and its golden inputs re-scored on this machine.
    """

    def call() -> ExitCode:
        if config:
            _refuse_beside_config(context)
            if check_config:
                read = read_for_check(config)
                return print_check(read.settings, read.problems, read.unusable)
            settings = read_settings(config)
        else:
            settings = Settings(
                bundle=_named(bundle),
                feeds=feeds_of(feeds or [], fps, roi, film_settings(context.params)),
                out=out,
                sinks=sinks_of(sink or []),
                scoring=ScoringSettings(backend, threads, steps, budget_ms, bundle_key),
                calibration=CalibrationSettings(calibration, calibration_key),
                domain=DomainSettings() if domain else None,
                spool=SpoolSettings(folder=spool),
                page=PageSettings(serve),
                log=LogSettings(log_format, "debug" if verbose else log_level),
            )
        goes_on = spool or sink or serve or config or any(is_feed_uri(feed) for feed in feeds or [])
        if check_config:
            return print_check(settings, left_out=() if goes_on else ("spool", "swap of the bundle"))
        return _serve(settings, json) if goes_on else _score_files(settings, json, verbose)

    run(call)


def _named(bundle: Path | None) -> Path:
    if bundle is None:
        raise SettingsError("name a BUNDLE and one or more FEEDs, or --config FILE; see --help")
    return bundle


def _refuse_beside_config(context: typer.Context) -> None:
    """Two places that say the same could contradict each other."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    on_the_line = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    options = set(on_the_line) - {"config", "check_config", "bundle", "feeds"}
    places = [context.params["bundle"], *(context.params["feeds"] or [])]
    given = [str(place) for place in places if place is not None]
    given += [f"--{name.replace('_', '-')}" for name in on_the_line if name in options]
    if given:
        names = ", ".join(given)
        raise SettingsError(
            f"{names}: the file of --config says that. Change it there, or override it for once by "
            "environment variable: SRANOGAN_SECTION__KEY=VALUE"
        )


def _score_files(settings: Settings, json: Path | None, verbose: bool) -> ExitCode:
    refuse_held_results(settings.out)  # before the bundle takes its time to load
    found = find_images([Path(feed.uri) for feed in settings.feeds], without=not_inputs(settings))
    log_to_stderr(settings.log, text="%(message)s")
    loader = Loader(settings.scoring, settings.calibration, settings.domain)
    judge = loader.judge(loader.detector(settings.bundle))
    feed = settings.feeds[0]  # what is asked for holds for all of the call
    films = feed.films if isinstance(feed, FilesFeedSettings) else EVERY_FILM
    return score_files(judge, found, settings.out, json, films, verbose=verbose)


def _serve(settings: Settings, json: Path | None) -> ExitCode:
    if json:
        raise SettingsError(
            "--json sums up files that end; it does not go with --spool, --sink, --serve, --config or a feed "
            "that goes on"
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


def score_main() -> None:
    """Entry point of ``sranogan-score``."""
    main(app, "sranogan-score")


if __name__ == "__main__":
    score_main()
