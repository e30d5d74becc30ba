"""Where a head's training starts: weights learned on drawn chests and surfaces, or random ones.

``drawn.npz`` was made by ``python -m benchmarks.transfer start`` from phantoms and self-made anomalies
alone: no picture of a patient or a product, and none of the phantoms' own lesions and defects.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.head.network import build_head
from keras_sranogan.settings import HeadSettings
from sranogan_edge.scoring.head import CHANNELS

PATH = Path(__file__).parent / "drawn.npz"


def new_heads(
    side: int, settings: HeadSettings, dtype: str, channels: int = 1
) -> tuple[keras.Model, keras.Model]:
    """Return a head to train, and another of the same weights that will be its running mean.

    A head of another form than the drawn ones (``width``, or an image of 64 px and less) starts at random.
    With three ``channels`` it sees opponents, too (:mod:`sranogan_edge.image.colour`): the drawn ones, which
    are grey, have no weight for these, and it starts with what they say of the luminance.
    """
    head = build_head(side, settings, dtype, channels)
    averaged = build_head(side, settings, channels=channels)
    if settings.starts_drawn(side):
        first, *others = drawn_weights()
        head.set_weights([_for_colours(first, channels), *others])
    averaged.set_weights(head.get_weights())
    return head, averaged


def _for_colours(kernel: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return the first kernel, ``(k, k, 4 * CHANNELS, out)``, with zeros for what opponents add to its input.

    Its input are 2 x 2 pixels, the channels of one after those of another.
    """
    tall, wide, _, out = kernel.shape
    pixels = kernel.reshape(tall, wide, 4, CHANNELS, out)
    more = np.zeros((tall, wide, 4, CHANNELS * (channels - 1), out), np.float32)
    return np.concatenate([pixels, more], axis=3).reshape(tall, wide, 4 * CHANNELS * channels, out)


def drawn_weights() -> list[NDArray[np.float32]]:
    """Return the shipped weights, in Keras's order."""
    return read_weights(PATH)


def read_weights(path: Path) -> list[NDArray[np.float32]]:
    """Return what :func:`save_weights` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        return [arrays[name].astype(np.float32) for name in sorted(arrays)]


def save_weights(weights: list[NDArray[np.float32]], path: Path) -> None:
    """Write weights as :func:`read_weights` reads them, kernels in float16."""
    kept = [one.astype(np.float16) if one.ndim == 4 else one for one in weights]
    np.savez_compressed(path, **{f"{number:02d}": one for number, one in enumerate(kept)})  # type: ignore[arg-type]
