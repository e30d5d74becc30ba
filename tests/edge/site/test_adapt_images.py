"""Which images densities are adapted to: anomalies, colours, several frames, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sranogan_edge.errors import DataError
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.statistics import apart, successive
from sranogan_edge.site.adapt import Local, adapted, told_apart
from sranogan_edge.site.calibrate import calibration_of
from sranogan_edge.site.scored import Scored, check_enough_scored
from tests.support.calibrated_sites import small_bundle


def local(name: str = "a", **changes: Any) -> Local:
    """An image of a site."""
    made = Local(name, 1, {"map": np.zeros(1, np.float32)}, "", colourful=False)
    return replace(made, **changes)


def images_of(count: int, **changes: Any) -> list[Local]:
    """So many, each with another number."""
    rng = np.random.default_rng(0)
    return [
        local(f"{n}", measured={"map": rng.normal(size=1).astype(np.float32)}, **changes)
        for n in range(count)
    ]


def scored(*values: float) -> list[Mapping[str, float]]:
    """Statistics of images."""
    return [{"score": value} for value in values]


def test_anomalies_alone_are_asked_about() -> None:
    """Where the bundle calls most of them anomalous, they are hardly normals: refused, unless told."""
    bundle = small_bundle(scores=tuple(np.linspace(-1, 1, 50)))
    rows = scored(*np.linspace(0, 4, 30))
    with pytest.raises(DataError, match=r"23 of 30 images score above the bundle's threshold of .*--anyway"):
        adapted(images_of(30), rows, bundle, "here", lambda message: None)
    told: list[str] = []
    assert adapted(images_of(30), rows, bundle, "here", told.append, anyway=True).used
    assert any("used anyway: here: 23 of 30" in message for message in told)


def test_what_is_said_of_the_images() -> None:
    """How many the bundle flagged, which are left out, and that colours are not seen."""
    bundle = small_bundle(scores=tuple(np.linspace(-1, 1, 50)))
    images = images_of(30, colourful=True)
    images[7] = local("film7.png", measured={"map": np.array([40], np.float32)})
    told: list[str] = []
    found = adapted(images, scored(*np.linspace(-1, 1.6, 30)), bundle, "here", told.append)
    assert 7 not in found.used
    assert found.fitted == 29
    assert any("left out: film7.png scores" in message and "nor the threshold" in message for message in told)
    assert any("29 of 30 images are in colour" in message for message in told)
    assert any("flags 30% of these normals, where 10% were meant" in message for message in told)


@pytest.mark.parametrize("tiled", [False, True])
def test_a_site_is_scored_by_as_many_parts_as_its_bundle(tiled: bool) -> None:
    """One part, the highest of each image, where the bundle's score is of one; the unit is of such scores."""
    bundle = small_bundle(scores=tuple(np.linspace(-1, 1, 50)))
    part, rng = bundle.density.parts["map"], np.random.default_rng(3)
    density = replace(bundle.density, parts={"head": part, "map": part}, highest=1)
    bundle = replace(bundle, budgets={4: replace(bundle.budgets[4], density=density)})
    if tiled:
        bundle = replace(bundle, preprocess=replace(bundle.preprocess, fit="tile", tile_px=128))
    rows = [{name: rng.normal(size=1).astype(np.float32) for name in ("head", "map")} for _ in range(30)]
    images = [
        local(f"{n}", measured={k: v[None] if tiled else v for k, v in one.items()})
        for n, one in enumerate(rows)
    ]
    found = adapted(images, scored(*np.linspace(-1, 1, 30)), bundle, "here", lambda message: None)
    usual = np.mean([max(found.density.standard(one).values()) for one in (rows[n] for n in found.used)])
    assert found.density.highest == 1
    assert found.density.unit[0] == pytest.approx(usual, abs=0.1)  # that of the mean of both is about 0
    assert found.density.unit[0] > 0.3


def test_objects_of_several_frames_are_named() -> None:
    """Densities are adapted to single images."""
    images = [local("cine.dcm", frames=30)]
    with pytest.raises(DataError, match=r"cine\.dcm: it has 30 frames"):
        told_apart(images, [np.zeros((32, 32), np.float32)], small_bundle(), "here", lambda message: None)


@pytest.mark.parametrize(("colours", "expected"), [((90, 120, 200), True), ((90, 91, 92), False)])
def test_a_colour_is_told_from_grey_in_three_channels(colours: tuple[int, int, int], expected: bool) -> None:
    """Grey films are often saved with three equal channels: these are no colour."""
    frame = Frame.of(np.tile(np.array(colours, np.uint8), (64, 64, 1)))
    made: Any = SimpleNamespace(reconstruction=SimpleNamespace(measured={}))
    assert Local.of("a", (frame,), 0, made, None).colourful is expected


