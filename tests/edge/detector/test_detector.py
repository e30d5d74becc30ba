"""The path of every scored image, on real graphs of a tiny model."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.bundle.bundle import Bundle, Golden, read_bundle
from sranogan_edge.detector.detector import Detector, check_golden
from sranogan_edge.detector.graph_fit import check_fit
from sranogan_edge.detector.open import open_detector, with_steps
from sranogan_edge.errors import (
    BackendError,
    BundleFormatError,
    DegenerateImageError,
    GoldenMismatchError,
    SettingsError,
)
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import enhance, preprocess
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_edge.scoring.density import PARTS, WHOLE_PARTS, Gaussian
from sranogan_edge.scoring.head import head_measurements
from sranogan_edge.scoring.measurement import Clock

STEPS = ("search", "reconstruct", "features", "residual", "head", "cells", "score")


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny bundle, read once."""
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def detector(bundle: Bundle) -> Detector:
    """Give a proven detector; making it proves that the golden cases pass here."""
    return open_detector(bundle)


def unproven(bundle: Bundle) -> Detector:
    """A detector whose golden cases nobody looked at."""
    return Detector(bundle, open_graphs(bundle))


def film(seed: int = 0, source: str = "film") -> Frame:
    """A frame of 96 x 80 pixels with something on it."""
    rows, columns = np.mgrid[0:96, 0:80]
    noise = np.random.default_rng(seed).normal(0, 6, (96, 80))
    pixels = 120 + 60 * np.sin(rows / 11) * np.cos(columns / 9) + noise
    return Frame(pixels.clip(0, 255).astype(np.uint8), 8, Photometric.MONOCHROME2, source=source)


def with_part(bundle: Bundle, name: str, change: Callable[[Gaussian], Gaussian]) -> Bundle:
    """The bundle with another density of one part."""
    parts = {**bundle.density.parts, name: change(bundle.density.parts[name])}
    return with_budget(bundle, density=replace(bundle.density, parts=parts))


def with_budget(bundle: Bundle, **changes: Any) -> Bundle:
    """The bundle with something else in the budget of the steps in use."""
    changed = replace(bundle.budgets[bundle.steps], **changes)
    return replace(bundle, budgets={**bundle.budgets, bundle.steps: changed})


def test_golden_scores_are_reproduced(detector: Detector, bundle: Bundle) -> None:
    """The machine that exported scores its golden cases again to within a thousandth of the tolerance."""
    found = [detector.score_x(x).score for x in bundle.golden.x]
    np.testing.assert_allclose(found, bundle.golden.scores, atol=bundle.golden.tolerance / 1000)
    check_golden(detector, bundle.golden)


@pytest.mark.parametrize("case", [0, 7])
@pytest.mark.parametrize("off", [-1.01, 1.01, math.nan])
def test_wrong_golden_score_is_refused(bundle: Bundle, case: int, off: float) -> None:
    """One golden score beyond the tolerance, first or last, up, down or NaN, keeps the bundle from use."""
    scores = bundle.golden.scores.copy()
    scores[case] += off * bundle.golden.tolerance
    wrong = with_budget(bundle, golden_scores=scores)
    with pytest.raises(
        GoldenMismatchError,
        match=rf"golden case {case + 1} of 8 .* on ai-edge-litert .*XNNPACK.* Nothing was scored",
    ):
        open_detector(wrong)
    unproven(wrong)


def test_golden_score_within_the_tolerance_is_taken(bundle: Bundle) -> None:
    """Rounding of another backend, inside the tolerance, is no reason to refuse."""
    scores = bundle.golden.scores + 0.9 * bundle.golden.tolerance
    near = with_budget(bundle, golden_scores=scores)
    found = open_detector(near).score_x(bundle.golden.x[0]).score
    assert abs(found - scores[0]) > 0.5 * bundle.golden.tolerance  # off, and taken all the same


def test_other_budgets_score_as_they_would_alone(budgets_bundle: Path) -> None:
    """A detector set to another budget proves it, and scores as one that was made with it."""
    bundle = read_bundle(budgets_bundle)
    detector = open_detector(bundle)
    for steps in bundle.budgets:
        other = with_steps(detector, steps)
        assert (other.bundle.steps, other.backend) == (steps, detector.backend)
        alone = unproven(bundle.with_steps(steps))
        assert other.score(film()).score == alone.score(film()).score
    with pytest.raises(SettingsError, match="no budget of 99 search steps"):
        with_steps(detector, 99)


def test_each_budget_is_proven(budgets_bundle: Path) -> None:
    """A wrong golden score of one budget keeps that budget from use, and no other."""
    bundle = read_bundle(budgets_bundle)
    wrong = with_budget(bundle, golden_scores=bundle.golden.scores + 2 * bundle.golden.tolerance)
    other = next(steps for steps in bundle.budgets if steps != bundle.steps)
    detector = open_detector(wrong.with_steps(other))
    with pytest.raises(GoldenMismatchError, match=f"with {bundle.steps} search steps"):
        with_steps(detector, bundle.steps)


