"""A line whose heat map an archive is to get."""

from __future__ import annotations

from typing import Any

from sranogan_edge.results.line import ResultLine


def line(number: int = 0, **changes: Any) -> ResultLine:
    """The line of a judged image that has a heat map."""
    values: dict[str, Any] = {
        **{"file": f"{number}.dcm", "score": 3.25, "p_value": 0.01, "verdict": "anomalous", "threshold": 2.5},
        **{"anogan_score": 1.0, "milliseconds": {}, "heat_map": "heat.png", "error": None},
        **{"bundle": "ab" * 32, "steps": 8, "backend": "LiteRT", "backend_fallback": None},
        "scored_at": "2026-01-01T12:00:00Z",
    }
    return ResultLine(**{**values, **changes})
