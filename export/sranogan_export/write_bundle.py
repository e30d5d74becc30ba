"""A finished run to a bundle: graphs, densities refitted on the graphs' own output, golden cases, card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.normals import HeldOutNormals
from keras_sranogan.detector.reconstruct import Reconstructor, downscale_all, enhance_all, predict
from keras_sranogan.run import Networks, Run
from keras_sranogan.settings import SearchSettings, TrainSettings
from keras_sranogan.training import Progress
from sranogan_edge.bundle import GRAPHS, Bundle, Golden, write_bundle
from sranogan_edge.density import PARTS, Calibration, Density
from sranogan_edge.errors import ResultsError
from sranogan_edge.head import head_input, input_side, pooled
from sranogan_edge.interpreter import Graph, backend_name
from sranogan_edge.pipeline import Detector, RunsGraph, measure
from sranogan_export.convert import Recipe, check_recipe, operators
from sranogan_export.graphs import build_graphs
from sranogan_export.model_card import model_card
from sranogan_export.search_graph import check_search

GOLDEN_CASES = 8
GOLDEN_TOLERANCE_SPREADS = 0.25  # of the standard deviation of held-out normals' scores
COMPARED = 32
Images = NDArray[np.float32]


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        path: the bundle.
        graph_bytes: size of each graph.
        operators: per graph, see :func:`sranogan_export.convert.operators`.
        reconstruction_l1: mean |x - x_hat| over held-out normals, by the Keras run and by the graphs.
        threshold: of the bundle's calibration; infinite when too few normals were held out.
    """

    path: Path
    graph_bytes: Mapping[str, int]
    operators: Mapping[str, dict[str, dict[str, int]]]
    reconstruction_l1: Mapping[str, float]
    threshold: float


def export_run(
    run: Run, recipe: Recipe, out: Path, progress: Progress, *, steps: int | None = None, audit: str = ""
) -> ExportResult:
    """Export ``run`` in ``recipe`` to ``out``; ``steps`` replaces the run's number of search steps.

    ``audit`` is a section that the model card ends with.

    Raises:
        RunError: the run is unfinished or damaged.
        SettingsError: no such recipe, or the search cannot be a fixed graph.
        ResultsError: the bundle cannot be written.
    """
    tf.config.experimental.enable_op_determinism()  # equal runs shall give equal bundles
    check_recipe(recipe)
    _check_place(out)
    settings = run.settings
    search = settings.search if steps is None else replace(settings.search, steps=steps)
    check_search(search)
    networks = run.networks()
    representative, normals = run.representative(), run.held_out_normals()
    reconstructor = Reconstructor(networks, search, settings.preprocess)
    x_low = downscale_all(enhance_all(representative, settings.preprocess), settings.search_size)
    seen = np.stack([head_input(x, input_side(settings.search_size)) for x in representative])
    progress.start("exporting graphs", len(GRAPHS))
    finished: list[str] = []

    def graph_done(name: str) -> None:
        finished.append(name)
        progress.advance(len(finished), name)

    models = build_graphs(networks, search, recipe, x_low, reconstructor(representative), seen, graph_done)
    density, calibration, device_l1 = _fit_on_device_graphs(models, normals, run.seen(), settings, progress)
    counts = {name: operators(model) for name, model in models.items()}
    draft = Bundle(
        preprocess=settings.preprocess,
        search_size=settings.search_size,
        graphs=models,
        density=density,
        calibration=calibration,
        golden=Golden(golden_inputs(networks, settings), np.zeros(GOLDEN_CASES), 0.0),
        model_card="",
        details=_details(run, search, recipe, counts),
    )
    bundle = replace(draft, golden=_golden(draft), model_card=model_card(draft, audit))
    write_bundle(bundle, out)
    keras_made = reconstructor(normals.x[normals.original][:COMPARED])
    return ExportResult(
        path=out,
        graph_bytes={name: len(model) for name, model in models.items()},
        operators=counts,
        reconstruction_l1={"keras": _l1(keras_made.x, keras_made.resolved), recipe: device_l1},
        threshold=calibration.threshold,
    )


def _check_place(out: Path) -> None:
    """Raise ResultsError now, not after minutes of work, where ``out`` cannot be written."""
    if out.is_dir() or not out.parent.is_dir() or not os.access(out.parent, os.W_OK):
        what = "it is a folder" if out.is_dir() else f"{out.parent} is not a folder that can be written to"
        raise ResultsError(f"cannot write the bundle {out}: {what}. Name another place with --out.")


def _l1(x: Images, resolved: Images) -> float:
    return float(np.abs(x - resolved).mean())


def _fit_on_device_graphs(
    models: Mapping[str, bytes],
    normals: HeldOutNormals,
    seen: Images,
    settings: TrainSettings,
    progress: Progress,
) -> tuple[Density, Calibration, float]:
    """Fit densities and calibration to what the exported graphs make of the held-out normals."""
    graphs: dict[str, RunsGraph] = {n: Graph(model, name=n, threads=2) for n, model in models.items()}
    progress.start("calibrating on held-out normals", len(normals.x))
    measured, heat, distances = [], [], []
    for number, x in enumerate(normals.x, start=1):
        made = measure(x, settings.preprocess, settings.search_size, graphs)
        measured.append(made.measured)
        heat.append(made.heat)
        distances.append(_l1(made.x, made.resolved))
        progress.advance(number)
    parts = {name: np.stack([one[name] for one in measured]) for name in PARTS}
    density, calibration = fit_detector(
        parts,
        np.stack(heat),
        normals.groups,
        normals.original,
        settings.detector,
        settings.seed,
        {"head": _head_features(graphs["head"], seen)},
    )
    return density, calibration, float(np.mean(np.array(distances)[normals.original][:COMPARED]))


def _head_features(head: RunsGraph, seen: Images) -> NDArray[np.float32]:
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


def _golden(draft: Bundle) -> Golden:
    detector = Detector(draft, prove=False)
    scores = np.array([detector.score_x(x).score for x in draft.golden.x])
    tolerance = GOLDEN_TOLERANCE_SPREADS * float(np.std(draft.calibration.scores))
    return Golden(draft.golden.x, scores, tolerance)


def _details(run: Run, search: SearchSettings, recipe: Recipe, counts: Mapping[str, Any]) -> dict[str, Any]:
    settings = run.settings.to_dict()
    return {
        "recipe": recipe,
        "search": settings["search"] | {"steps": search.steps},
        "operators": counts,
        "exporter": backend_name(),
        "settings": settings,
        "provenance": run.provenance,
    }
