"""The options of ``sranogan-score`` that say what is kept of files beside their results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Anomalous", "Coco", "Json", "Masks", "Overlays", "Report"]

Json = Annotated[
    Path | None, typer.Option(help="Write the figures (counts, mean milliseconds, bundle) to this file.")
]
Report = Annotated[
    Path | None,
    typer.Option(help="Write an HTML page of the files that were scored: figures, pictures, all lines."),
]
Masks = Annotated[
    Path | None,
    typer.Option(help="Folder for a mask of each file: 8-bit PNG of the image's size, 255 in its regions."),
]
Overlays = Annotated[
    Path | None, typer.Option(help="Folder for each file with its heat map, at the image's size.")
]
Anomalous = Annotated[Path | None, typer.Option(help="Folder for copies of the files that are anomalous.")]
Coco = Annotated[
    str | None,
    typer.Option(
        help="coco: also write OUT/regions.json, files' regions as polygons, for FiftyOne, CVAT and the like."
    ),
]
