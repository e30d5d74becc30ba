"""A source of images that are drawn when they are read, and counted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import Item
from keras_sranogan.settings import Anomalies
from sranogan_edge.image.frame import Frame, Photometric
from tests.support.boards import board


class Boards:
    """A source of boards that counts how many of them are read."""

    name = "boards"
    anomalies: Anomalies = "mixture"

    def __init__(self, count: int, draw: Callable[[int], NDArray[np.uint8]] = board) -> None:
        self.read: list[str] = []
        self._count, self._draw = count, draw

    def splits(self) -> tuple[str, ...]:
        """Only those to train on."""
        return ("train",)

    def items(self, split: str) -> list[Item]:
        """One item a board, each of a group of its own."""
        return [Item(f"{split}/{n}", "NORMAL", True, f"board {n}") for n in range(self._count)]

    def frame(self, item: Item) -> Frame:
        """Draw it."""
        self.read.append(item.key)
        return Frame(self._draw(int(item.key.split("/")[1])), 8, Photometric.MONOCHROME2, source=item.key)

    def mask(self, item: Item) -> None:
        """Nobody marked anything."""
