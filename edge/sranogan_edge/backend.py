"""Which backend scores a bundle: what was asked for, or what proves itself here and is faster."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.bundle import GRAPHS, Bundle, signature
from sranogan_edge.errors import BackendError
from sranogan_edge.interpreter import LoadedGraph, check_backend, open_graph
from sranogan_edge.probe import probe

__all__ = ["BackendInUse", "choose_backend", "in_use", "open_graphs"]

logger = logging.getLogger(__name__)

DEVICES = ("dri/renderD*", "nvidia[0-9]*", "nvhost-gpu", "nvgpu", "nvmap", "mali[0-9]*", "kgsl-3d0", "dxg")
DRIVER_VARIABLES = ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")  # name a Vulkan driver, of a device or of software


@dataclass(frozen=True)
class BackendInUse:
    """What runs the graphs.

    Attributes:
        name: one of ``sranogan_edge.interpreter.BACKENDS``, never ``auto``.
        label: for people: runtime, version, device.
        fallback_reason: why it is not the GPU that ``auto`` found here; None where nothing fell back.
    """

    name: str
    label: str
    fallback_reason: str | None = None


def choose_backend(
    bundle: Bundle, wanted: str, threads: int, *, prove: bool = True
) -> tuple[str, str | None]:
    """Return the backend's name, and why ``auto`` did not take the GPU that is here.

    The GPU is first tried in a process of its own, with a time limit (:mod:`sranogan_edge.probe`).
    ``auto`` takes it where it reproduces the golden scores faster than XNNPACK does. With
    ``prove=False`` there is nothing to compare with: the GPU is taken when asked for, else XNNPACK.

    Raises:
        BackendError: ``gpu`` was asked for and does not work.
        SettingsError: no such backend.
    """
    check_backend(wanted)
    if not prove:
        return ("xnnpack" if wanted == "auto" else wanted), None
    if wanted == "gpu":
        report = probe(bundle, threads, ("gpu",))
        if report.failure:
            raise BackendError(
                f"--backend gpu cannot be used here: {report.failure.rstrip('.')}. Nothing was scored; "
                "--backend auto scores on the CPU where the GPU fails, and says so."
            )
        return "gpu", None
    if wanted != "auto":
        return wanted, None
    if not gpu_in_sight():
        return "xnnpack", None
    report = probe(bundle, threads, ("xnnpack", "gpu"))
    reason = report.failure
    gpu, cpu = (report.milliseconds.get(name, math.inf) for name in ("gpu", "xnnpack"))
    if not reason and gpu >= cpu:
        reason = f"the GPU takes {gpu:.1f} ms an image, XNNPACK {cpu:.1f} ms"
    if reason:
        logger.warning("scoring on the CPU, not on the GPU: %s", reason)
        return "xnnpack", reason
    return "gpu", None


def gpu_in_sight() -> bool:
    """Whether a probe is worth its seconds: there is a GPU's device file, or a driver is named."""
    if not sys.platform.startswith("linux"):
        return True
    named = any(os.environ.get(name) for name in DRIVER_VARIABLES)
    return named or any(next(Path("/dev").glob(pattern), None) for pattern in DEVICES)


def open_graphs(bundle: Bundle, backend: str, threads: int) -> dict[str, LoadedGraph]:
    """Load every graph of the bundle, set to its steps, on a backend that is not ``auto``.

    Raises:
        BackendError: it cannot load a graph, or the bundle has none for it.
    """
    return {name: _open(bundle, name, backend, threads) for name in GRAPHS}


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


def in_use(name: str, graphs: Mapping[str, LoadedGraph], fallback_reason: str | None) -> BackendInUse:
    """Describe what the graphs were opened on."""
    return BackendInUse(name, graphs[GRAPHS[0]].backend, fallback_reason)
