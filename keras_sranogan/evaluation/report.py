"""The figures for people: tables on a terminal, and one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from keras_sranogan.data.near_training import near_text
from keras_sranogan.evaluation.defect_table import NOTE, defect_rows, figure_table, is_worth_a_table
from keras_sranogan.html.page import render_page
from keras_sranogan.html.text import NONE, interval, number, score_text
from sranogan_edge.terminal import terminal

FOOTNOTE = (
    "low-pass: the same on images without fine detail, a control against reading sharpness. "
    "no model: one number of the image, in a direction fixed beforehand; reversed: below 0.5, it separates "
    "the other way round."
)
METHODS = {"sr_anogan": "SR-AnoGAN", "anogan": "plain AnoGAN"}
QUARTILES = {"mean": "mean", "q25": "25 %", "median": "median", "q75": "75 %"}  # columns of a class
REVERSED = "reversed here"


class Report(dict[str, Any]):
    """The figures of an evaluation, as they stand in its JSON file; in a notebook a table of them."""

    def _repr_html_(self) -> str:
        lines = [*ordering_text(self), threshold_text(self), *self["notes"], near_text(self["near_training"])]
        return render_page("summary.html.j2", {}, figures=self, methods=comparison(self), lines=lines)


@dataclass(frozen=True)
class MethodRow:
    """One line of the comparison table, as text.

    Attributes:
        name: of the method.
        auroc: on the images as they are.
        interval: its 95 % interval.
        low_pass: AUROC on the images without fine detail.
        remark: what a reader must know to read it rightly.
        ours: whether this is the model evaluated.
    """

    name: str
    auroc: str
    interval: str
    low_pass: str
    remark: str
    ours: bool = False


def comparison(figures: Mapping[str, Any]) -> list[MethodRow]:
    """The model, plain AnoGAN and the trivial statistics, one below the other."""
    auroc, ci = figures["auroc"], figures["auroc_ci"]
    low_pass = number(figures["auroc_low_pass"])
    rows = [
        MethodRow("SR-AnoGAN (ours)", number(auroc), interval(ci), low_pass, "trained on normals only", True),
        MethodRow(
            "plain AnoGAN",
            number(figures["anogan_auroc"]),
            interval(figures["anogan_auroc_ci"]),
            NONE,
            "sum of |x - G(z)|, same generator",
        ),
    ]
    for found in figures["baselines"].values():
        value = found["auroc"]
        remark = found["direction"] + (f"; {REVERSED}" if value is not None and value < 0.5 else "")
        meaning = f"no model: {found['meaning']}"
        rows.append(MethodRow(meaning, number(value), NONE, number(found["auroc_low_pass"]), remark))
    return rows


def class_rows(figures: Mapping[str, Any]) -> list[list[str]]:
    """Per class and method: class, n, method, mean, lower quartile, median, upper quartile."""
    return [
        [label, str(found["n"]), METHODS[name], *(score_text(found[name][k]) for k in QUARTILES)]
        for label, found in figures["per_class"].items()
        for name in METHODS
    ]


def ordering_text(figures: Mapping[str, Any]) -> list[str]:
    """Per method, whether the normals' mean score is the lowest, in words."""
    found = []
    for name, method in METHODS.items():
        wrong = [label for label, right in figures["ordering"][name].items() if not right]
        if wrong:
            found.append(f"{method}: wrong order, normals score higher on average than {', '.join(wrong)}.")
        elif figures["ordering"][name]:
            found.append(f"{method}: normals score lower on average than every abnormal class.")
    return found


def print_figures(figures: Mapping[str, Any], console: Console | None = None) -> None:
    """Print what a stranger needs to judge the model."""
    console = console or terminal()
    counts = f"{figures['n_normal']} normal and {figures['n_abnormal']} abnormal images"
    console.print(f"{figures['data']}, split {figures['split']}: {counts}", markup=False, highlight=False)
    table = Table("method", title="Are normals and abnormals told apart? (AUROC: 0.5 chance, 1 perfect)")
    for column in ("AUROC", "95 % interval", "low-pass"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("remark")
    for row in comparison(figures):
        style = "bold" if row.ours else None
        table.add_row(row.name, row.auroc, row.interval, row.low_pass, row.remark, style=style)
    console.print(table)
    console.print(FOOTNOTE, style="dim")
    by_class = Table("class", "n", "method", *QUARTILES.values(), title="Scores by class")
    for cells in class_rows(figures):
        by_class.add_row(*cells)
    console.print(by_class)
    if is_worth_a_table(figures.get("defects")):
        console.print(figure_table(*defect_rows(figures["defects"]), "Defects, as papers report them"))
        console.print(NOTE, style="dim")
    for line in [*ordering_text(figures), threshold_text(figures), *figures["notes"]]:
        console.print(line, markup=False, highlight=False)
    near = figures["near_training"]
    style = "yellow" if near and near["images"] else "dim"
    console.print(near_text(near), style=style, markup=False, highlight=False)
    if figures["skipped"]:
        console.print(f"{len(figures['skipped'])} unreadable images were left out.", style="yellow")


def threshold_text(figures: Mapping[str, Any]) -> str:
    """What to expect at the threshold, in one sentence."""
    check = figures["calibration"]
    if figures["threshold"] is None:
        return f"No finite threshold from {check['held_out_normals']} held-out normals: nothing is flagged."
    parts = []
    if check["share_flagged"] is not None:
        rate = f"{100 * check['false_alarm_rate_set']:.0f}"
        parts.append(
            f"of 100 normals like these about {100 * check['share_flagged']:.0f} are flagged (set for {rate})"
        )
    if figures["sensitivity"] is not None:
        found = f"of 100 anomalies like these about {100 * figures['sensitivity']:.0f} are found"
        parts.append(found + _by_kind(figures))
    return (
        f"At the threshold {figures['threshold']:.3f} (from held-out normals alone), {', and '.join(parts)}."
    )


def _by_kind(figures: Mapping[str, Any]) -> str:
    """Of 100 of each kind how many, where there are several; earlier figures do not say."""
    kinds = list(figures["ordering"]["sr_anogan"])
    flagged = figures.get("flagged", {})
    if len(kinds) < 2 or not set(kinds) <= set(flagged):
        return ""
    most_first = sorted(kinds, key=lambda kind: -flagged[kind])
    return f" ({', '.join(f'{kind} {100 * flagged[kind]:.0f}' for kind in most_first)})"


def render_report(figures: Mapping[str, Any], pictures: Mapping[str, bytes]) -> str:
    """Return the HTML page of an evaluation, with the audit where there is one."""
    from keras_sranogan.audit.tables import tables_of  # which builds on this module

    audit = {"tables": tables_of(figures["audit"])} if "audit" in figures else {}
    defects = figures.get("defects")
    return render_page(
        "report.html.j2",
        pictures,
        figures=figures,
        methods=comparison(figures),
        classes=class_rows(figures),
        ordering=ordering_text(figures),
        threshold_text=threshold_text(figures),
        near_text=near_text(figures["near_training"]),
        defects=defect_rows(defects) if defects and is_worth_a_table(defects) else None,
        defects_note=NOTE,
        **audit,
    )
