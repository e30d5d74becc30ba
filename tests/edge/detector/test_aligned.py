"""A bundle that aligns: what is judged is the image as it lies in the reference, what is shown as it came."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.detector import Detector, check_golden
from sranogan_edge.errors import GoldenMismatchError
from sranogan_edge.image.align import Aligner, view_of
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import enhance, preprocess
from sranogan_edge.results.line import Scorer, result_line
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_edge.scoring.regions import RegionRule, find_regions
from sranogan_edge.scoring.rule import Verdict
from tests.support.turned_parts import Lie, part

LIE = Lie(11, 1.12, 18, -9)
SCORER = Scorer("ab", 3, "xnnpack")


@pytest.fixture(scope="module")
def plain(tiny_bundle: Path) -> Detector:
    """Give the tiny bundle as it is."""
    bundle = read_bundle(tiny_bundle)
    return Detector(bundle, open_graphs(bundle))


@pytest.fixture(scope="module")
def bundle(plain: Detector) -> Bundle:
    """Give the same, which aligns to the mean of a few parts; with its golden case."""
    views = [view_of(Frame.of(part(seed))) for seed in range(6)]
    aligner = Aligner(np.asarray(np.mean(views, axis=0), np.float32), 0.7)
    spec = replace(plain.bundle.preprocess, align=True)
    x = np.concatenate([plain.bundle.golden_x, aligner.golden_x(spec)[None]])
    budgets = {
        steps: replace(budget, golden_scores=np.append(budget.golden_scores, plain.score_x(x[-1]).score))
        for steps, budget in plain.bundle.budgets.items()
    }
    return replace(plain.bundle, preprocess=spec, aligner=aligner, golden_x=x, budgets=budgets)


@pytest.fixture(scope="module")
def detector(bundle: Bundle, plain: Detector) -> Detector:
    """Give its detector."""
    return Detector(bundle, plain.graphs)


def told(verdict: Verdict) -> dict[str, object]:
    """What its line says."""
    return result_line("part.png", verdict, SCORER, None).to_dict()


def test_the_image_is_judged_as_it_lies_in_the_reference(detector: Detector, plain: Detector) -> None:
    """To the bit as the aligned frame by itself; the line says how the part lay."""
    frame = Frame.of(part(30, LIE))
    assert detector.bundle.aligner is not None
    turned = detector.bundle.aligner.align(frame).applied(frame)
    verdict = detector.score(frame)
    assert verdict.score == plain.score(turned).score != plain.score(frame).score
    line = told(verdict)["alignment"]
    assert isinstance(line, dict)
    assert line["aligned"] is True
    assert line["rotation"] == pytest.approx(11, abs=0.1)
    assert line["scale"] == pytest.approx(1.12, rel=0.005)
    assert line["shift"] == pytest.approx([18, -9], abs=0.5)


def test_turned_parts_score_alike(detector: Detector, plain: Detector) -> None:
    """However a part lies, its score is nearly that of the part as it should lie; without, it is not."""
    lies = [Lie(), Lie(15, 1.1, 20, 10), Lie(-12, 0.9, -20, 15)]
    spread = [np.ptp([one.score(part(31, lie)).score for lie in lies]) for one in (detector, plain)]
    assert spread[0] < 0.5 * spread[1]


def test_what_cannot_be_aligned_is_judged_as_it_came(detector: Detector, plain: Detector) -> None:
    """To the bit, heat map and picture, too, and the line says so and why."""
    frame = Frame.of(np.random.default_rng(0).integers(0, 256, (120, 160), np.uint8))
    verdict, same = detector.score(frame), plain.score(frame)
    assert verdict.score == same.score
    np.testing.assert_array_equal(verdict.heat, same.heat)
    np.testing.assert_array_equal(verdict.picture, same.picture)
    assert verdict.alignment is not None
    assert told(verdict)["alignment"] == {"aligned": False, "reason": verdict.alignment.reason}
    assert verdict.alignment.reason


def test_heat_map_and_picture_are_of_the_image_as_it_came(detector: Detector, plain: Detector) -> None:
    """The picture is what a bundle without alignment shows; the heat map is the aligned one's, laid back."""
    frame = Frame.of(part(32, LIE))
    verdict = detector.score(frame)
    spec = plain.bundle.preprocess
    np.testing.assert_array_equal(verdict.picture, enhance(preprocess(frame, spec), spec))
    assert verdict.alignment is not None
    turned = plain.score(verdict.alignment.applied(frame))
    np.testing.assert_array_equal(verdict.heat, verdict.alignment.laid_back(turned.heat, spec))
    assert not np.array_equal(verdict.heat, turned.heat)


def test_a_region_may_be_as_small_as_what_was_judged(detector: Detector) -> None:
    """On a part that came larger the judged square is as much larger, and so is the least region."""
    spec = detector.bundle.preprocess
    rule = RegionRule(0.0, 0.1, None)
    frame = Frame.of(part(33, Lie(0, 1.2, 0, 0)))
    found = find_regions(frame, detector.measure(frame), rule, spec)
    assert found.square_cells == pytest.approx(spec.size**2 * 1.2**2, rel=0.01)


def test_times_add_up(detector: Detector) -> None:
    """Alignment is a step of its own, the first."""
    taken = detector.score(part(34, LIE)).milliseconds
    assert next(iter(taken)) == "align"
    assert taken["align"] > 0
    assert sum(taken.values()) - taken["total"] <= taken["total"] * 1.001


def test_a_bundle_without_alignment_is_as_it_was(plain: Detector) -> None:
    """Its score is that of x, no field is told, and no time is taken."""
    frame = Frame.of(part(35, LIE))
    verdict = plain.score(frame)
    assert verdict.score == plain.score_x(preprocess(frame, plain.bundle.preprocess)).score
    assert verdict.alignment is None
    assert "alignment" not in told(verdict)
    assert "align" not in verdict.milliseconds


def test_the_golden_cases_hold_the_aligner(bundle: Bundle, detector: Detector) -> None:
    """They pass here; an aligner that makes something else of its reference is refused."""
    check_golden(detector, bundle.golden)
    assert bundle.aligner is not None
    other = replace(bundle.aligner, reference=np.ascontiguousarray(bundle.aligner.reference[:, ::-1]))
    with pytest.raises(GoldenMismatchError, match="mean normal"):
        check_golden(Detector(replace(bundle, aligner=other), detector.graphs), bundle.golden)
