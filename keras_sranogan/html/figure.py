"""Figures of the pages: size, colours, and PNG without a display."""

from __future__ import annotations

import io

from matplotlib.axes import Axes
from matplotlib.figure import Figure

DPI = 120
OURS, PLAIN, TRIVIAL, LIMIT, NORMALS = "#1f5fa8", "#c8681e", "#7a7a7a", "#b3202c", "#555555"


def new_figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A bare figure of ``width`` x ``height`` inches and its axes, row by row."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False, sharex=rows > 1, sharey=rows > 1).flat)
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.tick_params(labelsize=9)
    return figure, axes


def png_bytes(figure: Figure) -> bytes:
    """The figure as PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")  # a bare Figure draws with Agg: no display, no global state
    return buffer.getvalue()
