"""Archives that are drawn for tests, and the rows that scoring them gave."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.dataset as pads
from PIL import Image

from sranogan_edge.archive.item import Item
from sranogan_edge.archive.output import table_of
from sranogan_edge.image.own_outputs import LEDGER

OF_ONE_RUN = ("scored_at", "milliseconds")  # what no two runs have in common
SPARSE_BYTES = 2 * 2**30


def picture(number: int, side: int = 64) -> Image.Image:
    """A smooth blob with noise, another one for each number: something that can be judged."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    grey = 200 * np.exp(-((x - rng.normal(0, 0.1)) ** 2 + y**2) * rng.uniform(4, 9)) + rng.normal(
        20, 4, (side, side)
    )
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8))


def draw_archive(folder: Path, count: int, make_dicom: Callable[..., bytes] | None = None) -> Path:
    """An archive of ``count`` images in sub-folders, some of them DICOM, and one of each kind of bad file."""
    for number in range(count):
        place = folder / f"{number % 3}" / f"{number:05}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        if make_dicom and number % 4 == 0:
            said = {"Manufacturer": "Maker", "StationName": f"R{number % 2}", "AcquisitionDate": "20240203"}
            place.with_suffix("").write_bytes(make_dicom(np.asarray(picture(number)), **said))
        else:
            picture(number).save(place)
    (folder / "empty.png").touch()
    (folder / "text.png").write_text("this is no image")
    whole = (folder / "0" / "00003.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    Image.new("L", (64, 64)).save(folder / "black.png")
    with (folder / "sparse.png").open("wb") as file:
        os.truncate(file.fileno(), SPARSE_BYTES)
    (folder / "notes.txt").write_text("left alone")
    return folder


def rows_in(out: Path) -> list[dict[str, Any]]:
    """All rows, sorted by source, without what no two runs have in common."""
    rows = (
        pads.dataset(str(out), format="parquet").to_table().to_pylist() if any(out.glob("*.parquet")) else []
    )
    kept = ({name: one for name, one in row.items() if name not in OF_ONE_RUN} for row in rows)
    return sorted(kept, key=lambda row: str(row["source"]))


def sources_in(out: Path) -> list[str]:
    """The sources of all rows, sorted: one that stands twice was scored twice."""
    return [str(row["source"]) for row in rows_in(out)]


def left_over(out: Path) -> list[Path]:
    """Files that were begun and not finished."""
    return [*out.rglob("*.part"), *(out / LEDGER).rglob("*.part")]


def items(*names: str) -> list[Item]:
    """Items of these names."""
    return [Item(name, (name,)) for name in names]


def rows_for(listed: list[Item]) -> Any:
    """Rows that a worker might give for items, as they come from one."""
    return table_of([{"source": item.name, "verdict": "normal", "score": 0.5} for item in listed])
