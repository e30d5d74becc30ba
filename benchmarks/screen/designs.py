"""What is screened, by name: where a head starts, and how it is then trained on a set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from keras_sranogan.settings import Anomalies


@dataclass(frozen=True)
class Form:
    """What a program is compiled for."""

    anomalies: Anomalies = "spots"
    pairs: int = 16
    width: int = 32
    kinds: bool = False  # whether the sort of anomaly is learned, too
    side: int = 128


@dataclass(frozen=True)
class Start:
    """A head taught on drawn images.

    Attributes:
        says: what it is.
        wide: whether on pictures of nothing, too.
    """

    says: str
    wide: bool
    steps: int = 16_000
    pairs: int = 32
    anomalies: Anomalies = "mixture"
    width: int = 32
    kinds: bool = False
    peak: float = 2e-3

    @property
    def form(self) -> Form:
        """What its program is compiled for."""
        return Form(self.anomalies, self.pairs, self.width, self.kinds)


@dataclass(frozen=True)
class Fine:
    """A training on a set, from a start."""

    anomalies: Anomalies = "spots"
    steps: int = 700
    pairs: int = 16
    peak: float = 2e-3


STARTS = {
    "long": Start("phantoms, 16,000 steps of 32", wide=False),
    "wide": Start("phantoms and pictures of nothing, 16,000 steps of 32", wide=True),
    "wide-kinds": Start("the same, sorts of anomalies told apart", wide=True, kinds=True),
    "wide-64": Start("phantoms and pictures of nothing, twice as wide", wide=True, width=64),
    "wide-spots": Start("phantoms and pictures of nothing, spots alone", wide=True, anomalies="spots"),
}
SHIPPED, RANDOM = "shipped", "random"
REBUILD = "rebuild"  # no head: what is then trained are kinds of rebuild.KINDS

FINES = {
    "spots": Fine(),
    "spots-slow": Fine(peak=5e-4),
    "spots-0": Fine(steps=0),
    "spots-350": Fine(steps=350),
    "spots-1500": Fine(steps=1500),
    "spots-32": Fine(steps=1500, pairs=32),
    "mixture": Fine("mixture"),
    "mixture-slow": Fine("mixture", peak=5e-4),
    "defects": Fine("defects"),
}


class Kind(NamedTuple):
    """How an image is rebuilt."""

    latents: int
    restores: bool
    steps: int = 1500


KINDS: Mapping[str, Kind] = {
    "ae_4": Kind(4, restores=False),
    "ae_16": Kind(16, restores=False),
    "ae_128": Kind(128, restores=False),
    "restore_16": Kind(16, restores=True),
    "restore_64": Kind(64, restores=True),
    "restore_128": Kind(128, restores=True),
}
