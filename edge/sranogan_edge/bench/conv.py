"""Chains of convolutions as TFLite graphs, made on the device: what its fastest arithmetic is measured with.

A peak that was measured by the runtime in use, on the machine in use, says how far a graph is from
what that pair can do. The graphs are written here, with nothing but the flatbuffers package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import flatbuffers
import numpy as np
from flatbuffers import number_types
from numpy.typing import NDArray

from sranogan_edge.bench.graphs import CONV_2D

Arithmetic = Literal["int8", "float32"]
Scalar = tuple[type, int]

SCHEMA = 3
FILE_ID = b"TFL3"
ALIGNMENT_BYTES = 16  # of a buffer's data, as the schema asks
CONV_2D_OPTIONS = 1  # in the union of operator options
TYPE_NUMBER = {"float32": 0, "int32": 2, "int8": 9}
ACTIVATION_SCALE, KERNEL_SCALE = 0.05, 0.005
END_CHANNELS = 4
INT8, INT32, UINT32 = number_types.Int8Flags, number_types.Int32Flags, number_types.Uint32Flags


@dataclass(frozen=True)
class Chain:
    """``depth`` equal convolutions, and one at each end, so that what goes in and out is small.

    Attributes:
        side: of the square image, in pixels.
        channels: between the convolutions.
        kernel: side of the kernel, in pixels.
        depth: how many; they share one kernel.
    """

    side: int
    channels: int
    kernel: int
    depth: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of the input, between the convolutions, and of the output."""
        return (END_CHANNELS, *[self.channels] * (self.depth + 1), END_CHANNELS)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one run."""
        products = sum(a * b for a, b in zip(self.widths, self.widths[1:]))  # noqa: B905 (one is shorter)
        return self.side**2 * self.kernel**2 * products


def conv_chain(chain: Chain, arithmetic: Arithmetic) -> bytes:
    """Return the ``.tflite`` file of ``chain``: signature ``serving_default``, input ``x``, output ``y``.

    ``x`` and ``y`` are ``(1, side, side, END_CHANNELS)`` in ``arithmetic``.
    """
    builder = flatbuffers.Builder(1024)
    weights = [array for pair in _kernels(chain) for array in _weights(pair, chain.kernel, arithmetic)]
    buffers = [_buffer(builder, data) for data in (b"", *(array.tobytes() for array in weights))]
    model = _table(
        builder,
        8,
        scalars={0: (UINT32, SCHEMA)},
        offsets={
            1: _tables(builder, [_table(builder, 4, scalars={0: (INT8, CONV_2D), 3: (INT32, CONV_2D)})]),
            2: _tables(builder, [_subgraph(builder, chain, arithmetic)]),
            4: _tables(builder, buffers),
            7: _tables(builder, [_signature(builder, chain)]),
        },
    )
    builder.Finish(model, file_identifier=FILE_ID)
    return bytes(builder.Output())


def _kernels(chain: Chain) -> list[tuple[int, int]]:
    """Channels in and out of each different kernel; kernel ``i`` and its bias are tensors 2i and 2i + 1."""
    return [(END_CHANNELS, chain.channels), (chain.channels, chain.channels), (chain.channels, END_CHANNELS)]


def _weights(
    channels: tuple[int, int], side: int, arithmetic: Arithmetic
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Return a kernel ``(C_out, side, side, C_in)`` and its bias ``(C_out,)``."""
    rng = np.random.default_rng(0)
    shape = (channels[1], side, side, channels[0])
    if arithmetic == "int8":
        return rng.integers(-127, 128, shape).astype(np.int8), np.zeros(channels[1], np.int32)
    scale = np.sqrt(1 / (side**2 * channels[0]))  # keeps the values' size along the chain
    return rng.normal(0, scale, shape).astype(np.float32), np.zeros(channels[1], np.float32)


