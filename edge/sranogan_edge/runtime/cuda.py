"""The little of NVIDIA's driver that an engine needs: which card this is, its memory, copies; by ctypes.

The driver's own library (``libcuda.so.1``) is wherever a card works: on a PC and on a Jetson, without
a CUDA toolkit, and in every version alike.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import BackendError

__all__ = ["LIBRARY", "Card", "CudaDriver"]

LIBRARY = "libcuda.so.1"
NO_DEVICE = 100  # CUDA_ERROR_NO_DEVICE
OUT_OF_MEMORY = 2
MAJOR, MINOR = 75, 76  # attributes: compute capability
NAME_BYTES = 256


@dataclass(frozen=True)
class Card:
    """What an engine belongs to, and what it may use.

    Attributes:
        name: of the card.
        capability: its compute capability, such as ``8.7``.
        cuda: the newest CUDA that the driver speaks, such as ``(13, 0)``.
        free, total: bytes of its memory.
    """

    name: str
    capability: str
    cuda: tuple[int, int]
    free: int
    total: int


class CudaDriver:
    """The first card. For one thread at a time, which has to :meth:`enter`."""

    def __init__(self, library: str = LIBRARY) -> None:
        """Start the driver.

        Raises:
            BackendError: there is no NVIDIA driver, or it finds no card.
        """
        try:
            self._cuda = ctypes.CDLL(library)
        except OSError as error:
            raise BackendError(
                f"TensorRT needs an NVIDIA card, and there is no driver of one ({error}). "
                "Install it, start a container with NVIDIA's runtime (`--runtime nvidia`), or use --backend "
                "xnnpack."
            ) from error
        self._check("cuInit", self._cuda.cuInit(0))
        self._device, self._context = ctypes.c_int(), ctypes.c_void_p()
        self._check("cuDeviceGet", self._cuda.cuDeviceGet(ctypes.byref(self._device), 0))
        retained = self._cuda.cuDevicePrimaryCtxRetain(ctypes.byref(self._context), self._device)
        self._check("cuDevicePrimaryCtxRetain", retained)
        self.enter()

    def enter(self) -> None:
        """Let this thread use the card: a driver is made in one thread and may be used in another."""
        self._check("cuCtxSetCurrent", self._cuda.cuCtxSetCurrent(self._context))

    def card(self) -> Card:
        """Ask for the card's facts, and what of its memory is free now."""
        name, version = ctypes.create_string_buffer(NAME_BYTES), ctypes.c_int()
        self._check("cuDeviceGetName", self._cuda.cuDeviceGetName(name, NAME_BYTES, self._device))
        self._check("cuDriverGetVersion", self._cuda.cuDriverGetVersion(ctypes.byref(version)))
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._check("cuMemGetInfo", self._cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
        return Card(
            name=name.value.decode(errors="replace"),
            capability=f"{self._attribute(MAJOR)}.{self._attribute(MINOR)}",
            cuda=(version.value // 1000, version.value % 1000 // 10),
            free=free.value,
            total=total.value,
        )

    def allocate(self, size: int) -> int:
        """Return the address of ``size`` bytes on the card."""
        address = ctypes.c_uint64()
        allocated = self._cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size))
        self._check("cuMemAlloc", allocated)
        return int(address.value)

    def free(self, address: int) -> None:
        """Give back what :meth:`allocate` gave."""
        self._check("cuMemFree", self._cuda.cuMemFree_v2(ctypes.c_uint64(address)))

    def stream(self) -> int:
        """Return a new stream."""
        made = ctypes.c_void_p()
        self._check("cuStreamCreate", self._cuda.cuStreamCreate(ctypes.byref(made), 0))
        return int(made.value or 0)

    def end_stream(self, stream: int) -> None:
        """Give back what :meth:`stream` gave."""
        self._check("cuStreamDestroy", self._cuda.cuStreamDestroy_v2(ctypes.c_void_p(stream)))

    def put(self, address: int, array: NDArray[Any], stream: int) -> None:
        """Begin to copy a contiguous ``array`` to the card; it must live until :meth:`wait`."""
        copied = self._cuda.cuMemcpyHtoDAsync_v2(
            ctypes.c_uint64(address),
            ctypes.c_void_p(array.ctypes.data),
            ctypes.c_size_t(array.nbytes),
            ctypes.c_void_p(stream),
        )
        self._check("cuMemcpyHtoDAsync", copied)

    def get(self, array: NDArray[Any], address: int, stream: int) -> None:
        """Begin to fill a contiguous ``array`` from the card; it is filled after :meth:`wait`."""
        copied = self._cuda.cuMemcpyDtoHAsync_v2(
            ctypes.c_void_p(array.ctypes.data),
            ctypes.c_uint64(address),
            ctypes.c_size_t(array.nbytes),
            ctypes.c_void_p(stream),
        )
        self._check("cuMemcpyDtoHAsync", copied)

    def wait(self, stream: int) -> None:
        """Return when all that was begun on ``stream`` is done."""
        self._check("cuStreamSynchronize", self._cuda.cuStreamSynchronize(ctypes.c_void_p(stream)))

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        asked = self._cuda.cuDeviceGetAttribute(ctypes.byref(value), number, self._device)
        self._check("cuDeviceGetAttribute", asked)
        return value.value

    def _check(self, what: str, code: int) -> None:
        if not code:
            return
        text = ctypes.c_char_p()
        self._cuda.cuGetErrorString(code, ctypes.byref(text))
        said = (text.value or b"unknown").decode(errors="replace")
        cure = "Check `nvidia-smi` (on a Jetson: `tegrastats`) and the driver"
        if code == NO_DEVICE:
            cure = "The driver finds no card: check `nvidia-smi`, and in a container NVIDIA's runtime"
        if code == OUT_OF_MEMORY:
            cure = "Other programs use the card's memory: end them"
        raise BackendError(
            f"NVIDIA's driver: {what} failed ({code}: {said}). {cure}, or use --backend xnnpack."
        )


def contiguous(values: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return float32 values in that shape, in one piece."""
    return np.ascontiguousarray(values, np.float32).reshape(shape)
