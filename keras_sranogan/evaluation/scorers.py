"""What is evaluated, behind one base: a run folder (Keras, float32) or a bundle (the device's own path)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.copies import Prints, prints_of
from keras_sranogan.data.load import LoadedImages
from keras_sranogan.evaluation.scored import Advance, Images, OnHeat, Scored, by_part, nothing_with_heat
from keras_sranogan.evaluation.scored_tiles import measured_by, scored_in_tiles
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import RunError
from sranogan_edge.image.align import Aligner
from sranogan_edge.image.preprocess import PreprocessSpec, downscale
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.measurement import Measurement, Reconstruction
from sranogan_edge.scoring.residual import raw_distance

if TYPE_CHECKING:
    from keras_sranogan.run import Run

SEARCH_BATCH = 32
ANOGAN_LEARNING_RATE = 0.1  # steps of Adam this long cross the prior of z in 100 steps
RUN_ANOGAN = (
    "sum over pixels of |x - G(z)| (0-255 scale) at the search size, z found from a random start by gradient "
    "descent on the paper's loss; auroc_paper_loss judges by that loss itself"
)
BUNDLE_ANOGAN = (
    "sum over pixels of |x - g(x)| (0-255 scale) at the search size, g(x) from the device's own search, "
    "which starts at the encoder: not the paper's random start"
)


@dataclass(frozen=True, eq=False)
class PlainAnogan:
    """The baseline that SR-AnoGAN sets out to beat.

    Attributes:
        score: ``(N,)`` float64, the sum of absolute differences.
        method: what was computed, in words.
        paper_loss: ``(N,)``, the search's loss, (1 - lambda) * residual + lambda * feature; may be None.
        settings: of its search.
    """

    score: NDArray[np.float64]
    method: str
    paper_loss: NDArray[np.float64] | None = None
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Facts:
    """What a report states about a model.

    Attributes:
        kind: ``"run"`` or ``"bundle"``.
        settings: of its training, or of the bundle.
        provenance: data, versions and machine of its training.
        reconstruction_quality: of held-out normals, measured in training; None where unknown.
        prints: of the normals of its training, to tell copies of them; None where they are not there.
    """

    kind: str
    settings: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    reconstruction_quality: dict[str, Any] | None = None
    prints: Prints | None = None


class Scorer(Protocol):
    """Anything that scores images of its own preprocessing."""

    facts: Facts
    preprocess: PreprocessSpec
    aligner: Aligner | None
    calibration: Calibration
    heat_limit: float

    def score(self, x: Images, advance: Advance) -> Scored:
        """Score ``x``; ``advance`` is told the number finished."""
        ...

    def plain_anogan(self, x: Images, scored: Scored, seed: int, advance: Advance) -> PlainAnogan:
        """Score ``x`` as plain AnoGAN does; ``scored`` is what :meth:`score` said of the same images."""
        ...


class TileScorer(Scorer, Protocol):
    """What scores large images in tiles, too."""

    def score_tiles(
        self, images: LoadedImages, advance: Advance, on_heat: OnHeat = nothing_with_heat
    ) -> Scored:
        """Score images in tiles, each read again; ``advance`` is told the number finished."""
        ...


def score_images(
    scorer: Scorer, images: LoadedImages, advance: Advance, on_heat: OnHeat = nothing_with_heat
) -> Scored:
    """Score ``images`` as a whole or in tiles, as the model judges them; ``on_heat`` gets each heat map.

    That is of the image as it came; what is returned is of images as they were judged, aligned or not.
    """
    if scorer.preprocess.tiled:
        return cast(TileScorer, scorer).score_tiles(images, advance, on_heat)
    scored = scorer.score(images.x, advance)
    for number, heat in enumerate(scored.heat):
        lies = images.alignments[number] if images.alignments else None
        on_heat(number, lies.laid_back(heat, scorer.preprocess) if lies else heat)
    return scored


def open_scorer(model: Path, *, anogan_steps: int) -> Scorer:
    """Open a run folder or a bundle.

    Raises:
        RunError: neither is there, or the run is unfinished or damaged.
        BundleError: the bundle is refused.
        BackendError: LiteRT is missing or cannot load a graph.
    """
    if model.is_dir():
        return RunScorer(model, anogan_steps=anogan_steps)
    if model.is_file():
        return BundleScorer(model)
    raise RunError(f"{model}: no such run folder or bundle. Name the --out of sranogan-train, or a bundle.")


def _prints(run: Run) -> Prints | None:
    """Of the images that a run was trained on, held-out ones included; None in a run that kept none."""
    from keras_sranogan.detector.reconstruct import downscale_all

    if not all((run.folder / "detector" / name).exists() for name in ("seen.npy", "normals.npz")):
        return None
    if run.settings.preprocess.tiled:  # of these there are tiles alone
        return None
    fit, held_out = run.seen()[: run.provenance["normals_to_train"]], run.held_out_normals()
    return prints_of(np.concatenate([fit, downscale_all(held_out.x[held_out.original], fit.shape[1])]))


class RunScorer:
    """A run folder, through Keras in float32."""

    def __init__(self, folder: Path, *, anogan_steps: int) -> None:
        """Load the networks and what was fitted; raises RunError when something is missing."""
        from keras_sranogan.detector.reconstruct import Reconstructor
        from keras_sranogan.run import Run
        from keras_sranogan.settings import SearchSettings

        run = Run(folder)
        settings = run.settings
        self.preprocess, self.aligner = settings.preprocess, run.aligner()
        self._search_size = settings.search_size
        self._density, self.calibration = _fitted(run.detector, folder)
        self.heat_limit = self._density.heat_limit
        self._networks = run.networks()
        given = settings.search, settings.preprocess, self._density.cells
        self._reconstruct = Reconstructor(self._networks, *given)
        self._anogan = SearchSettings(
            steps=anogan_steps,
            start="random",
            optimiser="adam",
            learning_rate=ANOGAN_LEARNING_RATE,
            feature_weight=settings.search.feature_weight,
        )
        quality = folder / "reconstruction_quality.json"
        self.facts = Facts(
            kind="run",
            settings=settings.to_dict(),
            provenance={**run.provenance, "minutes": run.progress},
            reconstruction_quality=json.loads(quality.read_text()) if quality.exists() else None,
            prints=_prints(run),
        )

    def score_tiles(
        self, images: LoadedImages, advance: Advance, on_heat: OnHeat = nothing_with_heat
    ) -> Scored:
        """Reconstruct tiles in batches; the highest of an image speaks."""
        return scored_in_tiles(images, self.preprocess, self._density, self._measured, advance, on_heat)

    def score(self, x: Images, advance: Advance) -> Scored:
        """Reconstruct in batches and judge by the run's density."""
        made = self._reconstruct(x, on_progress=advance)
        low = self._low(made.x)
        rows = [{name: made.measured[name][i] for name in made.measured} for i in range(len(x))]
        return Scored(
            score=np.array([self._density.score(row) for row in rows]),
            parts=by_part([self._density.standard(row) for row in rows]),
            x=made.x,
            heat=np.stack([self._density.heat_map(heat, self.preprocess.size) for heat in made.heat]),
            generated=made.generated,
            refined=made.refined,
            resolved=made.resolved,
            search_distance=np.array([raw_distance(*pair) for pair in zip(low, made.generated, strict=True)]),
        )

    def _measured(self, plain: Images) -> list[Measurement]:
        """Measure tiles ``(N, S, S, 1)``, as the device would."""
        made = self._reconstruct(plain)
        low = self._low(made.x)
        found = []
        for i in range(len(plain)):
            row = {name: rows[i] for name, rows in made.measured.items()}
            distance = raw_distance(low[i], made.generated[i])
            pictures = (made.x[i], made.generated[i], made.refined[i], made.resolved[i])
            one = Reconstruction(*pictures, row, made.heat[i], distance, {}, plain[i])
            parts = self._density.standard(row)
            heat = self._density.heat_map(made.heat[i], self.preprocess.size)
            found.append(Measurement(self._density.score_of(parts), parts, heat, one, {}))
        return found

    def plain_anogan(self, x: Images, scored: Scored, seed: int, advance: Advance) -> PlainAnogan:
        """Search from random starts, as the paper does, on the low-resolution image; of tiles, the worst."""
        from keras_sranogan.anogan.latent_search import LatentSearch

        networks = self._networks
        search = LatentSearch(networks.generator, networks.features, networks.encoder, self._anogan)
        distance: list[float] = []
        loss: list[float] = []
        for i in range(0, len(x), SEARCH_BATCH):
            low = self._low(scored.x[i : i + SEARCH_BATCH])
            found = search(low, batch=SEARCH_BATCH, seed=seed)
            distance += [raw_distance(*pair) for pair in zip(low, found.generated, strict=True)]
            loss += found.loss.tolist()
            advance(len(distance))
        settings = {**asdict(self._anogan), "side_px": self._search_size}
        return PlainAnogan(np.array(distance), RUN_ANOGAN, np.array(loss), settings)

    def _low(self, x: Images) -> Images:
        return np.stack([downscale(image, self._search_size) for image in x])


