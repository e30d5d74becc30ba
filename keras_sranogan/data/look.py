"""A look at the images before hours are spent on them: sizes, colour, copies, and what cannot be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.copies import near_by_part
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import in_order
from sranogan_edge.errors import ImageError
from sranogan_edge.image.colour import is_colourful
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import seen_at

__all__ = ["MOST", "Look", "Seen", "is_drawn", "look_at", "planned"]

MOST = 2000  # images of a split that are looked at, evenly over all of them
SIDE = 64  # of the copies that are compared

Class = tuple[str, str]  # split, label


@dataclass(frozen=True)
class Seen:
    """What the images of one class of one split look like.

    Attributes:
        sizes: ``(width, height)`` in pixels of the smallest, the median and the largest, by area.
        images: how many could be read.
        coloured: how many of these are in colour.
    """

    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
    images: int
    coloured: int


@dataclass(frozen=True)
class Look:
    """What was seen of a source.

    Attributes:
        seen: by split and class; a class of which nothing can be read is not there.
        looked_at: images of each split that could be read.
        near: ``(split, other)`` and how many images of ``split`` equal, or nearly equal, another one that is
            in ``other``; those of which there are none are left out.
        unreadable: what is wrong with each image that cannot be read, by split.
    """

    seen: dict[Class, Seen]
    looked_at: dict[str, int]
    near: dict[tuple[str, str], int]
    unreadable: dict[str, list[str]]


@dataclass(frozen=True, eq=False)
class _One:
    size: tuple[int, int]
    coloured: bool
    small: NDArray[np.float32]


def is_drawn(source: DataSource) -> bool:
    """Whether the images of ``source`` are drawn when they are asked for: all is known of them."""
    return bool(getattr(source, "drawn", False))


def planned(source: DataSource) -> list[tuple[str, Item]]:
    """Return what to look at, with its split: all, or :data:`MOST` of each split, evenly spread."""
    chosen = []
    for split in source.splits():
        items = source.items(split)
        places = np.linspace(0, len(items) - 1, min(len(items), MOST)).astype(int).tolist()
        chosen += [(split, items[place]) for place in places]
    return chosen


def look_at(
    source: DataSource,
    chosen: Sequence[tuple[str, Item]],
    on_progress: Callable[[int], object] = lambda done: None,
) -> Look:
    """Read the ``chosen`` images of ``source`` once, and compare small copies of them.

    ``on_progress`` is called with the number done after each image.
    """
    glance = getattr(source, "glance", lambda item, side: None)

    def look(one: tuple[str, Item]) -> _One | str:
        try:
            frame, size = glance(one[1], SIDE) or _whole(source.frame(one[1]))
            return _One(size, is_colourful(frame), seen_at(frame, SIDE, SIDE))
        except ImageError as error:
            return str(error)

    found: list[tuple[str, str, _One]] = []
    unreadable: dict[str, list[str]] = {}
    for done, ((split, item), one) in enumerate(zip(chosen, in_order(look, chosen), strict=True), start=1):
        if isinstance(one, str):
            unreadable.setdefault(split, []).append(one)
        else:
            found.append((split, item.label, one))
        on_progress(done)
    by_class: dict[Class, list[_One]] = {}
    for split, label, one in found:
        by_class.setdefault((split, label), []).append(one)
    splits = [split for split, _, _ in found]
    near = near_by_part(np.stack([one.small for *_, one in found]), splits) if found else {}
    seen = {name: _seen(ones) for name, ones in by_class.items()}
    return Look(seen, dict(Counter(splits)), near, unreadable)


def _whole(frame: Frame) -> tuple[Frame, tuple[int, int]]:
    height, width = frame.pixels.shape[:2]
    return frame, (width, height)


def _seen(ones: Sequence[_One]) -> Seen:
    sizes = sorted((one.size for one in ones), key=lambda size: (size[0] * size[1], size))
    three = sizes[0], sizes[(len(sizes) - 1) // 2], sizes[-1]
    return Seen(three, len(ones), sum(one.coloured for one in ones))
