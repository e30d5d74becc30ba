"""The phantom as a data source: ``phantom`` and ``phantom:texture``, with options after ``?``."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom.chest import LESIONS, render_abnormal, render_normal
from keras_sranogan.data.phantom.image import PhantomImage
from keras_sranogan.data.phantom.texture import DEFECTS, KINDS, render_texture_defect, render_texture_normal
from keras_sranogan.settings import Anomalies
from sranogan_edge.errors import SettingsError
from sranogan_edge.image.frame import Frame, Photometric

if TYPE_CHECKING:
    from keras_sranogan.data.item import Item

NORMAL = "NORMAL"
SPLITS = ("train", "val", "test")
BLOCK = 1_000_000
"""Subjects a split and class own: the blocks do not overlap, so no subject stands in two."""
_BLOCKS = {("train", True): 0, ("val", True): 1, ("val", False): 2, ("test", True): 3, ("test", False): 4}
SIZES = (64, 2048)  # below, ribs are thinner than a pixel
KEPT_BYTES = 128 << 20  # of drawn frames: a training reads each several times, and drawing takes 40 ms


@dataclass(frozen=True)
class PhantomOptions:
    """How many images there are, of which seed and side."""

    train: int = 320  # normals
    val: int = 60  # normals, and as many abnormals
    test: int = 60  # normals, and as many abnormals
    seed: int = 0
    size: int = 256


def parse_options(query: str) -> PhantomOptions:
    """Read ``train=300&seed=7``.

    Raises:
        SettingsError: an option is unknown, twice, not a whole number, or out of its range.
    """
    known = [field.name for field in fields(PhantomOptions)]
    values: dict[str, int] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise SettingsError(f"The phantom has no option {name!r}; its options are {', '.join(known)}.")
        if name in values:
            raise SettingsError(f"The phantom's option {name!r} is given twice; give it once.")
        low, high = _bounds(name)
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            wanted = f"takes a whole number from {low} to {high}"
            raise SettingsError(f"The phantom's option {name!r} {wanted}. Received: {text!r}.")
        values[name] = int(text)
    return PhantomOptions(**values)


def _bounds(name: str) -> tuple[int, int]:
    if name == "size":
        return SIZES
    return (0, 2**63 - 1) if name == "seed" else (0, BLOCK)


class PhantomSource:
    """Images that are drawn when they are asked for; no file is read or written."""

    drawn = True

    def __init__(self, options: PhantomOptions | None = None, family: str = "chest") -> None:
        """Take ``family`` ``"chest"`` or ``"texture"``."""
        if family not in ("chest", "texture"):
            raise SettingsError(f"No phantom {family!r}; write 'phantom' or 'phantom:texture'.")
        self.options = options or PhantomOptions()
        self.family = family
        self._kept: dict[str, Frame] = {}
        self.anomalies: Anomalies = "mixture"  # its chests too: air and devices are among the lesions
        self.name = "phantom" if family == "chest" else f"phantom:{family}"

    @classmethod
    def from_spec(cls, spec: str) -> PhantomSource:
        """Open ``phantom[:texture][?train=320&val=60&test=60&seed=0&size=256]``.

        Raises:
            SettingsError: the family or an option is unknown, or a value cannot work.
        """
        path, _, query = spec.partition("?")
        kind, _, family = path.partition(":")
        if kind != "phantom":
            raise SettingsError(f"Not a phantom: {spec!r}. Write 'phantom' or 'phantom:texture'.")
        return cls(parse_options(query), family if ":" in path else "chest")

    def splits(self) -> tuple[str, ...]:
        """The splits that hold images, of train (normals only), val and test."""
        return tuple(split for split in SPLITS if self._count(split))

    def items(self, split: str) -> list[Item]:
        """The images of one split: normals, then abnormals that go round the kinds of defect.

        Raises:
            SettingsError: there is no such split.
        """
        if split not in SPLITS:
            raise SettingsError(f"The phantom has no split {split!r}; its splits are {', '.join(SPLITS)}.")
        count = self._count(split)
        items = [self._item(split, NORMAL, number) for number in range(count)]
        if split != "train":
            defects = LESIONS if self.family == "chest" else DEFECTS
            items += [self._item(split, defects[number % len(defects)], number) for number in range(count)]
        return items

    def frame(self, item: Item) -> Frame:
        """Draw one image, or give it again: ``(size, size)`` uint8, not to be written to; 8 bits."""
        kept = self._kept.get(item.key)
        if kept is not None:
            return kept
        pixels = self._render(item).pixels
        pixels.flags.writeable = False
        frame = Frame(pixels, 8, Photometric.MONOCHROME2, source=f"{self.name}/{item.key}")
        if (len(self._kept) + 1) * pixels.nbytes <= KEPT_BYTES:
            self._kept[item.key] = frame
        return frame

    def mask(self, item: Item) -> NDArray[np.bool_]:
        """Where ``item`` is abnormal, ``(size, size)``; nowhere for a normal."""
        if item.is_normal:
            return np.zeros((self.options.size, self.options.size), np.bool_)
        return self._render(item).mask

    def _count(self, split: str) -> int:
        return {"train": self.options.train, "val": self.options.val, "test": self.options.test}[split]

    def _item(self, split: str, label: str, number: int) -> Item:
        from keras_sranogan.data.item import Item  # that module opens this one

        normal = label == NORMAL
        subject = BLOCK * _BLOCKS[split, normal] + number
        return Item(f"{split}/{label}/{number:05d}", label, normal, group=f"subject-{subject:07d}")

    def _render(self, item: Item) -> PhantomImage:
        subject, seed, size = int(item.group.removeprefix("subject-")), self.options.seed, self.options.size
        if self.family == "chest":
            return (
                render_normal(seed, subject, size)
                if item.is_normal
                else render_abnormal(seed, subject, item.label, size)
            )
        kind = KINDS[subject % len(KINDS)]
        if item.is_normal:
            return render_texture_normal(seed, subject, kind, size)
        return render_texture_defect(seed, subject, item.label, kind, size)
