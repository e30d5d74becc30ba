"""The options that say by what, and how, images are judged: the same on every command that judges them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sranogan_edge.image.guard import MOST_PIXELS
from sranogan_edge.runtime.backends import BACKENDS

__all__ = [
    "Backend",
    "BudgetMs",
    "BundleKey",
    "CalibrationFile",
    "CalibrationKey",
    "Domain",
    "HeatThreshold",
    "MaxPixels",
    "Steps",
    "Threads",
]

Backend = Annotated[
    str, typer.Option(help=f"What runs the graphs: {', '.join(BACKENDS)}. See docs/guide/backends.md.")
]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Steps = Annotated[
    int | None, typer.Option(min=0, help="Search steps; one of the bundle's budgets [default: its own].")
]
BudgetMs = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        help="Take the most search steps that keep an image within these milliseconds (p95, without "
        "reading and writing files), measured at start-up.",
    ),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_PIXELS,
        help="Refuse images of more pixels, all frames together, unread [default: the bundle's limit].",
    ),
]
HeatThreshold = Annotated[
    float | None,
    typer.Option(
        help="Heat above which a place is one of the image's regions, in standard deviations [default: the "
        "bundle's: one normal in four has such heat somewhere]."
    ),
]
BundleKey = Annotated[Path | None, typer.Option(help="The key that must have signed the bundle.")]
CalibrationFile = Annotated[
    Path | None, typer.Option(help="This site's calibration, from sranogan-calibrate.")
]
CalibrationKey = Annotated[Path | None, typer.Option(help="The key that must have signed the calibration.")]
Domain = Annotated[
    bool,
    typer.Option(
        help='Answer "not like the training data" to foreign images, by the calibration\'s normals or, '
        "without one, the bundle's own."
    ),
]
