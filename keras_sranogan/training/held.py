"""Where steps take their images from: memory, that of the card where there is one, or the run's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_sranogan.backend.devices import in_parts, is_spread
from keras_sranogan.backend.graph import from_host
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.rows import Images, Rows
from sranogan_edge.errors import RunError

__all__ = ["Held", "held", "read_errors"]

_failed: list[RunError] = []  # of reading inside a step: the backends raise their own instead


@dataclass(frozen=True, eq=False)
class Held:
    """Images of any shape that a compiled step takes batches from, the same ones wherever they are."""

    images: keras.Variable | Rows

    @property
    def shape(self) -> tuple[int, ...]:
        """Of all of them."""
        return tuple(self.images.shape)

    @property
    def variables(self) -> list[keras.Variable]:
        """What a step has to be compiled with."""
        return [] if isinstance(self.images, Rows) else [self.images]

    def take(self, rows: Tensor) -> Tensor:
        """Return the images of the numbers ``rows`` ``(batch,)``, which may be traced.

        In a step on several devices each takes its part of the batch.
        """
        if isinstance(self.images, Rows):
            read = self._read_or_nan if is_spread() else self._read
            return from_host(read, rows, self.shape[1:])
        return in_parts(ops.take(self.images, rows, axis=0))

    def _read(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        assert isinstance(self.images, Rows)
        try:
            return self.images[rows]
        except RunError as error:
            _failed.append(error)
            raise

    def _read_or_nan(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """End the step although nothing was read: other devices wait for this one in the middle of it."""
        with suppress(RunError):
            return self._read(rows)
        return np.full((len(rows), *self.shape[1:]), np.nan, np.float32)


def held(images: Images) -> Held:
    """Put ``images`` where steps take batches from: on the card, where there is one; those on disk stay."""
    if isinstance(images, Rows):
        return Held(images)
    return Held(keras.Variable(images, trainable=False, dtype="float32", name="images"))


@contextmanager
def read_errors() -> Iterator[None]:
    """Raise the RunError of a file that cannot be read inside a step, not what the backend makes of it.

    A step may still run when this ends: then it is told at the next one.
    """
    try:
        yield
    except Exception as error:
        if _failed:
            raise _told() from error
        raise
    if _failed:
        raise _told()


def _told() -> RunError:
    first = _failed[0]
    _failed.clear()
    return first
