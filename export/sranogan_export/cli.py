"""``sranogan-export``: parse, call, return an exit code."""

from __future__ import annotations

import math
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from keras_sranogan.command_line import Mlflow
from sranogan_edge.errors import ExitCode, ResultsError, SettingsError
from sranogan_edge.files import check_named, write_json
from sranogan_edge.terminal import Command, Version, main, say, shown, terminal
from sranogan_edge.terminal import run as run_command

if TYPE_CHECKING:
    from keras_sranogan.run_record import RunRecord
    from sranogan_export.recipe import ExportOptions, Recipe
    from sranogan_export.write_bundle import ExportResult

EXIT_CODES = """
Exit codes: 0 exported; 2 wrong usage, or an extra is missing; 5 the graphs do not compute what the networks
do; 6 the bundle cannot be written; 7 the run folder is unfinished or damaged, or lacks a network; 8 the
graphs cannot be loaded or fine-tuned; 130 interrupted.
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command, epilog=EXIT_CODES)
def export(
    run: Annotated[Path, typer.Argument(help="A finished run folder of sranogan-train.")],
    out: Annotated[Path, typer.Option(help="The bundle to write, NAME.sranogan.")],
    int8: Annotated[bool, typer.Option("--int8", help="8-bit integer graphs (the default).")] = False,
    float16: Annotated[bool, typer.Option("--float16", help="Half-size weights, float32 sums.")] = False,
    float32: Annotated[bool, typer.Option("--float32", help="Full precision.")] = False,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="8-bit weights, float32 activations.")] = False,
    ptq: Annotated[
        bool, typer.Option("--ptq", help="int8 without fine-tuning: quicker, less exact.")
    ] = False,
    qat: Annotated[str, typer.Option(help="What fine-tunes int8 graphs: keras, or tfmot (extra).")] = "",
    symmetric: Annotated[
        bool, typer.Option("--symmetric", help="int8 with zero points of 0, as TensorRT wants them.")
    ] = False,
    search: Annotated[
        str | None, typer.Option(help="gradient, learned or encoder, instead of the run's.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=0, help="Search steps, instead of the run's.")] = None,
    budgets: Annotated[
        str, typer.Option(help="More numbers of steps for the device to choose from, such as 0,2,4.")
    ] = "",
    onnx: Annotated[bool, typer.Option("--onnx", help="Also write the graphs as ONNX (extra).")] = False,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the fine-tuning, instead of the run's.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures of the export to this file.")] = None,
    audit: Annotated[
        Path | None, typer.Option(help="The --json of sranogan-audit, for the bundle's model card.")
    ] = None,
    sign: Annotated[
        Path | None,
        typer.Option(help="Sign the bundle: an Ed25519 private key in PEM, or a secret for HMAC."),
    ] = None,
    mlflow: Mlflow = None,
    version: Version = False,
) -> None:
    """Export a run as one bundle for the device: graphs, densities, threshold, golden cases, model card."""

    def work() -> ExitCode:
        from keras_sranogan.run_record import RunRecord
        from keras_sranogan.tracking import Tracking, check_uri
        from sranogan_export.place import check_place
        from sranogan_export.recipe import ExportOptions

        check_uri(mlflow)
        options = ExportOptions(
            recipe=_recipe(int8=int8, float16=float16, float32=float32, dynamic=dynamic),
            engine=_engine(ptq, qat),  # type: ignore[arg-type]  # ExportOptions checks it
            search=search,  # type: ignore[arg-type]  # SearchSettings checks it
            steps=steps,
            budgets=_budgets(budgets),
            symmetric=symmetric,
            onnx=onnx,
            seed=seed,
        )
        record = RunRecord(run)
        record.check_finished()
        options.searches(record.settings)
        check_place(out)
        check_named(sign=sign, audit=audit)
        tracking = Tracking(mlflow) if mlflow else None
        section = _section(audit, record) if audit else ""
        result = _exported(run, options, out, section, sign)
        print_result(result)
        where = "--out scores --report scores/report.html"
        typer.echo(shown(f"next: sranogan-score {shlex.quote(str(out))} NEW_IMAGES/ {where}"))
        if json:
            _write_figures(json, result)
        if tracking:
            files = [_picture_of(out), *filter(None, [json])]
            typer.echo(shown(tracking.log_export(record, out, _numbers(result), *files)))
        return ExitCode.OK

    run_command(work)


def _section(audit: Path, record: RunRecord) -> str:
    from sranogan_export.model_card import audit_section  # scikit-learn comes with it

    return audit_section(audit, record.provenance)


def _exported(run: Path, options: ExportOptions, out: Path, audit: str, key: Path | None) -> ExportResult:
    """Start TensorFlow, export, and draw what the proof of equality found."""
    from keras_sranogan.startup import start_tensorflow

    say(*start_tensorflow())
    from keras_sranogan.progress import Terminal
    from keras_sranogan.run import Run
    from sranogan_export.proof.compare_plot import plot
    from sranogan_export.write_bundle import export_run

    with Terminal() as progress:
        result = export_run(Run(run), options, out, progress, audit=audit, key=key)
    plot(result.equality, _picture_of(out))
    return result


def _picture_of(bundle: Path) -> Path:
    """Where what the proof of equality found is drawn."""
    return bundle.with_name(f"{bundle.stem}.equality.png")


def _numbers(result: ExportResult) -> dict[str, float]:
    """Return the figures of an export for a chart."""
    apart = {f"reconstruction_l1_{steps}_steps": value for steps, value in result.reconstruction_l1.items()}
    return {"bundle_bytes": float(result.path.stat().st_size), **apart}


def _recipe(**asked: bool) -> Recipe:
    named = [name for name, wanted in asked.items() if wanted]
    if len(named) > 1:
        options = ", ".join(f"--{name}" for name in asked)
        raise SettingsError(f"name one of {options}; received {' and '.join(named)}")
    return named[0] if named else "int8"  # type: ignore[return-value]  # the options are named so


def _engine(ptq: bool, qat: str) -> str:
    if ptq and qat:
        raise SettingsError(f"--ptq is without fine-tuning, --qat with; received --ptq and --qat {qat}")
    return "none" if ptq else qat or "keras"


def _budgets(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(one) for one in text.split(",") if one.strip())
    except ValueError as error:
        raise SettingsError(
            f"--budgets must be whole numbers of steps such as 0,2,4; received {text!r}"
        ) from error


def _write_figures(path: Path, result: ExportResult) -> None:
    try:
        write_json(path, _figures(result))
    except OSError as error:
        raise ResultsError(
            f"cannot write the figures {path}: {error.strerror or error}. The bundle is complete; "
            "name another place with --json."
        ) from error


def print_result(result: ExportResult) -> None:
    """Show tables of the graphs, of the fine-tuning and of the proof of equality."""
    from sranogan_export.proof.compare_table import print_tables

    table = Table(title=f"{result.path} ({result.path.stat().st_size / 2**20:.1f} MiB)")
    for column in ("graph", "operators", "of them on float32"):
        table.add_column(column, justify="left" if column == "graph" else "right")
    for name, counts in result.operators.items():
        table.add_row(name, *(str(sum(counts[kind].values())) for kind in ("all", "float32")))
    console = terminal()
    console.print(table)
    sizes = ", ".join(f"{name} {size / 1024:.0f} KiB" for name, size in result.graph_bytes.items())
    console.print(f"sizes: {sizes}")
    if result.gains:
        _print_gains(console, result)
    for steps, value in result.reconstruction_l1.items():
        console.print(f"mean |x - reconstruction| on held-out normals, {steps} steps: {value:.4f}")
    if result.foreign_by:
        what = "images that are not like the training data are told"
        told = f"{what} {result.foreign_by}".replace("are told off: ", "are not told: ")
        console.print(told, soft_wrap=True)
    print_tables(result.equality, console)


def _print_gains(console: Console, result: ExportResult) -> None:
    table = Table(title="error on integers, of each network's output, relative to its spread")
    for column in ("network", "after training", "fine-tuned", "kept", "by"):
        table.add_column(column, justify="right" if column in ("after training", "fine-tuned") else "left")
    for gain in result.gains:
        errors = (f"{error:.2%}" for error in (gain.ptq_error, gain.qat_error))
        table.add_row(gain.network, *errors, gain.kept, gain.engine)
    console.print(table)


def _figures(result: ExportResult) -> dict[str, object]:
    return {
        **result.__dict__,
        "path": str(result.path),
        "equality": result.equality.to_dict(),
        "gains": [asdict(gain) for gain in result.gains],
        "bundle_bytes": result.path.stat().st_size,
        "threshold": result.threshold if math.isfinite(result.threshold) else None,
    }


def export_main() -> None:
    """Entry point of ``sranogan-export``."""
    main(app, "sranogan-export")
