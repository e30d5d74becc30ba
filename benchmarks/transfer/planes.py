"""Which planes tell a heat map, with which weights: pixel AUROC and AUPRO where anomalies are marked.

Heads as in the fast lane, the product's cells and its way from planes to a map; without the plane of the
reconstruction, which takes an hour a set. Mean and deviation of each plane are of held-out normals.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.record import Record
from benchmarks.transfer.designs import design
from benchmarks.transfer.heads import head_path, kept_head
from benchmarks.transfer.judge import judge_pixels
from benchmarks.transfer.protocols import ALL, COPIES, Bytes, Images, read_images
from keras_sranogan.detector.cells import some_cells, usual_cells
from keras_sranogan.detector.normals import from_bytes
from keras_sranogan.detector.reconstruct import head_said
from keras_sranogan.settings import DetectorSettings
from sranogan_edge.files import write_json
from sranogan_edge.scoring.cells import Cells
from sranogan_edge.scoring.head import CELLS
from sranogan_edge.scoring.heat import HEAT_BLUR_CELLS
from sranogan_edge.scoring.residual import HEAT_GRID, on_grid, standardise

Array = NDArray[np.float32]
Planes = dict[str, Array]
Figures = dict[str, list[float | None]]  # pixel AUROC and AUPRO, one a seed

JUDGED = (
    ("spots-drawn", "phantom"),
    ("spots-drawn", "phantom texture"),
    ("spots-drawn-tiles", "pcb"),
    ("spots-drawn-tiles", "large texture"),
)
JUDGED_IN_TILES = (
    ("flaws-drawn-tiles", "pcb"),
    ("flaws-drawn-tiles", "large texture"),
)  # as tiles are judged since
WEIGHTS = (
    {"head": 1.0},
    {"cells": 1.0},
    {"coarse": 1.0},
    {"late": 1.0},
    {"head": 1.0, "brightness": 0.7},
    *({"head": 1.0, "brightness": 0.7, "cells": weight} for weight in (1.0, 2.0, 3.0, 4.0)),
    *({"head": 1.0, "brightness": 0.7, "coarse": weight} for weight in (2.0, 4.0)),
    *({"head": 1.0, "brightness": 0.7, "late": weight} for weight in (1.0, 3.0)),
    {"head": 1.0, "brightness": 0.7, "cells": 1.5, "late": 1.5},
    *({"head": weight, "brightness": 0.7, "cells": 3.0} for weight in (2.0, 4.0)),
    *({"head": weight, "brightness": 0.7, "late": 3.0} for weight in (2.0, 4.0)),
    {"head": 2.0, "brightness": 0.7},
    {"head": 1.0, "cells": 3.0},
    {"head": 1.0, "late": 3.0},
)


def coarse(early: Array) -> Array:
    """Average ``(N, h, w, C)`` over 2 x 2 places."""
    count, height, width, channels = early.shape
    return np.asarray(early.reshape(count, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4)))


def features_of(said: dict[str, Array]) -> dict[str, Array]:
    """Return the features whose usual cells are compared, ``(N, h, w, C)`` each."""
    return {"cells": said[CELLS], "coarse": coarse(said[CELLS]), "late": said["features"]}


def fit_cells(head: keras.Model, images: Bytes, name: str, seed: int) -> Cells:
    """Return the usual cells of normals ``(N, S, S, C)`` by one of :func:`features_of`."""
    rng = np.random.default_rng(seed)
    features = (one for said in head_said(head, from_bytes(images)) for one in features_of(said)[name])
    return usual_cells(
        [some_cells(one, len(images), rng) for one in features], DetectorSettings().cells, seed
    )


def planes_of(head: keras.Model, images: Bytes, cells: dict[str, Cells]) -> Planes:
    """Return each plane of images, ``(N, HEAT_GRID, HEAT_GRID)``."""
    found: dict[str, list[Array]] = {name: [] for name in ("head", "brightness", *cells)}
    x = from_bytes(images)
    for one in x:
        found["brightness"].append(on_grid(standardise(one[..., 0])))
    for said in head_said(head, x):
        found["head"] += [_gridded(one[..., 0]) for one in said["map"]]
        features = features_of(said)
        for name, usual in cells.items():
            found[name] += [_gridded(usual.distances(one)) for one in features[name]]
    return {name: np.stack(rows) for name, rows in found.items()}


def _gridded(plane: Array) -> Array:
    return np.asarray(cv2.resize(plane, (HEAT_GRID, HEAT_GRID), interpolation=cv2.INTER_LINEAR), np.float32)


def standardised(planes: Planes, normals: Planes) -> Planes:
    """Return planes in standard deviations of normals' ones, as the product's density has them."""
    found = {}
    for name, plane in planes.items():
        center = normals[name].mean(axis=0 if name == "brightness" else None)
        z = (plane - center) / np.sqrt(np.mean(np.square(normals[name] - center)))
        found[name] = np.abs(z) if name == "brightness" else z
    return found


def heat_of(standard: Planes, weights: dict[str, float]) -> Array:
    """Return the heat that some planes make, ``(N, HEAT_GRID, HEAT_GRID)``."""
    hot = np.maximum(sum(weight * standard[name] for name, weight in weights.items()), 0)
    blurred = [cv2.GaussianBlur(one, (0, 0), HEAT_BLUR_CELLS) for one in np.asarray(hot, np.float32)]
    return np.asarray(np.stack(blurred), np.float32)


def named(weights: dict[str, float]) -> str:
    """Return weights in words."""
    return " + ".join(f"{weight:g} {name}" for name, weight in weights.items())


def judge_planes(name: str, protocol: str, seed: int, cache: Path) -> dict[str, dict[str, float | None]]:
    """Train a design's head, and judge the heat of each of :data:`WEIGHTS`, by name.

    Raises:
        DataError: the images of ``protocol`` are not here.
    """
    settings = design(name).settings(seed)
    images = read_images(ALL[protocol], settings.preprocess, COPIES, cache)
    head = kept_head(head_path(cache, name, protocol, seed), images.fit, settings)
    seen = np.concatenate([images.fit, images.again])
    cells = {each: fit_cells(head, seen, each, seed) for each in ("cells", "coarse", "late")}
    normals = planes_of(head, images.held[images.original], cells)
    standard = standardised(planes_of(head, images.judged["plain"], cells), normals)
    return _judged(standard, images)


def _judged(standard: Planes, images: Images) -> dict[str, dict[str, float | None]]:
    return judge_pixels({named(one): heat_of(standard, one) for one in WEIGHTS}, images)


def run_planes(results: Path, cache: Path, judged: Sequence[tuple[str, str]], seeds: int = 3) -> Path:
    """Judge designs on protocols with each seed, and write what was found; return where it is.

    Begun again, it goes on after the last judgement, which are kept in ``cache``.
    """
    record = Record("transfer", seed=0)
    found: dict[str, dict[str, Figures]] = {}
    for name, protocol in judged:
        by_seed = []
        for seed in range(seeds):
            path = cache / "planes" / f"{name}__{protocol.replace(' ', '_')}__{seed}.json"
            if not path.exists():
                print(f"{name}, seed {seed}, {protocol}", flush=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(path, judge_planes(name, protocol, seed, cache))
            by_seed.append(json.loads(path.read_text(encoding="utf-8")))
        found[protocol] = {
            weights: {figure: [one[weights][figure] for one in by_seed] for figure in by_seed[0][weights]}
            for weights in by_seed[0]
        }
    record.write(results, designs={protocol: name for name, protocol in judged}, seeds=seeds, pixels=found)
    return results
