"""An audit for people: tables on a terminal, one HTML page, and a Markdown section for a model card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from keras_sranogan.audit.tables import Tables, percentage, tables_of
from keras_sranogan.html.page import render_page
from keras_sranogan.html.text import NONE
from sranogan_edge.terminal import terminal

Audit = Mapping[str, Any]

STYLES = {"leans": "bold red", "undecided": "yellow", "warns": "yellow", "open": "dim", "fine": "green"}
SHOWN_CLASSES = 3  # on a terminal
CARD_INTRODUCTION = (
    "Whether the AUROC comes from the abnormality or from how the images were made. Each row changes every "
    "image in one respect (*shifted normals*: the normal ones alone); *left* is the share of the advantage "
    "over chance that remains. A score that reads the content keeps it, and loses it where the centre is "
    "hidden."
)


def print_audit(audit: Audit, console: Console | None = None) -> None:
    """Print the verdict and what it rests on."""
    console, tables = console or terminal(), tables_of(audit)
    counts = f"{audit['n_normal']} normal and {audit['n_abnormal']} abnormal images"
    console.print(f"{audit['data']}, split {audit['split']}: {counts}", markup=False, highlight=False)
    console.print(_controls(tables))
    console.print(_statistics(tables))
    console.print(_shortcuts(tables))
    for kind, word, text in tables.findings:
        console.print(f"{word}: {text}", style=STYLES[kind], markup=False, highlight=False)
    console.print(audit["verdict"]["text"], style="bold", markup=False, highlight=False)


def _controls(tables: Tables) -> Table:
    table = _table("What is left of the AUROC when something is taken away?", "images")
    several = any(row.spread != NONE for row in tables.controls)
    for head in ("AUROC", "95 % interval", "left", "95 % interval", *(["over the models"] * several)):
        table.add_column(head, justify="right", no_wrap=True)
    for row in tables.controls:
        cells = (row.auroc, row.interval, row.left, row.left_interval, *([row.spread] * several))
        table.add_row(row.title, *cells, style="bold" if row.ours else None)
    return table


def _statistics(tables: Tables) -> Table:
    table = _table("The model and single numbers of the image, under every control", "AUROC")
    for head in tables.heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in tables.statistics:
        if not row.constant:
            table.add_row(row.name, *(value for value, _ in row.cells), style="bold" if row.ours else None)
    constant = [row.name for row in tables.statistics if row.constant]
    table.caption = f"the same for all images: {', '.join(constant)}" if constant else None
    return table


def _shortcuts(tables: Tables) -> Table:
    table = _table("What does the score move with, inside a class? (Spearman)", "how the image was made")
    for label in tables.classes[:SHOWN_CLASSES]:
        table.add_column(label, justify="right")
    table.add_column("AUROC without it", justify="right")
    table.add_column("left", justify="right")
    for row in tables.shortcuts:
        cells = [value for value, _ in row.by_class[:SHOWN_CLASSES]]
        if {*cells, row.without} != {NONE}:
            table.add_row(row.name, *cells, row.without, row.left)
    more = len(tables.classes) - SHOWN_CLASSES
    table.caption = f"and {more} more classes, see --report or --json" if more > 0 else None
    return table


def _table(title: str, head: str) -> Table:
    """A table with narrow gaps, so that nine columns fit 80 characters."""
    table = Table(title=title, box=SIMPLE, padding=(0, 1, 0, 0))
    table.add_column(head, no_wrap=True)
    return table


def render_audit(audit: Audit, pictures: Mapping[str, bytes]) -> str:
    """Return the HTML page; the pictures are embedded."""
    return render_page("audit.html.j2", pictures, audit=audit, tables=tables_of(audit))


def markdown_section(audit: Audit) -> str:
    """Return the section "Audit" of a model card.

    Raises:
        KeyError, TypeError: these are not the figures of an audit.
    """
    tables, verdict = tables_of(audit), audit["verdict"]
    models = ", ".join(f"`{one['model']}` ({one['kind']})" for one in audit["models"])
    rows = [
        f"| {_cell(row.title)} | {row.auroc} | {row.interval} | {row.left} | {row.left_interval} |"
        for row in tables.controls
    ]
    findings = [f"- *{word}*: {text}" for _, word, text in tables.findings]
    share = audit["shifted"]["flagged"] if audit["shifted"] else None
    lines = [
        "## Audit",
        "",
        f"**{verdict['text']}**",
        "",
        CARD_INTRODUCTION,
        "",
        "| images | AUROC | 95% interval | left | 95% interval |",
        "|---|---|---|---|---|",
        *rows,
        "",
        *findings,
        "",
        f"Rules: {verdict['rules']} {verdict['limits']}",
        "",
        f"{audit['n_normal']} normal and {audit['n_abnormal']} abnormal images, split {audit['split']} of "
        f"{audit['data']}; seed {audit['seed']}; {audit['evaluated_at']}; models: {models}."
        + (f" Shifted normals flagged: {percentage(share)}." if share is not None else ""),
    ]
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
