"""What a source holds and what is taken for normal, as lines of text to read before hours are spent on it."""

from __future__ import annotations

import io
from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_sranogan.data.item import DataSource
from keras_sranogan.data.look import Look, Seen
from sranogan_edge.terminal import shown, terminal

__all__ = ["overview"]

_LOG_WIDTH = 120  # where there is no terminal
_RIGHT = ("images",)


def overview(source: DataSource, look: Look | None = None) -> list[str]:
    """Return a table of splits, classes and counts, and what else the source has to say of its images.

    With a ``look`` at them also sizes, colour, copies, and what cannot be read; as wide as the terminal.
    """
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    columns = ["split", "class", "images", "taken for", *(["pixels", "colour"] if look else [])]
    for name in columns:
        table.add_column(name, justify="right" if name in _RIGHT else "left", overflow="fold")
    for split in source.splits():
        counted = Counter((item.label, item.is_normal) for item in source.items(split))
        use = "learned from" if split == "train" else "to test on"
        for (label, is_normal), count in sorted(counted.items(), key=lambda one: (not one[0][1], one[0][0])):
            row = [split, label, f"{count:,}", f"{'normal' if is_normal else 'not normal'}, {use}"]
            if look:
                row += _appearance(look.seen.get((split, label)))
            table.add_row(*(Text(shown(cell)) for cell in row))
    told = [*getattr(source, "told", ()), *(_seen_lines(source, look) if look else ())]
    return [f"data: {source.name}", *_lines(table), *(f"  {line}" for line in told)]


def _lines(table: Table) -> list[str]:
    console = terminal(stderr=True)
    width = console.width if console.is_terminal else _LOG_WIDTH
    written = Console(file=io.StringIO(), width=max(width - 2, 40), color_system=None)
    with written.capture() as captured:
        written.print(table)
    return [f"  {line.rstrip()}" for line in captured.get().splitlines()]


def _appearance(seen: Seen | None) -> list[str]:
    """The columns of sizes and of colour."""
    if seen is None:
        return ["none can be read", ""]
    sizes = [f"{width} x {height}" for width, height in seen.sizes]
    pixels = sizes[0] if len(set(sizes)) == 1 else f"{sizes[0]} to {sizes[2]}, median {sizes[1]}"
    if seen.coloured in (0, seen.images):
        return [pixels, "colour" if seen.coloured else "grey"]
    return [pixels, f"colour {seen.coloured:,}, grey {seen.images - seen.coloured:,}"]


def _seen_lines(source: DataSource, look: Look) -> list[str]:
    lines = []
    for split, reasons in look.unreadable.items():
        lines.append(f"cannot be used: {_of(len(reasons), split)}, such as: {reasons[0]}")
    for (split, other), count in look.near.items():
        verb = "is" if count == 1 else "are"
        what = f"nearly equal: {_of(count, split)} {verb}, or nearly {verb}"
        if split == other:
            lines.append(f"{what}, another one of {split}")
        elif source.splits().index(split) > source.splits().index(other):
            flatter = "; figures on these flatter" if other == "train" else ""
            lines.append(f"{what}, one of {other}{flatter}")
    seen = sum(look.looked_at.values())
    if seen and not look.near:
        lines.append(f"nearly equal: none of the {seen:,} images looked at")
    listed = sum(len(source.items(split)) for split in source.splits())
    seen += sum(map(len, look.unreadable.values()))
    if seen < listed:
        lines.append(f"looked at: {seen:,} of {listed:,} images, evenly over each split")
    return lines


def _of(count: int, split: str) -> str:
    return f"{count:,} image{'s' * (count != 1)} of {split}"
