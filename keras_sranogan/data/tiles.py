"""Tiles to learn from, read image by image: drawn from some images, and all that cover others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, Protocol, TypeAlias
from zlib import crc32

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import LoadedImages, Skipped, check_request, check_share, in_order
from sranogan_edge.errors import DataError, DegenerateImageError, ImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.image.tiles import Box, cut, judged_tiles, plan_tiles, whole, within

__all__ = ["TileReader", "Transform"]

Tile: TypeAlias = NDArray[np.float32]
Place: TypeAlias = tuple[int, int, int, int, int]  # left, top, side; the image's height and width
NOWHERE: Place = (0, 0, 0, 0, 0)
WHOLE_SHARE = 0.25  # whole images beside the tiles to train on, where the whole is judged: one in so many

_TRIES = 4  # draws for each tile that is wanted, where some of the image is background
_AROUND = 0.25  # of a tile's side: what is turned and shifted into it comes from there
_CHANGED_AT = 4  # times the side judged at: a whole image that is to be turned and blurred is no larger
_DENSEST = 4  # of the tiles that cover an image, at most so many times as many are drawn from it


class Row(NamedTuple):
    """What is learned from, or judged, of one image."""

    x: Tile
    place: Place = NOWHERE
    whole: bool = False


@dataclass(frozen=True, eq=False)
class TileReader:
    """Reads tiles of one source's images; no more than a few images are in memory at a time.

    Attributes:
        source: where the images come from.
        spec: how their tiles are cut.
        max_bad_share: the share of images, 0 to 1, that may be unusable.
        on_progress: is called with the number of images done.
    """

    source: DataSource
    spec: PreprocessSpec
    max_bad_share: float
    on_progress: Callable[[int], object] = lambda done: None

    def draw(
        self,
        items: Sequence[Item],
        count: int,
        seed: int,
        transform: Transform | None = None,
        whole_share: float = WHOLE_SHARE,
    ) -> LoadedImages:
        """Draw about ``count`` tiles, as many from each image, at least one, anywhere in it.

        Equal seeds give equal places, whatever other images there are. Tiles of one constant brightness are
        drawn again.

        Args:
            items: the images; the order is kept.
            count: of the tiles.
            seed: of their places.
            transform: applied to each tile and what is around it, before it is cut; it keeps the size, and
                may raise ImageError.
            whole_share: where the whole is judged beside its tiles, one of each image for so many of them is
                among them, and once at least; all of an image are alike.

        Raises:
            DataError: no image, or too many that cannot be used: smaller than a tile, or constant.
        """
        check_request(self.source.name, len(items), self.max_bad_share)
        each = max(1, count // len(items))
        wholes = max(1, round(each * whole_share)) if self.spec.tile_whole else 0

        def read(item: Item) -> list[Row] | ImageError:
            try:
                frame, rng = self.source.frame(item), _drawing(seed, item)
                change = partial(transform, item=item) if transform else None
                rows = [Row(tile) for tile in _drawn(frame, self.spec, each, rng, change)]
                return rows + (wholes * _wholes(frame, self.spec, change) if wholes else [])
            except ImageError as error:
                return error

        return self._collected(items, read, len(items) * (each + wholes))

    def cover(self, items: Sequence[Item], most: int, fewest: int, seed: int) -> LoadedImages:
        """Cover images with tiles as in scoring: as many images as ``most`` tiles are enough for.

        Where it is judged, the whole of each is a row beside them.
        Which ones, of many, is decided by the seed. Tiles of one constant brightness are left out.

        Raises:
            DataError: no image, too many that cannot be used, or ``most`` tiles are too few to cover
                ``fewest`` of the images.
        """
        check_request(self.source.name, len(items), self.max_bad_share)
        order = np.random.default_rng(seed).permutation(len(items))

        def read(item: Item) -> list[Row] | ImageError:
            try:
                frame = self.source.frame(item)
                (height, width), tiles = frame.pixels.shape[:2], judged_tiles(frame, self.spec)
                rows = [Row(x, (at.left, at.top, at.side, height, width)) for at, x in tiles if x is not None]
                return rows + (_wholes(frame, self.spec) if self.spec.tile_whole else [])
            except ImageError as error:
                return error

        loaded = self._collected([items[number] for number in order], read, most)
        used = len(loaded.images)
        if used < min(fewest, len(items) - len(loaded.skipped)):
            raise DataError(
                f"{self.source.name}: {most:,} tiles of {self.spec.tile_side_px} px cover {used} of "
                f"{len(items)} held-out images, and a threshold needs {fewest}. Use larger tiles (--tile-px) "
                "or allow more with the setting tiles.held_out."
            )
        return loaded

    def _collected(
        self,
        items: Sequence[Item],
        read: Callable[[Item], list[Row] | ImageError],
        most: int,
    ) -> LoadedImages:
        """Read one image after the other, until the next one's tiles would be more than ``most``."""
        x = np.empty((most, self.spec.size, self.spec.size, self.spec.channels), np.float32)
        places: list[Place] = []
        rows: list[Item] = []
        wholes: list[bool] = []
        image: list[int] = []
        skipped: list[Skipped] = []
        read_images = 0
        for done, (item, made) in enumerate(zip(items, in_order(read, items), strict=True), start=1):
            self.on_progress(done)
            if isinstance(made, ImageError):
                skipped.append(Skipped(item.key, str(made)))
                continue
            if len(rows) + len(made) > most:
                self.on_progress(len(items))
                break
            x[len(rows) : len(rows) + len(made)] = [row.x for row in made]
            places += [row.place for row in made]
            wholes += [row.whole for row in made]
            rows += [item] * len(made)
            image += [read_images] * len(made)
            read_images += 1
        check_share(self.source.name, read_images + len(skipped), skipped, self.max_bad_share)
        return LoadedImages(
            x[: len(rows)],
            tuple(rows),
            tuple(skipped),
            0,
            np.array(image, np.int64),
            place=np.array(places, np.int64) if any(place != NOWHERE for place in places) else None,
            whole=np.array(wholes, np.bool_) if any(wholes) else None,
        )


