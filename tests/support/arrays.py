"""Arrays that are not what they say."""

from __future__ import annotations

import io
import zipfile

import numpy as np


def claims_a_terabyte() -> bytes:
    """An ``.npz`` file whose array ``x`` has a header that claims a terabyte, and no data."""
    header, buffer = io.BytesIO(), io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (2**18, 2**20)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    return buffer.getvalue()
