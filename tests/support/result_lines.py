"""Result lines for tests."""

from __future__ import annotations

from typing import Any

from sranogan_edge.results.line import ResultLine


def line(number: int = 0, **changes: Any) -> ResultLine:
    """The line of a judged image."""
    values: dict[str, Any] = {
        "file": f"{number}.png",
        "score": 1.0 + number,
        "p_value": 0.5,
        "verdict": "normal",
        "threshold": 2.0,
        "anogan_score": 100.0,
        "milliseconds": {"search": 2.0 + number, "total": 4.0},
        "heat_map": None,
        "error": None,
        "bundle": "ab",
        "steps": 4,
        "backend": "LiteRT",
        "backend_fallback": None,
        "scored_at": "2026-01-01T12:00:00Z",
    }
    return ResultLine(**{**values, **changes})
