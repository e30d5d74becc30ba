"""What a bundle calls foreign by its own held-out normals: a frame, and what is said of how it is told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.scoring.extremes import normals_for
from sranogan_edge.scoring.foreign import DomainRule, foreign_of, own_rule, told_by
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from tests.support.calibrated_sites import small_bundle


def with_signs(count: int) -> Bundle:
    """A bundle of so many held-out normals, that knows their likeness."""
    bundle = small_bundle(scores=tuple(np.linspace(-1, 1, count)))
    signs = {"likeness": np.random.default_rng(0).normal(1, 0.2, count)}
    budgets = {steps: replace(budget, signs=signs) for steps, budget in bundle.budgets.items()}
    return replace(bundle, budgets=budgets)


def test_what_tells_foreign_images_is_said() -> None:
    """By how many normals, with what few of them cost; or why nothing does."""
    bundle = small_bundle(scores=tuple(np.linspace(-1, 1, 50)))
    assert told_by(bundle, None) == "off: switched off"
    assert told_by(bundle) == (
        "off: the bundle lacks its normals' signs (of fewer than 20 held-out normals, or without jittered "
        "copies); calibrate with normals of this place: sranogan-calibrate"
    )
    known = with_signs(50)
    rule = own_rule(known)
    assert rule is not None
    assert told_by(known) == f"by the bundle's 50 held-out normals; {rule.note}"
    assert rule.note == (
        '50 normals are few to call an image "not like the training data": to call at most 0.01 of normals '
        f"so, it must be {rule.widened:.2g} times as far off as with {normals_for([1.25], 0.01)} of them"
    )
    assert told_by(with_signs(5000)) == "by the bundle's 5000 held-out normals"


def test_a_frame_is_judged_by_what_was_measured_of_it() -> None:
    """Its likeness to the mean normal: 1 of the same picture, -1 of its negative."""
    bundle = with_signs(50)
    heat = bundle.density.heat_center.copy()
    heat[1] = np.arange(1024).reshape(32, 32)
    center = replace(bundle.density, heat_center=heat)
    budgets = {steps: replace(one, density=center) for steps, one in bundle.budgets.items()}
    foreign = foreign_of(replace(bundle, budgets=budgets))
    assert foreign is not None
    x = np.full((32, 32, 1), 0.25, np.float32)
    frame = Frame(np.zeros((32, 32), np.uint8), 8, Photometric.MONOCHROME2)
    told = []
    for grid in (heat[1], -20 * heat[1] + 5):
        planes = heat.copy()
        planes[1] = grid
        made = Reconstruction(x, x, x, x, {}, planes, 0.0, {}, x)
        told.append(foreign(frame, Measurement(0.0, {}, x[..., 0], made, {})))
    assert told[0] == ""
    assert told[1].startswith("not like the training data: likeness to the mean normal image -1, below ")


def test_what_knows_no_sign_calls_nothing_foreign() -> None:
    """Other statistics are no signs."""
    rule = DomainRule.of_signs({"score": np.arange(30.0)})
    assert rule == DomainRule({}, 0.01, 30, 1.0)
    assert rule.note == ""
    assert rule.judge({"score": 99.0}).inside
