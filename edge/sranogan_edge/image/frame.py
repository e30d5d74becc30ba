"""One image on its way to a score, with what is needed to read its pixel values rightly."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import PixelsError

__all__ = ["Frame", "Photometric", "Window"]

_log = logging.getLogger(__name__)
_FULL_16 = 65535  # of 16 bits


class Photometric(str, Enum):
    """How pixel values map to brightness (names from DICOM, attribute 0028,0004)."""

    MONOCHROME1 = "MONOCHROME1"  # low values are bright
    MONOCHROME2 = "MONOCHROME2"  # low values are dark
    RGB = "RGB"


@dataclass(frozen=True)
class Window:
    """A VOI window in stored-value units (DICOM 0028,1050 and 0028,1051)."""

    center: float
    width: float


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded image, not yet normalised; what it is given is checked. :meth:`of` takes other arrays too.

    A look at every pixel is taken only where the type holds larger values than ``bit_depth`` allows
    (12 bits in ``uint16``): about 1 ms for 4 megapixels.

    Attributes:
        pixels: ``(H, W)`` for the monochrome kinds, ``(H, W, 3)`` in R, G, B order for
            ``RGB``; ``uint8`` or ``uint16``, stored values, upright (EXIF orientation applied).
        bit_depth: bits used of each stored value, 1 to 16: full scale is ``2**bit_depth - 1``.
        photometric: how values map to brightness.
        window: values to map to black..white, or None for full scale.
        source: what to call this image in messages and results (a path, a URI).

    Raises:
        PixelsError: type, shape, depth or values are not as told above.
    """

    pixels: NDArray[np.uint8] | NDArray[np.uint16]
    bit_depth: int
    photometric: Photometric
    window: Window | None = None
    source: str = ""

    def __post_init__(self) -> None:
        name = self.source or "this frame"
        _check_array(self.pixels, name)
        if self.pixels.dtype not in (np.uint8, np.uint16):
            raise PixelsError(
                f"{name}: a frame's pixels are uint8 or uint16; received {self.pixels.dtype}. "
                "Frame.of(array) takes float32 and float64 from 0 to 1, and bool, too."
            )
        _check_shape(self.pixels, self.photometric, name)
        _check_depth(self.pixels, self.bit_depth, name)

    @classmethod
    def of(
        cls,
        array: NDArray[Any],
        *,
        bit_depth: int | None = None,
        photometric: Photometric | str | None = None,
        window: Window | None = None,
        source: str = "array",
    ) -> Frame:
        """Make a frame of an array as people have it.

        Args:
            array: ``(H, W)``, ``(H, W, 1)``, or ``(H, W, 3)`` in R, G, B order; ``uint8``, ``uint16``,
                ``float32`` or ``float64`` from 0 (black) to 1 (white), or ``bool`` (True is white).
            bit_depth: of whole numbers; None is all that the type holds, so name it for 12 in ``uint16``.
            photometric: None is ``RGB`` for three channels, else ``MONOCHROME2``: low values are dark.
            window: the values from black to white, in the unit of whole numbers; None is full scale.
            source: what to call it.

        Raises:
            PixelsError: what was received, why it cannot be an image, and what to do about it. A picture
                that goes up to 1/255 of its type's full scale is none, unless ``bit_depth`` says so.
        """
        _check_array(array, source)
        pixels = array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array
        if photometric is None:
            photometric = Photometric.RGB if pixels.ndim == 3 else Photometric.MONOCHROME2
        kind = _photometric(photometric, source)
        _check_shape(pixels, kind, source)
        if pixels.dtype.kind in "bf" and not (bit_depth is None and window is None):
            raise PixelsError(
                f"{source}: bit_depth and window are for whole numbers; received {pixels.dtype}, which has "
                "neither. Leave them out."
            )
        stored = _stored(pixels, source)
        if bit_depth is None and window is None:
            _check_bright(pixels, source)
        depth = 8 * stored.dtype.itemsize if bit_depth is None else bit_depth
        return cls(np.ascontiguousarray(stored), depth, kind, window, source)


def _check_array(array: object, name: str) -> None:
    if not isinstance(array, np.ndarray):
        raise PixelsError(
            f"{name}: an image is a NumPy array; received {type(array).__name__}. Convert it first, as with "
            "np.asarray(image)."
        )
    if np.ma.isMaskedArray(array):
        raise PixelsError(f"{name}: every pixel has a value; received a masked array. Use .filled(0).")
    if array.size == 0:
        raise PixelsError(f"{name}: an image has pixels; received an empty array of shape {array.shape}.")


def _photometric(given: Photometric | str, name: str) -> Photometric:
    try:
        return Photometric(given)
    except ValueError as error:
        known = ", ".join(kind.value for kind in Photometric)
        raise PixelsError(f"{name}: photometric is one of {known}; received {given!r}.") from error


