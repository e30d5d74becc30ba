"""Preprocessed images on disk: the same as in memory, read once, taken over where nothing has changed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_sranogan.data import normals
from keras_sranogan.data.item import Item
from keras_sranogan.data.normals import Reader, read_normals
from keras_sranogan.data.open import open_source
from keras_sranogan.data.rows import Rows
from keras_sranogan.data.shards import Shards
from keras_sranogan.progress import Silent
from keras_sranogan.settings import TrainSettings
from sranogan_edge.errors import DataError, ResultsError
from sranogan_edge.image.frame import Frame

SIDE, SHARD, COUNT = 32, 9, 60


class Counting:
    """A folder of images that counts how often each is read."""

    def __init__(self, root: Path) -> None:
        self._source = open_source(str(root))
        self.name, self.anomalies = self._source.name, self._source.anomalies
        self.splits, self.items, self.mask = self._source.splits, self._source.items, self._source.mask
        self.read: list[str] = []

    def frame(self, item: Item) -> Frame:
        self.read.append(item.key)
        return self._source.frame(item)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Sixty films of noise, every fifth of 16 bits, one no image, two the same."""
    (tmp_path / "films").mkdir()
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        of_16 = number % 5 == 0
        pixels = rng.integers(0, 2**16, (40, 44), np.uint16)
        made = pixels if of_16 else (pixels >> 8).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "films" / f"{number:02d}.png"), made)
    (tmp_path / "films" / "13.png").write_bytes(b"no image")
    (tmp_path / "films" / "57.png").write_bytes((tmp_path / "films" / "31.png").read_bytes())
    return tmp_path / "films"


@pytest.fixture(autouse=True)
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a shard be of nine images."""
    monkeypatch.setattr(normals, "SHARD_BYTES", SHARD * 4 * SIDE * SIDE)


@pytest.fixture
def said() -> list[str]:
    """What is said of damage."""
    return []


@pytest.fixture
def reader(films: Path, tmp_path: Path, settings: TrainSettings, said: list[str]) -> Reader:
    """Give what reads the films into shards."""
    shards = Shards(tmp_path / "run" / "images", "seed 0", said.append)
    return Reader(Counting(films), settings, Silent(), 0.05, shards=shards)


def read_again(reader: Reader) -> list[str]:
    """Read all normals and return the names of those that were read from their files."""
    assert isinstance(reader.source, Counting)
    reader.source.read.clear()
    reader.read(reader.source.items("train"), "normals")
    return sorted(Path(key).stem for key in reader.source.read)


@pytest.mark.parametrize("align", [False, True])
def test_the_same_as_in_memory(reader: Reader, align: bool) -> None:
    """Both parts, and all that is told of them, to the bit; what is no image is skipped, a copy left out."""
    preprocess = replace(reader.settings.preprocess, align=align)
    reader = replace(reader, settings=replace(reader.settings, preprocess=preprocess))
    on_disk, in_memory = read_normals(reader), read_normals(replace(reader, shards=None))
    assert isinstance(on_disk.fit.x, Rows)
    assert on_disk.sha256 == in_memory.sha256
    assert on_disk.skipped == in_memory.skipped
    assert on_disk.skipped[0].key == "13.png"
    assert (on_disk.duplicates, on_disk.near_duplicates) == (1, in_memory.near_duplicates)
    assert on_disk.alignment == in_memory.alignment
    for part, other in ((on_disk.fit, in_memory.fit), (on_disk.held_out, in_memory.held_out)):
        assert part.items == other.items
        assert part.alignments == other.alignments
        np.testing.assert_array_equal(part.x[:], other.x[:])


def test_bytes_where_nothing_is_lost(reader: Reader) -> None:
    """Films of 8 bits are stored as bytes; where one of a shard has 16, the shard is of floats."""
    source = reader.source
    items = source.items("train")
    eight = [item for item in items if int(Path(item.key).stem) % 5][:SHARD]
    reader.read(eight, "eight")
    reader.read(items[:SHARD], "mixed")
    assert reader.shards is not None
    kinds = {path.name: np.load(path).dtype for path in reader.shards.folder.glob("*.npy")}
    assert kinds == {"eight-00000.npy": np.uint8, "mixed-00000.npy": np.float32}


def test_shards_are_taken_over(reader: Reader, films: Path, said: list[str]) -> None:
    """A second reading reads no file, but those of shards in which one has changed."""
    everything = [f"{number:02d}" for number in range(COUNT)]
    assert read_again(reader) == everything
    assert read_again(reader) == []
    os.utime(films / "20.png", (1, 1))
    assert read_again(reader) == everything[18:27]
    assert not said
    assert reader.shards is not None
    assert read_again(replace(reader, shards=replace(reader.shards, made_by="seed 1"))) == everything


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("normals-00002.npy", "its hash is another one"),
        ("normals-00002.json", ""),
    ],
)
def test_a_damaged_shard_is_made_anew(reader: Reader, said: list[str], name: str, told: str) -> None:
    """It is said which, and its images alone are read again; one half there is made without a word."""
    read_again(reader)
    assert reader.shards is not None
    path = reader.shards.folder / name
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + b"x" * 9)
    assert read_again(reader) == [f"{number:02d}" for number in range(18, 27)]
    assert len(said) == 1
    assert "normals-00002.npy is damaged" in said[0]
    assert told in said[0]
    assert path.read_bytes() == whole
    path.unlink()
    assert read_again(reader) == [f"{number:02d}" for number in range(18, 27)]
    assert len(said) == 1


def test_a_reading_that_is_killed_goes_on(reader: Reader) -> None:
    """Whole shards stay; the one that was under way, and what follows, are read."""
    source = reader.source

    class Killed(Silent):
        def advance(self, done: int, note: str = "") -> None:
            if done == 30:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(reader, progress=Killed()).read(source.items("train"), "normals")
    assert read_again(reader) == [f"{number:02d}" for number in range(27, COUNT)]
    assert reader.shards is not None
    assert not list(reader.shards.folder.glob("*.part"))


def test_what_is_drawn_is_drawn_again(tmp_path: Path, settings: TrainSettings) -> None:
    """Where no file tells whether an image is still the same, no shard is taken over."""
    for seed in (0, 1):
        shards = Shards(tmp_path / "images", "seed 0", lambda text: None)
        reader = Reader(open_source(f"phantom?train=50&size=64&seed={seed}"), settings, Silent(), 0.05)
        plain = read_normals(reader)
        assert read_normals(replace(reader, shards=shards)).sha256 == plain.sha256


def test_too_many_bad_images_are_refused(reader: Reader) -> None:
    """The share is of all images, in whatever shard they are; a shard may be of nothing else."""
    items = reader.source.items("train")
    with pytest.raises(DataError, match=r"1 of 60 images \(1\.7%\) cannot be used"):
        replace(reader, max_bad_share=0.01).read(items, "normals")
    with pytest.raises(DataError, match=r"1 of 1 images"):
        reader.read(items[13:14], "one")
    assert reader.shards is not None
    assert len(json.loads((reader.shards.folder / "one-00000.json").read_text())["skipped"]) == 1


def test_a_folder_that_cannot_be_written(reader: Reader, tmp_path: Path) -> None:
    """It is told where, and what to do."""
    (tmp_path / "run").write_text("a file")
    with pytest.raises(ResultsError, match=r"normals-00000\.npy: cannot be written .*name another folder"):
        reader.read(reader.source.items("train"), "normals")