def _drawing(seed: int, item: Item) -> np.random.Generator:
    return np.random.default_rng((seed, crc32(item.key.encode(errors="surrogateescape"))))


class Transform(Protocol):
    """Changes a frame of an item, and keeps its size."""

    def __call__(self, frame: Frame, item: Item) -> Frame:
        """Return the changed frame; may raise ImageError."""


def _drawn(
    frame: Frame,
    spec: PreprocessSpec,
    count: int,
    rng: np.random.Generator,
    change: Callable[[Frame], Frame] | None,
) -> list[Tile]:
    """Draw up to ``count`` tiles of ``frame``; raises ImageError where it has none."""
    height, width = frame.pixels.shape[:2]
    covering, side = plan_tiles(height, width, spec, frame.source), spec.tile_side_px
    count = min(count, _DENSEST * len(covering))
    corners = (rng.integers((height - side + 1, width - side + 1)).tolist() for _ in range(_TRIES * count))
    drawn = (Box(left, top, side) for top, left in corners)
    found: list[Tile] = []
    constant: DegenerateImageError | None = None
    for number, box in enumerate(chain(drawn, covering)):
        if len(found) == count or (found and number >= _TRIES * count):
            break
        try:
            tile = within(_taken(frame, box, change), box, (height, width), spec)
            found.append(preprocess(tile, spec))
        except DegenerateImageError as error:
            constant = error
    if constant and not found:
        raise constant
    return found


def _as_stored(pixels: NDArray[Any], frame: Frame) -> NDArray[np.uint8] | NDArray[np.uint16]:
    return pixels.astype(np.uint8) if frame.pixels.dtype == np.uint8 else pixels.astype(np.uint16)


def _wholes(frame: Frame, spec: PreprocessSpec, change: Callable[[Frame], Frame] | None = None) -> list[Row]:
    """Return the whole of ``frame``, if there is anything on it; changed it is made smaller first."""
    try:
        if change:
            height, width = (min(length, _CHANGED_AT * spec.size) for length in frame.pixels.shape[:2])
            small = cv2.resize(frame.pixels, (width, height), interpolation=cv2.INTER_AREA)
            frame = change(replace(frame, pixels=_as_stored(small, frame)))
        return [Row(whole(frame, spec), whole=True)]
    except DegenerateImageError:
        return []


def _taken(frame: Frame, box: Box, change: Callable[[Frame], Frame] | None) -> Frame:
    """Return the tile at ``box`` of a frame that is changed, so far as it is seen from there."""
    if change is None:
        return cut(frame, box)
    (height, width), margin = frame.pixels.shape[:2], round(_AROUND * box.side)
    top, left = max(0, box.top - margin), max(0, box.left - margin)
    bottom, right = min(height, box.top + box.side + margin), min(width, box.left + box.side + margin)
    part = change(replace(frame, pixels=frame.pixels[top:bottom, left:right]))
    return cut(part, Box(box.left - left, box.top - top, box.side))
