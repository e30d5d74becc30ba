"""The graphs of a bundle, opened on one backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sranogan_edge.bundle.bundle import GRAPHS, Bundle, signature
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.backends import TENSORRT, reads_onnx
from sranogan_edge.runtime.graph import LoadedGraph, open_graph

__all__ = ["BackendInUse", "OpenGraphs", "open_bundle_graph", "open_graphs"]


@dataclass(frozen=True)
class BackendInUse:
    """What runs the graphs.

    Attributes:
        name: one of ``sranogan_edge.runtime.backends.BACKENDS``, never ``auto``.
        label: for people: runtime, version, device.
        fallback_reason: why it is not the GPU that ``auto`` found here; None where nothing fell back.
    """

    name: str
    label: str
    fallback_reason: str | None = None


@dataclass(frozen=True, eq=False)
class OpenGraphs:
    """Loaded graphs, ready to run; not to be shared by threads.

    Attributes:
        by_name: each of :data:`sranogan_edge.bundle.bundle.GRAPHS`.
        backend: what runs them.
        threads: of the CPU.
    """

    by_name: Mapping[str, LoadedGraph]
    backend: BackendInUse
    threads: int = 1


def open_graphs(
    bundle: Bundle, backend: str = "xnnpack", threads: int = 1, fallback_reason: str | None = None
) -> OpenGraphs:
    """Load every graph of the bundle, set to its steps, on a backend that is not ``auto``.

    ``fallback_reason`` says why it is not the GPU (:func:`sranogan_edge.detector.backend.choose_backend`).

    Raises:
        BackendError: it cannot load a graph, or the bundle has none for it.
        SettingsError: no such backend.
    """
    opened = {name: open_bundle_graph(bundle, name, backend, threads) for name in GRAPHS}
    label = "; ".join(dict.fromkeys(graph.backend for graph in opened.values()))
    return OpenGraphs(opened, BackendInUse(backend, label, fallback_reason), threads)


def open_bundle_graph(bundle: Bundle, name: str, backend: str = "xnnpack", threads: int = 1) -> LoadedGraph:
    """Load one graph of the bundle, set to its steps, on a backend that is not ``auto``.

    Raises:
        BackendError: it cannot load the graph, or the bundle has none for it.
        SettingsError: no such backend.
    """
    called = signature(name, bundle.steps)
    if not reads_onnx(backend):
        return open_graph(bundle.graphs[name], name=name, signature=called, backend=backend, threads=threads)
    key = f"search_{called}" if name == "search" else name
    if key not in bundle.onnx:
        raise BackendError(
            f"this bundle has no ONNX graph {key!r}; export it with `sranogan-export --onnx`, or use "
            "--backend xnnpack."
        )
    refused = bundle.details.get("tensorrt", {}).get("refused", {}) if backend == TENSORRT else {}
    if key in refused:
        raise BackendError(
            f"TensorRT would refuse this bundle's graph {key!r}: {refused[key]}. Export it with "
            "`sranogan-export --int8 --symmetric --onnx`, --float16 --onnx or --float32 --onnx."
        )
    return open_graph(bundle.onnx[key], name=key, backend=backend, threads=threads, origin=bundle.sha256)
