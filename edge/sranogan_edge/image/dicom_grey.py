"""What a grey DICOM value means: rescale and window in stored values, look-up tables and sigmoids applied."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from sranogan_edge.errors import UnreadableImageError
from sranogan_edge.image.dicom_groups import rescale_of, table_in, voi_of
from sranogan_edge.image.dicom_numbers import number_in, texts_of
from sranogan_edge.image.dicom_tables import looked_up
from sranogan_edge.image.frame import Frame, Photometric, Window

__all__ = ["grey_frame"]

_FULL_16 = 65535
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Voi:
    """A window as an object writes it, in values after the rescale.

    Attributes:
        center: of it.
        width: of it; above 0.
        function: LINEAR, LINEAR_EXACT or SIGMOID.
    """

    center: float
    width: float
    function: str

    @property
    def ends(self) -> tuple[float, float]:
        """The values up to which all is black, and above which all is white (PS3.3, C.11.2.1.2 and .3.2)."""
        shift, width = (0.0, self.width) if self.function == "LINEAR_EXACT" else (0.5, self.width - 1)
        return self.center - shift - width / 2, self.center - shift + width / 2


@dataclass(frozen=True, eq=False)
class _Values:
    """Stored values, or what a modality table made of them, and the rescale that is left to do.

    Attributes:
        stored: ``(H, W)``, of ``bits`` bits; in two's complement where they have a sign.
        bits: in use.
        slope: of the rescale; not 0.
        intercept: of the rescale.
    """

    stored: NDArray[Any]
    bits: int
    slope: float = 1.0
    intercept: float = 0.0

    @property
    def signed(self) -> bool:
        """Whether they may be below 0."""
        return self.stored.dtype.kind == "i"

    @property
    def between(self) -> tuple[int, int]:
        """The lowest and the highest that can be stored."""
        half = 2 ** (self.bits - 1)
        return (-half, half - 1) if self.signed else (0, 2 * half - 1)

    def rescaled(self, stored: Any) -> Any:
        """What ``stored`` means."""
        return stored * self.slope + self.intercept


def grey_frame(stored: NDArray[Any], dataset: Dataset, number: int, source: str) -> Frame:
    """Return a frame of grey stored values.

    Args:
        stored: ``(H, W)`` int8, uint8, int16 or uint16, as decoded.
        dataset: that they are of.
        number: of the frame, from 0: it may have a rescale and a window of its own.
        source: what to call the frame.

    Raises:
        UnreadableImageError: a rescale or a table that cannot be used.
    """
    photometric, little = Photometric(dataset.PhotometricInterpretation), bool(dataset.original_encoding[1])
    rescale, voi = rescale_of(dataset, number), voi_of(dataset, number)
    values = _Values(stored, int(dataset.BitsStored), *_rescale(rescale, source))
    modality, table = table_in(rescale, "ModalityLUTSequence"), table_in(voi, "VOILUTSequence")
    if modality is not None:
        name = "ModalityLUTSequence"
        values = _Values(*looked_up(stored, modality, name, source, between=values.between, little=little))
    if table is not None:
        low, high = sorted(map(values.rescaled, values.between))
        found, between = np.rint(values.rescaled(values.stored)), (low, high)
        pixels, bits = looked_up(found, table, "VOILUTSequence", source, between=between, little=little)
        return Frame(pixels, bits, photometric, source=source)
    window = _window(voi, source)
    if window is not None and window.function == "SIGMOID":
        return Frame(_sigmoid(values.rescaled(values.stored), window), 16, photometric, source=source)
    return _windowed(values, window, photometric, source)


def _windowed(values: _Values, window: _Voi | None, photometric: Photometric, source: str) -> Frame:
    """The frame of unsigned values, with the window in their unit; of no rescale is anything left."""
    stored, bits, slope, intercept = values.stored, values.bits, values.slope, values.intercept
    if values.signed:  # two's complement of `bits` bits: lift it, and let the intercept undo it
        lift = 2 ** (bits - 1)
        stored, intercept = (stored.astype(np.int32) + lift), intercept - slope * lift
    if slope < 0:  # values fall: turn them round, so that a window always rises
        top = 2**bits - 1
        stored, slope, intercept = top - stored.astype(np.int32), -slope, intercept + slope * top
    pixels = np.ascontiguousarray(stored.clip(0, 2**bits - 1).astype(np.uint8 if bits <= 8 else np.uint16))
    if window is None:
        return Frame(pixels, bits, photometric, source=source)
    dark, bright = ((end - intercept) / slope for end in window.ends)
    if not math.isfinite(bright - dark):
        raise UnreadableImageError(
            f"{source}: a window of center {window.center:g} and width {window.width:g} cannot be placed by "
            f"its rescale slope of {values.slope:g}. Send or export it again."
        )
    if bright - dark + 1 <= 1:  # of width 1: a step, which no ramp shows
        return Frame(np.where(pixels > dark, 255, 0).astype(np.uint8), 8, photometric, source=source)
    return Frame(pixels, bits, photometric, Window((dark + bright) / 2 + 0.5, bright - dark + 1), source)


def _rescale(holder: Dataset, source: str) -> tuple[float, float]:
    slope, intercept = _number(holder, "RescaleSlope", source), _number(holder, "RescaleIntercept", source)
    if slope == 0:
        raise UnreadableImageError(f"{source}: a rescale slope of 0 leaves no picture. Send it again.")
    return (1.0 if slope is None else slope), (intercept or 0.0)


def _number(holder: Dataset, keyword: str, source: str) -> float | None:
    """The first value of ``keyword``; None where there is none."""
    texts = texts_of(holder, keyword)
    if not texts or not texts[0]:
        return None
    number = number_in(texts[0])
    if number is None:
        raise UnreadableImageError(
            f"{source}: its {keyword} is {texts[0][:40]!r}, which is no number. Send or export it again."
        )
    return number


def _window(holder: Dataset, source: str) -> _Voi | None:
    """The first of its windows that shows something; None where there is none."""
    centers, widths = texts_of(holder, "WindowCenter"), texts_of(holder, "WindowWidth")
    function = "".join(texts_of(holder, "VOILUTFunction")[:1]).upper()
    for center, width in zip(map(number_in, centers), map(number_in, widths), strict=False):
        if center is None or width is None or width <= 0:
            continue
        if function in ("LINEAR_EXACT", "SIGMOID"):
            return _Voi(center, width, function)
        # Below 1 "LINEAR" is not allowed, and its formula would turn the picture round: who writes that has
        # values between 0 and 1, and means the window from end to end.
        return _Voi(center, width, "LINEAR" if width >= 1 else "LINEAR_EXACT")
    if centers or widths:
        written = "\\".join(centers)[:40], "\\".join(widths)[:40]
        text = "%s: a window of center %r and width %r shows nothing; all stored values are shown instead"
        _log.warning(text, source, *written)
    return None


def _sigmoid(values: NDArray[Any], window: _Voi) -> NDArray[np.uint16]:
    """PS3.3 C.11.2.1.3.1, on 0..65535."""
    exponent = np.clip(-4 * (values - window.center) / window.width, -60, 60)
    return np.asarray(np.rint(_FULL_16 / (1 + np.exp(exponent))), dtype=np.uint16)
