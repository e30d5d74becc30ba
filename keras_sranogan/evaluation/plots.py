"""The four pictures of an evaluation, as PNG bytes: ROC curves, histograms, box plots, and example images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from keras_sranogan.evaluation import metrics
from sranogan_edge.image.own_outputs import EVALUATION_PICTURES
from sranogan_edge.scoring.overlay import overlay

if TYPE_CHECKING:
    from keras_sranogan.evaluation.evaluation import Evaluation

from keras_sranogan.html.figure import DPI, LIMIT, NORMALS, OURS, PLAIN, TRIVIAL, new_figure, png_bytes

CLASS_COLOURS = ("#2a7f62", "#b3443c", "#7b4fa0", "#b08a1e", "#3b6fb0", "#8a5a44", "#5c6b73")
MASK_COLOUR = (0.35, 1.0, 0.45)
COLUMNS = ("x", "g(x)", "c(g(x))", "SR(c(g(x)))", "heat map")
COLUMN_MEANINGS = ("image", "latent search", "two-layer CNN", "super-resolution", "over x")
CELL_INCHES = 1.75  # of the example images
HISTOGRAM_BINS = 24


class Row(NamedTuple):
    """One example image: what it is an example of, and its place."""

    caption: str
    place: int


def draw_all(evaluation: Evaluation) -> dict[str, bytes]:
    """Return PNG bytes by file name."""
    drawn = (draw_roc, draw_scores, draw_per_class, draw_panels)
    return {name: draw(evaluation) for name, draw in zip(EVALUATION_PICTURES, drawn, strict=True)}


def draw_roc(evaluation: Evaluation) -> bytes:
    """ROC curves of SR-AnoGAN, plain AnoGAN and the best trivial statistic, with the threshold in force."""
    abnormal = evaluation.reading.abnormal
    figure, (axes,) = new_figure(6.0, 5.4)
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1, linestyle=":")
    if abnormal.any() and not abnormal.all():
        for name, scores, colour, style in _curves(evaluation):
            alarms, hits, _ = roc_curve(abnormal, scores)
            label = f"{name}: AUROC {metrics.auroc(scores, abnormal):.3f}"
            axes.plot(alarms, hits, color=colour, linestyle=style, linewidth=2, label=label)
        figures = evaluation.figures
        at = (1 - figures["specificity"], figures["sensitivity"])
        axes.plot(*at, "o", color=OURS, markersize=8, markeredgecolor="white", label="threshold in force")
        axes.legend(loc="lower right", frameon=False, fontsize=9)
    else:
        axes.text(0.5, 0.55, "one class only: no ROC curve", ha="center", fontsize=11)
    axes.set(xlabel="normals flagged (false-alarm rate)", ylabel="abnormals found (sensitivity)")
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    return png_bytes(figure)


def _curves(evaluation: Evaluation) -> list[tuple[str, metrics.Scores, str, str]]:
    curves: list[tuple[str, metrics.Scores, str, str]] = [
        ("SR-AnoGAN", evaluation.scored.score, OURS, "-"),
        ("plain AnoGAN", evaluation.anogan.score, PLAIN, "--"),
    ]
    best = best_baseline(evaluation.figures["baselines"])
    if best:
        values = metrics.BASELINES[best].score(evaluation.reading.statistics[best])
        name = f"{metrics.BASELINES[best].meaning} (no model)"
        curves.append((name, values, TRIVIAL, "-."))
    return curves


def best_baseline(baselines: dict[str, Any]) -> str | None:
    """The name of the trivial statistic with the highest AUROC in its fixed direction."""
    known = {name: found["auroc"] for name, found in baselines.items() if found["auroc"] is not None}
    return max(known, key=lambda name: known[name]) if known else None


def draw_scores(evaluation: Evaluation) -> bytes:
    """Histograms of the score, a strip per class over the outline of the normals', with the threshold."""
    score, labels = evaluation.scored.score, np.array(evaluation.reading.labels)
    finite = [evaluation.threshold] if math.isfinite(evaluation.threshold) else []
    low, high = min([score.min(), *finite]), max([score.max(), *finite])
    bins = np.linspace(low, high if high > low else low + 1, HISTOGRAM_BINS + 1)
    normals, coloured = score[~evaluation.reading.abnormal], _coloured(evaluation)
    figure, strips = new_figure(8.0, 1.0 * len(coloured) + 1.2, rows=len(coloured))
    for axes, (label, colour) in zip(strips, coloured, strict=True):
        mine = score[labels == label]
        if len(normals):
            axes.stairs(_shares(normals, bins), bins, color=NORMALS, linewidth=1.2)
        axes.stairs(_shares(mine, bins), bins, color=colour, alpha=0.55, fill=True)
        for threshold in finite:
            axes.axvline(threshold, color=LIMIT, linewidth=1.6, linestyle="--")
        axes.set_ylabel(f"{label}\nn = {len(mine)}", rotation=0, ha="right", va="center", fontsize=9)
        axes.set_yticks([])
    strips[-1].set_xlabel("SR-AnoGAN anomaly score (about 0 for a normal)")
    strips[0].set_title(_score_legend(bool(finite), evaluation.threshold), fontsize=9, loc="left")
    return png_bytes(figure)


