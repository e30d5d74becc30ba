"""The most search steps that a time allows: measured once at start-up, then the same for every image."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter

import numpy as np

from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.open import with_steps
from sranogan_edge.errors import BackendError

WARM_UPS = 3
RUNS = 40
PERCENTILE = 95


def p95_ms(detector: Detector) -> float:
    """Return the 95th percentile of milliseconds from x in memory to score, p-value and heat map.

    Measured on the golden inputs, in turn.
    """
    inputs = detector.bundle.golden.x
    taken = []
    for run in range(WARM_UPS + RUNS):
        started = perf_counter()
        detector.score_x(inputs[run % len(inputs)])
        taken.append((perf_counter() - started) * 1000)
    return float(np.percentile(taken[WARM_UPS:], PERCENTILE))


def largest_within(detector: Detector, limit_ms: float) -> tuple[Detector, Mapping[int, float]]:
    """Return a detector of the largest step budget that keeps to ``limit_ms`` at p95, and all the figures.

    Each budget's golden cases are proven on the way, on the backend of ``detector``.

    Raises:
        BackendError: not even the smallest budget does; the message has the figures.
    """
    fitting, taken = None, {}
    for steps in sorted(detector.bundle.budgets):
        candidate = with_steps(detector, steps)
        taken[steps] = p95_ms(candidate)
        if taken[steps] <= limit_ms:
            fitting = candidate
    if fitting is None:
        raise BackendError(
            f"no step budget of this bundle keeps to {limit_ms:g} ms an image on {detector.backend.label}: "
            f"{table_of(taken)}. Allow more with --budget-ms, or export a smaller budget."
        )
    return fitting, taken


def table_of(taken: Mapping[int, float]) -> str:
    """Return the figures as text."""
    figures = ", ".join(f"{steps} steps {ms:.1f} ms" for steps, ms in taken.items())
    return f"p{PERCENTILE} of {figures}"
