"""Three pictures of an audit, as PNG bytes: the controls, example images under them, the calibration."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from keras_sranogan.audit.calibration import Calibrated
from keras_sranogan.audit.columns import Column
from keras_sranogan.audit.controls import PLAIN
from keras_sranogan.audit.figures import Figures
from keras_sranogan.audit.findings import MAX_LEFT, MAX_LOST
from keras_sranogan.audit.ranking import CHANCE
from keras_sranogan.html.figure import DPI, LIMIT, OURS, TRIVIAL, new_figure, png_bytes
from sranogan_edge.image.own_outputs import AUDIT_PICTURES

EACH_SEED = "#c8681e"
CELL_INCHES = 1.45
ROW_INCHES = 0.52


def draw_audit(figures: Figures, columns: Sequence[Column]) -> dict[str, bytes]:
    """Return PNG bytes by file name; a picture that has nothing to show is left out."""
    examples, controls, calibration = AUDIT_PICTURES
    drawn = {examples: draw_examples(columns)}
    if figures.controls[PLAIN].ranking.auroc is not None:
        drawn[controls] = draw_controls(figures)
    if figures.calibration is not None:
        drawn[calibration] = draw_calibration(figures.calibration)
    return drawn


def draw_controls(figures: Figures) -> bytes:
    """AUROC under each control with its interval, over those of the trivial statistics of the pixels."""
    found = {name: one for name, one in figures.controls.items() if one.ranking.auroc is not None}
    figure, (axes,) = new_figure(8.0, ROW_INCHES * len(found) + 1.3)
    axes.axvline(CHANCE, color="#bbbbbb", linewidth=1, linestyle=":")
    for row, (name, one) in enumerate(found.items()):
        _trivial(axes, figures, name, row)
        _limit(axes, figures, name, row)
        ranking = one.ranking
        if ranking.auroc is None or ranking.auroc_ci is None or ranking.per_model is None:
            continue
        axes.plot(ranking.auroc_ci, [row, row], color=OURS, linewidth=2.5, solid_capstyle="butt")
        axes.plot(ranking.auroc, row, "o", color=OURS, markersize=8, label="the model" if row == 0 else None)
        if len(ranking.per_model) > 1:
            label = "each seed" if row == 0 else None
            heights = [row + 0.2] * len(ranking.per_model)
            axes.plot(ranking.per_model, heights, "|", color=EACH_SEED, markersize=7, label=label)
    axes.set_yticks(range(len(found)), [one.title for one in found.values()])
    axes.set(xlabel="AUROC (0.5: chance)", ylim=(len(found) - 0.4, -0.6))
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper left", ncols=4, frameon=False, fontsize=9
    )
    return png_bytes(figure)


def _trivial(axes: Axes, figures: Figures, name: str, row: int) -> None:
    values = [
        max(value, 1 - value)
        for one in figures.statistics.values()
        if one.of == "pixels" and (value := one.auroc.get(name)) is not None
    ]
    label = "numbers of the image, no model" if row == 0 else None
    axes.plot(values, [row] * len(values), "o", color=TRIVIAL, markersize=5, alpha=0.6, mew=0, label=label)


def _limit(axes: Axes, figures: Figures, name: str, row: int) -> None:
    """Mark the limit of the verdict: the AUROC must stay right of it, or left where the content is hidden."""
    plain, one = figures.controls[PLAIN].ranking.auroc, figures.controls[name]
    if name == PLAIN or plain is None:
        return
    share, arrow = (MAX_LEFT, "<") if one.removes_content else (1 - MAX_LOST, ">")
    at = CHANCE + share * (plain - CHANCE)
    label = "limit of the verdict" if row == 1 else None
    axes.plot([at, at], [row - 0.3, row + 0.3], color=LIMIT, linewidth=1.5)
    axes.plot(at, row, arrow, color=LIMIT, markersize=6, label=label)


def draw_examples(columns: Sequence[Column]) -> bytes:
    """The same images under every control, preprocessed: a median normal, a median abnormal."""
    kept = [column for column in columns if column.seen]
    kinds = {item.key: item for item in columns[0].items if item.key in columns[0].seen}
    rows, count = list(kinds), len(kept)
    size = (CELL_INCHES * count + 1.0, (CELL_INCHES + 0.1) * len(rows) + 0.4)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    grid = figure.subplots(len(rows), count, squeeze=False)
    for line, key in zip(grid, rows, strict=True):
        for axes, column in zip(line, kept, strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if key in column.seen:
                axes.imshow(column.seen[key], cmap="gray", vmin=0, vmax=1)
        line[0].set_ylabel(textwrap.fill(kinds[key].label, 12), fontsize=8.5)
    for axes, column in zip(grid[0], kept, strict=True):
        axes.set_title(column.control.title, fontsize=8.5)
    return png_bytes(figure)


def draw_calibration(found: Calibrated) -> bytes:
    """The share of normals with p <= a against a, with the diagonal and what chance allows."""
    figure, (axes,) = new_figure(5.6, 5.2)
    low, high = np.array(found.band).T
    axes.fill_between(
        found.levels, low, high, color=TRIVIAL, alpha=0.22, linewidth=0, label="by chance, 95 % at each a"
    )
    axes.plot([0, 1], [0, 1], color="#888888", linewidth=1, linestyle=":", label="as promised")
    axes.step(found.levels, found.shares, where="post", color=OURS, linewidth=2, label="these normals")
    axes.axvline(
        found.rate, color=LIMIT, linewidth=1, linestyle="--", label=f"rate that was set, {found.rate:.0%}"
    )
    axes.set(
        xlabel="a",
        ylabel="share of these normals with p-value at most a",
        xlim=(0, 1),
        ylim=(0, 1),
        aspect="equal",
    )
    axes.legend(loc="lower right", frameon=False, fontsize=9)
    return png_bytes(figure)
