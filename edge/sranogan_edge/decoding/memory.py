"""The memory that pixels come back in: kept from film to film, for its first use costs more than the copy.

The decoder maps what is kept, and writes larger ones as to a file. The runner maps it, and what is lent of it
stays what it is while anybody holds it: meanwhile, the decoder is told to take another. It has no name: it is
gone with the two processes.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Filled", "Filler"]

KEPT_BYTES = 64 * 2**20  # larger ones are given back after each film
_STEP_BYTES = 2**20


class Filler:
    """The decoder's side."""

    def __init__(self) -> None:
        """Nothing is taken yet."""
        self._file: int | None = None
        self._map: mmap.mmap | None = None  # of what is kept: to copy there costs less than to write
        self._size = 0

    def fill(self, parts: Sequence[tuple[int, NDArray[Any]]], size: int, *, again: bool) -> int | None:
        """Write each array of ``parts`` at its place; returns the file where it is another one, to be sent.

        Args:
            parts: where each begins, and its values.
            size: of all, in bytes.
            again: whether the memory of the film before may be filled again.
        """
        taken = None
        if self._file is None or not again or size > self._size or self._size > KEPT_BYTES:
            self.give_back()
            self._size = -(-size // _STEP_BYTES) * _STEP_BYTES
            taken = self._file = os.memfd_create("sranogan-film", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            os.ftruncate(self._file, self._size)
            self._map = mmap.mmap(self._file, self._size) if self._size <= KEPT_BYTES else None
        for at, values in parts:
            if self._map is not None:
                whole = np.frombuffer(self._map, np.uint8)
                np.copyto(whole[at : at + values.nbytes].view(values.dtype).reshape(values.shape), values)
                continue
            left = np.ascontiguousarray(values).reshape(-1).view(np.uint8).data
            while left:
                written = os.pwrite(self._file, left, at)
                at, left = at + written, left[written:]
        return taken

    def give_back(self) -> None:
        """Close it; what the runner holds of it stays."""
        if self._map is not None:
            self._map.close()
        if self._file is not None:
            os.close(self._file)
        self._file, self._map, self._size = None, None, 0


class _Lent:
    """What arrays of the memory are views of: gone with the last one of them."""

    def __init__(self, memory: mmap.mmap) -> None:
        whole = np.frombuffer(memory, np.uint8)
        self._memory = memory
        self.__array_interface__ = {**whole.__array_interface__, "version": 3}


class Filled:
    """The runner's side."""

    def __init__(self) -> None:
        """Nothing came yet."""
        self._memory: mmap.mmap | None = None
        self._lent: weakref.ref[_Lent] | None = None

    @property
    def again(self) -> bool:
        """Whether it may be filled again: nobody holds what was lent of it."""
        return self._memory is not None and (self._lent is None or self._lent() is None)

    def map(self, file: int) -> None:
        """Take the memory behind ``file`` from now on; nobody can shrink it any more, which would kill us.

        Raises:
            OSError, ValueError: it is no such memory.
        """
        import fcntl  # not on Windows, which has no such memory either

        fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        self._memory, self._lent = mmap.mmap(file, os.fstat(file).st_size), None

    def lend(self, size: int) -> NDArray[np.uint8]:
        """Return its first ``size`` bytes; raises ValueError where it has fewer."""
        if size == 0:
            return np.empty(0, np.uint8)
        memory = self._memory
        if memory is None or not 0 < size <= len(memory):
            raise ValueError(f"{size:,} bytes of pixels, which are not there")
        lent = _Lent(memory)
        self._lent = weakref.ref(lent)
        if len(memory) > KEPT_BYTES:
            self._memory = None
        return np.asarray(lent)[:size]
