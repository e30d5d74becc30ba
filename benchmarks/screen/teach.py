"""Heads from one start, trained on sets and looked through."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from benchmarks.screen.designs import FINES, RANDOM, SHIPPED, STARTS, Form
from benchmarks.screen.drawn import read_drawn
from benchmarks.screen.train import Program, padded
from benchmarks.transfer.judge import Measured
from benchmarks.transfer.parts import FARTHEST_SHARE
from benchmarks.transfer.protocols import Images
from keras_sranogan.head.start import drawn_weights, read_weights, save_weights

Array = NDArray[np.float32]


class Bench:
    """Trains heads from one start."""

    def __init__(self, name: str, out: Path, drawn: Path, scale: float, tell: Callable[[str], None]) -> None:
        """Teach the start, where it is not there yet."""
        self.name, self.scale, self.tell, self.programs = name, scale, tell, dict[Form, Program]()
        self.width = STARTS[name].width if name in STARTS else 32
        self.weights: list[Array] | None = drawn_weights() if name == SHIPPED else None
        if name not in (RANDOM, SHIPPED):
            self.weights = self._teach(out, drawn)

    def _teach(self, out: Path, drawn: Path) -> list[Array]:
        start, known = STARTS[self.name], drawn.parent / f"start_{self.name}.npz"
        if known.exists():
            return read_weights(known)
        images = read_drawn(drawn, wide=start.wide)
        program = Program(start.form)
        values = program.train(program.start(0, None), images, 0, int(start.steps * self.scale), start.peak)
        weights = program.weights(values)
        save_weights(weights, out / f"start_{self.name}.npz")
        self.tell("start taught")
        return weights

    def head(self, fine_name: str, images: Images, seed: int) -> dict[str, Measured]:
        """Return the parts of a head that was trained on a set."""
        fine = FINES[fine_name]
        form = Form(fine.anomalies, fine.pairs, self.width)
        program = self.programs.setdefault(form, Program(form))
        start = program.start(seed, self.weights)
        values = program.train(start, padded(images.fit), seed, int(fine.steps * self.scale), fine.peak)
        views = [images.fit, images.again, images.held, *images.judged.values()]
        seen = program.look(values, np.concatenate(views))
        ends = np.cumsum([len(one) for one in views])[:-1]
        seen |= {f"places_{at}": _places(seen.pop(f"at_{at}"), ends[1]) for at in ("late", "middle")}
        return {name: _measured(name, value, ends, images) for name, value in seen.items()}


def _measured(name: str, rows: Array, ends: NDArray[np.int64], images: Images) -> Measured:
    _, _, held, *judged = np.split(rows, ends)
    seen = rows[: ends[1]] if name in ("early", "middle", "late") else rows[:0]
    return Measured(seen, held, dict(zip(images.judged, judged, strict=True)))


def _places(features: Array, fitted: int) -> Array:
    """As ``parts.Places`` and ``farthest``, on the accelerator: ``(N, 1)``."""
    x = jnp.asarray(features)
    centred = x - x[:fitted].mean(axis=0)
    rows = centred[:fitted].reshape(-1, x.shape[-1])
    scale = rows.std(axis=0) + 1e-6
    covariance = (rows / scale).T @ (rows / scale) / len(rows) + 1e-3 * jnp.eye(len(scale))
    values, vectors = jnp.linalg.eigh(covariance)
    white = (centred / scale) @ (vectors / jnp.sqrt(values))
    distances = jnp.sqrt(jnp.square(white).mean(axis=-1)).reshape(len(x), -1)
    most = max(1, round(FARTHEST_SHARE * distances.shape[1]))
    return np.asarray(jnp.sort(distances, axis=1)[:, -most:].mean(axis=1, keepdims=True))
