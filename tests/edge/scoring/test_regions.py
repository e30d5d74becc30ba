"""Regions of a heat map: where they lie, how large they are, and how large those of normals are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.density import Density, Gaussian
from sranogan_edge.scoring.heat import HEAT_SHAPE
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from sranogan_edge.scoring.regions import MOST, HotRegion, RegionRule, find_regions, region_rule
from sranogan_edge.scoring.usual_regions import UsualRegions

SIZE = 64
SPEC = PreprocessSpec(size=SIZE)
ANY = RegionRule(2.0, 0.0, None)
ONE = Gaussian(np.zeros(1, np.float32), np.ones((1, 1), np.float32))
DENSITY = Density({"map": ONE}, np.zeros(HEAT_SHAPE, np.float32), np.ones(HEAT_SHAPE, np.float32), 2.0)


def measured(heat: NDArray[np.float32]) -> Measurement:
    """An image of this heat."""
    x = np.zeros((SIZE, SIZE, 1), np.float32)
    made = Reconstruction(x, x, x, x, {}, np.zeros(HEAT_SHAPE, np.float32), 0.0, {})
    return Measurement(0.0, {}, heat, made, {})


def image(height: int, width: int) -> Frame:
    """A frame of that size."""
    return Frame(np.zeros((height, width), np.uint8), 8, Photometric.MONOCHROME2)


def cold() -> NDArray[np.float32]:
    """A map of usual heat."""
    return np.ones((SIZE, SIZE), np.float32)


def test_regions_are_boxes_of_the_image_the_largest_first() -> None:
    """Box, area, peak and mean of each connected place above the threshold, at the image's own size."""
    heat = cold()
    heat[2:4, 3:6] = 3
    heat[10:20, 30:50] = 4
    heat[12, 35] = 9
    found = find_regions(image(128, 320), measured(heat), ANY, SPEC)
    large, small = (one.to_dict() for one in found.found)
    assert {**large, "mean": 0} == {
        "x": 150, "y": 20, "width": 100, "height": 20, "area": 2000, "peak": 9.0, "mean": 0,
    }  # fmt: skip
    assert large["mean"] == pytest.approx((199 * 4 + 9) / 200, abs=1e-4)
    assert [small[name] for name in ("x", "y", "width", "height", "area")] == [15, 4, 15, 4, 60]
    assert found.to_dict() == {"threshold": 2.0, "least_area": 10, "normals_share": None, "left_out": 0}


def test_a_colour_image_has_regions_as_a_grey_one() -> None:
    """Its third axis is no side."""
    heat = cold()
    heat[2:4, 3:6] = 3
    frame = Frame(np.zeros((SIZE, SIZE, 3), np.uint8), 8, Photometric.RGB)
    (one,) = find_regions(frame, measured(heat), ANY, SPEC).found
    assert (one.x, one.y, one.width, one.height, one.area) == (3, 2, 3, 2, 6)


def test_what_touches_by_a_corner_is_one_region() -> None:
    """A diagonal scratch is not a row of specks; exactly the threshold is not above it."""
    heat = cold()
    np.fill_diagonal(heat[10:20, 10:20], 3)
    heat[40:50, 40:50] = 2
    (one,) = find_regions(image(SIZE, SIZE), measured(heat), ANY, SPEC).found
    assert (one.x, one.y, one.width, one.height, one.area) == (10, 10, 10, 10, 10)


def test_an_image_without_heat_has_none() -> None:
    """No region, and a mask of zeros as large as the image."""
    found = find_regions(image(50, 70), measured(cold()), ANY, SPEC)
    assert found.found == ()
    mask = found.full_mask()
    assert mask.shape == (50, 70)
    assert not mask.any()


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
def test_a_mask_is_as_large_as_the_image_and_its_boxes_fit(fit: str) -> None:
    """255 in the regions, 0 elsewhere, in place; beside the part that was judged there is nothing."""
    spec = PreprocessSpec.from_dict({**SPEC.to_dict(), "fit": fit})
    heat = cold()
    heat[26:38, 20:30] = 5
    frame = image(90, 130)
    found = find_regions(frame, measured(heat), ANY, spec)
    mask, (one,) = found.full_mask(), found.found
    assert mask.shape == (90, 130)
    assert set(np.unique(mask)) == {0, 255}
    rows, columns = np.nonzero(mask)
    assert one.x <= columns.min() <= columns.max() < one.x + one.width
    assert one.y <= rows.min() <= rows.max() < one.y + one.height
    assert len(rows) == pytest.approx(one.area, rel=0.1)


def test_heat_on_the_black_of_a_letterbox_is_none_of_the_image() -> None:
    """What lies above a long image is no region."""
    heat = cold()
    heat[:20] = 5
    found = find_regions(image(100, 400), measured(heat), ANY, replace(SPEC, fit="letterbox"))
    assert found.found == ()


def test_an_image_smaller_than_its_map_has_regions_of_a_pixel() -> None:
    """A cell of a sixteenth of a pixel is in one pixel, and so is the smallest region that may be."""
    heat = cold()
    heat[5, 9] = 3
    found = find_regions(image(16, 16), measured(heat), ANY, SPEC)
    assert [(one.x, one.y, one.width, one.height, one.area) for one in found.found] == [(2, 1, 1, 1, 1)]
    assert found.least_area == 1


