"""From a decoded frame to the input of the networks: brightness and size, then (apart) contrast."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import DegenerateImageError, SettingsError
from sranogan_edge.image.colour import NEUTRAL, opponents, sampled
from sranogan_edge.image.frame import Frame, Photometric, Window
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS, MOST_PIXELS
from sranogan_edge.image.region import Region, checked_region

__all__ = [
    "PreprocessSpec",
    "as_displayed",
    "downscale",
    "enhance",
    "fitted",
    "low_pass",
    "middle",
    "preprocess",
    "seen_at",
]

_SIZES_PX = (16, 2048)
_CLAHE_CLIPS = (0.1, 100.0)
_CONTRASTS = ("none", "clahe")
_FITS = ("stretch", "pad", "letterbox", "crop", "tile")
_OF_TILES = ("tile_px", "tile_overlap", "region")  # fields that only tiles have
_WHERE_TRUE = ("colour", "tile_whole", "align")  # fields that are named where they are true, alone
_TILE_SIDES_PX = (16, 16384)
_OVERLAPS = (0.0, 0.75)
_FULL_SCALE = 65535  # of 16 bits
_FLAT_RANGE = 0.5 / 255  # less than one 8-bit step between the darkest and the brightest pixel


@dataclass(frozen=True)
class PreprocessSpec:
    """How frames become network input; saved with a run and with a bundle, so both sides agree.

    Attributes:
        size: side S of the square output, in pixels.
        contrast: what the three stages see: ``"clahe"`` equalises local contrast, ``"none"`` keeps it.
        clahe_clip: contrast limit of CLAHE, in multiples of a flat histogram.
        clahe_tiles: CLAHE works on ``clahe_tiles`` x ``clahe_tiles`` tiles.
        fit: ``"stretch"`` ignores the aspect ratio; ``"letterbox"`` keeps it, centred on black (``"pad"`` is
            the same, as earlier versions called it); ``"crop"`` keeps it, and the square in the middle alone;
            ``"tile"`` covers the image with squares, each judged at S x S
            (:mod:`sranogan_edge.image.tiles`).
        tile_px: side of a tile in pixels of the image; 0 is as many as ``size``.
        tile_overlap: share of a tile's side that its neighbour covers too, at least.
        region: corners of a polygon, as shares of width and height; of tiles, what lies outside is left out.
        max_pixels: frames are decoded up to this many pixels.
        min_side_px: a frame with a shorter side is refused.
        colour: whether the head sees colours, too.
        tile_whole: whether the whole image, stretched to S x S, is judged beside its tiles.
        align: whether an image is turned, scaled and shifted to how the mean normal lies, first of all
            (:mod:`sranogan_edge.image.align`).

    Raises:
        SettingsError: a field has a value that cannot work.
    """

    size: int = 128
    contrast: Literal["none", "clahe"] = "clahe"
    clahe_clip: float = 2.0
    clahe_tiles: int = 8
    fit: Literal["stretch", "pad", "letterbox", "crop", "tile"] = "stretch"
    tile_px: int = 0
    tile_overlap: float = 0.25
    region: Region = ()
    max_pixels: int = DEFAULT_MAX_PIXELS
    min_side_px: int = 16
    colour: bool = False
    tile_whole: bool = False
    align: bool = False

    def __post_init__(self) -> None:
        _check_int("size", self.size, *_SIZES_PX)
        _check_choice("contrast", self.contrast, _CONTRASTS)
        _check_number("clahe_clip", self.clahe_clip, *_CLAHE_CLIPS)
        _check_int("clahe_tiles", self.clahe_tiles, 1, self.size)
        _check_choice("fit", self.fit, _FITS)
        _check_int("max_pixels", self.max_pixels, 1, MOST_PIXELS)
        _check_int("min_side_px", self.min_side_px, 1, None)
        if self.tile_px != 0:
            _check_int("tile_px", self.tile_px, *_TILE_SIDES_PX)
        _check_number("tile_overlap", self.tile_overlap, *_OVERLAPS)
        object.__setattr__(self, "region", checked_region(self.region))
        if self.region and not self.tiled:
            raise SettingsError(f"preprocess: region goes with fit tile. Received: fit {self.fit!r}.")
        if self.tiled:
            _check_int("min_side_px", self.min_side_px, 1, self.tile_side_px)
        _check_choice("colour", self.colour, (False, True))
        _check_choice("tile_whole", self.tile_whole, (False, True))
        if self.tile_whole and not self.tiled:
            raise SettingsError(f"preprocess: tile_whole goes with fit tile. Received: fit {self.fit!r}.")
        _check_choice("align", self.align, (False, True))
        if self.align and self.tiled:
            raise SettingsError(
                "preprocess: align goes with images that are judged as a whole. Received: fit 'tile'. Choose "
                "fit stretch, letterbox or crop, or leave align out."
            )

    @property
    def channels(self) -> int:
        """Of x: luminance, and with colour two opponents."""
        return 3 if self.colour else 1

    @property
    def tiled(self) -> bool:
        """Whether an image is covered with tiles."""
        return self.fit == "tile"

    @property
    def tile_side_px(self) -> int:
        """Side of a tile in pixels of the image."""
        return self.tile_px or self.size

    def to_dict(self) -> dict[str, Any]:
        """The fields as plain values, ready for JSON; of tiles, colour, alignment where they are, alone."""
        untrue = [name for name in _WHERE_TRUE if not getattr(self, name)]
        left_out = (*(() if self.tiled else _OF_TILES), *untrue)
        return {name: value for name, value in asdict(self).items() if name not in left_out}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PreprocessSpec:
        """The inverse of :meth:`to_dict`; fields left out keep their default.

        Raises:
            SettingsError: an unknown field, or a value that cannot work.
        """
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise SettingsError(
                f"preprocess: unknown field {', '.join(map(repr, unknown))}. Allowed: {', '.join(known)}."
            )
        return cls(**values)


def preprocess(frame: Frame, spec: PreprocessSpec) -> NDArray[np.float32]:
    """Turn one frame into ``(S, S, channels)`` float32 in [0, 1]; contrast is left as it came.

    First the luminance, bright is high, the same whether ``spec`` takes colour or not; then, where it does,
    red-green and yellow-blue (:func:`sranogan_edge.image.colour.opponents`), which are 1/2 for a grey frame.

    Luminance (BT.601) and the resize run on the stored integers, so the full-size image is never
    held as float; window and inversion (MONOCHROME1) run on S x S pixels. Cost: one pass over the
    image, about 6 ms for 4 megapixels on one desktop core.

    The window follows DICOM PS3.3 C.11.2.1.2 (linear); without one, 0..2**bit_depth - 1 is
    black..white. With tiles, ``frame`` is one of them (or the whole image, to be seen at S x S).

    Raises:
        DegenerateImageError: a side is below ``spec.min_side_px``, or the resized image spans less
            than one 8-bit step of brightness.
    """
    height, width = frame.pixels.shape[:2]
    if min(height, width) < spec.min_side_px:
        raise DegenerateImageError(
            f"{frame.source}: {width} x {height} pixels is too small to judge; the shorter side must have "
            f"at least {spec.min_side_px}. Use a larger image, or lower min_side_px."
        )
    pixels = middle(frame.pixels) if spec.fit == "crop" else frame.pixels
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.ndim == 3 else pixels
    content = _brightness(_resize(grey, *fitted(height, width, spec)), frame)
    low, high = float(content.min()), float(content.max())
    if high - low < _FLAT_RANGE:
        raise DegenerateImageError(
            f"{frame.source}: one constant brightness ({low:.3f} of 0..1) all over: nothing to judge. "
            "Check the exposure, the window and the export of this image."
        )
    x = _centred(content, spec.size)[..., np.newaxis]
    return np.concatenate([x, _colours(pixels, frame, spec)], axis=-1) if spec.colour else x


def as_displayed(frame: Frame) -> Frame:
    """The same frame as people see it, bright is high: window cut and MONOCHROME1 turned, 16 bits, no window.

    What is changed in brightness (a gamma, a mean) is to be changed here: stored values reach far beyond
    their window. A frame that is stored as it is displayed comes back itself.

    Raises:
        DegenerateImageError: its window shows nothing.
    """
    if frame.window is None and frame.photometric is not Photometric.MONOCHROME1:
        return frame
    brightness = _brightness(frame.pixels, frame)
    pixels = np.rint(np.multiply(brightness, _FULL_SCALE, out=brightness)).astype(np.uint16)
    photometric = Photometric.RGB if pixels.ndim == 3 else Photometric.MONOCHROME2
    return Frame(pixels, 16, photometric, source=frame.source)


def enhance(x: NDArray[np.float32], spec: PreprocessSpec) -> NDArray[np.float32]:
    """Return the luminance of ``x`` with the contrast that the three stages work on, ``(S, S, 1)``; 0.1 ms.

    CLAHE on 8 bits, or as it is where ``spec.contrast`` is ``"none"``.
    """
    if spec.contrast == "none":
        return x[..., :1]
    levels = np.rint(x[..., 0] * 255).astype(np.uint8)
    tiles = (spec.clahe_tiles, spec.clahe_tiles)
    equalised = cv2.createCLAHE(clipLimit=spec.clahe_clip, tileGridSize=tiles).apply(levels)
    return np.divide(equalised, 255, dtype=np.float32)[..., np.newaxis]


def downscale(x: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Shrink ``(S, S, C)`` to ``(size, size, C)`` float32 by area; a whole factor gives the block mean.

    Raises:
        SettingsError: ``size`` is not in 1..S.
    """
    _check_int("size", size, 1, min(x.shape[:2]))
    shrunk = cv2.resize(x.astype(np.float32, copy=False), (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(shrunk, np.float32).reshape(size, size, x.shape[2])


def low_pass(frame: Frame, size: int = 64, tile_px: int | None = None) -> Frame:
    """The same frame without its fine detail: shrunk to size x size by area, then back up.

    Of a frame that is judged in tiles of ``tile_px`` pixels a side, each tile is shrunk to size x size.

    This is the control against a detector that reads sharpness or JPEG blocks instead of content.
    It goes back up linearly: cubic would ring at edges, a new cue. An axis that is already at or
    below ``size`` stays as it is. Shape, dtype and everything else are kept.

    Raises:
        SettingsError: ``size`` or ``tile_px`` is below 1.
    """
    _check_int("size", size, 1, None)
    _check_int("tile_px", 1 if tile_px is None else tile_px, 1, None)
    height, width = frame.pixels.shape[:2]
    kept = [size if tile_px is None else max(1, round(side * size / tile_px)) for side in (height, width)]
    small = _resize(frame.pixels, min(kept[0], height), min(kept[1], width))
    return replace(frame, pixels=_resize(small, height, width))


def seen_at(frame: Frame, height: int, width: int, *, colour: bool = False) -> NDArray[np.float32]:
    """Return ``frame`` as people see it, ``(height, width, 1)`` float32 in [0, 1], bright is high.

    With ``colour`` ``(height, width, 3)``: luminance, red-green and yellow-blue, as :func:`preprocess` does.

    Raises:
        DegenerateImageError: its window shows nothing.
    """
    small = _resize(frame.pixels, height, width)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) if small.ndim == 3 else small
    luminance = _brightness(grey, frame)[..., np.newaxis]
    if not colour:
        return luminance
    if small.ndim == 2:
        return np.concatenate([luminance, np.full((height, width, 2), NEUTRAL, np.float32)], axis=-1)
    return np.concatenate([luminance, opponents(_brightness(small, frame))], axis=-1)


def fitted(height: int, width: int, spec: PreprocessSpec) -> tuple[int, int]:
    """Height and width of the content, of an image of ``height`` x ``width``, inside the S x S output."""
    if spec.fit not in ("pad", "letterbox"):
        return spec.size, spec.size
    scale = spec.size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def middle(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the square in the middle, as large as the shorter side; a view."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _resize(pixels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Area average on the axes that shrink, then linear on those that grow; dtype kept.

    OpenCV's INTER_AREA does not average at all when one axis grows, hence the two steps.
    """
    old_height, old_width = pixels.shape[:2]
    shrunk = (min(old_height, height), min(old_width, width))
    if shrunk != (old_height, old_width):
        pixels = cv2.resize(pixels, shrunk[::-1], interpolation=cv2.INTER_AREA)
    if shrunk != (height, width):
        pixels = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return pixels


def _brightness(stored: NDArray[Any], frame: Frame) -> NDArray[np.float32]:
    """Stored values to brightness in [0, 1], 1 = bright."""
    low, high = _range(frame.window, frame)
    x: NDArray[np.float32] = (stored.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    np.clip(x, 0, 1, out=x)
    return np.subtract(1, x, dtype=np.float32) if frame.photometric is Photometric.MONOCHROME1 else x


def _range(window: Window | None, frame: Frame) -> tuple[float, float]:
    """The stored values that map to black and white (DICOM PS3.3 C.11.2.1.2.1)."""
    if window is None:
        return 0.0, float(2**frame.bit_depth - 1)
    if not (np.isfinite(window.center) and np.isfinite(window.width) and window.width > 1):
        raise DegenerateImageError(
            f"{frame.source}: a window of center {window.center} and width {window.width} shows nothing; "
            "the width must be above 1. Correct or remove the window."
        )
    half = (window.width - 1) / 2
    return window.center - 0.5 - half, window.center - 0.5 + half


def _colours(pixels: NDArray[Any], frame: Frame, spec: PreprocessSpec) -> NDArray[np.float32]:
    """Both opponents of ``pixels`` of ``frame``, ``(S, S, 2)``: of a large one means over 2 x 2."""
    if pixels.ndim == 2:
        return np.full((spec.size, spec.size, 2), NEUTRAL, np.float32)
    tall, wide = pixels.shape[:2]
    height, width = fitted(tall, wide, spec)
    some = sampled(pixels, 2 * height, 2 * width)
    small = _brightness(_resize(some, height, width), frame)
    return _centred(opponents(small), spec.size, NEUTRAL)


def _centred(content: NDArray[np.float32], size: int, around: float = 0.0) -> NDArray[np.float32]:
    height, width = content.shape[:2]
    if (height, width) == (size, size):
        return content
    canvas = np.full((size, size, *content.shape[2:]), around, np.float32)
    top, left = (size - height) // 2, (size - width) // 2
    canvas[top : top + height, left : left + width] = content
    return canvas


def _check_int(name: str, value: object, low: int, high: int | None) -> None:
    whole = value if isinstance(value, int) and not isinstance(value, bool) else None
    if whole is None or whole < low or (high is not None and whole > high):
        allowed = f"from {low} up" if high is None else f"from {low} to {high}"
        raise SettingsError(f"preprocess: {name} must be a whole number {allowed}. Received: {value!r}.")


def _check_number(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise SettingsError(f"preprocess: {name} must be a number from {low} to {high}. Received: {value!r}.")


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if not any(value is one or (isinstance(one, str) and value == one) for one in allowed):
        known = ", ".join(map(str, allowed))
        raise SettingsError(f"preprocess: {name} must be one of {known}. Received: {value!r}.")
