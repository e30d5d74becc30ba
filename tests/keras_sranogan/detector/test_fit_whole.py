"""Calibration of images that are judged in tiles and as a whole: the higher of two scores counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.detector.fit import Fitted
from keras_sranogan.detector.fit_whole import _joined, fit_held_out
from keras_sranogan.detector.normals import HeldOutNormals
from keras_sranogan.settings import DetectorSettings
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.heat import HEAT_SHAPE

TILES = 6  # of an image of 128 x 192
CHOSEN = DetectorSettings(parts=("residual",), folds=5)
Rows = NDArray[np.float32]


def drawn(count: int, seed: int) -> tuple[HeldOutNormals, Rows, Rows]:
    """Draw images of six tiles and a whole, which measures otherwise; what they measure, and their heat."""
    rng, each = np.random.default_rng(seed), TILES + 1
    image = np.repeat(np.arange(count), each)
    whole = np.tile(np.arange(each) == TILES, count)
    rows = rng.normal(size=(count * each, 4)).astype(np.float32)
    rows[whole] = 7 + 3 * rows[whole]
    heat = rng.normal(size=(count * each, *HEAT_SHAPE)).astype(np.float32)
    boxes = [(64 * column, 64 * row, 64, 128, 192) for row in range(2) for column in range(3)]
    place = np.tile(np.array([*boxes, (0, 0, 0, 0, 0)], np.int64), (count, 1))
    x = np.zeros((len(image), 2, 2, 1), np.float32)
    own = np.ones(len(image), np.bool_)
    return HeldOutNormals(x, image, own, image, place, whole), rows, heat


def fitted(count: int, seed: int, settings: DetectorSettings = CHOSEN) -> tuple[Density, Calibration]:
    """Fit to so many images."""
    normals, rows, heat = drawn(count, seed)
    return fit_held_out({"residual": rows}, heat, normals, settings, 0, {})


def scores_of(density: Density, rows: Rows, whole: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Judge images as a device does."""
    assert density.whole is not None
    measured: list[Mapping[str, Rows]] = [{"residual": row} for row in rows]
    tiles = np.array([density.score(one) for one, other in zip(measured, whole, strict=True) if not other])
    wholes = [
        density.whole.density.score(one) for one, is_whole in zip(measured, whole, strict=True) if is_whole
    ]
    highest = tiles.reshape(-1, TILES).max(axis=1)
    return np.array([density.whole.score(*pair) for pair in zip(highest.tolist(), wholes, strict=True)])


def test_new_images_are_flagged_at_the_rate() -> None:
    """The threshold holds for the higher of both scores; the calibration has one an image, in its unit."""
    density, calibration = fitted(200, 0)
    assert len(calibration.scores) == 200
    assert np.mean(calibration.scores) == pytest.approx(0, abs=1e-6)
    assert np.std(calibration.scores) == pytest.approx(1, abs=1e-3)
    normals, rows, _ = drawn(400, 1)
    assert normals.whole is not None
    scores = scores_of(density, rows, normals.whole)
    assert 0.02 < (scores > calibration.threshold).mean() < 0.09


def test_each_is_told_alone() -> None:
    """An anomaly of one tile is anomalous, and so is one of the whole alone, each by its own density."""
    density, calibration = fitted(100, 0)
    normals, rows, _ = drawn(2, 2)
    assert normals.whole is not None
    rows[0] += 9
    rows[-1] += 30
    assert (scores_of(density, rows, normals.whole) > calibration.threshold).all()
    assert density.whole is not None
    tile = {"residual": np.full(4, 7, np.float32)}  # as wholes usually are
    assert density.whole.density.score(tile) < 0 < 5 < density.score(tile)


def test_an_image_whose_whole_shows_nothing_is_judged_by_its_tiles() -> None:
    """Normals without one take part in the calibration, by the score of their tiles."""
    normals, rows, heat = drawn(60, 0)
    assert normals.whole is not None
    assert normals.image is not None
    assert normals.place is not None
    kept = ~(normals.whole & (normals.image < 10))
    fewer = HeldOutNormals(
        normals.x[kept], normals.groups[kept], normals.original[kept], normals.image[kept],
        normals.place[kept], normals.whole[kept],
    )  # fmt: skip
    density, calibration = fit_held_out({"residual": rows[kept]}, heat[kept], fewer, CHOSEN, 0, {})
    assert len(calibration.scores) == 60
    assert density.whole is not None
    assert density.usual_regions is not None
    assert density.usual_regions.areas.shape[1] == 60


