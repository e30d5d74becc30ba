"""Look-up tables of DICOM objects: from stored values to values (modality), or to brightness (VOI)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from sranogan_edge.errors import UnreadableImageError

__all__ = ["looked_up"]

_WORD_VALUES = 2**16


def looked_up(
    values: NDArray[Any], item: Dataset, what: str, source: str, *, between: tuple[float, float], little: bool
) -> tuple[NDArray[Any], int]:
    """Return ``values`` through a table (PS3.3, C.11.1.1.1), and the bits of its output.

    Args:
        values: of any shape; whole numbers.
        item: that holds the table.
        what: the name of its sequence, for messages.
        source: the name of the object, for messages.
        between: the lowest and the highest of the values that there can be.
        little: whether the file is little endian.

    Raises:
        UnreadableImageError: a table that cannot be used.
    """
    descriptor = [int(number) for number in np.ravel(np.asarray(item.get("LUTDescriptor", ()), dtype=object))]
    if len(descriptor) != 3:
        raise UnreadableImageError(
            f"{source}: its {what} has {len(descriptor)} numbers in its descriptor, not 3. "
            "Send or export it again."
        )
    entries, first, bits = descriptor[0] % _WORD_VALUES or _WORD_VALUES, descriptor[1], descriptor[2]
    words = _words(item, little)
    table = _bytes_of(words)[:entries] if bits <= 8 and len(words) == -(-entries // 2) else words[:entries]
    if not 1 <= bits <= 16 or len(table) != entries:
        raise UnreadableImageError(
            f"{source}: its {what} declares {entries} entries of {bits} bits and has {len(words)} words. "
            "Send or export it again."
        )
    place = (values.astype(np.int64) - _first(first, entries, between)).clip(0, entries - 1)
    kind = np.uint8 if bits <= 8 else np.uint16
    return np.ascontiguousarray(table[place].clip(0, 2**bits - 1).astype(kind)), bits


def _words(item: Dataset, little: bool) -> NDArray[np.uint16]:
    data = item.get("LUTData", b"")
    if isinstance(data, (bytes, bytearray)):  # OW: words as in the file
        return np.frombuffer(bytes(data) + bytes(len(data) % 2), "<u2" if little else ">u2").astype(np.uint16)
    numbers = np.atleast_1d(np.asarray(data if data is not None else [])).astype(np.int64)
    return (numbers % _WORD_VALUES).astype(np.uint16)


def _bytes_of(words: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Two entries of up to 8 bits in each word, the low byte first."""
    return words.astype("<u2").view(np.uint8)


def _first(written: int, entries: int, between: tuple[float, float]) -> int:
    """The first value that is mapped, with the sign that makes sense.

    Whether it has one follows from the values that there can be, not from its VR alone (PS3.3, C.11.2.1.1):
    -500 is often written as 65036. Of both readings, the one that maps more of them is meant.
    """

    def mapped(first: int) -> float:
        return min(first + entries - 1, between[1]) - max(first, between[0])

    other = written - _WORD_VALUES if written >= _WORD_VALUES // 2 else written + _WORD_VALUES
    has_other = written < 0 or written >= _WORD_VALUES // 2
    return other if has_other and mapped(other) > max(mapped(written), -1) else written
