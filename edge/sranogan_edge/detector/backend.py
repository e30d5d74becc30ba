"""Which backend scores a bundle: what was asked for, or what proves itself here and is faster."""

from __future__ import annotations

import logging
import math
import os
import sys
from pathlib import Path

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.detector.probe import probe
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.backends import check_backend

__all__ = ["choose_backend", "gpu_in_sight"]


logger = logging.getLogger(__name__)
DEVICES = ("dri/renderD*", "nvidia[0-9]*", "nvhost-gpu", "nvgpu", "nvmap", "mali[0-9]*", "kgsl-3d0", "dxg")
DRIVER_VARIABLES = ("VK_ICD_FILENAMES", "VK_DRIVER_FILES")  # name a Vulkan driver, of a device or of software


def choose_backend(bundle: Bundle, wanted: str, threads: int) -> tuple[str, str | None]:
    """Return the backend's name, and why ``auto`` did not take the GPU that is here.

    The GPU is first tried in a process of its own, with a time limit (:mod:`sranogan_edge.detector.probe`).
    ``auto`` takes it where it reproduces the golden scores faster than XNNPACK does.

    Raises:
        BackendError: ``gpu`` was asked for and does not work.
        SettingsError: no such backend.
    """
    check_backend(wanted)
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
