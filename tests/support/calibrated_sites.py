"""A bundle without networks, and a calibration of a site for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sranogan_edge.bundle.bundle import Budget, Bundle
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density, Gaussian
from sranogan_edge.scoring.heat import HEAT_SHAPE
from sranogan_edge.site.calibrate import SiteCalibration


def small_bundle(sha256: str = "b" * 64, scores: tuple[float, ...] = (0.0, 1.0)) -> Bundle:
    """A bundle without graphs, of two budgets."""
    one = np.ones(1, np.float32)
    density = Density(
        {"map": Gaussian(one, one[:, None])},
        np.zeros(HEAT_SHAPE, np.float32),
        np.ones(HEAT_SHAPE, np.float32),
        1.0,
    )
    budget = Budget(density, Calibration(scores, 0.1), np.zeros(1), 0.1)
    golden = np.zeros((1, 32, 32, 1), np.float32)
    return Bundle(PreprocessSpec(size=32), 16, {}, 4, {4: budget, 8: budget}, golden, "", sha256=sha256)


def site(scores: tuple[float, ...] = (3.0, 1.0, 2.0), **changes: object) -> SiteCalibration:
    """A calibration of a few scores."""
    made = SiteCalibration("b" * 64, 4, "a stopwatch", 0.25, {"score": scores}, "0" * 64, "normals")
    return replace(made, **changes)  # type: ignore[arg-type]  # the tests name real fields
