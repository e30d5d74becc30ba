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
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_export.fit.densities import Fitted

Images = NDArray[np.float32]


GOLDEN_CASES = 8
GOLDEN_TOLERANCE_SPREADS = 0.25  # of the standard deviation of held-out normals' scores


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
