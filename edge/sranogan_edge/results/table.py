"""``results.csv``: the lines of ``results.jsonl`` for a spreadsheet, which is to compute none of them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from sranogan_edge.files import writing_whole
from sranogan_edge.results.line import ResultLine

__all__ = ["COLUMNS", "harmless", "plain_text", "write_table"]

COLUMNS = tuple(one.name for one in fields(ResultLine))
FORMULA_STARTS = (*"=+-@\t\r\n", *"\uff1d\uff0b\uff0d\uff20")  # a spreadsheet may compute such a cell


def harmless(value: object) -> object:
    """Return ``value``; text that a spreadsheet would compute has an apostrophe in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def plain_text(value: object) -> object:
    """Return ``value``; bytes of a file name that are no text become escapes, and objects JSON."""
    if isinstance(value, (Mapping, list)):
        return json.dumps(value)
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def write_table(lines: Sequence[ResultLine], path: Path) -> None:
    """Write one row for each of ``lines``, in their order, as UTF-8 with a header, whole or not at all.

    The columns are a line's fields; ``milliseconds`` is the total.

    Raises:
        OSError: it cannot be written.
    """
    with writing_whole(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="")
        table = csv.writer(text)
        table.writerow(COLUMNS)
        for line in lines:
            values = {name: getattr(line, name) for name in COLUMNS}
            values["milliseconds"] = line.milliseconds.get("total")
            table.writerow([harmless(plain_text(value)) for value in values.values()])
        text.detach()  # which flushes, and leaves the file open
