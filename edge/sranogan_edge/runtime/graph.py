"""One small face over the runtimes: float32 in, float32 out, whatever runs the graph and however."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from sranogan_edge.errors import SettingsError
from sranogan_edge.runtime.backends import DELEGATE, TENSORRT, check_backend, reads_onnx
from sranogan_edge.runtime.litert import Graph, backend_name
from sranogan_edge.runtime.ports import Array

__all__ = [
    "Array",
    "Graph",
    "LoadedGraph",
    "backend_name",
    "open_graph",
]


class LoadedGraph(Protocol):
    """A graph of batch 1, ready to run. Not safe to share between threads."""

    @property
    def backend(self) -> str:
        """What runs it, for people, e.g. ``ai-edge-litert 2.3.0 (XNNPACK)``."""

    @property
    def inputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each input, by name."""

    @property
    def outputs(self) -> dict[str, tuple[int, ...]]:
        """Shape of each output, by name."""

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once. Takes and returns float32 arrays of the graph's shapes, by name."""

    def close(self) -> None:
        """Free the runtime's memory; the graph cannot be called again."""


def open_graph(
    model: bytes,
    *,
    name: str,
    signature: str = "serving_default",
    backend: str = "xnnpack",
    threads: int = 1,
    origin: str = "",
) -> LoadedGraph:
    """Load one signature of a model on one backend, and no other.

    Args:
        model: a ``.tflite`` file's bytes; an ``.onnx`` file's where the backend ``reads_onnx``.
        name: of the graph, for messages.
        signature: which one to run; an ONNX model has just one.
        backend: any of ``BACKENDS`` (beside this module) but ``auto``, a choice over whole bundles
            (:mod:`sranogan_edge.detector.backend`).
        threads: of the CPU.
        origin: SHA-256 of the bundle that the graph is of, where what is built of it is kept.

    Raises:
        BackendError: it is not installed, or cannot load the graph.
        SettingsError: no such backend.
    """
    check_backend(backend)
    if backend == "xnnpack":
        return Graph(model, name=name, signature=signature, threads=threads)
    if backend == "tflite-runtime":
        return Graph(model, name=name, signature=signature, threads=threads, runtime="tflite-runtime")
    if backend.startswith(DELEGATE):
        library = Path(backend[len(DELEGATE) :])
        return Graph(model, name=name, signature=signature, threads=threads, delegate=library)
    if backend == "gpu":
        from sranogan_edge.runtime.gpu import GpuGraph

        return GpuGraph(model, name=name, signature=signature)
    if backend == TENSORRT:
        from sranogan_edge.runtime.tensorrt import TensorRtGraph

        return TensorRtGraph(model, name=name, origin=origin)
    if reads_onnx(backend):
        from sranogan_edge.runtime.onnx import OnnxGraph

        return OnnxGraph(model, name=name, threads=threads, provider=backend.partition(":")[2] or "cpu")
    raise SettingsError(f"the backend {backend!r} is chosen for a whole bundle, not for graph {name!r}")
