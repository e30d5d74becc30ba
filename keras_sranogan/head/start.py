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

PATH = Path(__file__).parent / "drawn.npz"


def new_heads(side: int, settings: HeadSettings, dtype: str) -> tuple[keras.Model, keras.Model]:
    """Return a head to train, and another of the same weights that will be its running mean.

    A head of another form than the drawn ones (``width``, or an image of 64 px and less) starts at random.
    """
    head, averaged = build_head(side, settings, dtype), build_head(side, settings)
    if settings.starts_drawn(side):
        head.set_weights(drawn_weights())
    averaged.set_weights(head.get_weights())
    return head, averaged


def drawn_weights() -> list[NDArray[np.float32]]:
    """Return the shipped weights, in Keras's order."""
    with np.load(PATH, allow_pickle=False) as arrays:
        return [arrays[name].astype(np.float32) for name in sorted(arrays)]


def save_weights(weights: list[NDArray[np.float32]], path: Path) -> None:
    """Write weights as :func:`drawn_weights` reads them, kernels in float16."""
    kept = [one.astype(np.float16) if one.ndim == 4 else one for one in weights]
    np.savez_compressed(path, **{f"{number:02d}": one for number, one in enumerate(kept)})  # type: ignore[arg-type]
