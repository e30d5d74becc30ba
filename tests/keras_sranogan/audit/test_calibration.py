"""p-values of normals like the held-out ones keep their promise, and others are seen."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.audit.calibration import calibrated, shifted
from sranogan_edge.scoring.conformal import Calibration

RNG = np.random.default_rng(8)
HELD_OUT = Calibration(tuple(np.sort(RNG.normal(size=200)).tolist()), 0.05)


def test_normals_like_the_held_out_ones_lie_in_the_band() -> None:
    """Same distribution: shares inside the band, a small distance, the promised share flagged."""
    found = calibrated(RNG.normal(size=(1, 300)), [HELD_OUT])
    inside = [low <= share <= high for share, (low, high) in zip(found.shares, found.band, strict=True)]
    assert np.mean(inside) > 0.9
    assert found.distance_p > 0.05
    assert found.flagged_band is not None
    assert found.flagged_band[0] <= found.flagged <= found.flagged_band[1]


def test_normals_from_elsewhere_are_seen() -> None:
    """Scores half a standard deviation higher: too many small p-values, above the band."""
    found = calibrated(RNG.normal(size=(1, 300)) + 0.7, [HELD_OUT])
    assert found.distance_p < 0.01
    assert found.flagged_band is not None
    assert found.flagged > found.flagged_band[1]
    at_half = found.levels.index(0.5)
    assert found.shares[at_half] > found.band[at_half][1]


def test_the_band_holds_what_it_promises() -> None:
    """Over many draws of held-out and new normals, about 95 % of the shares at a level lie inside."""
    hits = []
    for _ in range(150):
        held_out = Calibration(tuple(np.sort(RNG.normal(size=99)).tolist()), 0.05)
        found = calibrated(RNG.normal(size=(1, 60)), [held_out])
        at = found.levels.index(0.2)
        hits.append(found.band[at][0] <= found.shares[at] <= found.band[at][1])
    assert 0.89 <= np.mean(hits) <= 1.0


def test_the_curve_starts_at_none_and_ends_at_all() -> None:
    """No p-value is 0 and none is above 1."""
    found = calibrated(RNG.normal(size=(2, 50)), [HELD_OUT, HELD_OUT])
    assert (found.shares[0], found.shares[-1]) == (0, 1)
    assert (found.band[0], found.band[-1]) == ([0.0, 0.0], [1.0, 1.0])


def test_an_infinite_threshold_has_no_band() -> None:
    """With too few held-out normals nothing is flagged, and nothing is claimed of it."""
    found = calibrated(RNG.normal(size=(1, 50)), [Calibration((0.0, 1.0), 0.05)])
    assert found.flagged == 0
    assert found.flagged_band is None


def test_a_shift_is_measured_against_the_same_normals() -> None:
    """No shift: AUROC 0.5 and equal shares flagged; a shift: more of both."""
    plain = RNG.normal(size=(1, 200))
    none, some = (shifted(plain, plain + step, [HELD_OUT]) for step in (0.0, 1.0))
    assert none.auroc == pytest.approx(0.5)
    assert none.flagged == none.flagged_plain
    assert some.auroc > 0.7
    assert some.flagged > some.flagged_plain