def test_same_image_same_score(detector: Detector, bundle: Bundle) -> None:
    """An image scores the same to the bit, after other images and on a new detector too."""
    first = detector.score(film())
    detector.score(film(seed=1))
    again, anew = detector.score(film()), unproven(bundle).score(film())
    assert first.score == again.score == anew.score
    np.testing.assert_array_equal(first.heat, again.heat)
    assert first.score != detector.score(film(seed=1)).score


def test_threads_do_not_change_the_score(detector: Detector, bundle: Bundle) -> None:
    """The number of CPU threads is a matter of time only."""
    assert (
        Detector(bundle, open_graphs(bundle, threads=2)).score(film()).score == detector.score(film()).score
    )


def test_verdict_is_whole(detector: Detector, bundle: Bundle) -> None:
    """Score, p-value, heat and reconstruction are finite, in range and of the bundle's size."""
    verdict = detector.score(film())
    made = verdict.reconstruction
    assert math.isfinite(verdict.score)
    assert tuple(verdict.parts) == WHOLE_PARTS
    assert set(made.measured) == set(PARTS)
    assert verdict.score == bundle.density.score(made.measured)
    known = {name: len(part.center) for name, part in bundle.density.parts.items()}
    assert {name: len(made.measured[name]) for name in verdict.parts} == {**known, "residual": 449}
    assert known["residual"] == 257  # what the reconstruction leaves alone
    assert made.heat.shape == (4, 32, 32)
    assert 0 < verdict.p_value <= 1
    assert verdict.anomalous == (verdict.score > verdict.threshold)
    assert verdict.heat.shape == (bundle.size, bundle.size)
    assert verdict.heat.min() >= 0
    assert made.x.shape == made.resolved.shape == (bundle.size, bundle.size, 1)
    assert made.generated.shape == made.refined.shape == (bundle.search_size, bundle.search_size, 1)
    for image in (made.x, made.generated, made.refined, made.resolved):
        assert image.dtype == np.float32
        assert -0.01 <= image.min() <= image.max() <= 1.01
    assert made.anogan_score > 0


def test_timings(detector: Detector) -> None:
    """Each step's milliseconds are told, and the total is what they add up to or a little more."""
    taken = detector.score(film()).milliseconds
    assert tuple(taken) == ("preprocess", *STEPS, "total")
    assert all(value >= 0 for value in taken.values())
    steps = sum(value for name, value in taken.items() if name != "total")
    assert steps <= taken["total"] + 1e-6
    assert tuple(detector.score_x(np.full((32, 32, 1), 0.5, np.float32)).milliseconds) == STEPS


