"""From items to one array of network input; what cannot be read is skipped, named and counted."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.copies import distinct_rows
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.rows import Images
from sranogan_edge.errors import DataError, ImageError, SettingsError
from sranogan_edge.image.align import Aligner, Alignment
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.image.tiles import plan_tiles

__all__ = ["Loaded", "LoadedImages", "Skipped", "load_images", "read_images"]

_NAMED = 3  # skipped images that an error message shows
_THREADS = min(os.cpu_count() or 1, 8)  # decoding and drawing release Python's lock
_AHEAD = 4 * _THREADS  # images that may be read before they are wanted

A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class Skipped:
    """An image that was left out, and why."""

    key: str
    reason: str


@dataclass(frozen=True, eq=False)
class Loaded:
    """Network input, in memory or not, and what it was made from.

    Attributes:
        x: ``(N, S, S, channels)`` float32 in [0, 1].
        items: the N items, in the order of ``x``.
        skipped: what could not be used.
        duplicates: images that equal an earlier one in every pixel of ``x``.
        image: ``(N,)`` int64, from 0, which image each of ``x`` is a tile of; None where each is an image.
        frame: reads the item of that number again, changed as ``x`` was; images in tiles are scored so.
        place: ``(N, 5)`` int64 of tiles that cover images: left, top and side, then the image's height and
            width, 0 of wholes; None of all else.
        whole: ``(N,)`` bool, which of ``x`` are whole images beside their tiles; None where none is.
        alignments: of the N images, where they were aligned; else None.
    """

    x: Images
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]
    duplicates: int
    image: NDArray[np.int64] | None = None
    frame: Callable[[int], Frame] | None = None
    place: NDArray[np.int64] | None = None
    whole: NDArray[np.bool_] | None = None
    alignments: tuple[Alignment, ...] | None = None

    @property
    def images(self) -> list[Item]:
        """The images, once each, whatever the number of their tiles."""
        return list(dict.fromkeys(self.items))


@dataclass(frozen=True, eq=False)
class LoadedImages(Loaded):
    """The same, all of it in memory."""

    x: NDArray[np.float32]


def load_images(
    source: DataSource,
    items: Sequence[Item],
    spec: PreprocessSpec,
    *,
    aligner: Aligner | None = None,
    transform: Callable[[Frame, Item], Frame] | None = None,
    max_bad_share: float = 0.05,
    on_progress: Callable[[int], object] = lambda done: None,
) -> LoadedImages:
    """Read and preprocess ``items``.

    Args:
        source: where the items come from.
        items: what to read; the order is kept.
        spec: size and contrast. Of images in tiles ``x`` shows the whole, and what no tile fits into, or too
            many, cannot be used.
        aligner: by which each frame is aligned, where ``spec`` says so.
        transform: applied to each frame first (augmentation, a control); it may raise ImageError.
        max_bad_share: the share of images, 0 to 1, that may be unusable.
        on_progress: called with the number done after each image.

    Raises:
        DataError: no item, none that can be used, or a larger share than ``max_bad_share`` unusable.
        SettingsError: ``max_bad_share`` is not in 0..1, or ``spec`` aligns images and there is no aligner.
    """
    check_request(source.name, len(items), max_bad_share)
    loaded = read_images(source, items, spec, aligner=aligner, transform=transform, on_progress=on_progress)
    check_share(source.name, len(items), loaded.skipped, max_bad_share)
    return replace(loaded, duplicates=len(loaded.x) - len(np.unique(distinct_rows(loaded.x))))


def read_images(
    source: DataSource,
    items: Sequence[Item],
    spec: PreprocessSpec,
    *,
    aligner: Aligner | None = None,
    transform: Callable[[Frame, Item], Frame] | None = None,
    on_progress: Callable[[int], object] = lambda done: None,
) -> LoadedImages:
    """Read and preprocess ``items`` as :func:`load_images` does, however many cannot be used.

    Whether any are equal is not looked for.

    Raises:
        SettingsError: ``spec`` aligns images and there is no aligner.
    """
    if spec.align and aligner is None:
        raise SettingsError("preprocess: align needs the reference of a run or a bundle. Received: none.")

    def frame_of(item: Item) -> Frame:
        frame = source.frame(item)
        return transform(frame, item) if transform else frame

    def read(item: Item) -> tuple[NDArray[np.float32], Alignment | None] | ImageError:
        try:
            frame = _judged(frame_of(item), spec)
            alignment = aligner.align(frame) if aligner and spec.align else None
            return preprocess(alignment.applied(frame) if alignment else frame, spec), alignment
        except ImageError as error:
            return error

    x = np.empty((len(items), spec.size, spec.size, spec.channels), np.float32)
    kept: list[Item] = []
    skipped: list[Skipped] = []
    alignments: list[Alignment | None] = []
    for done, (item, made) in enumerate(zip(items, in_order(read, items), strict=True), start=1):
        if isinstance(made, ImageError):
            skipped.append(Skipped(item.key, str(made)))
        else:
            x[len(kept)], alignment = made
            alignments.append(alignment)
            kept.append(item)
        on_progress(done)
    return LoadedImages(
        x[: len(kept)],
        tuple(kept),
        tuple(skipped),
        0,
        frame=lambda number: frame_of(kept[number]),
        alignments=tuple(one for one in alignments if one) or None,
    )


def _judged(frame: Frame, spec: PreprocessSpec) -> Frame:
    """Return ``frame``; raises ImageError where it is to be judged in tiles, and cannot be."""
    if spec.tiled:
        height, width = frame.pixels.shape[:2]
        plan_tiles(height, width, spec, frame.source)
    return frame


def in_order(work: Callable[[A], B], given: Iterable[A]) -> Iterator[B]:
    """Yield ``work`` of each of ``given``, in their order; a few are done ahead, side by side."""
    with ThreadPoolExecutor(_THREADS) as pool:
        waiting: deque[Future[B]] = deque()
        try:
            for one in given:
                waiting.append(pool.submit(work, one))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # Ctrl-C, or an error that is no image's
            pool.shutdown(wait=False, cancel_futures=True)


def check_request(name: str, count: int, max_bad_share: float) -> None:
    """Raise DataError where there is nothing to read, SettingsError where the share is none."""
    if not 0 <= max_bad_share <= 1:
        raise SettingsError(f"max_bad_share must be from 0 to 1. Received: {max_bad_share!r}.")
    if not count:
        raise DataError(f"{name}: no images to load. Check the split and the class folders.")


def check_share(
    name: str, total: int, skipped: Sequence[Skipped], max_bad_share: float, *, failed: int | None = None
) -> None:
    """Raise DataError where none of ``total`` images, or too few, could be used.

    ``failed`` is how many could not, where ``skipped`` names but some of them.
    """
    bad = len(skipped) if failed is None else failed
    share = bad / total
    if bad < total and share <= max_bad_share:
        return
    first = "\n".join(f"  {one.reason}" for one in skipped[:_NAMED])
    more = f"\n  ... and {bad - _NAMED} more" if bad > _NAMED else ""
    cure = "Repair or remove them"
    if bad < total:
        cure += f", or allow more than {max_bad_share:.1%} with --max-bad-share"
    raise DataError(f"{name}: {bad} of {total} images ({share:.1%}) cannot be used. {cure}.\n{first}{more}")
