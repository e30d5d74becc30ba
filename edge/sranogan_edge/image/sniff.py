"""Whether bytes are a DICOM file, told by how they begin; needs nothing but Python."""

from __future__ import annotations

import re
import struct

__all__ = ["HEAD_BYTES", "begin_of", "is_dicom"]

HEAD_BYTES = 132
_PREFIX = b"DICM"  # PS3.10, 7.1: a preamble of any 128 bytes, then this
_FIRST_GROUPS = (0x0002, 0x0008)  # file meta information, or the data set itself
_VR = re.compile(rb"A[EST]|CS|D[AST]|F[DL]|I[S]|L[OT]|O[BDFLVW]|P[N]|S[HLQSTV]|T[M]|U[CILNRSTV]")
_LONG_VR = re.compile(rb"O[BDFLVW]|S[QV]|U[CNRTV]")  # with two bytes of nothing, and four of length
_Element = tuple[int, bool, int]  # tag, whether it states its VR, where the next one begins


def is_dicom(head: bytes) -> bool:
    """Whether a file that begins with ``head`` (``HEAD_BYTES`` of it) is DICOM, with or without preamble."""
    return begin_of(head) is not None


def begin_of(head: bytes) -> int | None:
    """Return where in a file the first element is: 132; 4 or 0 without preamble; None where it is no DICOM.

    Without the prefix, two elements that follow each other as in a data set have to be there.
    """
    if head[HEAD_BYTES - len(_PREFIX) : HEAD_BYTES] == _PREFIX:
        return HEAD_BYTES
    if head.startswith(_PREFIX) and _two_elements(head[len(_PREFIX) :]):
        return len(_PREFIX)
    return 0 if _two_elements(head) else None


def _two_elements(head: bytes) -> bool:
    for order in "<>":
        first = _element(head, 0, order)
        if first is None or first[0] >> 16 not in _FIRST_GROUPS:
            continue
        tag, explicit, after = first
        if not explicit and (order == ">" or tag >> 16 == 0x0002):  # both always state their VR
            continue
        second = _element(head, after, order)
        if second and tag < second[0] < 0x00100000 and (second[1] == explicit or tag >> 16 == 0x0002):
            return True
    return False


def _element(head: bytes, at: int, order: str) -> _Element | None:
    """Read the element at ``at``; None where there is none, or its value would be longer than any there."""
    if at + 8 > len(head):
        return None
    group, element = struct.unpack_from(order + "HH", head, at)
    tag, vr = group << 16 | element, head[at + 4 : at + 6]
    explicit = bool(_VR.fullmatch(vr))
    if explicit and _LONG_VR.fullmatch(vr):
        if at + 12 > len(head):
            return None
        begin, (length,) = at + 12, struct.unpack_from(order + "I", head, at + 8)
    elif explicit:
        begin, (length,) = at + 8, struct.unpack_from(order + "H", head, at + 6)
    else:
        begin, (length,) = at + 8, struct.unpack_from(order + "I", head, at + 4)
    return (tag, explicit, begin + length) if explicit or length < 2**16 else None
