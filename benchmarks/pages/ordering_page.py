"""Write the tables and the picture of ``ordering.md`` from the result of ``detection/ordering.py``.

::

    python -m benchmarks.pages.ordering_page            # write
    python -m benchmarks.pages.ordering_page --check    # exit code 1 where the tables differ from the result
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer
from matplotlib.ticker import StrMethodFormatter

from benchmarks.pages.marked import Check, write_part
from keras_sranogan.evaluation.plots import CLASS_COLOURS
from keras_sranogan.html.figure import new_figure, png_bytes

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "ordering.json"
PAGE = ROOT / "docs" / "method" / "ordering.md"
PICTURE = ROOT / "docs" / "images" / "ordering.png"

METHODS = {
    "anogan_residual": ("plain AnoGAN, sum \\|x - G(z)\\|", ",.0f"),
    "anogan_loss": ("plain AnoGAN, the paper's whole loss", ",.0f"),
    "sr_anogan": ("SR-AnoGAN, int8 on the edge runner", ".2f"),
}
PANELS = {
    "anogan_residual": "plain AnoGAN: sum |x - G(z)|, 0-255 scale",
    "sr_anogan": "SR-AnoGAN: standard deviations of normals",
}
READINGS = (
    ("mean", "mean brightness, 0 to 1", "brightness_mean", ".3f"),
    ("mean", "standard deviation of brightness", "brightness_std", ".3f"),
    ("mean", "mean log Laplacian energy", "laplacian", ".2f"),
    ("spearman_with_residual", "Spearman, residual and mean brightness", "brightness_mean", "+.2f"),
    ("spearman_with_residual", "Spearman, residual and standard deviation", "brightness_std", "+.2f"),
    ("spearman_with_residual", "Spearman, residual and Laplacian energy", "laplacian", "+.2f"),
    ("mean_squared_error", "squared error: exposure", "exposure", ".0f"),
    ("mean_squared_error", "squared error: shape, 8 px and coarser", "shape", ".0f"),
    ("mean_squared_error", "squared error: texture, finer than 8 px", "texture", ".0f"),
)


def table(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result: both methods by class, and what the residual moves with."""
    kinds = list(result["per_class"])
    head = "| mean (quartiles) | " + " | ".join(f"{k}, n = {result['per_class'][k]['n']}" for k in kinds)
    lines = [f"{head} | order as it should be | AUROC, {kinds[1]} |", "|---" * (len(kinds) + 3) + "|"]
    for name, (title, form) in METHODS.items():
        cells = [_cell(result["per_class"][kind][name], form) for kind in kinds]
        ranked = result["auroc"][name][kinds[1]]
        low, high = ranked["auroc_ci"]
        order = "yes" if result["order"][name]["as_it_should_be"] else "**no**"
        lines.append(
            f"| {title} | {' | '.join(cells)} | {order} | {ranked['auroc']:.3f} ({low:.3f} to {high:.3f}) |"
        )
    tables = ["\n".join(lines) + "\n", _reading_table(result["readings"]), _ladder_table(result["ladder"])]
    return "\n".join(tables)


def _cell(summary: Mapping[str, float], form: str) -> str:
    return f"{summary['mean']:{form}} ({summary['q25']:{form}}, {summary['q75']:{form}})"


def _reading_table(found: Mapping[str, Any]) -> str:
    classes, aurocs = found["per_class"], found["auroc_high_is_anomalous"]
    lines = [f"| of the raw film at the search size | {' | '.join(classes)} | AUROC, high is anomalous |"]
    lines.append("|---" * (len(classes) + 2) + "|")
    for group, title, name, form in READINGS:
        cells = " | ".join(format(one[group][name], form) for one in classes.values())
        ranked = "" if group == "spearman_with_residual" else f"{aurocs[name]:.3f}"
        lines.append(f"| {title} | {cells} | {ranked} |")
    return "\n".join(lines) + "\n"


def _ladder_table(rungs: Sequence[Mapping[str, Any]]) -> str:
    counts = " | ".join(str(rung["components"]) for rung in rungs)
    lines = [
        f"| principal components of normals that the fit has | {counts} |",
        "|---" * (len(rungs) + 1) + "|",
    ]
    lines.append(
        f"| mean sum \\|x - fit\\| | {' | '.join(format(rung['residual'], ',.0f') for rung in rungs)} |"
    )
    lines.append(f"| its AUROC | {' | '.join(format(rung['auroc'], '.3f') for rung in rungs)} |")
    return "\n".join(lines) + "\n"


def draw(result: Mapping[str, Any]) -> bytes:
    """Box plots per class, plain AnoGAN left and SR-AnoGAN right, as PNG bytes."""
    figure, pair = new_figure(9.0, 4.4, columns=2)
    for axes, (name, title) in zip(pair, PANELS.items(), strict=True):
        boxes = [
            _box(f"{kind}\nn = {one['n']}", one[name], result["whiskers"][name][kind])
            for kind, one in result["per_class"].items()
        ]
        mean = {"marker": "D", "markerfacecolor": "white", "markeredgecolor": "#222222", "markersize": 5}
        drawn = axes.bxp(
            boxes,
            showmeans=True,
            showfliers=False,
            patch_artist=True,
            widths=0.55,
            meanprops=mean,
            medianprops={"color": "#222222", "linewidth": 1.6},
        )
        for box, colour in zip(drawn["boxes"], CLASS_COLOURS, strict=False):
            box.set(facecolor=colour, alpha=0.45)
        axes.set_title(title, fontsize=10)
        axes.set_ylabel("anomaly score; diamond: mean, whiskers: 5 to 95 %", fontsize=9)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    return png_bytes(figure)


def _box(label: str, summary: Mapping[str, float], whiskers: list[float]) -> dict[str, Any]:
    names = {"mean": "mean", "med": "median", "q1": "q25", "q3": "q75"}
    box: dict[str, Any] = {key: summary[name] for key, name in names.items()}
    return {"label": label, **box, "whislo": whiskers[0], "whishi": whiskers[1]}


def main(check: Check = False) -> None:
    """Bring the page up to date."""
    result = json.loads(RESULT.read_text())
    write_part(PAGE, "table", table(result), check=check)
    PICTURE.write_bytes(draw(result))


if __name__ == "__main__":
    typer.run(main)
