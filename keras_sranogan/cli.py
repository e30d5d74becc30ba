"""``sranogan-train``, ``sranogan-evaluate`` and ``sranogan-audit``: parse, call, return an exit code."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from keras_sranogan.settings import TrainSettings
from sranogan_edge.errors import ExitCode
from sranogan_edge.image.image_list import told
from sranogan_edge.log import log_to_stderr
from sranogan_edge.terminal import Verbose, Version, main, run, say

if TYPE_CHECKING:
    from keras_sranogan.data.item import DataSource

DATA_HELP = (
    "What to read: phantom (the built-in synthetic chest films; phantom:texture for surfaces), a folder of "
    "normal images, a folder root/{train,val,test}/{CLASS}, an MVTec folder, or medmnist:pneumoniamnist. "
    "Other usual names of splits and normals are understood; what is not is refused."
)
TRAIN_EXIT_CODES = """
Exit codes: 0 trained; 2 wrong usage or setting; 3 the data cannot be used; 6 the run folder cannot be
written; 7 the run folder is another run, unfinished, damaged or in use, or training diverged; 130 interrupted
(go on with --resume).
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
Data = Annotated[str, typer.Argument(help=DATA_HELP)]
Json = Annotated[Path | None, typer.Option(help="Write all figures to this file.")]
Page = Annotated[Path | None, typer.Option(help="Write an HTML page with pictures.")]
Pictures = Annotated[Path | None, typer.Option(help="Write the pictures as PNG into this folder.")]
NormalClass = Annotated[
    str,
    typer.Option(
        help="Name of the class folder that holds the normals (NORMAL also: good, ok, healthy ...); * takes "
        "all images at any depth for normal."
    ),
]
MaxBadShare = Annotated[float, typer.Option(help="Fail when more than this share of images is unreadable.")]
Preset = Annotated[
    str, typer.Option(help="demo (phantom, 4 min), standard (1,000 images, up to 60 min, 2 cores) or paper.")
]
Size = Annotated[
    int | None,
    typer.Option(help="Side in pixels judged at: 32, 64, 128, 256, 512; the search runs at half."),
]