def _shares(scores: NDArray[np.float64], bins: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram(scores, bins)[0] / len(scores)


def _score_legend(finite: bool, threshold: float) -> str:
    line = f"; dashed: threshold {threshold:.2f}, what is right of it is flagged" if finite else ""
    return f"share of the class at each score; thin line: the normals{line}"


def draw_per_class(evaluation: Evaluation) -> bytes:
    """Box plots of the scores per class: plain AnoGAN left, SR-AnoGAN right, as in the paper."""
    labels = np.array(evaluation.reading.labels)
    coloured = _coloured(evaluation)
    figure, pair = new_figure(max(8.0, 1.6 * len(coloured) + 3), 4.6, columns=2)
    for axes, scores, title, line in (
        (pair[0], evaluation.anogan.score, "plain AnoGAN: sum |x - G(z)|", math.inf),
        (pair[1], evaluation.scored.score, "SR-AnoGAN", evaluation.threshold),
    ):
        groups = [scores[labels == label] for label, _ in coloured]
        _boxes(axes, groups, coloured)
        axes.set_title(title, fontsize=11)
        axes.set_ylabel("anomaly score")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        if math.isfinite(line):
            axes.axhline(line, color=LIMIT, linewidth=1.5, linestyle="--", label="threshold")
            axes.legend(frameon=False, fontsize=9)
    return png_bytes(figure)


def _boxes(axes: Axes, groups: Sequence[NDArray[np.float64]], coloured: list[tuple[str, str]]) -> None:
    names = [f"{label}\nn = {len(group)}" for (label, _), group in zip(coloured, groups, strict=True)]
    mean = {"marker": "D", "markerfacecolor": "white", "markeredgecolor": "#222222", "markersize": 5}
    drawn = axes.boxplot(
        groups,
        tick_labels=names,
        showmeans=True,
        meanprops=mean,
        medianprops={"color": "#222222", "linewidth": 1.6},
        flierprops={"marker": ".", "markersize": 4, "markeredgecolor": "#888888"},
        patch_artist=True,
        widths=0.55,
    )
    for box, (_, colour) in zip(drawn["boxes"], coloured, strict=True):
        box.set(facecolor=colour, alpha=0.45)
    if len(groups) > 3:
        axes.tick_params(axis="x", labelrotation=30, labelsize=8)


def _coloured(evaluation: Evaluation) -> list[tuple[str, str]]:
    """Class labels, normals first, each with its colour."""
    items = evaluation.reading.images.items
    labels = sorted({(not item.is_normal, item.label) for item in items})
    return [(label, CLASS_COLOURS[k % len(CLASS_COLOURS)]) for k, (_, label) in enumerate(labels)]


def draw_panels(evaluation: Evaluation) -> bytes:
    """Examples, one a row: x, g(x), c(g(x)), SR(c(g(x))), heat map over x; marked defects are outlined."""
    rows = choose_rows(evaluation.scored.score, evaluation.reading.abnormal, evaluation.threshold)
    size = (CELL_INCHES * len(COLUMNS) + 1.7, CELL_INCHES * len(rows) + 0.6)
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    grid = figure.subplots(len(rows), len(COLUMNS), squeeze=False)
    for row, line in zip(rows, grid, strict=True):
        for axes, picture in zip(line, _pictures(evaluation, row.place), strict=True):
            axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        if evaluation.masks is not None and evaluation.masks[row.place].any():
            line[0].contour(evaluation.masks[row.place], levels=[0.5], colors=[MASK_COLOUR], linewidths=1.2)
        item = evaluation.reading.images.items[row.place]
        text = f"{row.caption}\n{item.label}\nscore {evaluation.scored.score[row.place]:.2f}"
        line[0].set_ylabel(text, rotation=0, ha="right", va="center", fontsize=8.5, labelpad=8)
    for axes, name, meaning in zip(grid[0], COLUMNS, COLUMN_MEANINGS, strict=True):
        axes.set_title(f"{name}\n{meaning}", fontsize=9)
    return png_bytes(figure)


def _pictures(evaluation: Evaluation, index: int) -> list[NDArray[Any]]:
    """The five pictures of one image: four grey in [0, 1], the last RGB uint8."""
    scored, x, hot = evaluation.scored, evaluation.scored.x[index], evaluation.scored.heat[index]
    if hot.shape != x.shape[:2]:  # of an image in tiles: all of it, not the worst one
        whole = evaluation.reading.images.x[index]
        x = np.asarray(cv2.resize(whole, hot.shape, interpolation=cv2.INTER_LINEAR), np.float32)[..., None]
    heat = overlay(x, hot, evaluation.heat_limit)
    grey = [x, scored.generated[index], scored.refined[index], scored.resolved[index]]
    return [*(image[..., 0] for image in grey), cv2.cvtColor(heat, cv2.COLOR_BGR2RGB)]


def choose_rows(score: NDArray[np.float64], abnormal: NDArray[np.bool_], threshold: float) -> list[Row]:
    """Choose examples by rule, not by eye: 3 typical normals, 3 highest and 2 median abnormals, 2 misses."""
    order = np.argsort(score, kind="stable")
    normals, abnormals = order[~abnormal[order]], order[abnormal[order]]
    missed = [int(i) for i in abnormals if score[i] <= threshold]
    rows = [Row("typical normal", i) for i in _middle(normals, 3)]
    for caption, chosen in (
        ("highest abnormal", [int(i) for i in abnormals[::-1][:3]]),
        ("median abnormal", _middle(abnormals, 2)),
        ("missed", missed[:2]),
    ):
        shown = {row.place for row in rows}
        rows += [Row(caption, i) for i in chosen if i not in shown]
    return rows


def _middle(order: NDArray[np.intp], count: int) -> list[int]:
    """The ``count`` in the middle of an ascending order."""
    first = max(0, (len(order) - count) // 2)
    return [int(i) for i in order[first : first + count]]
