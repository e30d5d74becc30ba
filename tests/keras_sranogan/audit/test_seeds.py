"""What several models of one design agree on."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.audit.seeds import seeds

RNG = np.random.default_rng(6)
ABNORMAL = np.repeat([False, True], 50)


def test_one_model_has_no_spread() -> None:
    """Nothing is said of seeds with one model."""
    assert seeds({"plain": [0.9]}, RNG.normal(size=(1, 100)), ABNORMAL) is None


def test_spread_and_agreement() -> None:
    """Mean, deviation and range per control; agreement inside a class is below that over all."""
    shared = RNG.normal(size=100) + 3 * ABNORMAL
    found = seeds({"plain": [0.8, 0.9], "low_pass": None}, shared + RNG.normal(size=(2, 100)), ABNORMAL)
    assert found is not None
    assert set(found.auroc) == {"plain"}
    one = found.auroc["plain"]
    assert one.mean == pytest.approx(0.85)
    assert (one.min, one.max) == (0.8, 0.9)
    assert one.sd == pytest.approx(0.1 / np.sqrt(2))
    assert (found.agreement["all"] or 0) > (found.agreement["normals"] or 1) > 0


def test_one_class_has_no_agreement_of_the_other() -> None:
    """Without abnormals there is no agreement inside them."""
    found = seeds({"plain": None}, RNG.normal(size=(2, 100)), np.zeros(100, np.bool_))
    assert found is not None
    assert found.agreement["abnormals"] is None
    assert found.agreement["normals"] is not None
