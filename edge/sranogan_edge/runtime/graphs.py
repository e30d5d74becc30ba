"""The graphs of a bundle, opened on one backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sranogan_edge.bundle.bundle import GRAPHS, Bundle, signature
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.graph import LoadedGraph, open_graph

__all__ = ["BackendInUse", "OpenGraphs", "open_graphs"]


@dataclass(frozen=True)
class BackendInUse:
    """What runs the graphs.

    Attributes:
        name: one of ``sranogan_edge.runtime.graph.BACKENDS``, never ``auto``.
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
    opened = {name: _open(bundle, name, backend, threads) for name in GRAPHS}
    return OpenGraphs(opened, BackendInUse(backend, opened[GRAPHS[0]].backend, fallback_reason), threads)


def _open(bundle: Bundle, name: str, backend: str, threads: int) -> LoadedGraph:
    called = signature(name, bundle.steps)
    if backend != "onnx":
        return open_graph(bundle.graphs[name], name=name, signature=called, backend=backend, threads=threads)
    key = f"search_{called}" if name == "search" else name
    if key not in bundle.onnx:
        raise BackendError(
            f"this bundle has no ONNX graph {key!r}; export it with `sranogan-export --onnx`, or use "
            "--backend xnnpack."
        )
    return open_graph(bundle.onnx[key], name=name, backend=backend, threads=threads)
