"""Numbers of a DICOM header, as scanners really write them."""

from __future__ import annotations

import math
import re
from typing import Any

from pydicom.dataset import Dataset

__all__ = ["number_in", "texts_of", "whole_number"]

_COMMA = re.compile(r"[+-]?\d*,\d*([eE][+-]?\d+)?")  # a decimal comma, and nothing that would be a thousand's


def texts_of(dataset: Dataset, keyword: str) -> list[str]:
    """Return the values of ``keyword`` as the file writes them; none where it is absent or damaged."""
    try:
        return _texts(dataset, keyword)
    except Exception:  # one damaged element says nothing about the others
        return []


def _texts(dataset: Dataset, keyword: str) -> list[str]:
    value: Any = dataset.get(keyword)
    if value is None:
        return []
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    values = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
    texts = [str(getattr(one, "original_string", one)).strip(" \0") for one in values]
    return [text for one in texts for text in one.split("\\")] if any(texts) else []


def number_in(text: str) -> float | None:
    """Return the number that ``text`` is, with a decimal point or comma; None where it is none."""
    if _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def whole_number(dataset: Dataset, keyword: str) -> int | None:
    """Return the first value of ``keyword``, a whole number; None where there is none.

    Raises:
        ValueError: it is no whole number; the message says what it is.
    """
    try:
        texts = _texts(dataset, keyword)
    except Exception as error:  # whatever damaged bytes make pydicom raise
        raise ValueError(f"it is damaged: {error}") from error
    if not texts:
        return None
    number = number_in(texts[0])
    if number is None or number != int(number) or len(texts) > 1:
        written = "\\".join(texts)
        raise ValueError(f"it is {written[:40]!r}, which is no whole number")
    return int(number)
