"""``python -m keras_sranogan.evaluation.means A.json B.json``: one table of several evaluations, with means.

Papers judge each product of a set with a model of its own and report the mean over products.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from keras_sranogan.evaluation.defect_table import FIGURES, columns_of, figure_table
from keras_sranogan.html.text import number
from sranogan_edge.errors import DataError, ExitCode, SettingsError
from sranogan_edge.terminal import Command, main, run, shown, terminal

__all__ = ["joined_figures", "means_main"]

EXIT_CODES = """
Exit codes: 0 done; 2 wrong usage; 3 a file is no evaluation; 6 results cannot be written.
"""
SCHEMA_VERSION = 1
NOTE = (
    "The mean is over products: several evaluations of one product, such as seeds, are averaged first. A "
    "figure that one product lacks has no mean."
)

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command, epilog=EXIT_CODES)
def means(
    evaluations: Annotated[
        list[Path], typer.Argument(metavar="JSON...", help="What sranogan-evaluate --json wrote.")
    ],
    json: Annotated[Path | None, typer.Option(help="Write all figures to this file.")] = None,
) -> None:
    """Set evaluations of several products (or runs) below each other, with the mean over products."""

    def work() -> ExitCode:
        from keras_sranogan.html.page import Places

        places = Places(json)
        places.make_folders()
        figures = joined_figures(evaluations)
        places.write(figures, {})
        _print(figures)
        return ExitCode.OK

    run(work)


def joined_figures(paths: Sequence[Path]) -> dict[str, Any]:
    """Read evaluations and take their means.

    Returns:
        ``evaluations``, a line for each with ``data``, ``model``, ``n_normal``, ``n`` and the figures of
        :data:`FIGURES`; ``mean``, these figures over products; ``by_type`` and ``by_size``, the means of
        those types and sizes that several products have.

    Raises:
        SettingsError: a file is named twice.
        DataError: one cannot be read, or has no figures of defects.
    """
    if len({path.resolve() for path in paths}) < len(paths):
        raise SettingsError("name each evaluation once")
    read = [_read(path) for path in paths]
    lines = [
        {
            "data": one["data"],
            "model": one["model"],
            "n_normal": one["n_normal"],
            **{name: one["defects"]["all"].get(name) for name in ("n", *FIGURES)},
        }
        for one in read
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluations": lines,
        "mean": _mean([one["data"] for one in read], [one["defects"]["all"] for one in read]),
        "by_type": _means_by_name(read, "by_type"),
        "by_size": _means_by_name(read, "by_size"),
    }


def _means_by_name(read: Sequence[Mapping[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    """The means of what several products have."""
    found: dict[str, dict[str, Any]] = {}
    for name in dict.fromkeys(name for one in read for name in one["defects"][kind]):
        having = [one for one in read if name in one["defects"][kind]]
        products = [one["data"] for one in having]
        if len(set(products)) > 1:
            mean = _mean(products, [one["defects"][kind][name] for one in having])
            found[name] = {"products": len(set(products)), **mean}
    return found


def _mean(products: Sequence[str], lines: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The mean over products of each product's mean; None where a line lacks the figure."""
    found: dict[str, float | None] = {}
    for name in FIGURES:
        by_product: dict[str, list[float | None]] = {}
        for product, line in zip(products, lines, strict=True):
            by_product.setdefault(product, []).append(line.get(name))
        averages = [_average(values) for values in by_product.values()]
        found[name] = _average(averages)
    return found


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def _read(path: Path) -> dict[str, Any]:
    cure = "Name files that sranogan-evaluate --json wrote, or write it anew."
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read as an evaluation ({error}). {cure}") from error
    defects = found.get("defects") if isinstance(found, dict) else None
    whole = isinstance(defects, dict) and all(
        isinstance(defects.get(kind), dict) for kind in ("all", "by_type", "by_size")
    )
    if not whole or not {"data", "model", "n_normal"} <= set(found):
        raise DataError(f"{path}: has no figures of defects. {cure}")
    return dict(found)


def _print(figures: Mapping[str, Any]) -> None:
    lines, mean = figures["evaluations"], figures["mean"]
    names = columns_of(lines)
    rows = [
        [shown(one["data"]), str(one["n_normal"]), str(one["n"]), *(number(one[name]) for name in names)]
        for one in lines
    ]
    rows.append(["mean", "", "", *(number(mean[name]) for name in names)])
    for kind in ("by_type", "by_size"):
        rows += [
            [f"mean of {shown(called)}", "", "", *(number(one[name]) for name in names)]
            for called, one in figures[kind].items()
        ]
    heads = ["data", "normal", "abnormal", *(FIGURES[name] for name in names)]
    console = terminal()
    console.print(figure_table(heads, rows, "Defects by product"))
    console.print(NOTE, style="dim")


def means_main() -> None:
    """Run as a command."""
    main(app, "python -m keras_sranogan.evaluation.means")


if __name__ == "__main__":
    means_main()
