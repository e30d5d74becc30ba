"""``sranogan-export``: parse, call, return an exit code."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from sranogan_edge.cli import run as run_command
from sranogan_edge.errors import ExitCode, ResultsError, SettingsError

if TYPE_CHECKING:
    from sranogan_export.convert import Recipe
    from sranogan_export.write_bundle import ExportResult

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EXIT_CODES = """
Exit codes: 0 exported; 2 wrong usage; 5 the exported graphs cannot be loaded; 6 the bundle cannot be
written; 7 the run folder is unfinished or damaged; 130 interrupted.
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EXIT_CODES)
def export(
    run: Annotated[Path, typer.Argument(help="A finished run folder of sranogan-train.")],
    out: Annotated[Path, typer.Option(help="The bundle to write, NAME.sranogan.")],
    int8: Annotated[bool, typer.Option("--int8", help="8-bit integer graphs (the default).")] = False,
    float16: Annotated[bool, typer.Option("--float16", help="Half-size weights, float32 sums.")] = False,
    float32: Annotated[bool, typer.Option("--float32", help="Full precision.")] = False,
    steps: Annotated[int | None, typer.Option(min=0, help="Search steps, instead of the run's.")] = None,
    json: Annotated[Path | None, typer.Option(help="Write the figures of the export to this file.")] = None,
    audit: Annotated[
        Path | None, typer.Option(help="The --json of sranogan-audit, for the bundle's model card.")
    ] = None,
) -> None:
    """Export a run as one bundle for the device: graphs, densities, threshold, golden cases, model card."""

    def work() -> ExitCode:
        from keras_sranogan.progress import Terminal
        from keras_sranogan.run import Run
        from keras_sranogan.training import write_json
        from sranogan_export.model_card import audit_section
        from sranogan_export.write_bundle import export_run

        recipe, opened = _recipe(int8, float16, float32), Run(run)
        section = audit_section(audit, opened.provenance) if audit else ""
        with Terminal() as progress:
            result = export_run(opened, recipe, out, progress, steps=steps, audit=section)
        _print(result)
        if json:
            try:
                write_json(json, _figures(result))
            except OSError as error:
                raise ResultsError(
                    f"cannot write the figures {json}: {error.strerror or error}. The bundle is complete; "
                    "name another place with --json."
                ) from error
        return ExitCode.OK

    run_command(work)


def _recipe(int8: bool, float16: bool, float32: bool) -> Recipe:
    recipes: dict[Recipe, bool] = {"int8": int8, "float16": float16, "float32": float32}
    asked = [name for name, wanted in recipes.items() if wanted]
    if len(asked) > 1:
        raise SettingsError(f"name one of --int8, --float16, --float32; received {' and '.join(asked)}")
    return asked[0] if asked else "int8"


def _print(result: ExportResult) -> None:
    table = Table(title=f"{result.path} ({result.path.stat().st_size / 2**20:.1f} MiB)")
    for column in ("graph", "KiB", "operators", "of them on float32"):
        table.add_column(column, justify="left" if column == "graph" else "right")
    for name, size in result.graph_bytes.items():
        counts = result.operators[name]
        everything, floating = (str(sum(counts[kind].values())) for kind in ("all", "float32"))
        table.add_row(name, f"{size / 1024:.0f}", everything, floating)
    console = Console()
    console.print(table)
    for name, value in result.reconstruction_l1.items():
        console.print(f"mean |x - reconstruction| on held-out normals, {name}: {value:.4f}")


def _figures(result: ExportResult) -> dict[str, object]:
    return {
        **result.__dict__,
        "path": str(result.path),
        "bundle_bytes": result.path.stat().st_size,
        "threshold": result.threshold if math.isfinite(result.threshold) else None,
    }


def export_main() -> None:
    """Entry point of ``sranogan-export``."""
    app(prog_name="sranogan-export")