class BundleScorer:
    """A bundle, image by image through the same code and graphs as on a device."""

    def __init__(self, path: Path) -> None:
        """Read, verify and prove the bundle."""
        bundle = read_bundle(path)
        self._detector = open_detector(bundle)
        self.preprocess, self.aligner, self.calibration = (
            bundle.preprocess,
            bundle.aligner,
            bundle.calibration,
        )
        self.heat_limit = bundle.density.heat_limit
        details = dict(bundle.details)
        provenance = {**details.pop("provenance", {}), "bundle_sha256": bundle.sha256}
        settings = {"preprocess": bundle.preprocess.to_dict(), "search_size": bundle.search_size, **details}
        self.facts = Facts(kind="bundle", settings=settings, provenance=provenance)

    def score_tiles(
        self, images: LoadedImages, advance: Advance, on_heat: OnHeat = nothing_with_heat
    ) -> Scored:
        """Judge one tile after the other; the highest of an image speaks."""
        own, measure = self._detector.bundle.density, measured_by(self._detector.measure_x)
        return scored_in_tiles(images, self.preprocess, own, measure, advance, on_heat)

    def score(self, x: Images, advance: Advance) -> Scored:
        """Judge one image after the other."""
        verdicts = []
        for done, image in enumerate(x, start=1):
            verdicts.append(self._detector.score_x(image))
            advance(done)
        made = [verdict.reconstruction for verdict in verdicts]
        return Scored(
            score=np.array([verdict.score for verdict in verdicts]),
            parts=by_part([verdict.parts for verdict in verdicts]),
            x=np.stack([m.x for m in made]),
            heat=np.stack([verdict.heat for verdict in verdicts]),
            generated=np.stack([m.generated for m in made]),
            refined=np.stack([m.refined for m in made]),
            resolved=np.stack([m.resolved for m in made]),
            search_distance=np.array([m.anogan_score for m in made]),
        )

    def plain_anogan(self, x: Images, scored: Scored, seed: int, advance: Advance) -> PlainAnogan:
        """Take the sum of absolute differences of the device's own search; of tiles, of the worst."""
        advance(len(x))
        settings = dict(self.facts.settings.get("search", {}))
        return PlainAnogan(scored.search_distance, BUNDLE_ANOGAN, settings=settings)


def _fitted(load: Callable[[], Any], folder: Path) -> Any:
    try:
        return load()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{folder}: the fitted detector cannot be read ({error}). Go on with sranogan-train --resume."
        ) from error
