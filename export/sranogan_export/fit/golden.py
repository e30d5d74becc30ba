"""Golden cases: inputs that the model made, and the scores that prove a runtime."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.detector.reconstruct import predict
from keras_sranogan.networks import Networks
from keras_sranogan.settings import TrainSettings
from sranogan_edge.bundle.bundle import Budget, Bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.image.align import Aligner
from sranogan_edge.image.colour import NEUTRAL
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_export.fit.densities import Fitted

Images = NDArray[np.float32]


GOLDEN_CASES = 8
TINT, TINT_CELLS = 0.04, 6  # of opponents: standard deviation, and cells a side
DISC_HUE = np.array((-0.2, 0.1), np.float32)  # red-green, yellow-blue
GOLDEN_TOLERANCE_SPREADS = 0.25  # of the standard deviation of held-out normals' scores


def golden_inputs(networks: Networks, settings: TrainSettings, aligner: Aligner | None = None) -> Images:
    """Return ``(GOLDEN_CASES, S, S, C)`` float32 images that the model dreamt up: no patient's image leaves.

    With an ``aligner`` one more: what it makes of the mean normal, turned.

    Every second one has a bright disc, so that normal and anomalous scores are both proven; in colour the
    disc has a hue, and all else is tinted here and there.
    """
    rng = np.random.default_rng(settings.seed)
    z = rng.normal(size=(GOLDEN_CASES, settings.anogan.latent_dim)).astype(np.float32)
    images = predict(networks.resolver, predict(networks.refiner, predict(networks.generator, z)))
    size = settings.preprocess.size
    if settings.preprocess.colour:
        images = np.concatenate([images, _tints(GOLDEN_CASES, size)], axis=-1)
    for image in images[::2]:
        row, column = rng.integers(size // 4, 3 * size // 4, 2)
        disc = cv2.circle(np.zeros((size, size), np.float32), (int(column), int(row)), size // 8, 1.0, -1)
        image[..., 0] = np.maximum(image[..., 0], 0.9 * cv2.GaussianBlur(disc, (0, 0), size / 64))
        image[..., 1:] += DISC_HUE[: image.shape[-1] - 1] * disc[..., None]
    dreamt = np.asarray(np.rint(images * 255) / 255, dtype=np.float32)
    return np.concatenate([dreamt, aligner.golden_x(settings.preprocess)[None]]) if aligner else dreamt


def _tints(count: int, size: int) -> Images:
    """Return opponents ``(count, size, size, 2)``, smooth and near those of a grey."""
    coarse = np.random.default_rng(count).normal(NEUTRAL, TINT, (count, TINT_CELLS, TINT_CELLS, 2))
    made = [cv2.resize(one, (size, size), interpolation=cv2.INTER_CUBIC) for one in coarse]
    return np.stack(made).clip(0, 1).astype(np.float32)


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
