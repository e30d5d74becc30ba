"""Normals of the training that fine-tuning is examined on, and not taught by.

Fine-tuning keeps the weights that do best on its exam. Were that of held-out normals, these would have chosen
the networks that they are to judge: densities and threshold rest on normals that no network has met.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.detector.normals import representative_step

__all__ = ["Lessons", "set_aside"]

Images = NDArray[np.float32]
EXAMINED = 48  # images that a network is examined on, at most
LESSONS_EACH = 4  # images kept, at least, one of which is for the exam


@dataclass(frozen=True, eq=False)
class Lessons:
    """Normals of the training, all in [0, 1].

    Attributes:
        plain: ``(N, S, S, 1)`` to learn from.
        small: ``(M, side, side, 1)`` more of them, jittered ones too; none of the exam.
        exam: ``(K, S, S, 1)`` others.
    """

    plain: Images
    small: Images
    exam: Images


def set_aside(kept: Images, seen: Images, trained_on: int) -> Lessons:
    """Take some of the training normals that a run ``kept`` for an exam.

    Args:
        kept: ``(N, S, S, 1)``, one in :func:`representative_step` of those trained on.
        seen: ``(M, side, side, 1)``, all that were trained on, once or more, each time in the same order.
        trained_on: how many these are.

    A run that kept a single image is taught and examined by it.
    """
    if len(kept) < 2:
        return Lessons(kept, seen, kept)
    every = max(LESSONS_EACH, -(-len(kept) // EXAMINED))
    examined = np.arange(len(kept)) % every == min(every, len(kept)) - 1
    numbers = np.flatnonzero(examined) * representative_step(trained_on)
    taught = ~np.isin(np.arange(len(seen)) % trained_on, numbers)
    return Lessons(kept[~examined], seen[taught], kept[examined])
