"""A comparison for people: tables on a terminal, and one HTML page that loads nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keras_sranogan.html.page import render_page
from keras_sranogan.html.text import interval, number, score_text
from sranogan_edge.terminal import shown, terminal

__all__ = ["disagreement_rows", "model_rows", "print_comparison", "render_comparison"]

COLUMNS = ("AUROC", "95 % interval", "to the first", "AUPRC", "sensitivity", "specificity", "model")
NARROW = (*COLUMNS[:4], "sensi-\ntivity", "speci-\nficity")  # on a terminal, where models have numbers
SHOWN_HERE = 10
FOOTNOTE = (
    "to the first: AUROC less that of the first model, on the same images, with the 95 % interval of draws "
    "of whole patients; an interval that holds 0 tells no difference. Sensitivity and specificity are at "
    "each model's own threshold, from held-out normals alone."
)
APART = (
    "rank: the share of the images that a model finds less anomalous, from 0 to 1; * flagged. Those come "
    "first whose ranks are farthest apart."
)


def model_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """The cells of :data:`COLUMNS` for each model."""
    differences = {one["model"]: one for one in figures["differences"]}
    return [
        [
            number(one["auroc"]),
            interval(one["auroc_ci"]),
            _difference(differences.get(one["model"])),
            number(one["auprc"]),
            number(one["sensitivity"]),
            number(one["specificity"]),
            shown(one["model"]),
        ]
        for one in figures["models"]
    ]


def _difference(one: Mapping[str, Any] | None) -> str:
    if one is None or one["auroc"] is None:
        return "-"
    bounds = one["auroc_ci"]
    return f"{one['auroc']:+.3f}" + (f" ({bounds[0]:+.3f} to {bounds[1]:+.3f})" if bounds else "")


def disagreement_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """For each image: the score and rank of each model, its class, its name."""
    return [
        [
            *(
                f"{score_text(said['score'])} ({said['rank']:.2f}{'*' * said['flagged']})"
                for said in one["models"]
            ),
            shown(one["label"]),
            shown(one["key"]),
        ]
        for one in figures["disagreements"]
    ]


def print_comparison(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print the models, numbered, and the images that they disagree on most; 80 columns are enough."""
    console = console or terminal()
    counts = f"{figures['n_normal']} normal and {figures['n_abnormal']} abnormal images"
    console.print(f"{shown(figures['data'])}, split {figures['split']}: {counts} in common", soft_wrap=True)
    rows = model_rows(figures)
    table = Table("model", box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    for name in NARROW:
        table.add_column(name, justify="right", no_wrap=True)
    for place, (*cells, name) in enumerate(rows, start=1):
        console.print(f"model {place}: {name}", soft_wrap=True)
        table.add_row(str(place), *map(Text, cells))
    console.print(table)
    console.print(FOOTNOTE, style="dim")
    if figures["disagreements"]:
        names = [f"model {place}" for place in range(1, len(figures["models"]) + 1)]
        most = Table(title="images that they disagree on most: score (rank)")
        for name in (*names, "class", "image"):
            most.add_column(name, justify="left" if name in ("class", "image") else "right", overflow="fold")
        for cells in disagreement_rows(figures)[:SHOWN_HERE]:
            most.add_row(*map(Text, cells))
        console.print(most)
        console.print(APART, style="dim")


def render_comparison(figures: Mapping[str, Any]) -> str:
    """Return the HTML page of a comparison."""
    return render_page(
        "compare.html.j2",
        {},
        figures=figures,
        columns=COLUMNS,
        rows=model_rows(figures),
        disagreements=disagreement_rows(figures),
        footnote=FOOTNOTE,
        apart=APART,
    )
