"""One image of a data source, and what every source can do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.settings import Anomalies
from sranogan_edge.image.frame import Frame

__all__ = ["DataSource", "Item"]


@dataclass(frozen=True)
class Item:
    """One image of a source, before it is read.

    Attributes:
        key: unique and stable inside the source: the path below the root, or such as
            ``train/NORMAL/00012`` where there is no file.
        label: class name, such as ``NORMAL``.
        is_normal: whether it may be learned from.
        group: who it is of: images of one group never stand on both sides of a split.
        path: the file, where there is one.
        kinds: what is wrong in it, where the data say so more closely than by ``label``.
    """

    key: str
    label: str
    is_normal: bool
    group: str
    path: Path | None = None
    kinds: tuple[str, ...] = ()


class DataSource(Protocol):
    """Images under a few split names; nothing is read before it is asked for.

    Attributes:
        name: for people.
        anomalies: what abnormal images of this kind usually show (``--anomalies`` says otherwise).
    """

    name: str
    anomalies: Anomalies

    def splits(self) -> tuple[str, ...]:
        """The splits that hold images: some of ``train``, ``val``, ``test``, in this order."""
        ...

    def items(self, split: str) -> list[Item]:
        """The images of one split, the same list every time; ``train`` lists normals only.

        Raises:
            SranoganError: there is no such split; the message names those that there are.
        """
        ...

    def frame(self, item: Item) -> Frame:
        """Read one image.

        Raises:
            ImageError: this image cannot be used; the others may.
        """
        ...

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        """Where ``item`` is abnormal, ``(H, W)`` at the size of its frame; None where nobody marked it."""
        ...
