"""The reference that images are aligned to: the mean of the normals that the networks are trained on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.load import in_order
from sranogan_edge.errors import DataError
from sranogan_edge.image.align import SIDE_PX, Aligner
from sranogan_edge.image.similarity import Similarity, inverse, nearest_similarity, pulled

__all__ = ["ROUNDS", "learn_reference"]

ROUNDS = 2  # the mean of normals as they came is aligned to, then the mean of these
NEEDED = 0.7  # of the likeness that the median normal has, aligned
_SQUARE = (SIDE_PX, SIDE_PX)

Image = NDArray[np.float32]


def learn_reference(
    views: Sequence[Image], on_progress: Callable[[int], None] = lambda done: None
) -> Aligner:
    """Return what aligns to the mean of ``views``.

    The mean of images that lie each in their own way is blurred; that of the same, aligned to it, is sharp.
    What cannot be aligned has no part in it. The reference lies as the normals do on average.

    Args:
        views: of normals (:func:`sranogan_edge.image.align.view_of`); the reference has the most usual shape.
        on_progress: is called with the number of views that were looked at, of ``(ROUNDS + 1) * len(views)``.

    Raises:
        DataError: they are too long and thin, or show nothing that could be aligned to.
    """
    shape = Counter(view.shape for view in views).most_common(1)[0][0]
    found: list[Similarity | None] = [Similarity()] * len(views)
    likeness: list[float] = []
    for number in range(ROUNDS + 1):
        aligner = _aligner(_mean(views, _about_the_mean(found), shape), 0.0)
        found, likeness = [], []
        for lies, alike, _ in in_order(aligner.find, views):
            found.append(lies)
            likeness += [alike] if lies else []
            on_progress(number * len(views) + len(found))
        if not likeness:
            raise DataError("--align: no normal can be aligned to the mean of all. Train without it.")
    return _aligner(aligner.reference, NEEDED * float(np.median(likeness)))


def _about_the_mean(found: Sequence[Similarity | None]) -> list[Similarity | None]:
    """Return the same, seen from a reference that lies as they do on average."""
    lies = [one for one in found if one]
    usual = Similarity(
        float(np.mean([one.rotation for one in lies])),
        float(np.exp(np.mean([np.log(one.scale) for one in lies]))),
        float(np.mean([one.right for one in lies])),
        float(np.mean([one.down for one in lies])),
    )
    back = np.vstack([inverse(usual.matrix(_SQUARE, _SQUARE)), [0, 0, 1]])
    return [
        one and nearest_similarity(one.matrix(_SQUARE, _SQUARE) @ back, _SQUARE, _SQUARE) for one in found
    ]


def _mean(views: Sequence[Image], found: Sequence[Similarity | None], shape: tuple[int, ...]) -> Image:
    """Return the mean, ``shape`` float32, of the ``views`` that were ``found``, as they lie then."""
    rows, columns = shape
    total = np.zeros((rows, columns))
    for view, lies in zip(views, found, strict=True):
        if lies is not None:
            total += pulled(view, lies.matrix((rows, columns), view.shape), (rows, columns))
    return np.asarray(total / sum(lies is not None for lies in found), np.float32).clip(0, 1)


def _aligner(reference: Image, least: float) -> Aligner:
    try:
        return Aligner(reference, least)
    except ValueError as error:
        raise DataError(
            f"--align: the mean of the normals cannot be aligned to: {error}. Train without it."
        ) from error
