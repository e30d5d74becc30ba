"""Every choice of a training run, one frozen dataclass per stage.

The resolved settings are saved in the run folder (``settings.json``); a run is resumed only with
the same settings.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from sranogan_edge.errors import SettingsError
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.cells import MOST_USUAL
from sranogan_edge.scoring.density import PARTS, WHOLE_PARTS
from sranogan_edge.text import meant

Precision = Literal["float32", "mixed_bfloat16"]
Start = Literal["encoder", "random"]
Optimiser = Literal["adam", "momentum"]
SearchKind = Literal["gradient", "learned", "encoder"]
Anomalies = Literal["opacities", "defects", "spots", "mixture", "flaws"]
Sees = Literal["search", "image"]
HeadStart = Literal["drawn", "random"]
PresetName = Literal["demo", "standard", "paper"]

SEARCH_SIDES_PX = (16, 32, 64, 128, 256)
MAX_CONTAMINATION = 0.3
SMALL_HEAD_PX = 64  # up to this side the head's stem halves it once, beyond it twice
DRAWN_WIDTH = 32  # of the head whose weights are shipped
MAX_SEED = 10_000_000  # the networks' initial weights are drawn from seeds 101 times as large, below 2**32


@dataclass(frozen=True)
class AnoganSettings:
    """Stage 1: the DCGAN and the encoder that starts its search.

    Measured on 1,141 radiographs (913 to train on), 2 cores, with 128 latent variables and an encoder that
    only reconstructs: 21 min for the GAN and 2 min for the encoder. Restoring adds 1 % to a step.
    """

    latent_dim: int = 64
    base_width: int = 16
    max_width: int = 128
    feature_block: int = 2  # the discriminator block whose output is f of the paper; 1 is the first
    steps: int = 5000
    batch: int = 32
    learning_rate: float = 5e-4
    beta_1: float = 0.5
    ema_decay: float = 0.998
    augment: bool = True
    spectral: bool = False  # spectral normalisation of D
    r1_weight: float = 1.0  # gamma of the R1 penalty on D
    r1_every: int = 4  # lazily, every so many steps
    reconstruction_weight: float = 10.0  # of |x - G(E(x))| in G's loss: every normal must be reachable
    latent_weight: float = 0.5  # of (E(G(z)) - z)^2 in E's loss while G is trained
    restores: bool = True  # every other normal is shown to E with a self-made anomaly, to be looked past
    encoder_steps: int = 1500
    encoder_learning_rate: float = 1e-3
    encoder_feature_weight: float = 1.0  # kappa of f-AnoGAN's izi_f loss


@dataclass(frozen=True)
class SearchSettings:
    """The latent search: loss (1 - weight) * sum|x - G(z)| + weight * sum|f(x) - f(G(z))|.

    ``gradient`` follows that loss's gradient; ``learned`` takes the steps of a network trained to lower it,
    see :class:`CorrectorSettings`; ``encoder`` takes none, the f-AnoGAN way.
    """

    kind: SearchKind = "gradient"
    steps: int = 8
    learning_rate: float = 0.05
    optimiser: Optimiser = "adam"
    start: Start = "encoder"
    restarts: int = 1
    feature_weight: float = 0.1  # lambda of the paper

    def __post_init__(self) -> None:
        check_choice("--search", self.kind, get_args(SearchKind))
        check_choice("optimiser", self.optimiser, get_args(Optimiser))
        check_choice("start", self.start, get_args(Start))
        if self.steps < 0 or self.restarts < 1 or not 0 <= self.feature_weight <= 1:
            raise SettingsError(
                "a search needs steps >= 0, restarts >= 1 and feature_weight in 0..1; "
                f"received steps={self.steps}, restarts={self.restarts}, feature_weight={self.feature_weight}"
            )
        if self.start == "encoder" and self.restarts > 1:
            raise SettingsError(
                "the encoder gives one start only, so restarts must be 1; use start=random to restart"
            )
        if self.kind != "gradient" and self.start != "encoder":
            raise SettingsError(
                f"a search of kind {self.kind} begins at the encoder; received start={self.start}"
            )
        if self.kind == "encoder" and self.steps:
            raise SettingsError(f"a search of kind encoder takes 0 steps; received steps={self.steps}")


@dataclass(frozen=True)
class CorrectorSettings:
    """The learned search: R, and its training through K steps of z <- z + R(x, G(z)) (ReStyle).

    With ``steps`` 0 there is none.
    """

    search_steps: int = 4  # K
    steps: int = 2000
    batch: int = 16
    learning_rate: float = 5e-4

    def __post_init__(self) -> None:
        if self.search_steps < 1:
            raise SettingsError(
                f"a learned search needs search_steps >= 1; received search_steps={self.search_steps}"
            )


@dataclass(frozen=True)
class RefinerSettings:
    """Stage 2: the two-layer CNN."""

    filters: int = 32
    kernel_px: int = 5
    steps: int = 1000
    batch: int = 32
    learning_rate: float = 1e-3


@dataclass(frozen=True)
class SrganSettings:
    """Stage 3: the super-resolution GAN (x2)."""

    filters: int = 32
    blocks: int = 4
    discriminator_width: int = 24
    feature_block: int = 2  # the discriminator block that the detector (and feature matching) compares
    steps: int = 2500
    batch: int = 8
    learning_rate: float = 4e-4
    adversarial_weight: float = 1e-3  # SRGAN, equation (3)
    feature_weight: float = 0.02
    warmup_share: float = 0.5  # of the steps, content loss alone, before the adversary joins


@dataclass(frozen=True)
class HeadSettings:
    """Stage 4's network, trained on normals with synthetic anomalies: 5 min on 2 cores as it stands.

    Chosen over all sets of ``docs/method/detection.md``.
    """

    anomalies: Anomalies = "spots"
    sees: Sees = "image"  # as it is judged, or as small as the search has it
    start: HeadStart = "drawn"  # weights learned on drawn images, or random ones
    width: int = 32
    steps: int = 1500
    pairs: int = 32  # normals a step, each with an anomalous twin
    learning_rate: float = 2e-3
    weight_decay: float = 0.01
    ema_decay: float = 0.99

    def __post_init__(self) -> None:
        check_choice("--anomalies", self.anomalies, get_args(Anomalies))
        check_choice("sees", self.sees, get_args(Sees))
        check_choice("start", self.start, get_args(HeadStart))

    def starts_drawn(self, side: int) -> bool:
        """Whether a head that sees images of this ``side`` has the drawn weights' form, and takes them."""
        return self.start == "drawn" and self.width == DRAWN_WIDTH and side > SMALL_HEAD_PX