def _check_shape(pixels: NDArray[Any], photometric: object, name: str) -> None:
    if not isinstance(photometric, Photometric):
        _photometric(str(photometric), name)
        raise PixelsError(f"{name}: write Photometric.{photometric}; received {photometric!r}.")
    colour = pixels.ndim == 3 and pixels.shape[2] == 3
    if colour if photometric is Photometric.RGB else pixels.ndim == 2:
        return
    wanted = "(H, W, 3)" if photometric is Photometric.RGB else "(H, W)"
    raise PixelsError(
        f"{name}: {photometric.value} pixels have the shape {wanted}; received {pixels.shape}. "
        f"{_shape_cure(pixels.shape)}"
    )


def _shape_cure(shape: tuple[int, ...]) -> str:
    if len(shape) == 4:
        return "Give one image at a time: Detector.score_many takes several."
    if len(shape) == 3 and shape[2] in (2, 4):
        return f"Leave the alpha channel out: array[..., :{shape[2] - 1}]."
    if len(shape) == 3 and shape[2] in (1, 3):
        return "Frame.of(array) takes grey and colour as they are."
    if len(shape) == 3 and shape[0] in (1, 3):
        return "Put the channels last: np.moveaxis(array, 0, -1)."
    return "Give grey as (H, W) or (H, W, 1), colour as (H, W, 3) in R, G, B order."


def _check_depth(pixels: NDArray[Any], bit_depth: object, name: str) -> None:
    bits = 8 * pixels.dtype.itemsize
    whole = isinstance(bit_depth, (int, np.integer)) and not isinstance(bit_depth, bool)
    if not whole or not 1 <= int(bit_depth) <= bits:  # type: ignore[call-overload]  # whole: it is an int
        raise PixelsError(
            f"{name}: bit_depth is a whole number from 1 to {bits}, the bits of {pixels.dtype}; received "
            f"{bit_depth!r}. Name the bits that its values use."
        )
    full = 2 ** int(bit_depth) - 1  # type: ignore[call-overload]  # the same
    if full == np.iinfo(pixels.dtype).max:
        return
    highest = int(pixels.max())
    if highest > full:
        raise PixelsError(
            f"{name}: values go up to {highest}, and {bit_depth} bits end at {full}. Name the bit_depth that "
            f"they use ({highest.bit_length()} or more), or clear the bits above."
        )


def _check_bright(pixels: NDArray[Any], name: str) -> None:
    """Refuse a picture that nobody could see: its values are of another full scale than its type's."""
    full = 1 if pixels.dtype.kind in "bf" else np.iinfo(pixels.dtype).max
    highest = pixels.max()
    if highest > full / 255:
        if pixels.dtype.itemsize == 2 and highest < full / 4:
            text = "%s: uint16 values go up to %d, and white is %d; name their bit_depth, such as 12"
            _log.warning(text, name, highest, full)
        return
    if pixels.min() < highest:  # of one value: preprocessing says so
        raise PixelsError(
            f"{name}: {pixels.dtype} values go up to {highest:g}, and white is {full}: nearly all of it is "
            "black. Bring white to full scale, name the bit_depth that they use, or give bool for a mask."
        )


def _stored(pixels: NDArray[Any], name: str) -> NDArray[Any]:
    """``pixels`` as uint8 or uint16 in the machine's byte order; fractions from 0 to 1 fill 16 bits."""
    kind, size = pixels.dtype.kind, pixels.dtype.itemsize
    if kind == "b":
        return np.asarray(np.where(pixels, 255, 0), np.uint8)
    if kind == "u" and size <= 2:
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)
    if kind != "f" or size not in (4, 8):
        raise PixelsError(
            f"{name}: pixels are uint8, uint16, float32 or float64 from 0 to 1, or bool; received "
            f"{pixels.dtype}. {_type_cure(pixels)}"
        )
    low, high = float(pixels.min()), float(pixels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise PixelsError(
            f"{name}: {pixels.dtype} pixels have to be finite; received NaN or infinity. Replace it, as with "
            "np.nan_to_num, or leave this image out."
        )
    if low < 0 or high > 1:
        raise PixelsError(
            f"{name}: {pixels.dtype} pixels go from 0 (black) to 1 (white); received {low:g} to {high:g}. "
            "Divide by the full scale of the values (255 for 8 bits), or subtract and divide."
        )
    stored: NDArray[np.uint16] = np.rint(pixels * pixels.dtype.type(_FULL_16)).astype(np.uint16)
    return stored


def _type_cure(pixels: NDArray[Any]) -> str:
    if pixels.dtype.kind == "f":
        return "Convert it: array.astype(np.float32)."
    if pixels.dtype.kind not in "iu":
        return "Convert it, black to 0 and white to the full scale of one of these."
    low, high = int(pixels.min()), int(pixels.max())
    told = f"Its values go from {low} to {high}"
    if low < 0 or high > _FULL_16:
        return f"{told}: bring black to 0 and white to 1, as float32."
    if high > 255:
        return f"{told}: array.astype(np.uint16), with the bit_depth that they use."
    return f"{told}: array.astype(np.uint8) where 255 is white."
