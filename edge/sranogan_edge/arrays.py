"""Named arrays as bytes, and back: equal arrays give equal bytes, and no bytes give more than they hold."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def arrays_to_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return named arrays as an ``.npz`` file; equal arrays give equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())
    return buffer.getvalue()


def arrays_from_bytes(
    data: bytes, names: Iterable[str], optional: Iterable[str] = ()
) -> dict[str, NDArray[Any]]:
    """Read ``names``, and of ``optional`` those that are there, from :func:`arrays_to_bytes`.

    Raises ValueError for anything else.
    Compressed members are refused, so that no more memory is taken than ``data`` holds.
    """
    found: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            there = set(archive.namelist())
            for name in (*names, *(one for one in optional if f"{one}.npy" in there)):
                if archive.getinfo(f"{name}.npy").compress_type != zipfile.ZIP_STORED:
                    raise ValueError(f"array {name!r} is compressed")
                member = io.BytesIO(archive.read(f"{name}.npy"))
                found[name] = np.lib.format.read_array(member, allow_pickle=False)
    except KeyError as error:
        raise ValueError(f"no array {error}") from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, MemoryError) as error:
        raise ValueError(f"damaged arrays: {error}") from error
    return found
