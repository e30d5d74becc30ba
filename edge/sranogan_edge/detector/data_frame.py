"""A table of images in, the same table with what was found of each out: pandas, which is an extra."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from sranogan_edge.errors import ImageError, SettingsError, UnreadableImageError
from sranogan_edge.extras import needs_extra
from sranogan_edge.results.line import ResultLine, Scorer, error_line, result_line
from sranogan_edge.scoring.rule import Verdict
from sranogan_edge.text import meant

__all__ = ["COLUMNS", "FILE_COLUMNS", "scored_frame"]

FILE_COLUMNS = ("file", "path")
COLUMNS = (  # of a result line, in this order; milliseconds are the total
    *(
        "score",
        "p_value",
        "verdict",
        "threshold",
        "anogan_score",
        "milliseconds",
        "reason",
        "colour",
        "error",
    ),
    *("bundle", "steps", "backend", "scored_at"),
)
_NUMBERS = ("score", "p_value", "threshold", "anogan_score", "milliseconds")

FrameT = TypeVar("FrameT")  # a pandas.DataFrame: pandas has no types, and is not here on a device


def scored_frame(
    frame: FrameT, column: str | None, score: Callable[[str], Verdict], scorer: Scorer
) -> FrameT:
    """Return a copy of ``frame`` with :data:`COLUMNS` beside its own, a row each; index and order are kept.

    Args:
        frame: a ``pandas.DataFrame``; an image that cannot be scored has its reason in the column ``error``.
        column: that names the files; None is the one of :data:`FILE_COLUMNS` that is there.
        score: judges the file at a path.
        scorer: stands in every row.

    Raises:
        MissingExtraError: pandas is not installed.
        SettingsError: it is no DataFrame, names no files, or has one of the columns already.
    """
    with needs_extra("pandas", "score_frame"):
        import pandas
    if not isinstance(frame, pandas.DataFrame):
        raise SettingsError(
            f"score_frame takes a pandas.DataFrame; received {type(frame).__name__}. Make one, as with "
            "pandas.DataFrame({'file': files}), or use score_many."
        )
    names: list[Any] = list(frame.columns)
    files = frame[_column(names, column)]
    if taken := [name for name in COLUMNS if name in names]:
        raise SettingsError(
            f"the DataFrame has columns that a result has: {', '.join(taken)}. Rename them, or leave them "
            f"out: frame.drop(columns={taken!r})."
        )
    lines = [_line(file, row, score, scorer) for row, file in zip(frame.index, files, strict=True)]
    found = pandas.DataFrame(
        {name: _values(lines, name) for name in COLUMNS}, index=frame.index, columns=list(COLUMNS)
    )
    found = found.astype(dict.fromkeys(_NUMBERS, "float64"))
    return pandas.concat([frame, found], axis=1)  # type: ignore[no-any-return]  # pandas has no types


def _column(names: Sequence[Any], asked: str | None) -> Any:
    """Return the name of the column of files, which is there once."""
    if asked is None:
        there = [name for name in names if name in FILE_COLUMNS]
        if len(set(there)) > 1:
            raise SettingsError(
                "the DataFrame has a column file and a column path. Name the one that has the files: "
                "score_frame(frame, column='file')."
            )
        asked = there[0] if there else None
    known = [str(name) for name in names]
    if asked is None or asked not in names:
        wanted = asked or FILE_COLUMNS[0]
        what = f"no column {wanted!r}{meant(wanted, known)}" if asked else "no column 'file' or 'path'"
        listed = ", ".join(map(repr, known)) or "none"
        raise SettingsError(
            f"the DataFrame has {what}; it has {listed}. Name the one that has the files: "
            "score_frame(frame, column='...')."
        )
    if known.count(str(asked)) > 1:
        raise SettingsError(f"the DataFrame has several columns {asked!r}. Rename all but one.")
    return asked


def _line(file: Any, row: object, score: Callable[[str], Verdict], scorer: Scorer) -> ResultLine:
    try:
        if not isinstance(file, (str, os.PathLike)) or not os.fspath(file):
            raise UnreadableImageError(f"row {row}: names no file; received {file!r}. Write its path there.")
        verdict = score(os.fspath(file))
    except ImageError as error:
        return error_line(str(file), error, scorer)
    line = result_line(str(file), verdict, scorer, None, out_of_domain=verdict.out_of_domain)
    return replace(line, milliseconds={"total": verdict.milliseconds.get("total", 0.0)})


def _values(lines: Sequence[ResultLine], name: str) -> list[Any]:
    if name == "milliseconds":
        return [line.milliseconds.get("total") for line in lines]
    return [getattr(line, name) for line in lines]