@dataclass(frozen=True)
class DetectorSettings:
    """Stage 4: the densities of what normals measure, and the calibration, fitted on held-out normals."""

    parts: tuple[str, ...] = WHOLE_PARTS  # what the score is made of; a part left out is switched off
    folds: int = 20  # fewer are quicker, and densities of less make normals look farther off than they are
    jitter_copies: int = 4
    false_alarm_rate: float = 0.05
    contamination: float = 0.0  # share of the normals left out as suspect, where some may not be normal
    cells: int = 512  # usual cells of normals, by which heat is told too; 0: it goes without them
    with_image: bool = False  # the residual's density is of the image itself, too
    highest: int = 0  # of how many of the parts, the highest of an image, the score is the mean; 0: of all

    def __post_init__(self) -> None:
        if not 0 <= self.contamination <= MAX_CONTAMINATION:
            raise SettingsError(
                f"--contamination must be from 0 to {MAX_CONTAMINATION}; received {self.contamination}"
            )
        if not 0 <= self.cells <= MOST_USUAL:
            raise SettingsError(f"cells must be from 0 to {MOST_USUAL}; received {self.cells}")
        if not self.parts or not set(self.parts) <= set(PARTS):
            raise SettingsError(f"the score needs parts, of {', '.join(PARTS)}; received {self.parts}")
        if not 0 <= self.highest <= len(self.parts):
            raise SettingsError(
                f"detector.highest must be from 0 (all) to {len(self.parts)}, the number of parts; "
                f"received {self.highest}"
            )
        if not 0 < self.false_alarm_rate < 1 or self.folds < 2:
            raise SettingsError(
                "the detector needs 0 < false_alarm_rate < 1 and folds >= 2; "
                f"received false_alarm_rate={self.false_alarm_rate}, folds={self.folds}"
            )


@dataclass(frozen=True)
class TileSettings:
    """How many tiles a run learns from, where images are judged in tiles (``preprocess.fit``).

    Attributes:
        train: drawn from the images to train on, at least one of each.
        held_out: of held-out images, each covered as in scoring; and as many drawn from jittered copies.
    """

    train: int = 4000
    held_out: int = 4000

    def __post_init__(self) -> None:
        if min(self.train, self.held_out) < 1:
            raise SettingsError(
                "tiles need train and held_out of at least 1; "
                f"received train={self.train}, held_out={self.held_out}"
            )


