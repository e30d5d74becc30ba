"""The table of papers as text: image AUROC, pixel AUROC and AUPRO of all defects, of each type and size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from keras_sranogan.html.text import number
from sranogan_edge.terminal import shown

__all__ = ["FIGURES", "NOTE", "columns_of", "defect_rows", "figure_table", "is_worth_a_table"]

FIGURES = {
    "auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "AUPRO 0.3",
    "pixel_auspro": "AU-sPRO 0.05",
}
NOTE = (
    "Each line sets its defects against all normals. Pixels are those of the images' own sizes; AUPRO is the "
    "overlap with each marked part up to 30 % false positives. Sizes are thirds of the images by the share "
    "that is marked."
)
_OFTEN_MISSING = "pixel_auspro"  # only where the data say how much of a defect is enough


def columns_of(lines: list[Mapping[str, Any]]) -> list[str]:
    """The figures that stand in a table of ``lines``: all that are always there, and what any of them has."""
    return [
        name
        for name in FIGURES
        if name != _OFTEN_MISSING or any(line.get(name) is not None for line in lines)
    ]


def is_worth_a_table(defects: Mapping[str, Any] | None) -> bool:
    """Whether it says more than the AUROC of the images: earlier figures have none of it."""
    if not defects:
        return False
    return len(defects["by_type"]) > 1 or defects["all"]["pixel_auroc"] is not None


def lines_of(defects: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The figures by what a line of the table is called."""
    sizes = {
        f"{name} ({100 * one['from_share']:.2g} to {100 * one['to_share']:.2g} % of the image)": one
        for name, one in defects["by_size"].items()
    }
    return {"all": defects["all"], **defects["by_type"], **sizes}


def defect_rows(defects: Mapping[str, Any]) -> tuple[list[str], list[list[str]]]:
    """Return the heads and the cells of each line: all, each type, each size."""
    lines = lines_of(defects)
    names = columns_of(list(lines.values()))
    rows = [
        [shown(called), str(one["n"]), *(number(one[name]) for name in names)]
        for called, one in lines.items()
    ]
    return ["defects", "n", *(FIGURES[name] for name in names)], rows


def figure_table(heads: list[str], rows: list[list[str]], title: str) -> Table:
    """A table for a terminal, its first column names."""
    table = Table(title=title)
    for place, head in enumerate(heads):
        table.add_column(head, justify="right" if place else "left", no_wrap=bool(place), overflow="fold")
    for cells in rows:
        table.add_row(*map(Text, cells))
    return table
