"""The proof of equality as Markdown, for the bundle's card, and as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from sranogan_export.proof.equality import KERAS, Equality

Row = list[str]
GRAPHS_TITLE = "graphs, against Keras on equal inputs"
STEPS_TITLE = "mean |x - G(z)| of normals, by search steps (in brackets: the worst normal)"
SCORES_TITLE = "scores of held-out normals, against Keras"


def markdown(found: Equality) -> str:
    """Return the section of the model card."""
    scored = (
        f"{found.normals} held-out normals were scored in {found.steps} steps; graphs and steps are compared "
        f"on {found.normals_of_steps} of them."
    )
    parts = [
        "## Equality",
        "Keras on floats, the same graphs as TFLite on floats, and this bundle's. " + scored,
    ]
    for title, rows in _tables(found):
        head, *body = rows
        lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
        parts += [
            f"{title[0].upper()}{title[1:]}:",
            "\n".join("| " + " | ".join(line) + " |" for line in lines),
        ]
    return "\n\n".join(parts) + "\n"


def print_tables(found: Equality, console: Console) -> None:
    """Print one table for each kind of comparison."""
    console.print(f"Equality: {found.normals} held-out normals, {found.steps} search steps")
    for title, (head, *body) in _tables(found):
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for number, column in enumerate(head):
            table.add_column(column, justify="right" if number else "left", no_wrap=not number)
        for row in body:
            table.add_row(*row)
        console.print(table)


def _tables(found: Equality) -> Iterator[tuple[str, list[Row]]]:
    yield GRAPHS_TITLE, list(_graphs(found))
    yield STEPS_TITLE, list(_steps(found))
    yield SCORES_TITLE, list(_scores(found))


def _graphs(found: Equality) -> Iterator[Row]:
    yield ["graph", "operators (on floats)", "partitions", "file KiB", "MMAC", "mean error", "max error"]
    for row in found.graphs:
        yield [
            f"{row.graph}, {row.form}",
            f"{row.operators} ({row.float_operators})",
            str(row.partitions),
            f"{row.file_bytes / 1024:.0f}",
            "-" if row.macs is None else f"{row.macs / 1e6:.1f}",
            f"{row.mean_error:.2%}",
            f"{row.max_error:.1%}",
        ]


def _steps(found: Equality) -> Iterator[Row]:
    forms = [KERAS, *(row.form for row in found.scores)]
    yield ["steps", *forms]
    for row in found.curve:
        cells = [
            f"{row.mean_l1[form]:.4f} ({row.max_l1[form]:.4f})" if form in row.mean_l1 else "-"
            for form in forms
        ]
        yield [str(row.steps), *cells]


def _scores(found: Equality) -> Iterator[Row]:
    yield [
        "form",
        "correlation",
        "mean difference",
        "max difference",
        "reconstructions off by",
        "above Keras",
    ]
    for row in found.scores:
        yield [
            row.form,
            f"{row.correlation:.4f}",
            f"{row.mean_difference:.3f}",
            f"{row.max_difference:.3f}",
            f"{row.l1:.4f}",
            f"{row.l1_growth:+.2%}",
        ]


__all__ = ["markdown", "print_tables"]