@dataclass(frozen=True)
class TrainSettings:
    """A whole run. ``preprocess.size`` is the side judged at; the search runs at half of it."""

    preset: PresetName = "standard"
    seed: int = 0
    precision: Precision = "mixed_bfloat16"
    calibration_share: float = 0.2
    checkpoint_every_steps: int = 250
    preprocess: PreprocessSpec = field(default_factory=PreprocessSpec)
    anogan: AnoganSettings = field(default_factory=AnoganSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    refiner: RefinerSettings = field(default_factory=RefinerSettings)
    srgan: SrganSettings = field(default_factory=SrganSettings)
    head: HeadSettings = field(default_factory=HeadSettings)
    corrector: CorrectorSettings = field(default_factory=CorrectorSettings)
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    tiles: TileSettings = field(default_factory=TileSettings)

    def __post_init__(self) -> None:
        if self.search_size not in SEARCH_SIDES_PX or self.preprocess.size % 2:
            sizes = ", ".join(str(2 * side) for side in SEARCH_SIDES_PX)
            raise SettingsError(f"--size must be one of {sizes}; received {self.preprocess.size}")
        if not 0 <= self.seed <= MAX_SEED:
            raise SettingsError(f"--seed must be from 0 to {MAX_SEED}; received {self.seed}")
        check_choice("--precision", self.precision, get_args(Precision))

    @property
    def head_side(self) -> int:
        """Side in pixels of the head's input."""
        whole = self.head.sees == "image"
        return min(self.preprocess.size, 128) if whole else min(self.search_size, 64)

    @property
    def search_size(self) -> int:
        """Side in pixels at which the latent search runs."""
        return self.preprocess.size // 2

    def search_of(self, kind: SearchKind | None = None, steps: int | None = None) -> SearchSettings:
        """Return this run's search, of another ``kind`` or length where they are given.

        Without ``steps`` the encoder's search has none, the learned one as many as R was trained for.
        """
        kind = kind or self.search.kind
        if steps is None:
            usual = {"gradient": SearchSettings.steps, "learned": self.corrector.search_steps, "encoder": 0}
            steps = self.search.steps if kind == self.search.kind else usual[kind]
        return replace(self.search, kind=kind, steps=steps)

    def to_dict(self) -> dict[str, Any]:
        """Return plain types, ready for JSON; nothing of tiles where there are none."""
        values = {**asdict(self), "preprocess": self.preprocess.to_dict()}
        if not self.preprocess.tiled:
            del values["tiles"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> TrainSettings:
        """Rebuild from :meth:`to_dict`; raises SettingsError for a name that is not a setting."""
        if isinstance(values.get("anogan"), dict):  # as E was taught before it could restore
            values = {**values, "anogan": {"restores": False, **values["anogan"]}}
        if isinstance(values.get("head"), dict):  # as heads were when runs did not say so
            values = {**values, "head": {"sees": "search", "start": "random", **values["head"]}}
        if isinstance(values.get("detector"), dict):  # and heat was told without cells
            values = {**values, "detector": {"cells": 0, **values["detector"]}}
        return _from_dict(cls, values)


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise SettingsError where ``value`` of the option ``name`` is none of those ``allowed``."""
    if value not in allowed:
        near = meant(value, allowed)
        raise SettingsError(f"{name} must be one of {', '.join(allowed)}; received {value!r}{near}")


T = TypeVar("T")


def _from_dict(cls: type[T], values: dict[str, Any]) -> T:
    hints = get_type_hints(cls)
    unknown = set(values) - {f.name for f in fields(cls)}  # type: ignore[arg-type]  # every caller passes a dataclass
    if unknown:
        known = ", ".join(f.name for f in fields(cls))  # type: ignore[arg-type]  # the same
        raise SettingsError(
            f"unknown {cls.__name__} setting(s): {', '.join(sorted(unknown))}; there are {known}"
        )
    built: dict[str, Any] = {}
    for name, value in values.items():
        hint = hints[name]
        if is_dataclass(hint) and isinstance(hint, type):
            value = _from_dict(hint, value)
        built[name] = tuple(value) if isinstance(value, list) else value
    return cls(**built)
