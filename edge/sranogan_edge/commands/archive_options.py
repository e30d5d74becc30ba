"""The options of scoring an archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

__all__ = ["Address", "Engine", "Heat", "KeepMeasurements", "PartImages", "Workers"]

Engine = Annotated[
    Literal["auto", "local", "ray"] | None,
    typer.Option(
        help="Score an archive of any size into Parquet files in --out, by several workers: processes here, "
        "or those of a Ray cluster (auto: with --address). See docs/guide/archives.md."
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="With --engine: how many [default: one a core, or all of the cluster]."),
]
Address = Annotated[str | None, typer.Option(help="With --engine ray: of the cluster's head, HOST:PORT.")]
Heat = Annotated[bool, typer.Option("--heat", help="With --engine: heat maps of the anomalous images, too.")]
KeepMeasurements = Annotated[
    bool,
    typer.Option(
        "--keep-measurements",
        help="With --engine: keep what sranogan-calibrate --adapt needs of each image (about 7 KB), too.",
    ),
]
PartImages = Annotated[
    int | None,
    typer.Option(min=1, max=100_000, help="With --engine: images of each Parquet file [default: 256]."),
]
Labels = Annotated[
    Path | None,
    typer.Option(
        help="Of an archive's scores: a table (CSV or Parquet) with file or sha256, and label, of its images."
    ),
]
