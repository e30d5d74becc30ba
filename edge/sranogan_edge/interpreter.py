"""One small face over the TFLite runtimes: float32 in, float32 out, whatever the graph holds inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import BackendError

Array = NDArray[np.float32]
CURE = "Update the runtime with `pip install --upgrade ai-edge-litert`, or export the bundle again."


@dataclass(frozen=True)
class _Port:
    """One input or output tensor."""

    name: str
    index: int
    shape: tuple[int, ...]
    dtype: type
    scale: float
    zero_point: int

    def quantise(self, values: Array) -> NDArray[Any]:
        if self.dtype == np.float32:
            return np.asarray(values)
        limits = np.iinfo(self.dtype)
        steps = np.rint(values * np.float32(1.0 / self.scale)) + self.zero_point
        return np.asarray(np.clip(steps, limits.min, limits.max), dtype=self.dtype)

    def dequantise(self, values: NDArray[Any]) -> Array:
        if self.dtype == np.float32:
            return np.asarray(values, dtype=np.float32)
        steps = values.astype(np.float32) - np.float32(self.zero_point)
        return np.asarray(steps * np.float32(self.scale), dtype=np.float32)


class Graph:
    """A loaded graph of batch 1. Not safe to share between threads."""

    def __init__(self, model: bytes, *, name: str, threads: int = 1) -> None:
        """Load ``model`` (a ``.tflite`` file's bytes) on the CPU with ``threads`` threads.

        Raises:
            BackendError: no runtime is installed, or it cannot load the graph.
        """
        interpreter_class = _interpreter_class()
        try:
            self._interpreter = interpreter_class(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
            runner = self._interpreter.get_signature_runner("serving_default")
        except (ValueError, RuntimeError) as error:
            raise BackendError(
                f"graph {name!r} cannot be loaded by {backend_name()}: {error}. {CURE}"
            ) from error
        self._inputs = {name: _port(name, d) for name, d in runner.get_input_details().items()}
        self._outputs = {name: _port(name, d) for name, d in runner.get_output_details().items()}
        self.name = name

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each input, by name."""
        return {name: port.shape for name, port in self._inputs.items()}

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each output, by name."""
        return {name: port.shape for name, port in self._outputs.items()}

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. Takes and returns float32 arrays of the graph's shapes, by name."""
        for name, port in self._inputs.items():
            self._interpreter.set_tensor(port.index, port.quantise(inputs[name].reshape(port.shape)))
        self._interpreter.invoke()
        return {
            name: port.dequantise(self._interpreter.get_tensor(port.index))
            for name, port in self._outputs.items()
        }


def _port(name: str, details: dict[str, Any]) -> _Port:
    scale, zero_point = details["quantization"]
    shape = tuple(int(side) for side in details["shape"])
    return _Port(name, details["index"], shape, details["dtype"], float(scale), int(zero_point))


def _interpreter_class() -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as first:
        try:
            from tflite_runtime.interpreter import Interpreter
        except ImportError as error:
            raise BackendError(
                f"no TFLite runtime can be imported ({first}); run `pip install ai-edge-litert` "
                "(or, on Python 3.9 to 3.11 with numpy<2, `pip install tflite-runtime`)"
            ) from error
    return Interpreter


def backend_name() -> str:
    """Name and version of the runtime in use, e.g. ``ai-edge-litert 2.3.0 (XNNPACK)``, or ``none``."""
    try:
        module: str = _interpreter_class().__module__
    except BackendError:
        return "none"
    name = module.partition(".")[0].replace("_", "-")
    try:
        return f"{name} {version(name)} (XNNPACK)"
    except PackageNotFoundError:
        return f"{name} (XNNPACK)"
