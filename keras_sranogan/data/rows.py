"""Images that are read when they are asked for, as an array is indexed: memory does not grow with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import RunError
from sranogan_edge.files import writing_whole

__all__ = ["AT_A_TIME", "Images", "Rows", "each", "in_file", "joined", "only", "write_array", "write_rows"]

AT_A_TIME = 256  # rows, where all are gone through

Array: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[np.intp]


class Rows:
    """N images, ``shape`` ``(N, H, W, C)`` float32, each made when it is asked for.

    Indexed by a slice, or an array of numbers or of truth values, they are an array. One that is asked for
    twice is made twice, and is the same to the bit.
    """

    def __init__(self, shape: Sequence[int], make: Callable[[Numbers], Array]) -> None:
        """Take what makes the images of some numbers, each from 0 to below N, in their order."""
        self.shape = tuple(shape)
        self._make = make

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[Any]) -> Array:
        return self._make(np.arange(len(self))[rows])

    def __iter__(self) -> Iterator[Array]:
        for start in range(0, len(self), AT_A_TIME):
            yield from self[start : start + AT_A_TIME]

    def only(self, rows: NDArray[Any]) -> Rows:
        """Return those of some numbers; none is made yet."""
        chosen = np.arange(len(self))[rows]
        return Rows((len(chosen), *self.shape[1:]), lambda asked: self._make(chosen[asked]))

    def each(self, change: Callable[[Array], Array]) -> Rows:
        """Return them changed one by one, which is done whenever one is asked for."""
        shape = change(self[:1][0]).shape
        return Rows((len(self), *shape), lambda asked: np.stack([change(one) for one in self._make(asked)]))


Images: TypeAlias = Array | Rows  # (N, H, W, C), in memory or not


@overload
def each(x: Array, change: Callable[[Array], Array]) -> Array: ...
@overload
def each(x: Images, change: Callable[[Array], Array]) -> Images: ...
def each(x: Images, change: Callable[[Array], Array]) -> Images:
    """Return images changed one by one: at once those in memory, the others when they are asked for."""
    return x.each(change) if isinstance(x, Rows) else np.stack([change(image) for image in x])


def only(x: Images, rows: NDArray[Any]) -> Images:
    """Return the images of some numbers; of those that are not in memory none is made yet."""
    return x.only(rows) if isinstance(x, Rows) else x[rows]


def joined(parts: Sequence[Images]) -> Images:
    """Return the images of all parts, one part after the other; an array where all parts are."""
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts):
        return np.concatenate(arrays)
    ends = np.cumsum([len(part) for part in parts])
    shape = (int(ends[-1]), *parts[0].shape[1:])

    def make(asked: Numbers) -> Array:
        made = np.empty((len(asked), *shape[1:]), np.float32)
        which = np.searchsorted(ends, asked, side="right")
        for number in np.unique(which).tolist():
            here = np.flatnonzero(which == number)
            made[here] = parts[number][asked[here] - (ends[number] - len(parts[number]))]
        return made

    return Rows(shape, make)


def in_file(path: Path) -> Rows:
    """Return the images of an ``.npy`` file: uint8, which are read as shares of 255, or float32.

    It is read image by image, not mapped: pages that a process has mapped count as its memory.

    Raises:
        RunError: it is no such file; and when images are asked for, where it has become another one.
    """
    with _of_run(path), path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(file)
        offset = file.tell()
        if by_column or dtype not in (np.uint8, np.float32) or len(shape) != 4:
            raise ValueError(f"{dtype} {shape}")
    size = int(np.prod(shape[1:])) * dtype.itemsize

    def make(asked: Numbers) -> Array:
        stored = np.empty((len(asked), *shape[1:]), dtype)
        with _of_run(path), path.open("rb", buffering=0) as file:
            for place, number in enumerate(asked.tolist()):
                file.seek(offset + number * size)
                if file.readinto(stored[place].data) != size:
                    raise ValueError("it is shorter than it was")
        return stored.astype(np.float32) / np.float32(255) if dtype == np.uint8 else stored

    return Rows(shape, make)


def write_rows(path: Path, count: int, blocks: Iterable[NDArray[Any]]) -> None:
    """Write ``count`` images as an ``.npy`` file, whole or not at all, block by block as they come.

    Raises:
        OSError: it cannot be written.
    """
    with writing_whole(path) as file:
        write_array(file, count, blocks)


def write_array(file: IO[bytes], count: int, blocks: Iterable[NDArray[Any]]) -> None:
    """Write an array of ``count`` rows as ``.npy`` has it, block by block; there is one at least."""
    begun = False
    for block in blocks:
        if not begun:
            described = {"descr": block.dtype.str, "fortran_order": False, "shape": (count, *block.shape[1:])}
            np.lib.format.write_array_header_1_0(file, described)
            begun = True
        file.write(np.ascontiguousarray(block).data)


@contextmanager
def _of_run(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file of a run is read into a RunError."""
    try:
        yield
    except (OSError, ValueError, SyntaxError) as error:  # NumPy raises these for headers, too
        reason = getattr(error, "strerror", None) or next(iter(str(error).splitlines()), type(error).__name__)
        raise RunError(
            f"{path} is missing or damaged ({reason}). Images are read again with --resume; where that does "
            "not help, train in a new folder."
        ) from error
