"""Heads, briefly trained, and what they say of images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from keras_sranogan.detector.normals import from_bytes
from keras_sranogan.head.settle import settle
from keras_sranogan.head.start import new_heads
from keras_sranogan.head.train import head_stage
from keras_sranogan.settings import TrainSettings
from sranogan_edge.image.preprocess import downscale
from sranogan_edge.scoring.head import head_input

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
BATCH = 32


def train_head(fit: Bytes, settings: TrainSettings) -> keras.Model:
    """Train the product's head on normals ``(N, S, S, C)``."""
    side = settings.head_side
    images = np.stack([downscale(one, side) for one in from_bytes(fit)])
    keras.utils.set_random_seed(settings.seed * 101 + 5)
    head, averaged = new_heads(side, settings.head, settings.precision, images.shape[-1])
    stage = head_stage(head, averaged, images, settings)
    for number in range(stage.steps):
        said = stage.step(number)
        if (number + 1) % 100 == 0:
            print(f"  head {number + 1} of {stage.steps}: {float(said['image']):.3f}", flush=True)
    settle(averaged, images, settings)
    return averaged


def kept_head(path: Path, fit: Bytes, settings: TrainSettings) -> keras.Model:
    """Return :func:`train_head`, or what was kept of it at ``path``; keep it there."""
    if path.exists():
        _, head = new_heads(settings.head_side, settings.head, settings.precision, fit.shape[-1])
        head.load_weights(path)
        return head
    head = train_head(fit, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_name(f"making-{path.name}")
    head.save_weights(making)
    making.replace(path)
    return head


def head_path(cache: Path, name: str, protocol: str, seed: int) -> Path:
    """Return where a design's head is kept."""
    return cache / "heads" / f"{name}__{protocol.replace(' ', '_')}__{seed}.weights.h5"


@dataclass(frozen=True, eq=False)
class Seen:
    """What a head says of images: features ``(N, h, w, C)`` by part, and its map's logits ``(N, m, m)``."""

    features: dict[str, Array]
    logits: Array


def look(head: keras.Model, images: Bytes) -> Seen:
    """Show ``images`` to a head; early features come averaged to the places of the middle ones."""
    side = head.input_shape[1]
    rows: dict[str, list[Array]] = {name: [] for name in ("early", "middle", "features", "map")}
    for first in range(0, len(images), BATCH):
        x = from_bytes(images[first : first + BATCH])
        said = head(np.stack([head_input(one, side) for one in x]), training=False)
        for name, found in rows.items():
            value = said[name]
            found.append(np.asarray(ops.average_pool(value, 2) if name == "early" else value))
    made = {name: np.concatenate(found) for name, found in rows.items()}
    features = {"early": made["early"], "middle": made["middle"], "late": made["features"]}
    return Seen(features, made["map"][..., 0])
