"""``sranogan-score``: parse, call, return an exit code."""

from __future__ import annotations

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
)
from sranogan_edge.commands.kept_options import Anomalous, Coco, Json, Masks, Overlays, Report
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
from sranogan_edge.errors import ExitCode
from sranogan_edge.image.own_outputs import DEFAULT_OUT
from sranogan_edge.terminal import Command, Verbose, Version, main, run

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

    def call() -> ExitCode:
        from sranogan_edge.commands.score_call import score_as_asked  # a typing error is answered without it

        return score_as_asked(context)

    run(call)


def score_main() -> None:
    """Entry point of ``sranogan-score``."""
    main(app, "sranogan-score")


if __name__ == "__main__":
    score_main()
