"""All stages in Keras, batched: the float reference of what the device's graphs compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from itertools import repeat

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.backend.graph import inference
from keras_sranogan.data.rows import Rows
from keras_sranogan.networks import Networks
from keras_sranogan.settings import SearchSettings
from sranogan_edge.image.preprocess import PreprocessSpec, downscale, enhance
from sranogan_edge.scoring.cells import Cells
from sranogan_edge.scoring.head import CELLS, OUTPUTS, head_input, head_measurements
from sranogan_edge.scoring.heat import heat_planes
from sranogan_edge.scoring.residual import residual

Images = NDArray[np.float32]
BATCH = 32
SOME = 16 * BATCH  # images whose maps or pictures are in memory at a time, where there are many


@dataclass(frozen=True, eq=False)
class Reconstructions:
    """What the stages made of N images, all float32.

    Attributes:
        x: ``(N, S, S, 1)`` in [0, 1], contrast enhanced.
        generated: g(x), ``(N, S/2, S/2, 1)``.
        refined: c(g(x)), the same shape.
        resolved: SR(c(g(x))), ``(N, S, S, 1)``.
        search_loss: ``(N,)``, the paper's loss at the end of the search.
        start_loss: ``(N,)``, at its start.
        measured: by part of :data:`sranogan_edge.scoring.density.PARTS`, ``(N, D)``.
        heat: ``(N, planes, HEAT_GRID, HEAT_GRID)``, not yet calibrated.
    """

    x: Images
    generated: Images
    refined: Images
    resolved: Images
    search_loss: NDArray[np.float32]
    start_loss: NDArray[np.float32]
    measured: dict[str, NDArray[np.float32]]
    heat: NDArray[np.float32]

    def first(self, count: int) -> Reconstructions:
        """Return the first ``count`` of them."""
        measured = {name: rows[:count] for name, rows in self.measured.items()}
        arrays = {f.name: getattr(self, f.name)[:count] for f in fields(self) if f.name != "measured"}
        return Reconstructions(measured=measured, **arrays)


def enhance_all(x: Images, spec: PreprocessSpec) -> Images:
    """Apply the device's :func:`enhance` to every image."""
    return np.stack([enhance(image, spec) for image in x])


def downscale_all(x: Images, size: int) -> Images:
    """Apply the device's :func:`downscale` to every image."""
    return np.stack([downscale(image, size) for image in x])


def predict(model: keras.Model, x: Images, batch: int = BATCH) -> Images:
    """Run a Keras model over ``x`` in batches, inference mode, without a progress bar."""
    return np.concatenate(list(predicted(model, x, batch)))


def predicted(model: keras.Model, x: Images | Rows, batch: int = BATCH) -> Iterator[Images]:
    """Yield what :func:`predict` returns, batch by batch."""
    run = inference(model)
    for i in range(0, len(x), batch):
        yield np.asarray(run(x[i : i + batch]))


class Reconstructor:
    """Runs the stages over images."""

    def __init__(
        self, networks: Networks, search: SearchSettings, spec: PreprocessSpec, cells: Cells | None = None
    ) -> None:
        """Prepare the search; ``search`` may differ from the run's (other steps, another start).

        ``cells`` are the usual ones, where heat is told by them too.
        """
        self.networks, self.spec, self.cells = networks, spec, cells
        self.search = LatentSearch(
            networks.generator, networks.features, networks.encoder, search, networks.corrector
        )
        self._size = networks.encoder.input_shape[1]

    def __call__(self, plain: Images, *, on_progress: Callable[[int], None] | None = None) -> Reconstructions:
        """Reconstruct and measure ``plain`` ``(N, S, S, C)`` float32 in [0, 1], as preprocessing gives it.

        ``on_progress`` gets the number finished.
        """
        parts = []
        for i in range(0, len(plain), BATCH):
            parts.append(self._batch(plain[i : i + BATCH]))
            if on_progress:
                on_progress(min(i + BATCH, len(plain)))
        return _joined(parts)

    def _batch(self, plain: Images) -> Reconstructions:
        x = enhance_all(plain, self.spec)
        found = self.search(downscale_all(x, self._size), batch=BATCH)
        refined = predict(self.networks.refiner, found.generated)
        resolved = predict(self.networks.resolver, refined)
        f_x, f_r = predict(self.networks.judge, x), predict(self.networks.judge, resolved)
        residuals = [residual(*pair) for pair in zip(x, resolved, f_x, f_r, strict=True)]
        said = head_answers(self.networks.head, plain, self.cells)
        measured = {"residual": np.stack([one.features for one in residuals]), **said.measured}
        planes = (r.difference for r in residuals), plain, said.logits, said.cells or repeat(None, len(x))
        heat = np.stack([heat_planes(*one) for one in zip(*planes, strict=True)])
        return Reconstructions(
            x, found.generated, refined, resolved, found.loss, found.start_loss, measured, heat
        )


@dataclass(frozen=True, eq=False)
class HeadAnswers:
    """What a head says of N images.

    Attributes:
        measured: ``(N, D)`` by part.
        logits: its maps ``(N, m, m)``.
        cells: of each, how far off the usual ones its cells are, ``(h, w)``; empty where nobody asked.
    """

    measured: dict[str, Images]
    logits: Images
    cells: list[Images]


def head_said(head: keras.Model, plain: Images | Rows) -> Iterator[dict[str, Images]]:
    """Yield a head's outputs for ``plain`` ``(N, S, S, C)``, at least as large as its input, by batches."""
    side = head.input_shape[1]
    for i in range(0, len(plain), BATCH):
        answers = inference(head)(np.stack([head_input(one, side) for one in plain[i : i + BATCH]]))
        yield {name: np.asarray(answers[name]) for name in (*OUTPUTS, CELLS)}


def head_answers(head: keras.Model, plain: Images, cells: Cells | None = None) -> HeadAnswers:
    """Return what a head says of ``plain`` ``(N, S, S, C)``, at least as large as its input."""
    rows: list[dict[str, Images]] = []
    logits, off = [], []
    for said in head_said(head, plain):
        each = [{name: said[name][k] for name in OUTPUTS} for k in range(len(said["map"]))]
        rows += map(head_measurements, each)
        logits.append(said["map"][..., 0])
        off += [cells.distances(one) for one in said[CELLS]] if cells else []
    measured = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    return HeadAnswers(measured, np.concatenate(logits), off)


def seen_features(head: keras.Model, seen: Images | Rows) -> dict[str, Images]:
    """Return its features of normals that it was trained on, where these count like others: not its map."""
    starts = range(0, len(seen), SOME)
    parts = [head_answers(head, seen[start : start + SOME]).measured["head"] for start in starts]
    return {"head": np.concatenate(parts)}


def _joined(parts: list[Reconstructions]) -> Reconstructions:
    """One after the other."""
    arrays = {
        f.name: np.concatenate([getattr(part, f.name) for part in parts])
        for f in fields(Reconstructions)
        if f.name != "measured"
    }
    names = parts[0].measured
    measured = {name: np.concatenate([part.measured[name] for part in parts]) for name in names}
    return Reconstructions(measured=measured, **arrays)


def bicubic(low: Images) -> Images:
    """Enlarge ``(N, S, S, 1)`` twofold by bicubic interpolation: what super-resolution must beat."""
    side = 2 * low.shape[1]
    enlarged = [cv2.resize(image[..., 0], (side, side), interpolation=cv2.INTER_CUBIC) for image in low]
    return np.clip(np.stack(enlarged)[..., None], 0, 1).astype(np.float32)
