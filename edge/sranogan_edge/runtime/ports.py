"""The border of a graph: float32 outside, whatever the graph holds inside."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Port:
    """One input or output tensor.

    Attributes:
        name: what the signature calls it.
        index: what the runtime calls it.
        shape: with the batch of 1.
        dtype: inside.
        scale: of one step, where ``dtype`` is an integer.
        zero_point: the step that means 0.
    """

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: type
    scale: float
    zero_point: int
    _limits: tuple[int, int] = field(init=False, repr=False, compare=False, default=(0, 0))

    def __post_init__(self) -> None:
        if self.dtype != np.float32:  # looked up once: np.iinfo takes longer than rounding does
            limits = np.iinfo(self.dtype)
            object.__setattr__(self, "_limits", (limits.min, limits.max))

    def quantise(self, values: Array) -> NDArray[Any]:
        """Round to the nearest step; beyond the ends values are held. Float32 passes as it is."""
        if self.dtype == np.float32:
            return values
        steps = np.multiply(values, np.float32(1.0 / self.scale), dtype=np.float32)
        np.rint(steps, out=steps)
        steps += np.float32(self.zero_point)
        low, high = self._limits
        np.maximum(steps, np.float32(low), out=steps)
        np.minimum(steps, np.float32(high), out=steps)
        rounded: NDArray[Any] = steps.astype(self.dtype)
        return rounded

    def dequantise(self, values: NDArray[Any]) -> Array:
        """Return float32, the inverse of :meth:`quantise` but for its rounding."""
        if self.dtype == np.float32:
            return values
        steps = values.astype(np.float32)
        steps -= np.float32(self.zero_point)
        steps *= np.float32(self.scale)
        return steps


def read_port(name: str, details: dict[str, Any]) -> Port:
    """Read a tensor's details as the TFLite runtimes state them."""
    scale, zero_point = details["quantization"]
    shape = tuple(int(side) for side in details["shape"])
    return Port(name, int(details["index"]), shape, details["dtype"], float(scale), int(zero_point))


class Ported:
    """What graphs have in common: named inputs and outputs."""

    _inputs: dict[str, Port]
    _outputs: dict[str, Port]

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each input, by name."""
        return {name: port.shape for name, port in self._inputs.items()}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each output, by name."""
        return {name: port.shape for name, port in self._outputs.items()}

    def _read_ports(self, runner: Any) -> None:
        """Take the details of a signature from one of the TFLite runtimes' signature runners."""
        self._inputs = {name: read_port(name, d) for name, d in runner.get_input_details().items()}
        self._outputs = {name: read_port(name, d) for name, d in runner.get_output_details().items()}
