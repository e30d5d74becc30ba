"""The proof of equality as figures: what was compared, how near it is, and how near it must be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

KERAS, FLOAT = "Keras", "float TFLite"
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Tolerance:
    """How far graphs may be from Keras.

    Attributes:
        l1_growth: by which share the mean error of the reconstructions may grow over Keras'.
        correlation: that the scores of normals must have with Keras' scores, at least.
        output_error: of each graph's outputs on equal inputs, the mean, in standard deviations of Keras'.
    """

    l1_growth: float
    correlation: float
    output_error: float


# The same arithmetic in another order: a step of the search differs by 1e-7, eight by 1e-4 (a sign may flip).
# Half-size weights add a relative 5e-4. Measured on the chest model in 8 steps: +0.00 %, 1.0000, 0.02 %.
EXACT = Tolerance(l1_growth=0.005, correlation=0.999, output_error=0.02)
# 8 bits. Measured on the chest model, not fine-tuned: +0.33 %, 0.9989, 3 %.
ROUNDED = Tolerance(l1_growth=0.02, correlation=0.98, output_error=0.2)
TOLERANCES: Mapping[str, Tolerance] = {
    "float32": EXACT,
    "float16": EXACT,
    "dynamic": ROUNDED,
    "int8": ROUNDED,
}
FEWEST_FOR_CORRELATION = 30  # with fewer normals a correlation is chance: it is stated, nothing rests on it
DIGITS = 6  # after the point, of what the manifest keeps


@dataclass(frozen=True)
class GraphRow:
    """One graph in one form.

    Attributes:
        graph: such as ``reconstruct`` or ``search_steps_4``.
        form: ``float TFLite``, or the recipe's, such as ``int8 TFLite``.
        operators: all of them.
        float_operators: those that compute on floats.
        partitions: pieces that XNNPACK takes.
        file_bytes: of its file; the searches share one.
        macs: multiply-accumulates of one run; None where they cannot be counted.
        mean_error: of its outputs against Keras' on equal inputs, in standard deviations of Keras'.
        max_error: the largest, in the same unit.
    """

    graph: str
    form: str
    operators: int
    float_operators: int
    partitions: int
    file_bytes: int
    macs: int | None
    mean_error: float
    max_error: float


@dataclass(frozen=True)
class StepRow:
    """mean |x - G(z)| of normals after so many steps, by form: the mean over normals, and the largest."""

    steps: int
    mean_l1: Mapping[str, float]
    max_l1: Mapping[str, float]


@dataclass(frozen=True)
class ScoreRow:
    """Scores of normals by one form, against Keras'.

    Attributes:
        form: as in :class:`GraphRow`.
        correlation: Pearson's; NaN where scores do not vary.
        mean_difference: absolute, in standard deviations of normals.
        max_difference: the largest.
        l1: mean |x - reconstruction|, super-resolved.
        l1_growth: by which share that is above Keras'.
    """

    form: str
    correlation: float
    mean_difference: float
    max_difference: float
    l1: float
    l1_growth: float


@dataclass(frozen=True, eq=False)
class Equality:
    """All that was compared.

    Attributes:
        recipe: of the bundle.
        steps: of the search that was scored.
        normals: held-out normals that were scored.
        normals_of_steps: how many of them the rows of graphs and steps rest on.
        graphs: rows by graph and form.
        curve: rows by number of steps.
        scores: rows by form.
        scored: ``(normals,)`` scores by form, for the picture.
    """

    recipe: str
    steps: int
    normals: int
    normals_of_steps: int
    graphs: tuple[GraphRow, ...]
    curve: tuple[StepRow, ...]
    scores: tuple[ScoreRow, ...]
    scored: Mapping[str, Scores]

    def failure(self) -> tuple[str, str]:
        """Return the form that is past its tolerance, and what of it is; empty when nothing is."""
        for row in self.scores:
            allowed = EXACT if row.form == FLOAT else TOLERANCES[self.recipe]
            for past in (self._wrong_scores(row, allowed), self._wrong_outputs(row.form, allowed)):
                if past:
                    return row.form, past
        return "", ""

    def _wrong_scores(self, row: ScoreRow, allowed: Tolerance) -> str:
        if not row.l1_growth <= allowed.l1_growth:
            return (
                f"their reconstructions are off by {row.l1_growth:.1%} more than Keras' are; at most "
                f"{allowed.l1_growth:.1%} is accepted"
            )
        if self.normals >= FEWEST_FOR_CORRELATION and not row.correlation >= allowed.correlation:
            return (
                f"their scores of {self.normals} normals correlate with Keras' by {row.correlation:.4f}; at "
                f"least {allowed.correlation} is asked for"
            )
        return ""

    def _wrong_outputs(self, form: str, allowed: Tolerance) -> str:
        for row in self.graphs:
            if row.form == form and not row.mean_error <= allowed.output_error:
                return (
                    f"graph {row.graph!r} gives what is off by {row.mean_error:.1%} of its spread; at most "
                    f"{allowed.output_error:.0%} is accepted"
                )
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return what the bundle's manifest keeps; without the single scores."""
        return {
            "steps": self.steps,
            "normals": self.normals,
            "normals_of_steps": self.normals_of_steps,
            "graphs": [_finite(asdict(row)) for row in self.graphs],
            "curve": [_finite(asdict(row)) for row in self.curve],
            "scores": [_finite(asdict(row)) for row in self.scores],
            "tolerance": {FLOAT: asdict(EXACT), f"{self.recipe} TFLite": asdict(TOLERANCES[self.recipe])},
        }


def _finite(row: dict[str, Any]) -> dict[str, Any]:
    """Round what is kept; JSON knows no NaN."""
    return {name: _rounded(value) for name, value in row.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return _finite(value)
    if not isinstance(value, float):
        return value
    return round(value, DIGITS) if math.isfinite(value) else None


__all__ = [
    "EXACT",
    "FLOAT",
    "KERAS",
    "ROUNDED",
    "TOLERANCES",
    "Equality",
    "GraphRow",
    "ScoreRow",
    "StepRow",
    "Tolerance",
]