@train_app.command(epilog=TRAIN_EXIT_CODES)
def train(
    context: typer.Context,
    data: Data,
    out: Annotated[Path, typer.Option(help="Run folder to make.")],
    preset: Preset = "standard",
    size: Size = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same weights and scores.")] = 0,
    precision: Annotated[str, typer.Option(help="auto, float32 or mixed_bfloat16.")] = "auto",
    anomalies: Annotated[
        str,
        typer.Option(
            help="What the head learns to find: spots (bright and dark), opacities (bright alone), defects "
            "(spots, grain, patches, scratches), mixture (spots, patches, scratches, foreign texture), or "
            "auto: mixture for an MVTec folder, else spots."
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
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Train the three stages and the detector on normal images alone.

    Only images of the train split's normal class are used. A fifth of them, by patient, is held out to fit
    the detector's densities and threshold.
    """

    def work() -> ExitCode:
        _start()
        from keras_sranogan.progress import Terminal
        from keras_sranogan.settings import Anomalies, check_choice
        from keras_sranogan.settings_file import read_settings_file
        from keras_sranogan.training.train import train as train_all

        check_choice("--anomalies", anomalies, ("auto", *get_args(Anomalies)))
        said = _on_the_line(context)
        in_file = read_settings_file(settings) if settings else {}
        source = _opened(data, normal_class, verbose)
        chosen = _train_settings(said, in_file, source.anomalies)
        try:
            with Terminal() as progress:
                done = train_all(source, out, chosen, progress, resume=resume, max_bad_share=max_bad_share)
        except KeyboardInterrupt:
            typer.echo(f"{out} keeps what was trained; repeat the command with --resume to go on", err=True)
            raise
        minutes = ", ".join(f"{name} {value:.1f}" for name, value in done.progress.items())
        typer.echo(f"trained in {sum(done.progress.values()):.1f} min ({minutes}); run folder: {out}")
        return ExitCode.OK

    run(work)


def _start() -> None:
    from keras_sranogan.startup import start_tensorflow

    start_tensorflow()
    log_to_stderr(text="%(message)s")  # libraries quote patients in warnings: without their words


def _opened(data: str, normal_class: str, verbose: bool) -> DataSource:
    """The data source, once it was told what was passed over in it."""
    from keras_sranogan.data.open import open_source, passed_over_by

    source = open_source(data, normal_class=normal_class)
    say(*told(passed_over_by(source), verbose=verbose))
    return source


def _on_the_line(context: typer.Context) -> dict[str, Any]:
    """The options that were named, not those left at what they usually are."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name: context.params[name] for name, one in sources.items() if one and one.name == "COMMANDLINE"}


def _train_settings(said: dict[str, Any], in_file: dict[str, Any], usual_anomalies: Any) -> TrainSettings:
    """The settings of a preset, changed by a file's, changed by the options that were ``said``."""
    from keras_sranogan.precision import resolve_precision
    from keras_sranogan.settings import preset
    from keras_sranogan.settings_file import changed_by, merged

    line: dict[str, Any] = {name: said[name] for name in ("preset", "seed", "precision") if name in said}
    if said.get("size") is not None:
        line["preprocess"] = {"size": said["size"]}
    if "anomalies" in said:
        line["head"] = {"anomalies": usual_anomalies if said["anomalies"] == "auto" else said["anomalies"]}
    if "contamination" in said:
        line["detector"] = {"contamination": said["contamination"]}
    values = merged(in_file, line)
    usual = preset(values.pop("preset", TrainSettings.preset), anomalies=usual_anomalies)
    precision = resolve_precision(values.pop("precision", "auto"))
    return replace(changed_by(usual, values), precision=precision)


@evaluate_app.command(epilog=EVALUATE_EXIT_CODES)
def evaluate(
    model: Annotated[
        Path, typer.Argument(help="A run folder (Keras, float32) or a bundle (the device's graphs).")
    ],
    data: Data,
    split: Annotated[str, typer.Option(help="Which split to evaluate on.")] = "test",
    json: Json = None,
    report: Page = None,
    pictures: Pictures = None,
    anogan_steps: Annotated[
        int, typer.Option(help="Steps of the plain AnoGAN search from a random start (runs only).")
    ] = 100,
    low_pass: Annotated[bool, typer.Option(help="Also compute the low-pass control column.")] = True,
    normal_class: NormalClass = "NORMAL",
    max_bad_share: MaxBadShare = 0.05,
    seed: Annotated[int, typer.Option(help="Of the random starts, and of an audit.")] = 0,
    audit: Annotated[bool, typer.Option("--audit", help="Add the shortcut audit (sranogan-audit).")] = False,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Report how well normals and abnormals are told apart, beside plain AnoGAN and trivial baselines.

    Labels are used here to report, never to train or to set the threshold.
    """

    def work() -> ExitCode:
        _start()
        from keras_sranogan.audit.report import print_audit
        from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_model
        from keras_sranogan.evaluation.report import print_figures
        from keras_sranogan.progress import Terminal

        options = EvaluationOptions(
            split=split,
            anogan_steps=anogan_steps,
            low_pass=low_pass,
            max_bad_share=max_bad_share,
            seed=seed,
            audit=audit,
        )
        with Terminal() as progress:
            source = _opened(data, normal_class, verbose)
            figures = evaluate_model(
                model, source, options, progress, json=json, report=report, pictures=pictures
            )
        print_figures(figures)
        if audit:
            print_audit(figures["audit"])
        return ExitCode.OK

    run(work)


@audit_app.command(epilog=AUDIT_EXIT_CODES)
def audit(
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
    max_bad_share: MaxBadShare = 0.05,
    seed: Annotated[int, typer.Option(help="Of the bootstrap and of what the controls draw.")] = 0,
    verbose: Verbose = False,
    version: Version = False,
) -> None:
    """Tell whether a model finds the abnormality, or reads how the images were made.

    Every image is changed in one respect at a time (detail, compression, borders, centre, exposure, pose) and
    scored again; what the score hangs on gives itself away. Labels are used here to report, never to train.
    """

    def work() -> ExitCode:
        _start()
        from keras_sranogan.audit.audit import AuditOptions, audit_models
        from keras_sranogan.audit.report import print_audit
        from keras_sranogan.html.page import Places
        from keras_sranogan.progress import Terminal

        options = AuditOptions(split=split, max_bad_share=max_bad_share, seed=seed)
        with Terminal() as progress:
            source = _opened(data, normal_class, verbose)
            figures = audit_models(models, source, options, progress, Places(json, report, pictures, card))
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
