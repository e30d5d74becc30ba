"""What the graphs make of held-out normals: densities, thresholds and golden cases, by step budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.normals import HeldOutNormals
from keras_sranogan.detector.reconstruct import predict
from keras_sranogan.run import Networks
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training import Progress
from sranogan_edge.bundle import Budget, Bundle, signature
from sranogan_edge.density import PARTS, Calibration, Density
from sranogan_edge.graphs import open_graphs
from sranogan_edge.head import head_input, pooled
from sranogan_edge.interpreter import open_graph
from sranogan_edge.pipeline import Detector, RunsGraph, measure
from sranogan_edge.signs import Signs
from sranogan_edge.site.drift_statistics import signs_of

GOLDEN_CASES = 8
GOLDEN_TOLERANCE_SPREADS = 0.25  # of the standard deviation of held-out normals' scores
FEWEST_NORMALS = 50  # held out, for a rule that is used on images of other places
COMPARED = 32  # normals of which the reconstructions are compared
THREADS = 2
Images = NDArray[np.float32]


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

    What does not depend on the search is measured once. ``seen`` ``(M, side, side, 1)`` are training
    normals that widen the density of the head's features.
    """
    searches = {steps: _opened(models, "search", steps) for steps in budgets}
    judged = {name: _Remembering(_opened(models, name)) for name in ("features", "head")}
    graphs: dict[str, RunsGraph] = {"reconstruct": _opened(models, "reconstruct"), **judged}
    progress.start("calibrating on held-out normals", len(normals.x))
    rows: dict[int, list[dict[str, Images]]] = {steps: [] for steps in searches}
    heat: dict[int, list[Images]] = {steps: [] for steps in searches}
    distances: dict[int, list[float]] = {steps: [] for steps in searches}
    for number, x in enumerate(normals.x, start=1):
        for steps, search in searches.items():
            made = measure(x, settings.preprocess, settings.search_size, {**graphs, "search": search})
            rows[steps].append(dict(made.measured))
            heat[steps].append(made.heat)
            distances[steps].append(l1(made.x, made.resolved))
        for graph in judged.values():
            graph.forget()
        progress.advance(number)
    trained_on = {"head": _seen_features(graphs["head"], seen)}
    fitted = {}
    for steps in searches:
        parts = {name: np.stack([one[name] for one in rows[steps]]) for name in PARTS}
        density, calibration = fit_detector(
            parts,
            np.stack(heat[steps]),
            normals.groups,
            normals.original,
            settings.detector,
            settings.seed,
            trained_on,
        )
        compared = np.array(distances[steps])[normals.original][:COMPARED]
        signs = signs_of_normals(normals, rows[steps], heat[steps], density, settings.detector.contamination)
        fitted[steps] = Fitted(density, calibration, float(compared.mean()), signs)
    return fitted


def signs_of_normals(
    normals: HeldOutNormals,
    measured: Sequence[Mapping[str, Images]],
    heat: Sequence[Images],
    density: Density,
    contamination: float,
) -> Signs | None:
    """Return the signs of the normals and their copies, without the share of suspects; None for too few.

    Without jittered copies they would say where *these* normals end, and call another take foreign.
    """
    if normals.original.sum() < FEWEST_NORMALS or normals.original.all():
        return None
    scores = np.array([density.score(one) for one in measured])
    kept = scores <= np.quantile(scores, 1 - contamination)
    rows = [signs_of(x, planes[1], density) for x, planes in zip(normals.x, heat, strict=True)]
    return {name: np.array([row[name] for row in rows])[kept] for name in rows[0]}


def _opened(models: Mapping[str, bytes], name: str, steps: int = 0) -> RunsGraph:
    return open_graph(models[name], name=name, signature=signature(name, steps), threads=THREADS)


def l1(x: Images, resolved: Images) -> float:
    """Mean absolute difference over all images, in the units of x."""
    return float(np.abs(x - resolved).mean())


def _seen_features(head: RunsGraph, seen: Images) -> Images:
    """Return ``(N, D)``: what the exported head measures of ``(N, side, side, 1)``."""
    inputs = (head_input(x, x.shape[0])[None] for x in seen)
    return np.stack([pooled(head({"image": image})["features"][0]) for image in inputs])


def golden_inputs(networks: Networks, settings: TrainSettings) -> Images:
    """Return ``(GOLDEN_CASES, S, S, 1)`` float32 images that the model dreamt up: no patient's image leaves.

    Every second one has a bright disc, so that normal and anomalous scores are both proven.
    """
    rng = np.random.default_rng(settings.seed)
    z = rng.normal(size=(GOLDEN_CASES, settings.anogan.latent_dim)).astype(np.float32)
    images = predict(networks.resolver, predict(networks.refiner, predict(networks.generator, z)))
    size = settings.preprocess.size
    for image in images[::2]:
        row, column = rng.integers(size // 4, 3 * size // 4, 2)
        disc = cv2.circle(np.zeros((size, size), np.float32), (int(column), int(row)), size // 8, 1.0, -1)
        image[..., 0] = np.maximum(image[..., 0], 0.9 * cv2.GaussianBlur(disc, (0, 0), size / 64))
    return np.asarray(np.rint(images * 255) / 255, dtype=np.float32)


def unproven(fitted: Fitted) -> Budget:
    """Return a budget whose golden scores are still to be made."""
    return Budget(fitted.density, fitted.calibration, np.zeros(GOLDEN_CASES), 0.0, fitted.signs)


def proven(draft: Bundle, steps: int) -> Budget:
    """Return a draft's budget with the scores that this machine gives the golden inputs."""
    bundle = draft.with_steps(steps)
    detector = Detector(bundle, open_graphs(bundle))
    scores = np.array([detector.score_x(x).score for x in bundle.golden_x])
    tolerance = GOLDEN_TOLERANCE_SPREADS * float(np.std(bundle.calibration.scores))
    return Budget(bundle.density, bundle.calibration, scores, tolerance, bundle.signs)
