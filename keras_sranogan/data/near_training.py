"""How many of the images judged on are, or nearly are, images that the model was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.copies import Prints, near_any
from keras_sranogan.data.item import Item

__all__ = ["NearTraining", "near_text", "near_training"]

NAMED = 5


@dataclass(frozen=True)
class NearTraining:
    """Images that equal, or nearly equal, one of the training.

    Attributes:
        images: how many.
        of: how many were looked at.
        abnormal: how many of ``images`` are abnormal.
        examples: keys of a few.
    """

    images: int
    of: int
    abnormal: int
    examples: list[str]


def near_training(
    x: NDArray[np.float32], items: Sequence[Item], prints: Iterable[Prints | None]
) -> NearTraining | None:
    """Compare ``x`` ``(N, S, S, 1)`` with the trainings that are known; None where none is."""
    found = [near_any(x, one) for one in prints if one is not None]
    if not found:
        return None
    near = [item for item, is_near in zip(items, np.any(found, axis=0), strict=True) if is_near]
    abnormal = sum(not item.is_normal for item in near)
    return NearTraining(len(near), len(items), abnormal, [item.key for item in near[:NAMED]])


def near_text(found: Mapping[str, Any] | None) -> str:
    """Say it in a sentence, from the figures as they stand in the JSON file."""
    if found is None:
        return (
            "Whether images here are copies of training images is not known: a bundle holds none. Judge by "
            "the run folder to tell."
        )
    if not found["images"]:
        return f"None of the {found['of']} images is, or nearly is, an image of the training."
    return (
        f"{found['images']} of the {found['of']} images are, or nearly are, images of the training "
        f"({found['abnormal']} of them abnormal), such as {', '.join(found['examples'])}: figures on these "
        "flatter."
    )
