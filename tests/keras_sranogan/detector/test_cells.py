"""The usual cells of normals: found again by whoever looks again, and those that were put there."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.detector.cells import some_cells, usual_cells
from keras_sranogan.presets import preset
from keras_sranogan.settings import DetectorSettings, TrainSettings
from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.cells import Cells

KINDS = np.array([[0, 0, 5], [4, 0, 0], [0, 3, 0], [-4, -3, -5]], np.float32)


def images(count: int) -> list[np.ndarray]:
    """Features of images whose every cell is of one of the ``KINDS``, give or take a hundredth."""
    rng = np.random.default_rng(2)
    each = rng.integers(0, len(KINDS), (count, 8, 8))
    return list((KINDS[each] + rng.normal(0, 0.01, (count, 8, 8, 3))).astype(np.float32))


def found_in(features: list[np.ndarray], count: int, seed: int) -> Cells:
    """The usual cells of images."""
    rng = np.random.default_rng(seed)
    return usual_cells([some_cells(one, len(features), rng) for one in features], count, seed)


def test_as_many_cells_of_each_image() -> None:
    """At most 200,000 in all, each of them the image's, none twice."""
    one = np.arange(3 * 20 * 20, dtype=np.float32).reshape(20, 20, 3)
    drawn = some_cells(one, 1000, np.random.default_rng(0))
    assert drawn.shape == (200, 3)
    assert len(np.unique(drawn[:, 0])) == 200
    assert set(map(tuple, drawn)) <= set(map(tuple, one.reshape(-1, 3)))


def test_each_kind_of_cell_is_a_centre() -> None:
    """A cell of a kind that was seen is at no distance, one between the kinds is far off."""
    cells = found_in(images(40), len(KINDS), seed=0)
    assert cells.usual.shape == (4, 3)
    assert cells.distances(KINDS[None]).max() < 0.05
    assert cells.distances(np.array([[[2, 1, 2]]], np.float32)).min() > 0.3


def test_the_same_seed_finds_the_same() -> None:
    """To the bit; another seed looks at other cells."""
    first, again, other = (found_in(images(9), 8, seed) for seed in (1, 1, 2))
    assert np.array_equal(first.usual, again.usual)
    assert not np.array_equal(first.usual, other.usual)


def test_no_more_centres_than_cells() -> None:
    """One image of a few cells has no more usual ones than these."""
    one = np.random.default_rng(0).normal(size=(2, 2, 3)).astype(np.float32)
    assert len(found_in([one], 512, seed=0).usual) == 4


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
