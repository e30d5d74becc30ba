"""The whole chains that are compared, by name, and what each is judged by; what lost stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.transfer.protocols import PROTOCOLS
from keras_sranogan.presets import preset
from keras_sranogan.settings import TrainSettings
from sranogan_edge.scoring.density import WHOLE_PARTS


@dataclass(frozen=True)
class Chain:
    """A whole training: ``standard`` with ``anogan`` changed, its head taught on spots, in grey."""

    says: str
    anogan: Mapping[str, Any] = field(default_factory=dict)

    def settings(self, seed: int) -> TrainSettings:
        """Return those of a run of this chain."""
        chosen = preset("standard", seed=seed, anomalies="spots")
        return replace(
            chosen,
            anogan=replace(chosen.anogan, **self.anogan),
            corrector=replace(chosen.corrector, steps=0),
        )


CHAINS = {
    "restores-64": Chain("E restores, 64 latent variables", {"restores": True, "latent_dim": 64}),
    "plain-128": Chain("E reconstructs, 128", {"restores": False, "latent_dim": 128}),
    "restores-128": Chain("E restores, 128", {"restores": True, "latent_dim": 128}),
    "plain-64": Chain("E reconstructs, 64", {"restores": False, "latent_dim": 64}),
    "restores-16": Chain("E restores, 16", {"restores": True, "latent_dim": 16}),
}
# What takes the residual's place: a way to reconstruct, the image itself, or nothing.
RESIDUALS = {
    "whole score": "as_trained",
    "without search": "steps_0",
    "without the CNN": "no_refiner",
    "without super-resolution": "bicubic",
    "the image in the residual's place": "image",
    "without reconstruction": None,
}
SUMS = ("plain AnoGAN", "f-AnoGAN", "sum of absolute x - SR(c(g(x)))")
CHAIN_SCORES = (*RESIDUALS, *WHOLE_PARTS, *SUMS)
CHAINED = tuple(name for name in PROTOCOLS if name != "pcb")  # at chance as whole images
