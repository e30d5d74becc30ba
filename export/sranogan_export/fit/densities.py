"""What the graphs make of held-out normals: densities and thresholds, by step budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.detector.cells import some_cells, usual_cells
from keras_sranogan.detector.fit_whole import fit_held_out
from keras_sranogan.detector.normals import HeldOutNormals
from keras_sranogan.progress import Progress
from keras_sranogan.settings import TrainSettings
from sranogan_edge.bundle.bundle import signature
from sranogan_edge.runtime.graph import open_graph
from sranogan_edge.scoring.cells import Cells
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import PARTS, Density
from sranogan_edge.scoring.fingerprint import Signs
from sranogan_edge.scoring.head import CELLS, head_input, pooled
from sranogan_edge.scoring.measurement import RunsGraph, measure
from sranogan_export.fit.fingerprint import signs_of_normals

Images = NDArray[np.float32]


COMPARED = 32  # normals of which the reconstructions are compared
THREADS = 2


@dataclass(frozen=True, eq=False)
class Fitted:
    """What follows from the held-out normals at one step budget.

    Attributes:
        density, calibration: of the score.
        signs: of the held-out normals and their jittered copies; None where these are too few.
        reconstruction_l1: mean |x - x_hat| over the first normals.
    """

    density: Density
    calibration: Calibration
    reconstruction_l1: float
    signs: Signs | None


class _Remembering:
    """A graph that answers a question it was asked before without running again."""

    def __init__(self, graph: RunsGraph) -> None:
        self._graph = graph
        self._answers: dict[bytes, dict[str, Images]] = {}

    @property
    def inputs(self) -> Mapping[str, tuple[int, ...]]:
        return self._graph.inputs

    def __call__(self, inputs: Mapping[str, Images]) -> dict[str, Images]:
        key = b"".join(one.tobytes() for one in inputs.values())
        if key not in self._answers:
            self._answers[key] = self._graph(inputs)
        return self._answers[key]

    def forget(self) -> None:
        self._answers.clear()


def fit_on_device_graphs(
    models: Mapping[str, bytes],
    budgets: Iterable[int],
    normals: HeldOutNormals,
    seen: Images,
    settings: TrainSettings,
    progress: Progress,
) -> dict[int, Fitted]:
    """Fit densities and calibration of each budget to what the exported graphs make of held-out normals.

    What does not depend on the search is measured once. ``seen`` ``(M, side, side, C)`` are training
    normals that widen the density of the head's features.
    """
    trained_on, cells = _of_seen(_opened(models, "head"), seen, normals, settings)
    searches = {steps: _opened(models, "search", steps) for steps in budgets}
    judged = {name: _Remembering(_opened(models, name)) for name in ("features", "head")}
    graphs: dict[str, RunsGraph] = {"reconstruct": _opened(models, "reconstruct"), **judged}
    progress.start("calibrating on held-out normals", len(normals.x))
    rows: dict[int, list[dict[str, Images]]] = {steps: [] for steps in searches}
    heat: dict[int, list[Images]] = {steps: [] for steps in searches}
    distances: dict[int, list[float]] = {steps: [] for steps in searches}
    for number, x in enumerate(normals.x, start=1):
        for steps, search in searches.items():
            each = {**graphs, "search": search}
            made = measure(x, settings.preprocess, settings.search_size, each, cells)
            rows[steps].append(dict(made.measured))
            heat[steps].append(made.heat)
            distances[steps].append(l1(made.x, made.resolved))
        for graph in judged.values():
            graph.forget()
        progress.advance(number)
    fitted = {}
    for steps in searches:
        parts = {name: np.stack([one[name] for one in rows[steps]]) for name in PARTS}
        given = normals, settings.detector, settings.seed, trained_on
        density, calibration = fit_held_out(parts, np.stack(heat[steps]), *given)
        density = replace(density, cells=cells)
        compared = np.array(distances[steps])[normals.original][:COMPARED]
        signs = signs_of_normals(normals, rows[steps], heat[steps], density, settings.detector.contamination)
        fitted[steps] = Fitted(density, calibration, float(compared.mean()), signs)
    return fitted


def _opened(models: Mapping[str, bytes], name: str, steps: int = 0) -> RunsGraph:
    return open_graph(models[name], name=name, signature=signature(name, steps), threads=THREADS)


def l1(x: Images, resolved: Images) -> float:
    """Mean absolute difference over all images, in the units of x."""
    return float(np.abs(x - resolved).mean())


def _of_seen(
    head: RunsGraph, seen: Images, normals: HeldOutNormals, settings: TrainSettings
) -> tuple[dict[str, Images], Cells | None]:
    """Return what the exported head measures of ``seen`` ``(M, side, side, C)``, and their usual cells."""
    count, rng = settings.detector.cells, np.random.default_rng(settings.seed)
    tiles = np.ones(len(seen), np.bool_) if normals.seen_whole is None else ~normals.seen_whole
    features, rows = [], []
    for x, is_tile in zip(seen, tiles, strict=True):
        said = head({"image": head_input(x, x.shape[0])[None]})
        features.append(pooled(said["features"][0]))
        if count and is_tile:
            rows.append(some_cells(said[CELLS][0], int(tiles.sum()), rng))
    return {"head": np.stack(features)}, usual_cells(rows, count, settings.seed) if count else None
