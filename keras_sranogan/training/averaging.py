"""Running means of weights."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

__all__ = ["move_towards"]


def move_towards(averaged: keras.Model, model: keras.Model, decay: Any) -> None:
    """Keep ``decay`` (a scalar from 0 to 1) of each of ``averaged``'s variables; ``model``'s are the rest."""
    for mean, now in zip(averaged.variables, model.variables, strict=True):
        mean.assign(mean.value * decay + ops.cast(now.value, mean.dtype) * (1.0 - decay))
