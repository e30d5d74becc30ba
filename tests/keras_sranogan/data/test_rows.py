"""Images that are read when they are asked for are what an array would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.rows import Images, Rows, each, in_file, joined, only, write_rows
from sranogan_edge.errors import RunError

LEVELS = np.random.default_rng(0).integers(0, 256, (20, 4, 6, 1), np.uint8)
IMAGES = LEVELS.astype(np.float32) / np.float32(255)


def written(path: Path, images: NDArray[Any]) -> Rows:
    """Write images in blocks of 7 and return them as they are read from there."""
    write_rows(path, len(images), (images[start : start + 7] for start in range(0, len(images), 7)))
    return in_file(path)


@pytest.mark.parametrize(
    "asked",
    [
        slice(None),
        slice(3, 9),
        slice(None, None, 6),
        np.array([19, 0, 0, 7]),
        np.array([-1]),
        np.array([], np.int64),
        np.arange(20) % 3 == 0,
    ],
)
@pytest.mark.parametrize("stored", [LEVELS, IMAGES])
def test_a_file_is_indexed_as_an_array(tmp_path: Path, stored: NDArray[Any], asked: Any) -> None:
    """Bytes come back as shares of 255, floats as they are, in any order, as often as asked for."""
    found = written(tmp_path / "x.npy", stored)[asked]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, IMAGES[asked])


def test_a_file_is_numpys(tmp_path: Path) -> None:
    """What was written block by block is one array to everybody else."""
    written(tmp_path / "x.npy", LEVELS)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), LEVELS)


def test_parts_are_one_after_the_other(tmp_path: Path) -> None:
    """Joined, chosen and changed, in files and in memory alike; an image is made when it is asked for."""
    made: list[int] = []

    def halved(image: NDArray[np.float32]) -> NDArray[np.float32]:
        made.append(round(float(image[0, 0, 0]) * 255))
        return image[::2] / np.float32(2)

    parts: list[Images] = [
        written(tmp_path / "a.npy", LEVELS[:8]),
        IMAGES[8:9],
        written(tmp_path / "b.npy", IMAGES[9:]),
    ]
    rows = joined(parts)
    assert isinstance(rows, Rows)
    assert rows.shape == IMAGES.shape
    np.testing.assert_array_equal(np.stack(list(rows)), IMAGES)
    chosen = np.array([15, 8, 3])
    halves = each(only(rows, chosen), halved)
    assert halves.shape == (3, 2, 6, 1)
    made.clear()
    np.testing.assert_array_equal(halves[np.array([2, 0])], IMAGES[[3, 15], ::2] / 2)
    assert made == LEVELS[[3, 15], 0, 0, 0].tolist()


def test_arrays_stay_arrays() -> None:
    """In memory, all of it is done at once."""
    np.testing.assert_array_equal(joined([IMAGES[:5], IMAGES[5:]]), IMAGES)
    np.testing.assert_array_equal(each(IMAGES, lambda image: image + 1), IMAGES + 1)
    np.testing.assert_array_equal(only(IMAGES, np.array([4, 2])), IMAGES[[4, 2]])


def test_a_file_that_is_cut_off_is_named(tmp_path: Path) -> None:
    """Before it is opened, while it is read, or gone: each is an error of the run that names the file."""
    rows = written(tmp_path / "x.npy", IMAGES)
    (tmp_path / "x.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:-50])
    np.testing.assert_array_equal(rows[:19], IMAGES[:19])
    with pytest.raises(RunError, match=r"x\.npy is missing or damaged .*shorter.*--resume"):
        rows[19:]
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY\x01")
    with pytest.raises(RunError, match=r"x\.npy is missing or damaged"):
        in_file(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", IMAGES[0])
    with pytest.raises(RunError, match=r"x\.npy is missing or damaged"):
        in_file(tmp_path / "x.npy")
    (tmp_path / "x.npy").unlink()
    with pytest.raises(RunError, match=r"x\.npy is missing or damaged \(No such file"):
        rows[:1]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """A file is there whole or not at all."""

    def blocks() -> Any:
        yield IMAGES[:5]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_rows(tmp_path / "x.npy", 20, blocks())
    assert not list(tmp_path.iterdir())
