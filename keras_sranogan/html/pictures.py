"""Grids of images as PNG, for people who want to see what was learned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.colour import as_rgb

Images = NDArray[np.float32]
CELL_PX = 128
LABEL_PX = 22


def save_grid(path: Path, images: Images, columns: int) -> None:
    """Save ``images`` ``(N, S, S, C)`` in [0, 1] row by row."""
    cells = [_cell(image, colour=images.shape[-1] > 1) for image in images]
    rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
    full = [row for row in rows if row.shape[1] == rows[0].shape[1]]
    _save(path, np.vstack(full))


def save_columns(path: Path, named: Mapping[str, Images]) -> None:
    """Save images side by side, one column per name, one row per image.

    Sizes may differ between columns; where one is of luminance and opponents, all is in colour.
    """
    columns, colour = [], any(images.shape[-1] > 1 for images in named.values())
    for name, images in named.items():
        header = np.full((LABEL_PX, CELL_PX, 3) if colour else (LABEL_PX, CELL_PX), 255, np.uint8)
        cv2.putText(header, name, (4, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
        columns.append(np.vstack([header, *[_cell(image, colour=colour) for image in images]]))
    _save(path, np.hstack(columns))


def _cell(image: Images, *, colour: bool) -> NDArray[np.uint8]:
    shown = as_rgb(image)[..., ::-1] if colour else image[..., 0]
    enlarged = cv2.resize(shown, (CELL_PX, CELL_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.rint(enlarged.clip(0, 1) * 255), dtype=np.uint8)


def _save(path: Path, picture: NDArray[np.uint8]) -> None:
    _, png = cv2.imencode(".png", picture)
    path.write_bytes(png.tobytes())