def test_clock_books_laps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lap is the time since the last one, in milliseconds."""
    times = iter([1.0, 1.5, 1.75])
    monkeypatch.setattr("sranogan_edge.scoring.measurement.time.perf_counter", lambda: next(times))
    clock = Clock()
    clock.lap("a")
    clock.lap("b")
    assert clock.laps == {"a": 500.0, "b": 250.0}


def test_a_spot_is_hot(detector: Detector, bundle: Bundle) -> None:
    """A patch of fine texture on an image that the model made itself raises its score, and its heat there."""
    plain = bundle.golden.x[1]
    spotted = plain.copy()
    spotted[4:12:2, 20:28] = 1.0
    spotted[5:12:2, 20:28] = 0.0
    before, after = detector.score_x(plain), detector.score_x(spotted)
    assert after.score > before.score
    assert (after.heat - before.heat)[4:12, 20:28].mean() > (after.heat - before.heat).mean()


def test_flat_frame_is_refused(detector: Detector) -> None:
    """A frame without content is an image error that names it."""
    flat = Frame(np.zeros((64, 64), np.uint8), 8, Photometric.MONOCHROME2, source="dark.png")
    with pytest.raises(DegenerateImageError, match=r"dark\.png"):
        detector.score(flat)


def test_frames_that_cannot_be_judged_do_not_count(
    detector: Detector, bundle: Bundle, make_dicom: Callable[..., bytes]
) -> None:
    """Of three frames of which one shows nothing p-value and threshold are of the highest of two."""
    pixels = np.stack([film().pixels, film(seed=1).pixels, np.full((96, 80), 99, np.uint8)])
    highest = max(detector.score(frame).score for frame in (film(), film(seed=1)))
    verdict = detector.score(make_dicom(pixels))
    own = bundle.calibration
    assert verdict.score == pytest.approx(highest, abs=1e-6)
    assert verdict.p_value == own.p_value_of(2, verdict.score) != own.p_value_of(3, verdict.score)
    assert verdict.threshold == own.threshold_of(2)


@pytest.mark.parametrize("name", WHOLE_PARTS)
def test_score_that_is_not_finite_is_refused(bundle: Bundle, name: str) -> None:
    """An image one of whose parts overflows is an image error, not a NaN among the results."""

    def overflowing(part: Gaussian) -> Gaussian:
        return replace(part, whitening=np.full_like(part.whitening, 3e38), center=part.center + 100)

    density = with_part(bundle, name, overflowing)
    with pytest.raises(DegenerateImageError, match="its score is"), np.errstate(all="ignore"):
        unproven(density).score(film())


def test_stages_see_the_enhanced_image_and_the_head_the_plain_one(detector: Detector, bundle: Bundle) -> None:
    """The verdict's image has the bundle's contrast; what the head measures comes from the image before."""
    plain = preprocess(film(), bundle.preprocess)
    made = detector.score_x(plain).reconstruction
    np.testing.assert_array_equal(made.x, enhance(plain, bundle.preprocess))
    darker = detector.score_x(plain * np.float32(0.8) + np.float32(0.1)).reconstruction
    reach = np.abs(made.measured["head"]).mean()
    assert np.abs(darker.measured["head"] - made.measured["head"]).mean() < 0.25 * reach


def test_measurements_have_the_parts_and_their_lengths() -> None:
    """Features of the head are averaged over four quarters, the map is one number, and its peak another."""
    said = {"features": np.ones((2, 2, 6), np.float32), "map": np.zeros((4, 4, 1), np.float32)}
    found = {name: row.shape for name, row in head_measurements(said).items()}
    assert found == {"head": (24,), "map": (1,), "peak": (1,)}
    assert {*found, "residual"} == set(PARTS)


@pytest.mark.parametrize("name", WHOLE_PARTS)
def test_a_part_switched_off_has_no_say(detector: Detector, bundle: Bundle, name: str) -> None:
    """Without one part the others say what they said, and the score is made of them."""
    parts = {other: part for other, part in bundle.density.parts.items() if other != name}
    density = replace(bundle.density, parts=parts)
    verdict = unproven(with_budget(bundle, density=density)).score(film())
    whole = detector.score(film())
    assert dict(verdict.parts) == {other: whole.parts[other] for other in parts}
    usual, spread = density.unit
    assert verdict.score == pytest.approx((np.mean(list(verdict.parts.values())) - usual) / spread)


def test_int8_stays_close_to_float(export_tiny: Callable[[str], Path], bundle: Bundle) -> None:
    """The int8 graphs reconstruct what the float32 graphs reconstruct, to a few grey levels."""
    exact = open_detector(read_bundle(export_tiny("float32")))
    rounded = open_detector(bundle)
    for seed in range(4):
        a = exact.score(film(seed)).reconstruction
        b = rounded.score(film(seed)).reconstruction
        assert np.abs(a.generated - b.generated).mean() < 0.02
        assert np.abs(a.resolved - b.resolved).mean() < 0.02


@pytest.mark.parametrize(("name", "other"), [("reconstruct", "head"), ("head", "features")])
def test_exchanged_graphs_are_refused(bundle: Bundle, name: str, other: str) -> None:
    """Graphs that do not take and give what the manifest says are refused before an image is scored."""
    exchanged = {**bundle.graphs, name: bundle.graphs[other]}
    with pytest.raises(BundleFormatError, match=f"graph '{name}' maps"):
        open_detector(replace(bundle, graphs=exchanged))


@pytest.mark.parametrize("name", WHOLE_PARTS)
def test_density_of_another_length_is_refused(bundle: Bundle, name: str) -> None:
    """A part fitted on other features than are made here is refused, with its name and both lengths."""

    def shorter(part: Gaussian) -> Gaussian:
        return replace(part, center=part.center[:-1], whitening=part.whitening[:-1])

    with pytest.raises(BundleFormatError, match=rf"part '{name}' has \d+ features, .* \d+\. Export"):
        open_detector(with_part(bundle, name, shorter))


@pytest.mark.parametrize("length", [129, 257, 449])
def test_densities_of_every_version_are_taken(detector: Detector, bundle: Bundle, length: int) -> None:
    """Of the residual's first numbers, of all of them, and of the image itself, too."""
    part = Gaussian(np.zeros(length, np.float32), np.eye(length, dtype=np.float32))
    check_fit(with_part(bundle, "residual", lambda _: part), detector.graphs.by_name)


def test_damaged_graph_is_a_backend_error(bundle: Bundle) -> None:
    """A graph that LiteRT cannot read is refused by name."""
    with pytest.raises(BackendError, match="'features'"):
        open_detector(replace(bundle, graphs={**bundle.graphs, "features": b"no graph"}))


def test_missing_golden_score_is_noticed(detector: Detector, bundle: Bundle) -> None:
    """Golden inputs and scores must pair up: a case is never passed over."""
    with pytest.raises(ValueError, match="shorter"):
        check_golden(detector, Golden(bundle.golden.x, bundle.golden.scores[:-1], bundle.golden.tolerance))