def test_numbers_of_regions_have_four_decimals() -> None:
    """In JSON, heat and shares alike."""
    one = HotRegion(1, 2, 3, 4, 5, 2.123456, 1.987654).to_dict()
    assert one == {"x": 1, "y": 2, "width": 3, "height": 4, "area": 5, "peak": 2.1235, "mean": 1.9877}
    rule = RegionRule(2.123456, 0.0, 0.0123456)
    told = find_regions(image(SIZE, SIZE), measured(cold()), rule, SPEC).to_dict()
    assert told == {"threshold": 2.1235, "least_area": 1, "normals_share": 0.0123, "left_out": 0}


def test_many_regions_are_bounded_and_counted() -> None:
    """Of 256 places the 50 largest are told; the mask has all, and the number of the others is said."""
    heat = cold()
    heat[::4, ::4] = 3
    heat[:2, :2] = 3
    found = find_regions(image(SIZE, SIZE), measured(heat), ANY, SPEC)
    assert (len(found.found), found.left_out) == (MOST, 256 - MOST)
    assert found.found[0].area == 4
    assert (found.full_mask() > 0).sum() == 255 + 4


def test_of_regions_as_large_as_each_other_those_at_the_top_are_told() -> None:
    """Of 256 places every third has two cells: 86 of them, of which 36 are left out with the small ones."""
    heat = cold()
    heat[::4, ::4] = 3
    places = [(4 * (number // 16), 4 * (number % 16)) for number in range(0, 256, 3)]
    for row, column in places:
        heat[row, column + 1] = 3
    found = find_regions(image(SIZE, SIZE), measured(heat), ANY, SPEC)
    assert [(one.y, one.x) for one in found.found] == places[:MOST]
    assert {one.area for one in found.found} == {2}


def spots(areas: list[int]) -> UsualRegions:
    """Normals whose largest region has so many cells, whatever the threshold up to 3."""
    maps = []
    for area in areas:
        heat = np.zeros((SIZE, SIZE), np.float32)
        heat.reshape(-1)[:area] = 3
        maps.append((heat, float(SIZE**2)))
    return UsualRegions.of(maps, 2.0)


def test_at_most_the_rate_of_normals_have_a_region() -> None:
    """Of 39 normals the largest but one sets the area for 5 %; of few normals the largest one."""
    density = replace(DENSITY, usual_regions=spots(list(range(0, 39))))
    rule = region_rule(density, 0.05)
    assert (rule.threshold, round(rule.least * SIZE**2)) == (2.0, 37)
    assert rule.normals_share == pytest.approx(0.05)
    few = replace(DENSITY, usual_regions=spots([3, 8, 5]))
    rule = region_rule(few, 0.05)
    assert (round(rule.least * SIZE**2), rule.normals_share) == (8, 0.25)


def test_a_rate_that_nearly_all_normals_may_have() -> None:
    """Then the smallest of theirs sets the area: of 3 normals three in four have a larger one."""
    rule = region_rule(replace(DENSITY, usual_regions=spots([3, 8, 5])), 0.9)
    assert (round(rule.least * SIZE**2), rule.normals_share) == (3, 0.75)


def test_new_normals_have_regions_as_often_as_is_said() -> None:
    """Drawn again and again, the share of new normals with a region is no more than what is told."""
    rng, flagged = np.random.default_rng(0), []
    for _ in range(300):
        areas = rng.exponential(60, 60).astype(int)
        rule = region_rule(replace(DENSITY, usual_regions=spots(areas[:59].tolist())), 0.1)
        flagged.append(areas[59] > round(rule.least * SIZE**2))
    assert rule.normals_share == pytest.approx(0.1)
    assert np.mean(flagged) < 0.15


def test_smaller_regions_than_those_of_normals_are_left_out() -> None:
    """What normals have is no region, and the smallest area is told in the image's pixels."""
    density = replace(DENSITY, usual_regions=spots([20] * 40))
    heat = cold()
    heat[0:4, 0:5] = 5
    heat[30:33, 30:37] = 5
    found = find_regions(image(128, 128), measured(heat), region_rule(density, 0.05), SPEC)
    assert [one.area for one in found.found] == [21 * 4]
    assert found.least_area == 21 * 4


def test_another_threshold_of_heat_takes_the_areas_of_the_next_lower_one() -> None:
    """Between two thresholds the lower one's areas hold, which are larger; below all of them nobody knows."""
    heat = np.zeros((SIZE, SIZE), np.float32)
    heat[:8] = 2.2
    heat[:4] = 2.9
    usual = UsualRegions.of([(heat, float(SIZE**2))], 2.0)
    density = replace(DENSITY, usual_regions=usual)
    cells = [round(region_rule(density, 0.5, limit).least * SIZE**2) for limit in (2.0, 2.4, 2.5, 2.7, 3.1)]
    assert cells == [512, 512, 256, 256, 0]
    assert region_rule(density, 0.5, 0.1).normals_share is None
    assert region_rule(DENSITY, 0.5).normals_share is None


def test_a_density_keeps_what_normals_have() -> None:
    """Written and read again it is the same; one without knows nothing, and damage is refused."""
    density = replace(DENSITY, usual_regions=spots([1, 5, 2]))
    read = Density.from_bytes(density.to_bytes()).usual_regions
    assert read is not None
    assert density.usual_regions is not None
    np.testing.assert_array_equal(read.areas, density.usual_regions.areas)
    np.testing.assert_array_equal(read.thresholds, density.usual_regions.thresholds)
    assert Density.from_bytes(DENSITY.to_bytes()).usual_regions is None
    falling = replace(read, areas=read.areas[:, ::-1])
    with pytest.raises(ValueError, match="ascend"):
        Density.from_bytes(replace(density, usual_regions=falling).to_bytes())
