"""Chains of convolutions as TFLite graphs, made on the device: what its fastest arithmetic is measured with.

A peak that was measured by the runtime in use, on the machine in use, says how far a graph is from
what that pair can do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Arithmetic = Literal["int8", "float32"]

ACTIVATION_SCALE, KERNEL_SCALE = 0.05, 0.005
END_CHANNELS = 4


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

    Raises:
        ImportError: LiteRT, which knows the format, is not installed.
    """
    from sranogan_edge.runtime.tflite_file import made, packed, schema

    weights = [array for pair in _kernels(chain) for array in _weights(pair, chain.kernel, arithmetic)]
    images = [(1, chain.side, chain.side, width) for width in chain.widths]
    tensors = [_tensor(array.shape, array.dtype.name, number + 1) for number, array in enumerate(weights)]
    first, last = len(tensors), len(tensors) + len(images) - 1
    tensors += [_tensor(shape, arithmetic) for shape in images]
    kernels = [0, *[2] * chain.depth, 4]
    convolution = schema.BuiltinOperator.CONV_2D
    graph = made(
        schema.SubGraphT,
        tensors=tensors,
        inputs=[first],
        outputs=[last],
        operators=[_convolution(first + number, kernel) for number, kernel in enumerate(kernels)],
    )
    ports = {"inputs": ("x", first), "outputs": ("y", last)}
    maps = {
        end: [made(schema.TensorMapT, name=name, tensorIndex=place)] for end, (name, place) in ports.items()
    }
    constants = [made(schema.BufferT, data=np.frombuffer(array.tobytes(), np.uint8)) for array in weights]
    return packed(
        made(
            schema.ModelT,
            version=3,
            operatorCodes=[
                made(schema.OperatorCodeT, builtinCode=convolution, deprecatedBuiltinCode=convolution)
            ],
            subgraphs=[graph],
            buffers=[schema.BufferT(), *constants],
            signatureDefs=[made(schema.SignatureDefT, signatureKey="serving_default", **maps)],
        )
    )


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


def _tensor(shape: tuple[int, ...], kind: str, buffer: int = 0) -> Any:
    """An image, or what ``buffer`` holds: a kernel (four axes) or its bias (one)."""
    from sranogan_edge.runtime.tflite_file import made, schema

    scale = KERNEL_SCALE if buffer and len(shape) == 4 else ACTIVATION_SCALE
    scale *= KERNEL_SCALE if len(shape) == 1 else 1
    steps = made(schema.QuantizationParametersT, scale=[scale], zeroPoint=[0])
    quantised = {} if kind == "float32" else {"quantization": steps}
    number = getattr(schema.TensorType, kind.upper())
    return made(schema.TensorT, shape=list(shape), type=number, buffer=buffer, **quantised)


def _convolution(source: int, kernel: int) -> Any:
    from sranogan_edge.runtime.tflite_file import made, schema

    return made(
        schema.OperatorT,
        inputs=[source, kernel, kernel + 1],
        outputs=[source + 1],
        builtinOptionsType=schema.BuiltinOptions.Conv2DOptions,
        builtinOptions=made(schema.Conv2DOptionsT, padding=schema.Padding.SAME, strideW=1, strideH=1),
    )
