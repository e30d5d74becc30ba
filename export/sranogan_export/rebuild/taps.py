"""Where a hand-built graph is quantised: every tensor that shall be int8 passes through a tap.

A graph is run three times with three kinds of tap: as it is (float32), noting each tensor's range
on real images (calibration), and with fake quantisation at those ranges, which the converter turns
into integer kernels. What passes no tap stays float32, so each graph says itself what is int8.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# What int8 kernels need a sigmoid's output to be: scale 1/256, zero point -128. White is held at 255/256,
# in x as in G(z): where both are white they are equal, and pull no further.
IMAGE_RANGE = (0.0, 255.0 / 256.0)
Ranges = dict[str, tuple[float, float]]
REACH = 0.5  # of a range of normals: how much further anomalies may take it, at each end
LEAST, SMALL = 1e-9, 1e-3  # a narrower range was never active, and gets this one
WIDER = 128 / 127  # int8 has one level more below zero than above it


class Tap(Protocol):
    """What a graph passes its tensors and weights through."""

    def activation(self, name: str, x: tf.Tensor, limits: tuple[float, float] | None = None) -> tf.Tensor:
        """Pass an activation; ``limits`` states a range that is known beforehand."""

    def weights(self, kernel: NDArray[np.float32], *, per_channel: bool) -> tf.Tensor:
        """Pass a constant kernel; channels are its last axis."""


class Plain:
    """Float32: nothing is changed."""

    def activation(self, name: str, x: tf.Tensor, limits: tuple[float, float] | None = None) -> tf.Tensor:
        """Return ``x``."""
        return x

    def weights(self, kernel: NDArray[np.float32], *, per_channel: bool) -> tf.Tensor:
        """Return the kernel as it is: in float32."""
        return tf.constant(kernel)


class Calibrating(Plain):
    """Float32, noting the smallest and largest value of each activation; run eagerly."""

    def __init__(self, *, symmetric: bool = False) -> None:
        """Start with nothing seen; ``symmetric`` widens each range until its zero point is 0."""
        self._seen: Ranges = {}
        self._most: Ranges = {}
        self._symmetric = symmetric

    @property
    def ranges(self) -> Ranges:
        """What was seen, by name."""
        return {name: around_zero(one) if self._symmetric else one for name, one in self._seen.items()}

    def end_of_normals(self) -> None:
        """From now on anomalies are seen: a range grows by at most :data:`REACH` of itself at either end.

        All of an anomaly would make steps so wide that normals are told apart no more.
        """
        widths = {name: REACH * (high - low) for name, (low, high) in self._seen.items()}
        self._most = {
            name: (low - widths[name], high + widths[name]) for name, (low, high) in self._seen.items()
        }

    def activation(self, name: str, x: tf.Tensor, limits: tuple[float, float] | None = None) -> tf.Tensor:
        """Note the range and return ``x``."""
        low, high = limits or (float(tf.reduce_min(x)), float(tf.reduce_max(x)))
        if name in self._most:
            low, high = max(low, self._most[name][0]), min(high, self._most[name][1])
        seen = self._seen.get(name, (0.0, 0.0))  # zero is always inside, so that it is exact
        self._seen[name] = (min(seen[0], low), max(seen[1], high))
        return x


class FakeQuantised:
    """Rounds to what int8 can hold, so that the converter picks integer kernels."""

    def __init__(self, ranges: Ranges, *, symmetric: bool = False) -> None:
        """Take the ranges that :class:`Calibrating` saw, and whether it made them ``symmetric``."""
        self.ranges, self.symmetric = ranges, symmetric

    def activation(self, name: str, x: tf.Tensor, limits: tuple[float, float] | None = None) -> tf.Tensor:
        """Return ``x`` rounded to 256 levels between the calibrated limits."""
        low, high = opened(self.ranges[name])
        return tf.quantization.fake_quant_with_min_max_args(x, low, high, 8)

    def weights(self, kernel: NDArray[np.float32], *, per_channel: bool) -> tf.Tensor:
        """Return the kernel rounded to 255 symmetric levels, per output channel or as a whole."""
        if per_channel:
            largest = np.abs(kernel).max(axis=tuple(range(kernel.ndim - 1)))
            top = np.maximum(largest, 1e-6).astype(np.float32)
            return tf.quantization.fake_quant_with_min_max_vars_per_channel(
                kernel, -top, top, 8, narrow_range=True
            )
        limit = float(np.abs(kernel).max()) or 1e-6
        return tf.quantization.fake_quant_with_min_max_args(kernel, -limit, limit, 8, narrow_range=True)


def around_zero(limits: tuple[float, float]) -> tuple[float, float]:
    """Return the smallest range that holds ``limits`` and whose zero point in int8 is 0."""
    high = max(-limits[0] / WIDER, limits[1])
    high = high if high >= LEAST else SMALL
    return -WIDER * high, high


def opened(limits: tuple[float, float]) -> tuple[float, float]:
    """Return ``limits``, or a small range where no calibration image was ever active."""
    low, high = limits
    return (low, high) if high - low >= LEAST else (low, low + SMALL)
