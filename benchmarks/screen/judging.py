"""What heads and images without a head tell, judged: in processes beside the one that has the GPU."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer.judge import Measured, Standard, fitted
from benchmarks.transfer.parts import PcaResidual, laplacian, of_residual
from benchmarks.transfer.protocols import Images
from keras_sranogan.detector.normals import from_bytes
from keras_sranogan.presets import preset
from sranogan_edge.image.preprocess import downscale, enhance
from sranogan_edge.scoring.residual import standardise


def on_the_cpu() -> None:
    """Keep a process from the GPU: called in it before it imports anything that would take it."""
    os.environ["JAX_PLATFORMS"] = "cpu"


def without_head(images: Images) -> dict[str, Standard]:
    """Return the parts that need no network, in standard deviations of held-out normals."""
    residual, parts = PcaResidual(images.fit, preset("standard")), {}
    held, views = residual.flat(images.held), {view: residual.flat(x) for view, x in images.judged.items()}
    for count in (0, 4, 16):
        there = {view: residual(x, count)[1] for view, x in views.items()}
        parts[f"pca_{count}"] = Measured(held[:0, :1], residual(held, count)[1], there)
    energy = {view: laplacian(x) for view, x in images.judged.items()}
    parts["laplacian_low"] = Measured(
        held[:0, :1], -laplacian(images.held), {v: -e for v, e in energy.items()}
    )
    parts = {name: Measured(one.held[:0], one.held, one.judged) for name, one in parts.items()}
    return standardised(parts, images, 0)


def standardised(measured: dict[str, Measured], images: Images, seed: int) -> dict[str, Standard]:
    """Return the parts in standard deviations of held-out normals."""
    return {name: fitted(one, images, seed)[0] for name, one in measured.items()}


def small(images: Images) -> dict[str, NDArray[np.float32]]:
    """Return the images at 64 px, contrast enhanced, in [0, 1], by what they are for."""
    spec = preset("standard").preprocess
    every = {"fit": images.fit, "held": images.held, **images.judged}
    return {
        name: np.stack([downscale(enhance(one, spec), 64) for one in from_bytes(rows)])
        for name, rows in every.items()
    }


def of_rebuilt(seen: dict[str, NDArray[np.float32]], rebuilt: dict[str, NDArray[np.float32]]) -> Measured:
    """Return what the residuals are like."""
    found = {}
    for name, rows in rebuilt.items():
        pairs = zip(seen[name][..., 0], rows[..., 0], strict=True)
        found[name] = of_residual(np.stack([standardise(x) - standardise(made) for x, made in pairs]))[1]
    held = found.pop("held")
    return Measured(held[:0], held, found)


def rebuilt_standard(
    name: str,
    seen: dict[str, NDArray[np.float32]],
    rebuilt: dict[str, NDArray[np.float32]],
    images: Images,
    seed: int,
) -> dict[str, Standard]:
    """Return the part of this name of reconstructions."""
    return standardised({name: of_rebuilt(seen, rebuilt)}, images, seed)
