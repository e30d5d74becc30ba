"""What earlier runs left in ``results.jsonl``, for the page's history."""

from __future__ import annotations

import json
import logging
import math
import os
from dataclasses import fields
from pathlib import Path

from sranogan_edge.page.entry import FIELDS
from sranogan_edge.results.line import VERDICTS, ResultLine, scored_at_s

__all__ = ["recalled"]

READ_BYTES = 4 * 2**20  # of the file's end, about 5,000 lines
_NAMES = tuple(field.name for field in fields(ResultLine))

_log = logging.getLogger(__name__)


def recalled(path: Path) -> list[ResultLine]:
    """Return the last lines of ``path``, the oldest first; what is no result line is left out."""
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - READ_BYTES)
            file.seek(start)
            texts = file.read(READ_BYTES).split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        _log.warning("%s: the page begins without earlier results (%s)", path, error.strerror or error)
        return []
    found = [_line(text) for text in texts[1 if start else 0 :]]
    return [line for line in found if line]


def _line(text: bytes) -> ResultLine | None:
    """Read one line; None where it is torn, or somebody else's."""
    try:
        found = json.loads(text)
        line = ResultLine(**{name: found[name] for name in _NAMES if name in found})
        scored_at_s(line)
        numbers = (line.score, line.p_value, line.threshold, *line.milliseconds.values())
        finite = all(math.isfinite(number) for number in numbers if number is not None)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    texts = [line.feed, line.reason, line.error, line.heat_map, *(getattr(line, name) for name in FIELDS)]
    words = (line.file, *(text or "" for text in texts))
    good = finite and line.verdict in VERDICTS and all(isinstance(word, str) for word in words)
    return line if good else None