def test_a_suspect_whole_takes_its_tiles_along() -> None:
    """Where a share of normals is left out, an image whose whole is far off has no score."""
    normals, rows, heat = drawn(50, 0)
    rows[TILES :: 10 * (TILES + 1)] += 60  # the whole of each tenth image
    settings = DetectorSettings(parts=("residual",), folds=5, contamination=0.1)
    _, calibration = fit_held_out({"residual": rows}, heat, normals, settings, 0, {})
    assert 40 <= len(calibration.scores) <= 45
    assert max(calibration.scores) < 5


def test_one_normal_in_four_is_hot_somewhere_in_the_map_of_both() -> None:
    """The heat limit is of the joint map: no more normals are above it than of tiles alone."""
    density, _ = fitted(60, 0)
    assert density.usual_regions is not None
    level = int(np.argmin(np.abs(density.usual_regions.thresholds - density.heat_limit)))
    assert 0.15 < (density.usual_regions.areas[level] > 0).mean() <= 0.27


def test_normals_that_networks_saw_count_at_their_own_scale() -> None:
    """Wholes that were trained on widen the density of wholes, tiles that of tiles."""
    normals, rows, heat = drawn(40, 0)
    seen = np.concatenate([np.full((300, 4), -50), np.full((300, 4), 50)]).astype(np.float32)
    seen += np.random.default_rng(0).normal(size=seen.shape).astype(np.float32)
    told = HeldOutNormals(
        normals.x, normals.groups, normals.original, normals.image, normals.place, normals.whole,
        seen_whole=np.arange(600) >= 300,
    )  # fmt: skip
    density, _ = fit_held_out({"residual": rows}, heat, told, CHOSEN, 0, {"residual": seen})
    assert density.whole is not None
    assert density.parts["residual"].center.mean() < -20
    assert density.whole.density.parts["residual"].center.mean() > 20


def test_they_are_kept_and_read_again() -> None:
    """A density with a whole is the same once read, to the bit."""
    density, _ = fitted(40, 0)
    read = Density.from_bytes(density.to_bytes())
    assert read.whole is not None
    assert density.whole is not None
    assert read.whole.unit == density.whole.unit
    assert read.whole.density.to_bytes() == density.whole.density.to_bytes()
    assert read.to_bytes() == density.to_bytes()


def test_the_higher_of_two_scores_is_calibrated_and_a_suspect_has_none() -> None:
    """Of four images one has no whole and is below nought by its tiles, and one's whole was left out."""
    density, _ = fitted(40, 0)
    assert density.whole is not None
    every = np.ones(4, np.bool_)
    tiles = Fitted(replace(density, whole=None), np.array([-2.0, 1, 3, 0]), np.arange(4), every)
    wholes = Fitted(density.whole.density, np.array([2.0, -1]), np.array([1, 2]), every)
    image, whole = np.array([0, 1, 2, 3, 1, 2, 3]), np.arange(7) > 3
    normals = HeldOutNormals(
        np.zeros((7, 2, 2, 1), np.float32), image, np.ones(7, np.bool_), image, None, whole
    )
    joined, calibration = _joined(tiles, wholes, np.zeros((7, *HEAT_SHAPE), np.float32), normals, 0.1)
    spread = (14 / 3) ** 0.5  # of -2, 2 and 3, whose mean is 1
    assert calibration.scores == pytest.approx([-3 / spread, 1 / spread, 2 / spread], abs=1e-5)
    assert joined.whole is not None
    assert joined.whole.unit == pytest.approx((1, spread), abs=1e-5)


def test_normals_are_read_as_they_were_written(tmp_path: Path) -> None:
    """With all that says which of them are tiles and wholes, of those that networks saw, too."""
    normals, _, _ = drawn(5, 0)
    seen = np.arange(20) % 3 == 0
    told = HeldOutNormals(
        normals.x, normals.groups, normals.original, normals.image, normals.place, normals.whole, seen
    )
    told.save(tmp_path / "normals.npz")
    read = HeldOutNormals.load(tmp_path / "normals.npz")
    for name in ("groups", "original", "image", "place", "whole", "seen_whole"):
        np.testing.assert_array_equal(getattr(read, name), getattr(told, name), err_msg=name)
    np.testing.assert_array_equal(read.x, told.x)
