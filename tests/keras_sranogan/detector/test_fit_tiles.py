"""Calibration of images in tiles: what counts is the highest of an image's tiles."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.detector.fit import fit_detector, highest_of
from keras_sranogan.settings import DetectorSettings
from sranogan_edge.scoring.heat import HEAT_SHAPE, HEAT_SHAPES


def test_of_tiles_the_highest_of_an_image_is_calibrated() -> None:
    """The calibration has one score an image, the highest of its tiles', in the unit of such scores."""
    rng = np.random.default_rng(0)
    image = np.repeat(np.arange(60), 10)
    rows = rng.normal(size=(600, 4)).astype(np.float32)
    heat = rng.normal(size=(600, *HEAT_SHAPE)).astype(np.float32)
    chosen = DetectorSettings(parts=("residual",), folds=5)
    density, calibration = fit_detector(
        {"residual": rows}, heat, image, np.ones(600, np.bool_), chosen, 0, image=image
    )
    assert len(calibration.scores) == 60
    assert np.mean(calibration.scores) == pytest.approx(0, abs=1e-6)
    assert np.std(calibration.scores) == pytest.approx(1, abs=1e-3)
    own = np.array([density.score({"residual": row}) for row in rows])
    assert np.median(own) < -1 < 0 < highest_of(own, image).max()


def test_of_tiles_a_part_s_unit_is_that_of_images() -> None:
    """Of the highest tile of each, out of fold; copies count not, and of whole images each is its own."""
    rng = np.random.default_rng(4)
    image, original = np.repeat(np.arange(80), 8), np.arange(640) < 480
    rows = {"map": rng.normal(size=(640, 1)).astype(np.float32)}
    rows["peak"] = rows["map"].copy()
    rows["peak"][::16] += 6  # every other image has one tile that is high
    heat = np.zeros((640, *HEAT_SHAPE), np.float32)
    chosen = DetectorSettings(parts=("map", "peak"), folds=4)
    tiles, _ = fit_detector(rows, heat, image, original, chosen, 0, image=image)
    for name, values in rows.items():
        one = tiles.parts[name]
        standard = np.array([one.standard(row) for row in values[original]])
        highest = highest_of(standard, image[original])
        assert (highest.mean(), highest.std()) == pytest.approx((0, 1), abs=0.1)
        assert standard.mean() < -0.7
    assert tiles.parts["peak"].spread > 2 * tiles.parts["map"].spread
    whole, _ = fit_detector(rows, heat, image, original, chosen, 0)
    standard = np.array([whole.parts["peak"].standard(row) for row in rows["peak"][original]])
    assert (standard.mean(), standard.std()) == pytest.approx((0, 1), abs=0.1)


def test_of_tiles_false_alarms_are_of_images() -> None:
    """New images of six tiles are flagged at about the rate; by their tiles one in four would be."""
    rng = np.random.default_rng(1)
    image = np.repeat(np.arange(200), 6)
    rows = rng.normal(size=(1200, 4)).astype(np.float32)
    heat = np.zeros((1200, *HEAT_SHAPE), np.float32)
    chosen = DetectorSettings(parts=("residual",), folds=2)
    density, calibration = fit_detector(
        {"residual": rows}, heat, image, np.ones(1200, np.bool_), chosen, 0, image=image
    )
    new = rng.normal(size=(1200, 4)).astype(np.float32)
    scores = highest_of(np.array([density.score({"residual": row}) for row in new]), image)
    assert 0.02 < (scores > calibration.threshold).mean() < 0.1
    density, calibration = fit_detector(
        {"residual": rows}, heat, np.arange(1200), np.ones(1200, np.bool_), chosen, 0
    )
    scores = highest_of(np.array([density.score({"residual": row}) for row in new]), image)
    assert (scores > calibration.threshold).mean() > 0.18


def test_of_tiles_a_suspect_image_goes_with_all_of_them() -> None:
    """One tile far off leaves out its image: no truncated maximum lowers the threshold."""
    rng = np.random.default_rng(2)
    image = np.repeat(np.arange(50), 4)
    rows = rng.normal(size=(200, 4)).astype(np.float32)
    rows[::40] += 30  # a tile of each tenth image
    heat = np.zeros((200, *HEAT_SHAPE), np.float32)
    chosen = DetectorSettings(parts=("residual",), folds=5, contamination=0.1)
    _, calibration = fit_detector(
        {"residual": rows}, heat, image, np.ones(200, np.bool_), chosen, 0, image=image
    )
    assert len(calibration.scores) == 45
    assert max(calibration.scores) < 5


def test_the_highest_of_each_image_whatever_the_order() -> None:
    """Images may be numbered with gaps, and their tiles lie apart."""
    found = highest_of(np.array([1.0, 5, -2, 3]), np.array([7, 2, 7, 9]))
    assert found.tolist() == [5, 1, 3]


def test_of_tiles_cells_weigh_three_times_as_much() -> None:
    """And the heat's limit, which one normal in four exceeds, is of the heat that they make so."""
    rng = np.random.default_rng(3)
    rows, heat = rng.normal(size=(80, 4)).astype(np.float32), np.zeros((80, *HEAT_SHAPES[1]), np.float32)
    heat[:, 3] = rng.normal(0, 1, 80)[:, None, None]  # cells alone: each tile all alike
    chosen = DetectorSettings(parts=("residual",), folds=4)
    given = {"residual": rows}, heat, np.arange(80), np.ones(80, np.bool_), chosen, 0
    whole, _ = fit_detector(*given)
    tiles, _ = fit_detector(*given, image=np.arange(80))
    assert tiles.heat_map(heat[5], 64) == pytest.approx(3 * whole.heat_map(heat[5], 64), rel=1e-4)
    assert tiles.heat_limit == pytest.approx(3 * whole.heat_limit, rel=1e-4)
    hottest = [tiles.heat_map(one, 128).max() for one in heat]
    assert np.mean(np.array(hottest) > tiles.heat_limit) == pytest.approx(0.25, abs=0.02)


def test_regions_of_normals_are_those_of_stitched_maps() -> None:
    """A hot place that two tiles share is one region, in shares of a tile; copies count not."""
    heat = np.zeros((90, *HEAT_SHAPE), np.float32)
    heat[:, 2] = np.random.default_rng(0).normal(0, 1, (90, *HEAT_SHAPE[1:]))
    heat[0, 2, 8:24, 28:] = heat[1, 2, 8:24, :4] = 99  # 16 x 8 cells of a tile's 32 x 32
    image = np.repeat(np.arange(45), 2)
    original = np.arange(90) < 60
    place = np.zeros((90, 5), np.int64)
    place[:60] = [[left, 0, 64, 64, 128] for _ in range(30) for left in (0, 64)]
    rows = np.random.default_rng(1).normal(size=(90, 4)).astype(np.float32)
    chosen = DetectorSettings(parts=("residual",), folds=3)
    given = ({"residual": rows}, heat, image, original, chosen, 0)
    density, _ = fit_detector(*given, image=image, place=place)
    assert density.usual_regions is not None
    areas = density.usual_regions.areas
    assert areas.shape[1] == 30
    assert areas[-1, :-1].max() == 0
    assert (
        16 * 8 / 32**2 < areas[-1, -1] < 21 * 13 / 32**2
    )  # blurred; half of it is smaller than all of it was
    assert fit_detector(*given, image=image)[0].usual_regions is None  # a run of an earlier version
    whole, _ = fit_detector(*given)
    assert whole.usual_regions is not None
    assert whole.usual_regions.areas.shape[1] == 60
