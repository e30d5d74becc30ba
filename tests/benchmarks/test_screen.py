"""Screening on a GPU: the drawn images and the sets that travel to it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.screen.drawn import FAMILIES, PARTS, SIDE, draw_all, draw_one, read_drawn
from benchmarks.screen.pack import LOSSLESS, unpack
from keras_sranogan.data.phantom import KINDS

NOTHINGS = FAMILIES[1 + len(KINDS) :]


@pytest.mark.parametrize("family", NOTHINGS)
def test_a_picture_of_nothing(family: str) -> None:
    """The same number gives the same picture, another one another; each has contrast."""
    first, again, other = (draw_one((family, number)) for number in (3, 3, 4))
    assert first.shape == (SIDE, SIDE, 1)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.1
    assert first.std() > 5


def test_parts_of_a_kind_are_alike() -> None:
    """Takes of one part have the same shapes at about the same places; different parts have not."""
    kinds = range(8)
    takes = [[draw_one(("part", kind + take * PARTS)).ravel() for take in (0, 1)] for kind in kinds]
    alike = [np.corrcoef(one, again)[0, 1] for one, again in takes]
    unlike = [np.corrcoef(takes[kind][0], takes[kind - 1][1])[0, 1] for kind in kinds]
    assert np.mean(alike) > np.mean(unlike) + 0.3


def test_kinds_lie_together(tmp_path: Path) -> None:
    """A batch is of one kind, so each has its rows in one piece; not wide are phantoms alone."""
    draw_all(tmp_path / "drawn.npz", 1, 1, 2)
    wide, narrow = (read_drawn(tmp_path / "drawn.npz", wide=wide) for wide in (True, False))
    assert len(narrow.images) == narrow.count.sum() == 1 + len(KINDS)
    assert len(wide.images) == wide.count.sum() == 1 + len(KINDS) + 2 * len(NOTHINGS)
    np.testing.assert_array_equal(wide.first, np.cumsum([0, *wide.count[:-1]]))


def test_a_set_that_travelled(tmp_path: Path) -> None:
    """Images come back to the bit, copies are others of the same people, the low-pass view lacks detail."""
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 256, (6, 32, 32), np.uint8)
    encoded = [cv2.imencode(".webp", one, LOSSLESS)[1].ravel() for one in pool]
    rows = {"fit": [0, 1], "held": [2, 3], "judged": [4, 5], "groups": [7, 8], "abnormal": [False, True]}
    arrays = {f"a/{name}": np.array(value) for name, value in rows.items()}
    lengths = np.array([len(one) for one in encoded])
    np.savez(tmp_path / "sets.npz", pool=np.concatenate(encoded), lengths=lengths, **arrays)  # type: ignore[arg-type]
    found = unpack(tmp_path / "sets.npz")["a"]
    np.testing.assert_array_equal(found.fit[..., 0], pool[:2])
    np.testing.assert_array_equal(found.held[found.original, ..., 0], pool[2:4])
    np.testing.assert_array_equal(found.judged["plain"][..., 0], pool[4:])
    assert found.groups.tolist() == [7, 8] * 3
    assert found.original.tolist() == [True, True] + [False] * 4
    assert (found.again != found.fit).any()
    detail = [
        np.abs(np.diff(found.judged[view].astype(int), axis=2)).mean() for view in ("plain", "low_pass")
    ]
    assert detail[1] < detail[0] / 2
