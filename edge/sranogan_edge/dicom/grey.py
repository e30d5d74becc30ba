"""What a grey DICOM value means: rescale and window in stored values, look-up tables and sigmoids applied."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from sranogan_edge.errors import UnreadableImageError
from sranogan_edge.frame import Frame, Photometric, Window

__all__ = ["grey_frame"]

_FULL_16 = 65535


def grey_frame(stored: NDArray[Any], dataset: Dataset, source: str) -> Frame:
    """Return the frame of ``stored`` ``(H, W)`` int8, uint8, int16 or uint16, as decoded from ``dataset``.

    Raises:
        UnreadableImageError: a rescale, a window or a table that cannot be used.
    """
    photometric = Photometric(str(dataset.PhotometricInterpretation).strip())
    bits = int(dataset.BitsStored)
    slope, intercept = _rescale(dataset, source)
    if dataset.get("ModalityLUTSequence"):
        stored, bits = _looked_up(stored, dataset, "ModalityLUTSequence", source)
        slope, intercept = 1.0, 0.0
    if dataset.get("VOILUTSequence"):
        values = np.rint(stored * slope + intercept)
        pixels, bits = _looked_up(values, dataset, "VOILUTSequence", source)
        return Frame(pixels, bits, photometric, source=source)
    window = _window(dataset, source)
    if window is not None and dataset.get("VOILUTFunction") == "SIGMOID":
        return Frame(_sigmoid(stored * slope + intercept, window), 16, photometric, source=source)
    if stored.dtype.kind == "i":  # two's complement of `bits` bits: lift it, and let the intercept undo it
        lift = 2 ** (bits - 1)
        stored, intercept = (stored.astype(np.int32) + lift), intercept - slope * lift
    if slope < 0:  # values fall: turn them round, so that a window always rises
        top = 2**bits - 1
        stored, slope, intercept = top - stored.astype(np.int32), -slope, intercept + slope * top
    pixels = np.ascontiguousarray(stored.clip(0, 2**bits - 1).astype(np.uint8 if bits <= 8 else np.uint16))
    if window is not None:
        window = _in_stored_values(window, dataset.get("VOILUTFunction"), slope, intercept)
    return Frame(pixels, bits, photometric, window, source)


def _rescale(dataset: Dataset, source: str) -> tuple[float, float]:
    slope = _number(dataset, "RescaleSlope", source)
    intercept = _number(dataset, "RescaleIntercept", source)
    if slope == 0:
        raise UnreadableImageError(f"{source}: a rescale slope of 0 leaves no picture. Send it again.")
    return (1.0 if slope is None else slope), (intercept or 0.0)


def _window(dataset: Dataset, source: str) -> Window | None:
    center = _number(dataset, "WindowCenter", source)
    width = _number(dataset, "WindowWidth", source)
    return None if center is None or width is None else Window(center, width)


def _number(dataset: Dataset, keyword: str, source: str) -> float | None:
    """The first value of ``keyword``; None where there is none."""
    value = dataset.get(keyword)
    if value is not None and not isinstance(value, (str, bytes, int, float)):
        values = list(value) if hasattr(value, "__iter__") else [value]
        value = values[0] if values else None
    if value is None or value == "":
        return None
    number = float(value)
    if not math.isfinite(number):
        raise UnreadableImageError(f"{source}: {keyword} is {number}, which is no number. Send it again.")
    return number


def _in_stored_values(window: Window, function: object, slope: float, intercept: float) -> Window:
    """The window (PS3.3 C.11.2.1.2.1, or C.11.2.1.3.2 where exact) before the rescale."""
    if function == "LINEAR_EXACT":
        low, high = window.center - window.width / 2, window.center + window.width / 2
    else:
        half = (window.width - 1) / 2
        low, high = window.center - 0.5 - half, window.center - 0.5 + half
    low, high = (low - intercept) / slope, (high - intercept) / slope
    return Window((low + high) / 2 + 0.5, high - low + 1)


def _sigmoid(values: NDArray[Any], window: Window) -> NDArray[np.uint16]:
    """PS3.3 C.11.2.1.3.1, on 0..65535."""
    exponent = np.clip(-4 * (values - window.center) / max(window.width, 1e-6), -60, 60)
    return np.asarray(np.rint(_FULL_16 / (1 + np.exp(exponent))), dtype=np.uint16)


def _looked_up(
    values: NDArray[Any], dataset: Dataset, sequence: str, source: str
) -> tuple[NDArray[Any], int]:
    """``values`` through the first table of ``sequence`` (PS3.3 C.11.1.1.1), and the bits of its output."""
    item = dataset[sequence].value[0]
    entries, first, bits = (int(number) for number in item.LUTDescriptor)
    table = item.LUTData
    if isinstance(table, bytes):  # OW: words as in the file
        table = np.frombuffer(table, "<u2" if dataset.original_encoding[1] else ">u2")
    table = np.atleast_1d(np.asarray(table))[: entries or 2**16]
    if not 1 <= bits <= 16 or not 0 < len(table) == (entries or 2**16):
        raise UnreadableImageError(
            f"{source}: its {sequence} declares {entries} entries of {bits} bits and has {len(table)}. "
            "Send or export it again."
        )
    place = (values.astype(np.int64) - first).clip(0, len(table) - 1)
    kind = np.uint8 if bits <= 8 else np.uint16
    return np.ascontiguousarray(table[place].clip(0, 2**bits - 1).astype(kind)), bits
