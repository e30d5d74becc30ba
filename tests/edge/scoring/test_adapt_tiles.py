"""A site's normals in densities of tiles: the tiles of one image are alike, and count as one image."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.scoring.adapt import adapt, moved
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Gaussian

Array = NDArray[np.float32]
SIZE, TILES = 12, 8
OWN = Gaussian(np.zeros(SIZE, np.float32), np.eye(SIZE, dtype=np.float32))


def images(rng: np.random.Generator, count: int, alike: float = 0.0) -> tuple[Array, NDArray[np.int64]]:
    """Draw images of eight tiles of a site that is off; ``alike``: the share of variance that tiles share."""
    shared = rng.normal(size=(count, 1, SIZE)) * np.sqrt(alike)
    rows = shared + rng.normal(size=(count, TILES, SIZE)) * np.sqrt(1 - alike) + 0.4
    return rows.reshape(-1, SIZE).astype(np.float32), np.repeat(np.arange(count), TILES)


@pytest.mark.parametrize("count", [5, 30, 200])
def test_single_tiles_are_images(count: int) -> None:
    """Images of one tile each move a density as images that are judged as a whole do."""
    rows = np.random.default_rng(count).normal(0.5, 1.5, (count, SIZE)).astype(np.float32)
    whole, tiles = moved(OWN, rows), moved(OWN, rows, np.arange(count))
    np.testing.assert_allclose(tiles.center, whole.center, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(tiles.whitening, whole.whitening, rtol=1e-4, atol=1e-5)
    given = {"head": rows}
    one, other = adapt({"head": OWN}, given, 6.0), adapt({"head": OWN}, given, 6.0, np.arange(count))
    np.testing.assert_allclose(one.scores, other.scores, rtol=1e-3, atol=1e-3)
    assert one.fitted.tolist() == other.fitted.tolist()


def test_copies_of_tiles_are_no_further_images() -> None:
    """An image whose tiles are all the same moves the density as far as one tile does, not as eight."""
    rows = np.random.default_rng(0).normal(0.3, 1.3, (25, SIZE)).astype(np.float32)
    once = moved(OWN, rows, np.arange(25))
    eightfold = moved(OWN, np.repeat(rows, TILES, axis=0), np.repeat(np.arange(25), TILES))
    np.testing.assert_allclose(eightfold.center, once.center, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(eightfold.whitening, once.whitening, rtol=1e-4, atol=1e-5)
    independent = moved(OWN, np.repeat(rows, TILES, axis=0))
    assert np.abs(independent.center).sum() > np.abs(once.center).sum()


def test_tiles_that_tell_more_than_one_count_for_more() -> None:
    """Tiles that share nothing move the mean farther than tiles of images that are alike."""
    ways = []
    for alike in (0.0, 0.9):
        found = [
            moved(OWN, *images(np.random.default_rng(seed), 20, alike)).center.mean() for seed in range(20)
        ]
        ways.append(np.mean(found) / 0.4)
    assert ways[0] > 0.95
    assert ways[1] < ways[0] - 0.02


@pytest.mark.parametrize("alike", [0.0, 0.6])
def test_the_threshold_holds_for_further_images(alike: float) -> None:
    """Over many sites, about 5 % of new images are above the threshold, however alike tiles are."""
    rng, flagged = np.random.default_rng(7), []
    for _ in range(30):
        rows, number = images(rng, 40, alike)
        found = adapt({"head": OWN}, {"head": rows}, 6.0, number)
        assert len(found.scores) == 40
        limit = Calibration(tuple(sorted(found.scores[found.kept].tolist())), 0.05).threshold
        new, _ = images(rng, 30, alike)
        distances = np.array([found.parts["head"].standard(row) for row in new])
        scores = (distances.reshape(-1, TILES).max(axis=1) - found.unit[0]) / found.unit[1]
        flagged.append((scores > limit).mean())
    assert 0.015 < np.mean(flagged) < 0.075


def test_an_image_with_one_tile_far_off_is_left_out_whole() -> None:
    """All tiles of an anomalous image count for no density, and its score for no threshold."""
    rows, number = images(np.random.default_rng(3), 40)
    rows[5 * TILES + 2] += 60
    found = adapt({"head": OWN}, {"head": rows}, 2.0, number)
    assert not found.fitted[5]
    assert not found.kept[5]
    assert found.fitted.sum() >= 36
    assert np.abs(found.parts["head"].center).max() < 1
