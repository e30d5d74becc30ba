"""From a measurement to a verdict: where the threshold itself lies, and which frame speaks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from sranogan_edge.errors import ImageError
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.heat import HEAT_SHAPE
from sranogan_edge.scoring.measurement import Measurement, Reconstruction, Tiles
from sranogan_edge.scoring.regions import region_finder
from sranogan_edge.scoring.rule import Rule, highest

OWN = Calibration((0.0, 1.0, 2.0, 3.0), 0.2)  # of four normals and a rate of 1 in 5: the highest
FLAT = np.zeros((8, 8), np.float32)
FRAME = Frame(np.zeros((8, 8), np.uint8), 8, Photometric.MONOCHROME2)


def measured(score: float) -> Measurement:
    """What an image of this score measures."""
    made = Reconstruction(FLAT, FLAT, FLAT, FLAT, {}, FLAT, 0.0, {})
    return Measurement(score, {"residual": 0.5}, FLAT, made, {"total": 2.0})


@pytest.mark.parametrize(
    ("score", "anomalous", "p_value"), [(2.5, False, 0.4), (3.0, False, 0.4), (3.0001, True, 0.2)]
)
def test_a_score_at_the_threshold_is_none_above_it(score: float, anomalous: bool, p_value: float) -> None:
    """Only what is above is flagged; what was measured is handed on as it is."""
    made = measured(score)
    verdict = Rule(OWN).decide(made)
    assert (verdict.anomalous, verdict.p_value, verdict.threshold) == (anomalous, p_value, 3.0)
    assert (verdict.score, verdict.parts, verdict.milliseconds) == (score, {"residual": 0.5}, {"total": 2.0})
    assert verdict.heat is made.heat
    assert verdict.reconstruction is made.reconstruction


@pytest.mark.parametrize("override", [0.0, -1.0, 2.5])
def test_an_override_holds_for_any_number_of_frames(override: float) -> None:
    """Nought is one too; the p-value stays the calibration's."""
    rule = Rule(OWN, override)
    for frames in (1, 7):
        assert rule.threshold_of(frames) == rule.threshold == override
        assert rule.decide(measured(override), frames=frames).anomalous is False
        assert rule.decide(measured(override + 0.5), frames=frames).anomalous is True
    assert rule.decide(measured(2.5)).p_value == 0.4


def test_a_verdict_is_judged_again_by_what_is_in_force() -> None:
    """Its threshold and whether it is above; all else stays."""
    before = Rule(OWN).decide(measured(2.0))
    assert [Rule(OWN, limit).again(before).anomalous for limit in (1.9, 2.0, 2.1)] == [True, False, False]
    again = Rule(OWN, 1.9).again(before)
    assert (again.threshold, again.score, again.p_value) == (1.9, before.score, before.p_value)


def test_an_object_of_many_frames_has_its_own_threshold() -> None:
    """Of four normals the highest of two frames is never beyond a rate of 1 in 5: its p-value is 2 of 6."""
    verdict = Rule(OWN).decide(measured(99.0), frames=2)
    assert (verdict.threshold, verdict.anomalous) == (math.inf, False)
    assert verdict.p_value == pytest.approx(1 / 3)
    assert "4 normals are too few to call the highest of 2 frames" in Rule(OWN).too_few(2)
    assert (Rule(OWN).too_few(1), Rule(OWN, 5.0).too_few(2)) == ("", "")
    assert "at a false-alarm rate of 0.2: calibrate with 8, or" in Rule(OWN).too_few(
        2
    )  # 2 of 8 + 2 is 1 in 5


def test_too_few_normals_are_told_of_objects_of_many_frames_alone() -> None:
    """Of a single frame the page and the report say so: nothing is added to each result."""
    few = Rule(Calibration((0.0, 1.0), 0.2))
    assert few.threshold == math.inf
    assert few.too_few(1) == ""
    assert "2 normals are too few" in few.too_few(2)


def test_what_was_measured_of_tiles_and_colour_is_handed_on() -> None:
    """A verdict has both; its picture is that of the tiles, or the image judged where there are none."""
    whole = np.full((20, 30, 1), 0.5, np.float32)
    tiles = Tiles(6, 1, [0, 0, 8, 8], 1.0, whole, FLAT, {})
    plain = measured(1.0)
    verdict = Rule(OWN).decide(replace(plain, tiles=tiles, colour="a grey image"))
    assert (verdict.tiles, verdict.colour) == (tiles, "a grey image")
    assert verdict.picture is whole
    assert Rule(OWN).decide(plain).picture is plain.reconstruction.x
    assert Rule(OWN).again(verdict).tiles is tiles


def test_what_is_foreign_is_asked_of_the_frame() -> None:
    """Without a frame nothing is called so, however the rule is set."""
    rule = Rule(OWN, foreign=lambda frame, made: f"{frame.bit_depth} bits, {made.score:g}")
    assert rule.decide(measured(1.0), FRAME).out_of_domain == "8 bits, 1"
    assert rule.decide(measured(1.0)).out_of_domain == ""
    assert Rule(OWN).decide(measured(1.0), FRAME).out_of_domain == ""


def test_regions_are_looked_for_on_the_frame() -> None:
    """By what the rule has for that; without a frame there is no place for them. The scale is handed on."""
    density = Density({}, np.zeros(HEAT_SHAPE, np.float32), np.ones(HEAT_SHAPE, np.float32), 2.0)
    rule = Rule(OWN, regions=region_finder(density, PreprocessSpec(size=16), 0.05))
    hot = replace(measured(1.0), heat=np.full((16, 16), 3, np.float32), heat_limit=2.0)
    verdict = rule.decide(hot, FRAME)
    assert verdict.regions is not None
    assert [one.area for one in verdict.regions.found] == [64]
    assert verdict.heat_limit == 2.0
    assert rule.decide(hot).regions is None
    assert Rule(OWN).decide(hot, FRAME).regions is None


def test_of_equal_frames_the_first_speaks() -> None:
    """And there is a sign of life after each, also after one that cannot be judged."""
    scores, beats = iter([1.0, None, 3.0, 3.0, -1.0]), []

    def measure(frame: Frame) -> Measurement:
        score = next(scores)
        if score is None:
            raise ImageError("x: of one value")
        return measured(score)

    number, made, failed = highest(measure, [FRAME] * 5, lambda: beats.append(1))
    assert (number, made.score, [str(one) for one in failed]) == (2, 3.0, ["x: of one value"])
    assert len(beats) == 5


def test_where_no_frame_can_be_judged_the_first_error_says_why() -> None:
    """The others are more of the same."""
    errors = iter([ImageError("first"), ImageError("second")])

    def measure(frame: Frame) -> Measurement:
        raise next(errors)

    with pytest.raises(ImageError, match="first"):
        highest(measure, [FRAME] * 2)
