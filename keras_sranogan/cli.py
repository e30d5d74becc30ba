"""``sranogan-train``, ``sranogan-evaluate`` and ``sranogan-audit``: parse, call, return an exit code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from keras_sranogan.archive_command import (
    Labels,
    SiteCalibrationFile,
    print_audited,
    print_evaluated,
    scores_asked_of,
)
from keras_sranogan.command_line import (
    Data,
    Json,
    MaxBadShare,
    Mlflow,
    NormalClass,
    Page,
    Pictures,
    check_share,
    looked_at,
    opened,
    start,
)
from keras_sranogan.distribute import DistributeOption
from keras_sranogan.fit_options import (
    Align,
    Fit,
    RegionOption,
    TileOverlap,
    TilePx,
    TileWhole,
    check_tiles,
)
from sranogan_edge.errors import ExitCode
from sranogan_edge.terminal import Command, Verbose, Version, main, run, say, shown

TRAIN_EXIT_CODES = """
Exit codes: 0 trained; 2 wrong usage or setting; 3 the data cannot be used; 6 the run folder cannot be
written; 7 the run folder is another run, unfinished, damaged or in use, training diverged, or memory is too
small for a batch; 8 the backend (KERAS_BACKEND: tensorflow or jax) does not start on this machine; 130
interrupted (go on with --resume).
"""
EVALUATE_EXIT_CODES = """
Exit codes: 0 evaluated; 2 wrong usage; 3 the data cannot be used; 5 the bundle was refused; 6 results
cannot be written; 7 the run folder is unfinished or damaged; 130 interrupted.
"""
AUDIT_EXIT_CODES = """
Exit codes: 0 audited, whatever the verdict; 2 wrong usage; 3 the data cannot be used; 5 a bundle was
refused; 6 results cannot be written; 7 a run folder is unfinished or damaged; 130 interrupted.
"""

train_app = typer.Typer(add_completion=False, rich_markup_mode=None)
evaluate_app = typer.Typer(add_completion=False, rich_markup_mode=None)
audit_app = typer.Typer(add_completion=False, rich_markup_mode=None)
Preset = Annotated[
    str, typer.Option(help="demo (phantom, 4 min), standard (1,000 images, up to 60 min, 2 cores) or paper.")
]
Size = Annotated[
    int | None,
    typer.Option(help="Side in pixels judged at: 32, 64, 128, 256, 512; the search runs at half."),
]


@train_app.command(cls=Command, epilog=TRAIN_EXIT_CODES)
def train(
    context: typer.Context,
    data: Data,
    out: Annotated[Path, typer.Option(help="Run folder to make.")],
    preset: Preset = "standard",
    size: Size = None,
    fit: Fit = None,
    tile_px: TilePx = None,
    tile_overlap: TileOverlap = None,
    tile_whole: TileWhole = None,
    region: RegionOption = None,
    align: Align = False,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights and scores.")] = 0,
    precision: Annotated[str, typer.Option(help="auto, float32 or mixed_bfloat16.")] = "auto",
    anomalies: Annotated[
        str,
        typer.Option(
            help="What the head learns to find: spots (bright and dark), opacities (bright alone), defects "
            "(spots, grain, patches, scratches), mixture (spots, patches, scratches, foreign texture), flaws "
            "(small, sharp and ragged), or auto: flaws in tiles, mixture for an MVTec, BTAD or VisA folder, "
            "else spots."
        ),
    ] = "auto",
    colour: Annotated[
        str,
        typer.Option(
            "--colour",
            "--color",
            help="on: the head sees colours, too; off: brightness alone; auto: on where half of the normals "
            "are in colour.",
        ),
    ] = "auto",
    contamination: Annotated[
        float, typer.Option(help="Share of the normals to leave out as suspect, where some may be abnormal.")
    ] = 0.0,
    settings: Annotated[
        Path | None,
        typer.Option(
            help="A .json or .toml file with any of the settings that a run saves in settings.json; options "
            "of the command line go before it."
        ),
    ] = None,
    normal_class: NormalClass = "NORMAL",
    max_bad_share: MaxBadShare = 0.05,
    images_in: Annotated[
        str,
        typer.Option(
            help="Where preprocessed images are meanwhile: memory, disk (RUN/images), or auto: disk where "
            "they would take most of the memory that is free. The model is the same."
        ),
    ] = "auto",
    distribute: DistributeOption = "none",
    mlflow: Mlflow = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Train the three stages and the detector on normal images alone.

    Only images of the train split's normal class are used. A fifth of them, by patient, is held out to fit
    the detector's densities and threshold.
    """

    def work() -> ExitCode:
        from keras_sranogan.data.images_in import ImagesIn
        from keras_sranogan.distribute import Distribute, check_distribute
        from keras_sranogan.run_record import RunRecord
        from keras_sranogan.settings import Anomalies, check_choice
        from keras_sranogan.settings_file import read_settings_file
        from keras_sranogan.tracking import Tracking, check_uri
        from keras_sranogan.train_options import on_the_line, train_settings
        from keras_sranogan.training.fit import fit_to

        check_choice("--anomalies", anomalies, ("auto", *get_args(Anomalies)))
        check_choice("--colour", colour, ("auto", "on", "off"))
        check_choice("--images-in", images_in, get_args(ImagesIn))
        check_distribute(distribute)
        check_uri(mlflow)
        check_share(max_bad_share)
        said = on_the_line(context)
        in_file = read_settings_file(settings) if settings else {}
        wanted, _ = train_settings(said, in_file, "spots")  # told before a folder is looked through
        check_tiles(said, wanted)
        RunRecord(out).refuse_begun(resume=resume)
        most = wanted.preprocess.max_pixels
        source = opened(data, normal_class, verbose, split="train", max_pixels=most)
        tracking = Tracking(mlflow) if mlflow else None
        chosen, asked = train_settings(said, in_file, source.anomalies)
        chosen, why_so = fit_to(source, chosen, said, in_file, out if resume else None)
        say(*why_so)
        start()
        from keras_sranogan.precision import resolve_precision
        from keras_sranogan.progress import Terminal
        from keras_sranogan.training.colour import takes_colour
        from keras_sranogan.training.report import end_lines, write_report
        from keras_sranogan.training.train import train as train_all

        if colour != "auto" or "colour" not in in_file.get("preprocess", {}):
            takes, why = takes_colour(colour, source, out if resume else None)
            say(*filter(None, [why]))
            chosen = replace(chosen, preprocess=replace(chosen.preprocess, colour=takes))
        chosen = replace(chosen, precision=resolve_precision(asked))
        try:
            with Terminal() as progress:
                done = train_all(
                    source,
                    out,
                    chosen,
                    progress,
                    resume=resume,
                    max_bad_share=max_bad_share,
                    images_in=cast("ImagesIn", images_in),
                    distribute=cast("Distribute", distribute),
                )
        except KeyboardInterrupt:
            typer.echo(f"{out} keeps what was trained; repeat the command with --resume to go on", err=True)
            raise
        report = write_report(done, data)
        for line in end_lines(done, data, report):
            typer.echo(shown(line))
        if tracking:
            typer.echo(shown(tracking.log_training(done, report)))
        return ExitCode.OK

    run(work)


