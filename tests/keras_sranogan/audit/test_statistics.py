"""The trivial statistics measure what their names say."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from keras_sranogan.audit.statistics import SHORTCUTS, STATISTICS, measure, sharpness
from keras_sranogan.evaluation.metrics import BASELINES
from sranogan_edge.image.frame import Frame, Photometric

NOISE = np.random.default_rng(0).integers(0, 256, (90, 120)).astype(np.uint8)


def frame(pixels: np.ndarray) -> Frame:
    """An 8-bit grey frame."""
    return Frame(pixels.astype(np.uint8), 8, Photometric.MONOCHROME2)


def test_size_and_file_are_told() -> None:
    """Width, height, aspect and bytes per pixel of a known image."""
    found = measure(frame(NOISE), 5400)
    assert set(found) == set(STATISTICS)
    assert (found["width"], found["height"], found["resolution"]) == (120, 90, 10800)
    assert found["aspect"] == pytest.approx(4 / 3)
    assert (found["file_bytes"], found["bytes_per_pixel"]) == (5400, 0.5)


def test_without_a_file_nothing_is_said_of_it() -> None:
    """A drawn image has no bytes; every other statistic is there."""
    found = measure(frame(NOISE), None)
    assert set(STATISTICS) - set(found) == {"file_bytes", "bytes_per_pixel"}


def test_blur_lowers_sharpness() -> None:
    """The same image blurred is less sharp."""
    blurred = cv2.GaussianBlur(NOISE, (0, 0), 2)
    assert sharpness(frame(blurred)) < sharpness(frame(NOISE)) - 1


def test_every_baseline_and_shortcut_is_a_statistic() -> None:
    """The audit's list holds the evaluation's baselines, and what the correlations are asked for."""
    assert set(BASELINES) | set(SHORTCUTS) <= set(STATISTICS)