def _subgraph(builder: flatbuffers.Builder, chain: Chain, arithmetic: Arithmetic) -> int:
    """Tensors: kernels and biases, then the image before and after each convolution."""
    sums = "int32" if arithmetic == "int8" else "float32"
    tensors = []
    for number, (taken, given) in enumerate(_kernels(chain)):
        shape = (given, chain.kernel, chain.kernel, taken)
        tensors.append(_tensor(builder, shape, arithmetic, KERNEL_SCALE, buffer=2 * number + 1))
        scale = ACTIVATION_SCALE * KERNEL_SCALE
        tensors.append(_tensor(builder, (given,), sums, scale, buffer=2 * number + 2))
    first = len(tensors)
    for width in chain.widths:
        image = (1, chain.side, chain.side, width)
        tensors.append(_tensor(builder, image, arithmetic, ACTIVATION_SCALE))
    kernels = [0, *[2] * chain.depth, 4]
    operators = [_convolution(builder, first + i, kernel) for i, kernel in enumerate(kernels)]
    ends = (_numbers(builder, [place]) for place in _ends(chain))
    offsets = {0: _tables(builder, tensors), **dict(zip((1, 2), ends, strict=True))}
    return _table(builder, 5, offsets={**offsets, 3: _tables(builder, operators)})


def _ends(chain: Chain) -> tuple[int, int]:
    """Return the tensors that go in and out."""
    first = 2 * len(_kernels(chain))
    return first, first + len(chain.widths) - 1


def _tensor(
    builder: flatbuffers.Builder, shape: Sequence[int], kind: str, scale: float, buffer: int = 0
) -> int:
    offsets = {0: _numbers(builder, shape)}
    if kind != "float32":
        scales = builder.CreateNumpyVector(np.array([scale], np.float32))
        zeros = builder.CreateNumpyVector(np.zeros(1, np.int64))
        offsets[4] = _table(builder, 7, offsets={2: scales, 3: zeros})
    scalars = {1: (INT8, TYPE_NUMBER[kind]), 2: (UINT32, buffer)}
    return _table(builder, 8, scalars=scalars, offsets=offsets)


def _convolution(builder: flatbuffers.Builder, source: int, kernel: int) -> int:
    options = _table(builder, 6, scalars=dict.fromkeys((1, 2, 4, 5), (INT32, 1)))  # SAME, stride 1
    inputs = _numbers(builder, [source, kernel, kernel + 1])
    offsets = {1: inputs, 2: _numbers(builder, [source + 1]), 4: options}
    return _table(builder, 9, scalars={3: (number_types.Uint8Flags, CONV_2D_OPTIONS)}, offsets=offsets)


def _signature(builder: flatbuffers.Builder, chain: Chain) -> int:
    def port(name: str, tensor: int) -> int:
        text = builder.CreateString(name)
        return _tables(builder, [_table(builder, 2, scalars={1: (UINT32, tensor)}, offsets={0: text})])

    key = builder.CreateString("serving_default")
    given, made = _ends(chain)
    return _table(builder, 5, offsets={0: port("x", given), 1: port("y", made), 2: key})


def _buffer(builder: flatbuffers.Builder, data: bytes) -> int:
    if not data:
        return _table(builder, 1)
    builder.StartVector(1, len(data), ALIGNMENT_BYTES)
    builder.head -= len(data)
    builder.Bytes[builder.head : builder.head + len(data)] = data
    return _table(builder, 1, offsets={0: builder.EndVector()})


def _table(
    builder: flatbuffers.Builder,
    fields: int,
    scalars: Mapping[int, Scalar] | None = None,
    offsets: Mapping[int, int] | None = None,
) -> int:
    """Write a table; values that are 0, the schema's default, are left out."""
    builder.StartObject(fields)
    for slot, (flags, value) in (scalars or {}).items():
        builder.PrependSlot(flags, slot, value, 0)
    for slot, offset in (offsets or {}).items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    return int(builder.EndObject())


def _tables(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())


def _numbers(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return int(builder.CreateNumpyVector(np.array(values, np.int32)))
