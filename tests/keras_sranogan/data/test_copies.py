"""Equal and nearly equal images: which are found, which are not, and what becomes of their groups."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.copies import distinct_rows, find_copies, near_any, prints_of
from keras_sranogan.data.load import load_images
from keras_sranogan.data.open import open_source
from sranogan_edge.image.preprocess import PreprocessSpec

Image = NDArray[np.float32]
RNG = np.random.default_rng(3)


def films(count: int) -> Image:
    """Different films of one kind: the same anatomy, other people."""
    rows, columns = np.mgrid[-1:1:64j, -1:1:64j]
    common = 0.5 + 0.3 * np.cos(3 * columns) * np.cos(2 * rows)
    own = [cv2.GaussianBlur(RNG.normal(size=(64, 64)), (0, 0), 6) for _ in range(count)]
    grain = RNG.normal(size=(count, 64, 64)) * 0.01
    return np.asarray((common + np.array(own) + grain).clip(0, 1)[..., None], np.float32)


def parts(count: int) -> Image:
    """One part after the other before a fixed camera: they differ in their grain alone."""
    common = films(1)
    grain = RNG.normal(size=(count, 64, 64, 1)) * 0.03
    return np.asarray((common + grain).clip(0, 1), np.float32)


def as_jpeg(image: Image) -> Image:
    """The image after a strong compression."""
    encoded = cv2.imencode(".jpg", np.rint(image * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 50])[1]
    decoded = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.float32)
    return decoded[..., None] / np.float32(255)


def shrunk(image: Image) -> Image:
    """The image as it was at half the size."""
    small = cv2.resize(image[..., 0], (32, 32), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (64, 64), interpolation=cv2.INTER_LINEAR)[..., None], np.float32)


CHANGES: dict[str, Callable[[Image], Image]] = {
    "JPEG": as_jpeg,
    "half the size": shrunk,
    "brighter": lambda image: np.clip(image * np.float32(1.1) + np.float32(0.03), 0, 1),
    "noise": lambda image: np.clip(image + RNG.normal(size=image.shape).astype(np.float32) * 0.02, 0, 1),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_copies_are_near(name: str) -> None:
    """A film that was compressed, shrunk, brightened or made noisy is told from all others."""
    x = films(60)
    again = CHANGES[name](x[7]).astype(np.float32)
    assert near_any(again[None], prints_of(x)).all()
    copies = find_copies(np.concatenate([x, again[None]]), [f"p{n:02d}" for n in range(61)])
    assert (copies.near, len(copies.kept)) == (2, 61)
    assert copies.groups[60] == copies.groups[7] == "p07"
    assert len(set(copies.groups)) == 60


@pytest.mark.parametrize("make", [films, parts])
def test_other_films_and_other_parts_are_not_near(make: Callable[[int], Image]) -> None:
    """What is alike only as all of its kind are is left alone, parts before a fixed camera too."""
    x = make(300)
    copies = find_copies(x[:200], [str(n) for n in range(200)])
    assert (copies.near, len(copies.kept), len(set(copies.groups))) == (0, 200, 200)
    assert not near_any(x[200:], prints_of(x[:200])).any()


def test_equal_images_are_kept_once_and_their_patients_are_one() -> None:
    """The first of each stays; whoever shares an image, and all of their images, are one group."""
    x = films(60)
    x[10], x[20], x[30] = x[5], x[5], x[6]
    groups = [f"p{n // 2:02d}" for n in range(60)]  # 4 and 5 are of p02, 6 and 7 of p03
    copies = find_copies(x, groups)
    assert sorted(set(range(60)) - set(copies.kept.tolist())) == [10, 20, 30]
    assert {copies.groups[n] for n in (4, 5, 10, 11, 20, 21)} == {"p02"}
    assert {copies.groups[n] for n in (6, 7, 30, 31)} == {"p03"}
    assert copies.near == 0
    assert distinct_rows(x)[[5, 10, 20, 30]].tolist() == [5, 5, 5, 6]


def test_chains_are_one_group() -> None:
    """A copy of a copy belongs with both."""
    x = films(60)
    second = as_jpeg(x[0])
    x = np.concatenate([x, second[None], shrunk(second)[None]])
    assert {find_copies(x, [str(n) for n in range(62)]).groups[n] for n in (0, 60, 61)} == {"0"}


def test_prints_of_another_size_are_compared_at_the_smaller() -> None:
    """A run keeps its images small: these still tell a copy at full size."""
    x = films(60)
    small = np.stack(
        [cv2.resize(one[..., 0], (32, 32), interpolation=cv2.INTER_AREA)[..., None] for one in x]
    )
    assert near_any(x[:10], prints_of(small)).all()
    assert not near_any(films(10), prints_of(small)).any()


def cropped(image: Image, share: float, across: float, down: float) -> Image:
    """The image without a margin, at its former size; its place between 0 (left, top) and 1."""
    side = image.shape[0]
    kept = side * (1 - share)
    scale, left, top = kept / side, (side - kept) * across, (side - kept) * down
    move = np.array([[scale, 0, left], [0, scale, top]], np.float32)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image[..., 0], move, (side, side), flags=how)[..., None], np.float32)


CORNERS = [(0.5, 0.5), (0.0, 0.0), (1.0, 0.3)]


@pytest.mark.parametrize(("across", "down"), CORNERS)
@pytest.mark.parametrize("share", [0.01, 0.02, 0.03])
def test_crops_are_near(share: float, across: float, down: float) -> None:
    """A film without a margin, all around or on two sides, belongs with the whole one."""
    x = films(60)
    again = np.stack([cropped(image, share, across, down) for image in x[:20]])
    assert near_any(again, prints_of(x)).all()
    copies = find_copies(np.concatenate([x, again]), [f"p{n:02d}" for n in range(80)])
    assert (copies.near, len(set(copies.groups))) == (40, 60)
    assert copies.groups[60:] == copies.groups[:20]


def test_phantoms_are_near_their_crops_alone() -> None:
    """Of 200 different phantoms none is near another one; nine of ten crops of 2 % are near theirs."""
    source = open_source("phantom?train=200&size=128&seed=7")
    x = load_images(source, source.items("train"), PreprocessSpec(size=128)).x
    assert find_copies(x, [str(n) for n in range(200)]).near == 0
    known = prints_of(x)
    found = [near_any(np.stack([cropped(image, 0.02, *at) for image in x[:100]]), known) for at in CORNERS]
    assert np.mean(found) > 0.9


def test_parts_that_lie_a_little_elsewhere_are_not_near() -> None:
    """Parts of one kind that are not always at the same place differ by their move and their grain alone."""
    base = films(1)[0]
    moves = RNG.normal(size=(150, 2)) * 0.6
    shifts = [np.array([[1, 0, across], [0, 1, down]], np.float32) for across, down in moves]
    edge = cv2.BORDER_REPLICATE
    lying = [cv2.warpAffine(base[..., 0], shift, (64, 64), borderMode=edge) for shift in shifts]
    x = np.array(lying)[..., None] + RNG.normal(size=(150, 64, 64, 1)) * 0.03
    copies = find_copies(x.clip(0, 1).astype(np.float32), [str(n) for n in range(150)])
    assert (copies.near, len(set(copies.groups))) == (0, 150)


def test_images_without_anything_of_their_own_are_not_near() -> None:
    """Flat images, and one image compared with itself alone, give no numbers that are none."""
    flat = np.concatenate([np.full((1, 64, 64, 1), level, np.float32) for level in (0.2, 0.5)])
    with np.errstate(all="raise"):
        assert find_copies(flat, ["a", "b"]).near == 0
        assert find_copies(films(2), ["a", "b"]).near == 0


def test_prints_are_of_structure_and_not_of_brightness() -> None:
    """63 signs of frequencies, the mean not among them; averages of mean 0 and length 1, at two sizes."""
    made = prints_of(np.random.default_rng(0).random((3, 64, 64, 1), np.float32))
    assert (made.bits.shape, made.coarse.shape, made.fine.shape, made.side) == (
        (3, 63),
        (3, 64),
        (3, 1024),
        64,
    )
    for rows in (made.coarse, made.fine, made.smooth):
        np.testing.assert_allclose(rows.mean(axis=1), 0, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