def test_a_calibration_is_of_the_images_that_are_left() -> None:
    """Digest, order and numbers are of these, not of a copy that was saved otherwise, nor of an outlier."""
    rng = np.random.default_rng(1)
    grids = list(rng.normal(size=(24, 32, 32)).astype(np.float32))
    images = images_of(24)
    grids[5] = grids[4] + np.float32(0.01)
    images = [replace(one, measured={"head": one.measured["map"]}) for one in images]
    images[9] = local("9", measured={"head": np.array([40], np.float32)})
    rows: list[Mapping[str, float]] = [{"score": 0.5, "head": 100.0 + n} for n in range(24)]
    digests = [f"{n:064x}" for n in range(24)]
    found = Scored(rows, [1] * 24, grids, digests, [], ["a.png"], [], images)
    told: list[str] = []
    bundle = small_bundle(scores=tuple(np.linspace(5, 7, 50)))
    density = replace(bundle.density, parts={"head": bundle.density.parts["map"]})
    made = calibration_of(
        replace(bundle, budgets={4: replace(bundle.budgets[4], density=density)}),
        "a stopwatch",
        found,
        false_alarm_rate=0.1,
        source="here",
        told=told.append,
        adapt=True,
    )
    left = [n for n in range(24) if n not in (5, 9)]
    assert made.images_sha256 == sha256("".join(digests[n] for n in left).encode()).hexdigest()
    assert (made.images, made.fitted, made.frames, made.skipped) == (22, 22, 1, 2)
    assert made.successive == successive([grids[n] for n in left])
    assert made.apart == apart([grids[n] for n in left])
    values = np.array([images[n].measured["head"][0] for n in left])
    assert set(made.statistics) == {"score", "head"}
    for name in made.statistics:  # out of fold, in deviations of these
        column = np.array(made.statistics[name])
        assert (column.mean(), column.std()) == pytest.approx((0, 1), abs=1e-4)
        assert np.corrcoef(column, values)[0, 1] > 0.99
    assert any("not used: 5 is nearly the same picture as 4" in message for message in told)
    assert not any("than the normals of the training" in message for message in told)  # of another unit


def test_a_copy_is_known_wherever_it_stands() -> None:
    """Not only beside the picture that it is of."""
    grids = list(np.random.default_rng(2).normal(size=(25, 32, 32)).astype(np.float32))
    grids[20] = grids[3]
    left = told_apart(images_of(25), grids, small_bundle(), "here", lambda message: None)
    assert left == [n for n in range(25) if n != 20]


def test_who_is_beyond_normals_and_within_reach_counts_for_the_threshold_alone() -> None:
    """Where the bundle's own normals reach far, too: 29 are fitted to, and all 30 used."""
    bundle = small_bundle(scores=(*np.linspace(-1, 1, 49), 50.0))
    images = images_of(30)
    images[7] = local("7", measured={"map": np.array([9], np.float32)})
    found = adapted(images, scored(*np.linspace(-1, 0, 30)), bundle, "here", lambda message: None)
    assert (found.used, found.fitted) == (list(range(30)), 29)


def test_scores_by_the_adapted_density_are_in_deviations_of_these_normals() -> None:
    """The mean of two parts that have nothing to do with each other varies less than each."""
    rng, bundle = np.random.default_rng(4), small_bundle(scores=tuple(np.linspace(-1, 1, 50)))
    one = bundle.density.parts["map"]
    density = replace(bundle.density, parts={"head": one, "residual": one})
    bundle = replace(bundle, budgets={4: replace(bundle.budgets[4], density=density)})
    images = [
        local(
            str(n), measured={name: rng.normal(3, 2, 1).astype(np.float32) for name in ("head", "residual")}
        )
        for n in range(200)
    ]
    found = adapted(images, scored(*np.zeros(200)), bundle, "here", lambda message: None)
    scores = np.array([found.density.score(image.measured) for image in images])
    assert (scores.mean(), scores.std()) == pytest.approx((0, 1), abs=0.05)
    assert [row["score"] for row in found.rows] == pytest.approx(scores[found.used], abs=0.2)


def test_where_nothing_can_be_scored_that_is_the_reason() -> None:
    """Though something else was not asked for."""
    found = Scored([], [], [], [], ["a.png: torn", "b.png: torn"], [], ["c.dcm: Modality CT"])
    with pytest.raises(DataError, match=r"2 of 2 images could not be scored.*The first: a\.png: torn"):
        check_enough_scored(0, 2, found)
    with pytest.raises(DataError, match=r"none of the 1 images is asked for\. The first: c\.dcm"):
        check_enough_scored(0, 0, found)
