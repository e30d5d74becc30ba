r"""What zero points of 0 cost (``--symmetric``): detection, loss reached, time; may they be the default?

::

    python -m benchmarks.detection.symmetric RUN phantom --split test --work /tmp/symmetric \
        --out benchmarks/results/symmetric.json

Each engine of fine-tuning is exported twice, with zero points as they come and with zero points of 0, and
every bundle scores the split on the edge runner. All are timed in turn, image by image. Symmetric numbers
become the default only where they lose nothing: :data:`BOUNDS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.detection.search import TIMED_IMAGES, Asked, Films, export, milliseconds, rows_of
from benchmarks.record import Record
from keras_sranogan.progress import Terminal
from keras_sranogan.run import Run

OPTIONS: dict[str, tuple[str, ...]] = {
    "float32": ("--float32",),
    "ptq": ("--int8", "--ptq"),
    "ptq, symmetric": ("--int8", "--ptq", "--symmetric"),
    "qat": ("--int8",),
    "qat, symmetric": ("--int8", "--symmetric"),
}
SYMMETRIC = ", symmetric"
# AUROC lost at most; the share that the loss reached, and the time of an image, may grow by.
BOUNDS = {"auroc": 0.001, "final_loss": 0.005, "total_ms": 0.02}


def compared(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what each symmetric row loses against its like, and whether all of it is within the bounds."""
    plain = {(row["recipe"], row["steps"]): row for row in rows}
    found = []
    for row in rows:
        other = plain.get((row["recipe"].removesuffix(SYMMETRIC), row["steps"]))
        if not row["recipe"].endswith(SYMMETRIC) or other is None:
            continue
        lost = {
            "auroc": other["auroc"] - row["auroc"],
            "final_loss": row["final_loss"] / other["final_loss"] - 1,
            "total_ms": row["total_ms"] / other["total_ms"] - 1,
        }
        within = all(lost[name] <= bound for name, bound in BOUNDS.items())
        found.append({"recipe": row["recipe"], "steps": row["steps"], "lost": lost, "within_bounds": within})
    return found


def main(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    data: Annotated[str, typer.Argument(help="What it was trained on.")],
    work: Annotated[Path, typer.Option(help="Folder for the bundles (not for the repository).")],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    split: Annotated[str, typer.Option(help="Labelled split to report on.")] = "test",
    steps: Annotated[str, typer.Option(help="Numbers of gradient steps.")] = "0,2,8",
) -> None:
    """Export in every way, score one split with each, time them in turn."""
    model = Run(run)
    record = Record("detection.symmetric", model.settings.seed)
    work.mkdir(parents=True, exist_ok=True)
    films, rows, commands = Films(model, data, split), list[dict[str, Any]](), list[str]()
    budgets = tuple(int(number) for number in steps.split(","))
    with Terminal() as progress:
        for recipe, options in OPTIONS.items():
            asked = Asked("gradient", budgets, recipe, options)
            path, command = export(asked, run, work)
            commands.append(command)
            rows += rows_of(asked, path, films, progress)
    timed = milliseconds(rows, work, films.x[:TIMED_IMAGES])
    rows = [{**row, **ms} for row, ms in zip(rows, timed, strict=True)]
    abnormal = int(films.abnormal.sum())
    record.write(
        out,
        exports=commands,
        data=data,
        split={"name": split, "normal": len(films.x) - abnormal, "abnormal": abnormal},
        threads=1,
        timed_images=min(TIMED_IMAGES, len(films.x)),
        bounds=BOUNDS,
        rows=rows,
        compared=compared(rows),
    )


if __name__ == "__main__":
    typer.run(main)
