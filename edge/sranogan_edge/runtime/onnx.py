"""ONNX Runtime behind the face of :mod:`sranogan_edge.runtime.graph`: float32 in, float32 out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sranogan_edge.errors import BackendError
from sranogan_edge.extras import needs_extra
from sranogan_edge.runtime.ports import Array

PROVIDER = "CPUExecutionProvider"
ERRORS_ONLY = 3  # of ONNX Runtime's log


class OnnxGraph:
    """A loaded ONNX graph of batch 1, channels last outside. Not safe to share between threads."""

    def __init__(self, model: bytes, *, name: str, threads: int = 1) -> None:
        """Load ``model`` (an ``.onnx`` file's bytes) on the CPU with ``threads`` threads.

        Raises:
            BackendError: ONNX Runtime is not installed, or it cannot load the graph.
        """
        runtime = _runtime()
        self.name = name
        self.backend = f"onnxruntime {runtime.__version__} (CPU)"
        options = runtime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = ERRORS_ONLY
        try:
            self._session = runtime.InferenceSession(model, options, providers=[PROVIDER])
        except Exception as error:  # ONNX Runtime's errors have no class of their own in common
            raise BackendError(
                f"graph {name!r} cannot be loaded by {self.backend}: {error}. Update it with "
                "`pip install --upgrade onnxruntime`, or export the bundle again."
            ) from error
        self._inputs = _shapes(self._session.get_inputs())
        self._outputs = _shapes(self._session.get_outputs())

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each input, by name."""
        return dict(self._inputs)

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each output, by name."""
        return dict(self._outputs)

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. Takes and returns float32 arrays of the graph's shapes, by name."""
        given = {
            name: np.asarray(inputs[name], np.float32).reshape(shape) for name, shape in self._inputs.items()
        }
        return dict(zip(self._outputs, self._session.run(list(self._outputs), given), strict=True))

    def close(self) -> None:
        """Free the runtime's memory; the graph cannot be called again."""
        del self._session


def _runtime() -> Any:
    with needs_extra("onnx", "ONNX Runtime", kind=BackendError, instead="choose another --backend"):
        import onnxruntime
    return onnxruntime


def _shapes(ports: list[Any]) -> dict[str, tuple[int, ...]]:
    return {port.name: tuple(int(side) for side in port.shape) for port in ports}


__all__ = ["OnnxGraph"]
