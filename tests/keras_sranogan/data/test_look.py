"""The look at images before a training: sizes, colour, copies, and what is unreadable."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data import look as module
from keras_sranogan.data.glance import glance_at
from keras_sranogan.data.item import DataSource
from keras_sranogan.data.look import Look, is_drawn, look_at, planned
from keras_sranogan.data.open import open_source
from keras_sranogan.data.overview import overview


def picture(number: int, width: int = 96, height: int = 64, *, grey: bool = False) -> Image.Image:
    """Draw a picture of its own for each number."""
    coarse = np.random.default_rng(number).integers(0, 256, (9, 9, 3), np.uint8)
    image = Image.fromarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))
    return image.convert("L") if grey else image


def save(image: Image.Image, path: Path) -> None:
    """Write an image into a folder that is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def seen(root: Path) -> tuple[DataSource, Look]:
    """Look at all there is below ``root``."""
    source = open_source(str(root))
    return source, look_at(source, planned(source))


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Four normals in colour, two of them nearly equal; to test on a copy of one, and a grey image."""
    for number, side in enumerate((64, 96, 200)):
        save(picture(number, side, 64), tmp_path / f"train/good/{number}.png")
    save(picture(1, 96, 64), tmp_path / "train/good/again.jpg")
    save(picture(0, 128, 128), tmp_path / "test/good/copy.png")
    save(picture(9, grey=True), tmp_path / "test/bad/grey.png")
    return tmp_path


def test_sizes_and_colour_are_told_by_class(parts: Path) -> None:
    """Smallest, median and largest, and whether there is colour, stand in the table beside the counts."""
    source, found = seen(parts)
    assert found.seen["train", "good"].sizes == ((64, 64), (96, 64), (200, 64))
    train, good, bad = (line for line in overview(source, found)[2:5])
    assert "64 x 64 to 200 x 64, median 96 x 64" in train
    assert train.endswith("colour")
    assert good.split()[-4:] == ["128", "x", "128", "colour"]
    assert bad.endswith("grey")


def test_copies_are_counted_within_and_between_splits(parts: Path) -> None:
    """A compressed copy in the same split, and an enlarged one in another, are told once each."""
    source, found = seen(parts)
    assert found.near == {("train", "train"): 2, ("test", "train"): 1, ("train", "test"): 1}
    lines = overview(source, found)
    assert "  nearly equal: 2 images of train are, or nearly are, another one of train" in lines
    assert "  nearly equal: 1 image of test is, or nearly is, one of train; figures on these flatter" in lines
    assert sum("nearly equal" in line for line in lines) == 2


def test_no_copies_are_told_too(tmp_path: Path) -> None:
    """Where no two images are alike, that is what stands there, with how many were compared."""
    for number in range(5):
        save(picture(number), tmp_path / f"{number}.png")
    source, found = seen(tmp_path)
    assert "  nearly equal: none of the 5 images looked at" in overview(source, found)


def test_what_cannot_be_read_is_counted_with_a_reason(parts: Path) -> None:
    """A file cut off and one that is no image are counted by split, and the first says why."""
    whole = (parts / "train/good/2.png").read_bytes()
    (parts / "train/good/cut.png").write_bytes(whole[: len(whole) // 2])
    (parts / "train/good/text.png").write_text("no image")
    source, found = seen(parts)
    assert len(found.unreadable["train"]) == 2
    line = next(one for one in overview(source, found) if "cannot be used" in one)
    assert "cannot be used: 2 images of train, such as: " in line
    assert "cut.png: the image is truncated" in line


def test_a_class_of_which_nothing_can_be_read_has_a_row(tmp_path: Path) -> None:
    """Neither sizes nor colour are made up for it."""
    (tmp_path / "a.png").write_text("no image")
    source, found = seen(tmp_path)
    assert overview(source, found)[2].endswith("none can be read")


def test_many_images_are_looked_at_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than the most, so many are read, from all along, and the table says so."""
    monkeypatch.setattr(module, "MOST", 4)
    for number in range(10):
        save(picture(number), tmp_path / f"{number}.png")
    source = open_source(str(tmp_path))
    chosen = planned(source)
    assert [item.key for _, item in chosen] == ["0.png", "3.png", "6.png", "9.png"]
    steps: list[int] = []
    found = look_at(source, chosen, steps.append)
    assert steps == [1, 2, 3, 4]
    assert "  looked at: 4 of 10 images, evenly over each split" in overview(source, found)


def test_names_are_shown_as_they_are(tmp_path: Path) -> None:
    """Square brackets in the name of a class are no markup, and a code for the terminal does nothing."""
    save(picture(0), tmp_path / "train/good/0.png")
    save(picture(1), tmp_path / "test/[red]x\x1b[31m/0.png")
    source, found = seen(tmp_path)
    table = "\n".join(overview(source, found))
    assert r"[red]x\x1b[31m" in table


def test_a_photo_on_its_side_has_the_size_it_is_seen_at(tmp_path: Path) -> None:
    """EXIF turns it, and a coarse decoding of a JPEG is not taken for its size."""
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(3, 1200, 800).save(tmp_path / "a.jpg", exif=exif)
    made = glance_at(tmp_path / "a.jpg", 64, 10**7)
    assert made is not None
    frame, size = made
    assert size == (800, 1200)
    assert frame.pixels.shape[:2] == (150, 100)


@pytest.mark.parametrize("mode", ["RGBA", "I;16", "P", "CMYK"])
def test_unusual_kinds_are_left_to_the_decoder(mode: str, tmp_path: Path) -> None:
    """What is see-through, deep or of a palette is decoded as in a training, and too large files are."""
    grey = picture(0, grey=True)
    image = Image.fromarray(np.asarray(grey, np.uint16) * 257) if mode == "I;16" else picture(0).convert(mode)
    path = tmp_path / f"a.{'jpg' if mode == 'CMYK' else 'png'}"
    image.save(path)
    assert glance_at(path, 64, 10**7) is None
    _, found = seen(tmp_path)
    assert found.seen["train", "NORMAL"].sizes[0] == (96, 64)


def test_what_a_limit_of_pixels_refuses_is_not_glanced_at(tmp_path: Path) -> None:
    """A look takes no more pixels than the training does."""
    save(picture(0), tmp_path / "a.png")
    assert glance_at(tmp_path / "a.png", 64, 96 * 64 - 1) is None


def test_drawn_images_are_not_looked_at(tmp_path: Path) -> None:
    """The phantom says that it draws; a folder does not."""
    save(picture(0), tmp_path / "a.png")
    assert is_drawn(open_source("phantom"))
    assert not is_drawn(open_source(str(tmp_path)))
