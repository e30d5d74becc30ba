"""Drawn images whose classes differ as a test wants them to, and scorers that read one thing each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.audit import ranking
from keras_sranogan.data.item import Item
from keras_sranogan.evaluation.scored import Scored
from keras_sranogan.evaluation.scorers import Facts, PlainAnogan
from sranogan_edge.errors import DataError
from sranogan_edge.image.align import Aligner
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.conformal import Calibration

SIDE_PX = 160
TAG_PX = 16  # inside the borders, which are 12 % of the side
Images = NDArray[np.float32]


@dataclass(frozen=True)
class Drawn:
    """Smooth grey images with fine grain.

    Attributes:
        lesion: abnormals carry a bright disc in the centre.
        blurred: abnormals have no grain.
        tag: abnormals carry a bright square in a corner, a little of it in normals too.
        each: images of a class.
        per_patient: images of one patient.
        kinds: which classes there are: True for the normals.
    """

    lesion: bool = True
    blurred: bool = False
    tag: bool = False
    each: int = 60
    per_patient: int = 1
    kinds: tuple[bool, ...] = (True, False)
    name: str = "drawn"

    def splits(self) -> tuple[str, ...]:
        return ("test",)

    def items(self, split: str) -> list[Item]:
        if split != "test":
            raise DataError(f"no split {split}; there is test")
        return [self._item(k, normal) for normal in self.kinds for k in range(self.each)]

    def _item(self, k: int, normal: bool) -> Item:
        label = "NORMAL" if normal else "LESION"
        return Item(f"test/{label}/{k:03d}", label, normal, f"{label}-{k // self.per_patient}")

    def frame(self, item: Item) -> Frame:
        normal, number = item.is_normal, int(item.key[-3:])
        pixels = draw(number, normal, self.lesion and not normal, self.blurred and not normal, self.tag)
        return Frame(pixels, 8, Photometric.MONOCHROME2, source=item.key)

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        return None


@cache
def draw(number: int, normal: bool, lesion: bool, blurred: bool, tag: bool) -> NDArray[np.uint8]:
    """One image: smooth variation, some structure, and grain of single pixels that a low-pass removes."""
    rng = np.random.default_rng([number, int(normal)])
    smooth, middle, grain = (
        cv2.GaussianBlur(rng.normal(size=(SIDE_PX, SIDE_PX)), (0, 0), sigma) for sigma in (16, 3, 1.5)
    )
    checkers = np.indices(grain.shape).sum(axis=0) % 2 * 2 - 1
    spread = np.exp(rng.normal(size=3) * 0.2)  # from image to image
    image = (
        0.4
        + 4 * smooth
        + 0.3 * spread[0] * middle
        + (0.06 if blurred else 0.1) * spread[1] * grain * checkers
    )
    if lesion:
        at = rng.integers(65, 95, 2)
        disc = cv2.circle(np.zeros_like(image), (int(at[0]), int(at[1])), 14, 1.0, -1)
        image += 0.3 * spread[2] * cv2.GaussianBlur(disc, (0, 0), 4)
    if tag:
        image[:TAG_PX, :TAG_PX] += (0.1 if normal else 0.4) + rng.normal() * 0.1
    return np.asarray(np.rint(image.clip(0, 1) * 255), np.uint8)


def bright_disc(x: Images) -> NDArray[np.float64]:
    """Reads the content: the brightest smooth spot over its surroundings, away from the corners."""
    found = []
    for image in x[..., 0]:
        spot = cv2.GaussianBlur(image, (0, 0), 7) - cv2.GaussianBlur(image, (0, 0), 16)
        found.append(spot[50:-50, 50:-50].max())
    return np.array(found, np.float64)


def lack_of_grain(x: Images) -> NDArray[np.float64]:
    """Reads sharpness: high where fine detail is missing."""
    return np.array([-np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean() for image in x[..., 0]], np.float64)


def corner(x: Images) -> NDArray[np.float64]:
    """Reads the borders: the brightness of a corner over that of its neighbourhood."""
    return np.array(
        [image[:TAG_PX, :TAG_PX].mean() - image[: 2 * TAG_PX, : 2 * TAG_PX].mean() for image in x[..., 0]],
        np.float64,
    )


@dataclass(eq=False)
class ReadsOneThing:
    """A scorer without a network: ``reads`` is its score, plus noise of its own seed."""

    reads: Callable[[Images], NDArray[np.float64]]
    source: Drawn
    noise: float = 0.0
    seed: int = 0
    facts: Facts = field(default_factory=lambda: Facts("stand-in", provenance={"started": "now"}))
    aligner: Aligner | None = None
    preprocess: PreprocessSpec = field(default_factory=lambda: PreprocessSpec(size=SIDE_PX, contrast="none"))
    heat_limit: float = 1.0

    @cached_property
    def calibration(self) -> Calibration:
        normals = Drawn(tag=self.source.tag, kinds=(True,), each=200)  # numbers 60 to 199 are in no test
        frames = [normals.frame(item) for item in normals.items("test")[60:]]
        x = np.stack([frame.pixels[..., None] for frame in frames]).astype(np.float32) / np.float32(255)
        return Calibration(tuple(sorted(self._score(x).tolist())), 0.05)

    def score(self, x: Images, advance: Callable[[int], None]) -> Scored:
        advance(len(x))
        made: dict[str, Any] = {one.name: np.zeros_like(x) for one in fields(Scored)}
        return Scored(**{**made, "score": self._score(x)})  # an audit asks for nothing else

    def _score(self, x: Images) -> NDArray[np.float64]:
        score = self.reads(x)
        return score + np.random.default_rng(self.seed).normal(size=len(score)) * self.noise

    def plain_anogan(
        self, x: Images, scored: Scored, seed: int, advance: Callable[[int], None]
    ) -> PlainAnogan:
        return PlainAnogan(scored.score, "none")


READERS = {"content": bright_disc, "sharpness": lack_of_grain, "borders": corner}


@pytest.fixture
def drawn() -> type[Drawn]:
    """Give the source of drawn images."""
    return Drawn


@pytest.fixture
def reads() -> Callable[..., ReadsOneThing]:
    """Give a function that makes a scorer of what it reads: content, sharpness or borders."""
    return lambda what, source, **options: ReadsOneThing(READERS[what], source, **options)


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take 200 resamples for intervals instead of 1,000."""
    monkeypatch.setattr(ranking, "RESAMPLES", 200)


@pytest.fixture
def on_disk(tmp_path: Path) -> Callable[[Drawn], Path]:
    """Give a function that writes drawn images as ``test/CLASS`` files: normals as PNG, others as JPEG."""

    def write(source: Drawn) -> Path:
        for item in source.items("test"):
            path = tmp_path / "images" / item.key
            path.parent.mkdir(parents=True, exist_ok=True)
            suffix = ".png" if item.is_normal else ".jpg"
            cv2.imwrite(str(path.with_suffix(suffix)), source.frame(item).pixels)
        return tmp_path / "images"

    return write
