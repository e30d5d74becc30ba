"""How long to wait before trying again: doubling, bounded, and never in step with other devices."""

from __future__ import annotations

import random

__all__ = ["Backoff"]


class Backoff:
    """Waiting times that double from ``first_s`` to ``most_s``, each drawn from its upper half.

    The draw (jitter) keeps a plant full of devices from coming back to one broker in the same second.
    """

    def __init__(self, first_s: float = 0.5, most_s: float = 60.0, draw: random.Random | None = None) -> None:
        self.first_s = first_s
        self.most_s = most_s
        self.failures = 0
        self._draw = draw or random.Random()

    def next_s(self) -> float:
        """Count a failure; return the seconds to wait, between half and all of the doubled time."""
        doublings = min(self.failures, 32)  # beyond it the bound holds anyway, and 2**n stays a small number
        self.failures += 1
        full: float = min(self.first_s * 2**doublings, self.most_s)
        return full * (0.5 + 0.5 * self._draw.random())

    def reset(self) -> None:
        """Begin anew: it works again."""
        self.failures = 0
