"""ONNX Runtime behind the face of :mod:`sranogan_edge.runtime.graph`: float32 in, float32 out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sranogan_edge.errors import BackendError
from sranogan_edge.extras import needs_extra
from sranogan_edge.runtime.ports import Array
from sranogan_edge.runtime.providers import open_session, provider_of


class OnnxGraph:
    """A loaded ONNX graph of batch 1, channels last outside. Not safe to share between threads."""

    def __init__(self, model: bytes, *, name: str, threads: int = 1, provider: str = "cpu") -> None:
        """Load ``model`` (an ``.onnx`` file's bytes) with ``threads`` threads of the CPU.

        ``provider`` is one of :data:`sranogan_edge.runtime.providers.PROVIDERS`.

        Raises:
            BackendError: ONNX Runtime or the provider is not installed, or it cannot load the graph.
            SettingsError: no such provider.
        """
        chosen, runtime = provider_of(provider), _runtime()
        self.name = name
        try:
            self._session, self.backend = open_session(runtime, model, chosen, threads)
        except BackendError:
            raise
        except Exception as error:  # ONNX Runtime's errors have no class of their own in common
            raise BackendError(
                f"graph {name!r} cannot be loaded by onnxruntime {runtime.__version__} ({chosen.label}): "
                f"{error}. Update it with `pip install --upgrade {chosen.package}`, or export the bundle "
                "again."
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