@evaluate_app.command(cls=Command, epilog=EVALUATE_EXIT_CODES)
def evaluate(
    context: typer.Context,
    model: Annotated[
        Path, typer.Argument(help="A run folder (Keras, float32) or a bundle (the device's graphs).")
    ],
    data: Data,
    split: Annotated[str, typer.Option(help="Which split to evaluate on.")] = "test",
    json: Json = None,
    report: Page = None,
    pictures: Pictures = None,
    anogan_steps: Annotated[
        int, typer.Option(min=1, help="Steps of the plain AnoGAN search from a random start (runs only).")
    ] = 100,
    low_pass: Annotated[bool, typer.Option(help="Also compute the low-pass control column.")] = True,
    normal_class: NormalClass = "NORMAL",
    labels: Labels = None,
    calibration: SiteCalibrationFile = None,
    max_bad_share: MaxBadShare = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of the random starts, and of an audit.")] = 0,
    audit: Annotated[bool, typer.Option("--audit", help="Add the shortcut audit (sranogan-audit).")] = False,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Report how well normals and abnormals are told apart, beside plain AnoGAN and trivial baselines.

    DATA may be the scores of an archive (sranogan-score --engine): nothing is scored again then.

    Where defects are marked or of several types, also by type and size, with pixel AUROC and AUPRO. Labels
    are used here to report, never to train or to set the threshold.
    """

    def work() -> ExitCode:
        if scores := scores_asked_of(context, [model], "max_bad_share"):
            check_share(max_bad_share)
            return print_evaluated(scores, json, report, max_bad_share)
        source = looked_at([model], data, normal_class, verbose, split, max_bad_share)
        from keras_sranogan.audit.report import print_audit
        from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_model
        from keras_sranogan.evaluation.report import print_figures
        from keras_sranogan.html.page import Places
        from keras_sranogan.progress import Terminal

        options = EvaluationOptions(
            split=split,
            anogan_steps=anogan_steps,
            low_pass=low_pass,
            max_bad_share=max_bad_share,
            seed=seed,
            audit=audit,
        )
        Places(json, report, pictures).make_folders()
        start()
        with Terminal() as progress:
            figures = evaluate_model(
                model, source, options, progress, json=json, report=report, pictures=pictures
            )
        print_figures(figures)
        if audit:
            print_audit(figures["audit"])
        return ExitCode.OK

    run(work)


@audit_app.command(cls=Command, epilog=AUDIT_EXIT_CODES)
def audit(
    context: typer.Context,
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL...", help="Run folders or bundles; several: seeds of one design."),
    ],
    data: Data,
    split: Annotated[str, typer.Option(help="Which split to audit on.")] = "test",
    json: Json = None,
    report: Page = None,
    pictures: Pictures = None,
    card: Annotated[
        Path | None, typer.Option(help="Write a Markdown section for a model card to this file.")
    ] = None,
    normal_class: NormalClass = "NORMAL",
    labels: Labels = None,
    calibration: SiteCalibrationFile = None,
    max_bad_share: MaxBadShare = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap and of what the controls draw.")] = 0,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Tell whether a model finds the abnormality, or reads how the images were made.

    Every image is changed in one respect at a time (detail, compression, borders, centre, exposure, pose) and
    scored again; what the score hangs on gives itself away. Labels are used here to report, never to train.

    Of an archive's scores (sranogan-score --engine): false alarms by month, scanner and site, and where they
    differ.
    """

    def work() -> ExitCode:
        if scores := scores_asked_of(context, models):
            return print_audited(scores, json, report)
        source = looked_at(models, data, normal_class, verbose, split, max_bad_share)
        from keras_sranogan.audit.audit import AuditOptions, audit_models
        from keras_sranogan.audit.report import print_audit
        from keras_sranogan.html.page import Places
        from keras_sranogan.progress import Terminal

        options = AuditOptions(split=split, max_bad_share=max_bad_share, seed=seed)
        places = Places(json, report, pictures, card)
        places.make_folders()
        start()
        with Terminal() as progress:
            figures = audit_models(models, source, options, progress, places)
        print_audit(figures)
        return ExitCode.OK

    run(work)


def train_main() -> None:
    """Entry point of ``sranogan-train``."""
    main(train_app, "sranogan-train")


def evaluate_main() -> None:
    """Entry point of ``sranogan-evaluate``."""
    main(evaluate_app, "sranogan-evaluate")


def audit_main() -> None:
    """Entry point of ``sranogan-audit``."""
    main(audit_app, "sranogan-audit")
