"""Numbers for people."""

from __future__ import annotations

NONE = "-"


def number(value: float | None, digits: int = 3) -> str:
    """Text of a figure; a dash where there is none."""
    return NONE if value is None else f"{value:,.{digits}f}"


def score_text(value: float) -> str:
    """Text of a score: few digits when it is large, as sums of absolute differences are."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"


def interval(bounds: list[float] | None) -> str:
    """Text of an interval."""
    return NONE if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"
