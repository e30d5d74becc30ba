"""The decoders that are installed: which transfer syntaxes they can do, asked by a sample of each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from typing import Any

from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import iter_pixels
from pydicom.uid import (
    UID,
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    JPEGTransferSyntaxes,
    RLELossless,
)

from sranogan_edge.extras import how_to_install
from sranogan_edge.image.dicom_samples import SAMPLED, sample
from sranogan_edge.image.guard import decoders_to_ourselves

__all__ = ["causes", "cure", "decodable", "decoded"]

_MOST_CHARACTERS = 600  # of an error's causes

_log = logging.getLogger(__name__)
_PYDICOM = logging.getLogger("pydicom.pixels.decoders.base")


def decoded(dataset: Dataset, transfer_syntax: UID) -> Iterator[NDArray[Any]]:
    """Yield the frames of ``dataset`` as stored; raises whatever its decoders raise."""
    plugin = "pylibjpeg" if transfer_syntax == RLELossless else ""  # pydicom's own takes minutes
    return iter_pixels(dataset, decoding_plugin=plugin)


@cache
def decodable() -> tuple[UID, ...]:
    """Return the transfer syntaxes that may be sent here: what decodes a sample, the plain ones first.

    Deflated data sets may not: they would have to be inflated before anything is known of them.
    """
    known = [uid for uid in AllTransferSyntaxes if uid != DeflatedExplicitVRLittleEndian and _is_known(uid)]
    return tuple(uid for uid in known if not uid.is_encapsulated or _can_decode(uid))


def causes(error: BaseException) -> str:
    """Return all that ``error`` says, in one line: each decoder that was tried has one of its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    heads = [line if line.endswith(":") else f"{line};" for line in lines[:-1]]
    return " ".join([*heads, *lines[-1:]])[:_MOST_CHARACTERS]


def cure(transfer_syntax: UID) -> str:
    """Name the extra whose decoder may do what the others could not; empty where that is there."""
    if transfer_syntax not in JPEGTransferSyntaxes or find_spec("libjpeg"):
        return ""
    return f"A decoder that knows more is not installed; run: {how_to_install('dicom', 'dicom-jpeg')}"


def _is_known(uid: UID) -> bool:
    try:
        return bool(get_decoder(uid).is_available)
    except NotImplementedError:  # video, mostly
        return False


def _can_decode(uid: UID) -> bool:
    if uid not in SAMPLED:
        return False
    dataset, value = sample(uid)
    with decoders_to_ourselves():
        told = _PYDICOM.disabled
        _PYDICOM.disabled = True  # it would print a traceback for each decoder that cannot
        try:
            return all(bool((frame == value).all()) for frame in decoded(dataset, uid))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic in the RLE decoder (Rust) is no Exception
            _log.info("DICOM: %s is not offered, nothing here decodes it: %s", uid.name, causes(error))
            return False
        finally:
            _PYDICOM.disabled = told
