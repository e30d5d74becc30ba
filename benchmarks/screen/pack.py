"""The images of every protocol in one file that travels to a machine without the sets."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer.protocols import COPIES, PROTOCOLS, VIEWS, Images, read_images
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.presets import preset
from sranogan_edge.image.frame import Frame

Bytes = NDArray[np.uint8]
LOSSLESS = (cv2.IMWRITE_WEBP_QUALITY, 101)
DRAWN = "phantom"  # protocols of this name are drawn where they are needed: they do not travel


@dataclass(frozen=True, eq=False)
class Packed:
    """One protocol: rows of the common pool of images.

    Attributes:
        fit, held, judged: numbers of images; of ``held`` those as they came alone.
        groups: ``(len(held),)`` whose image.
        abnormal: ``(len(judged),)``.
    """

    fit: NDArray[np.int64]
    held: NDArray[np.int64]
    judged: NDArray[np.int64]
    groups: NDArray[np.int64]
    abnormal: NDArray[np.bool_]


def pack(path: Path, cache: Path) -> None:
    """Write what :func:`unpack` reads: each image once, compressed without loss."""
    pool: dict[bytes, int] = {}
    rows: dict[str, NDArray[np.generic]] = {}
    for name in _travelling():
        images = read_images(PROTOCOLS[name], preset("standard").preprocess, COPIES, cache)
        kept = {"fit": images.fit, "held": images.held[images.original], "judged": images.judged["plain"]}
        for what, pictures in kept.items():
            numbers = [pool.setdefault(one.tobytes(), len(pool)) for one in pictures]
            rows[f"{name}/{what}"] = np.array(numbers)
        rows[f"{name}/groups"] = images.groups[images.original]
        rows[f"{name}/abnormal"] = images.abnormal
    side = preset("standard").preprocess.size
    encoded = [cv2.imencode(".webp", _square(one, side), LOSSLESS)[1].ravel() for one in pool]
    lengths = np.array([len(one) for one in encoded])
    np.savez(path, pool=np.concatenate(encoded), lengths=lengths, **rows)  # type: ignore[arg-type]


def _travelling() -> list[str]:
    return [name for name, one in PROTOCOLS.items() if not one.data.startswith(DRAWN) and one.present]


def _square(image: bytes, side: int) -> Bytes:
    return np.frombuffer(image, np.uint8).reshape(side, side)


def unpack(path: Path) -> dict[str, Images]:
    """Return the protocols' images; copies and the low-pass view are made of those that travelled."""
    with np.load(path) as stored:
        rows = dict(stored)
    ends = np.cumsum(rows.pop("lengths"))
    encoded = np.split(rows.pop("pool"), ends[:-1])
    pool = np.stack([cv2.imdecode(one, cv2.IMREAD_GRAYSCALE) for one in encoded])[..., None]
    names = sorted({key.partition("/")[0] for key in rows})
    parts = {
        name: Packed(
            **{key.partition("/")[2]: value for key, value in rows.items() if key.startswith(f"{name}/")}
        )
        for name in names
    }
    with ProcessPoolExecutor() as workers:
        made = workers.map(_images, [_Needed.of(pool, parts[name]) for name in names])
        return dict(zip(names, made, strict=True))


@dataclass(frozen=True, eq=False)
class _Needed:
    fit: Bytes
    held: Bytes
    judged: Bytes
    groups: NDArray[np.int64]
    abnormal: NDArray[np.bool_]

    @classmethod
    def of(cls, pool: Bytes, packed: Packed) -> _Needed:
        images = (pool[numbers] for numbers in (packed.fit, packed.held, packed.judged))
        return cls(*images, packed.groups, packed.abnormal)


def _images(needed: _Needed) -> Images:
    held = [needed.held, *(_jittered(needed.held, copy) for copy in range(COPIES))]
    count = len(needed.held)
    views = dict(
        zip(VIEWS, (needed.judged, np.stack([_low_pass(one) for one in needed.judged])), strict=True)
    )
    return Images(
        fit=needed.fit,
        again=_jittered(needed.fit, COPIES),
        held=np.concatenate(held),
        groups=np.tile(needed.groups, 1 + COPIES),
        original=np.arange(count * (1 + COPIES)) < count,
        judged=views,
        abnormal=needed.abnormal,
        people=np.arange(len(needed.abnormal)),
        masks=None,
    )


def _jittered(images: Bytes, copy: int) -> Bytes:
    made = np.empty_like(images)
    for number, image in enumerate(images):
        taken = jitter_frame(Frame.of(image), np.random.default_rng((0, copy, number)))
        made[number] = np.rint(taken.pixels.reshape(image.shape) / 257)
    return made


def _low_pass(image: Bytes) -> Bytes:
    small = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)[..., None]
