"""The usual cells of normals: found again by whoever looks again, and those that were put there."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.detector.cells import usual_cells
from keras_sranogan.settings import DetectorSettings, TrainSettings, preset
from sranogan_edge.errors import SettingsError

KINDS = np.array([[0, 0, 5], [4, 0, 0], [0, 3, 0], [-4, -3, -5]], np.float32)


def images(count: int) -> list[np.ndarray]:
    """Features of images whose every cell is of one of the ``KINDS``, give or take a hundredth."""
    rng = np.random.default_rng(2)
    each = rng.integers(0, len(KINDS), (count, 8, 8))
    return list((KINDS[each] + rng.normal(0, 0.01, (count, 8, 8, 3))).astype(np.float32))


def test_each_kind_of_cell_is_a_centre() -> None:
    """A cell of a kind that was seen is at no distance, one between the kinds is far off."""
    cells = usual_cells(images(40), 40, len(KINDS), seed=0)
    assert cells.usual.shape == (4, 3)
    assert cells.distances(KINDS[None]).max() < 0.05
    assert cells.distances(np.array([[[2, 1, 2]]], np.float32)).min() > 0.3


def test_the_same_seed_finds_the_same() -> None:
    """To the bit; another seed looks at other cells."""
    first, again, other = (usual_cells(images(9), 9, 8, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.usual, again.usual)
    assert not np.array_equal(first.usual, other.usual)


def test_no_more_centres_than_cells() -> None:
    """One image of a few cells has no more usual ones than these."""
    one = np.random.default_rng(0).normal(size=(2, 2, 3)).astype(np.float32)
    assert len(usual_cells([one], 1, 512, seed=0).usual) == 4


@pytest.mark.parametrize("count", [-1, 4097])
def test_their_number_is_bounded(count: int) -> None:
    """What no bundle may hold is refused as a setting."""
    with pytest.raises(SettingsError, match="cells must be from 0 to 4096"):
        DetectorSettings(cells=count)


def test_runs_of_before_go_without() -> None:
    """Settings that were saved before there were cells ask for none; today's ask for 512."""
    saved = preset("standard").to_dict()
    assert saved["detector"].pop("cells") == 512
    assert TrainSettings.from_dict(saved).detector.cells == 0
