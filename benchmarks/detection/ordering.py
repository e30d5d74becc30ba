r"""Does plain AnoGAN put normals above pneumonia, as its successor's paper says, and does SR-AnoGAN not?

::

    python benchmarks/detection/ordering.py ../shared/data/chest_xray BUNDLE.sranogan --split val \
        --extra covid=../shared/data/covid/COVID-19 \
        --work /tmp/ordering --out benchmarks/results/ordering.json
    python -m benchmarks.pages.ordering_page

Trains a DCGAN on all normals of the train split, raw intensities and no encoder, and searches z from a
random start on the paper's loss; the bundle scores the same images. It can be run again after an
interruption: training goes on from its last checkpoint, and scores are kept in the work folder.
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import keras
import numpy as np
import typer
from numpy.typing import NDArray
from scipy.stats import spearmanr

from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.anogan.networks import GanParts, build_gan
from keras_sranogan.anogan.train_gan import gan_stage
from keras_sranogan.backend import random
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.item import DataSource
from keras_sranogan.data.layout import ALL
from keras_sranogan.data.load import load_images
from keras_sranogan.data.open import open_source
from keras_sranogan.detector.reconstruct import downscale_all
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.intervals import auroc_interval
from keras_sranogan.evaluation.scorers import ANOGAN_LEARNING_RATE, BundleScorer
from keras_sranogan.html import pictures
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.precision import resolve_precision
from keras_sranogan.progress import Progress, Terminal
from keras_sranogan.run import Run
from keras_sranogan.settings import AnoganSettings, SearchSettings, TrainSettings
from keras_sranogan.training.stage import run_stage
from sranogan_edge.files import write_json
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.residual import raw_distance

Images = NDArray[np.float32]
Numbers = NDArray[np.float64]

PAPER = {
    "anogan": {"normal": 13035, "pneumonia": 12652},
    "sr_anogan": {"normal": 16635, "pneumonia": 17240, "covid": 18381},
}
SETTLING_BATCHES = 64  # of z, for the batch normalisation of the averaged G
WHISKERS = (0.05, 0.95)  # quantiles, for the box plots
COMPONENTS = (0, 5, 20, 50, 100, 200)  # of the ladder of linear models, 0: the mean normal
COARSE_PX = 8  # blocks of the error that count as shape and exposure; what is finer counts as texture


@dataclass(frozen=True, eq=False)
class Films:
    """Images to score: ``x`` ``(N, S, S, 1)`` raw in [0, 1], and whether they are the split's abnormals."""

    x: Images
    labels: list[str]
    abnormal: NDArray[np.bool_]

    @property
    def kinds(self) -> list[str]:
        """Class names: normals, abnormals, then the extra folders, as they were read."""
        return list(dict.fromkeys(self.labels))

    def of(self, kind: str) -> NDArray[np.bool_]:
        """Return ``(N,)``: which images are of ``kind``."""
        return np.array(self.labels) == kind


def read_films(source: DataSource, split: str, extras: Mapping[str, Path], spec: PreprocessSpec) -> Films:
    """Read the split's normals, its abnormals, and every extra folder whole."""
    items = sorted(source.items(split), key=lambda item: not item.is_normal)
    loaded = load_images(source, items, spec)
    x, labels = [loaded.x], [item.label for item in loaded.items]
    abnormal = [not item.is_normal for item in loaded.items]
    for name, folder in extras.items():
        other = open_source(str(folder), normal_class=ALL)  # whatever its folders are called
        images = load_images(other, other.items("train"), spec)
        x, labels = [*x, images.x], labels + [name] * len(images.x)
        abnormal += [True] * len(images.x)
    return Films(np.concatenate(x), labels, np.array(abnormal))


def plain_settings(size: int, steps: int, search_steps: int, seed: int) -> TrainSettings:
    """Return the settings of AnoGAN as the paper has it: no encoder has a say in G, no contrast is made."""
    return TrainSettings(
        preset="paper",
        seed=seed,
        precision=resolve_precision("auto"),
        preprocess=PreprocessSpec(size=size, contrast="none"),
        anogan=AnoganSettings(steps=steps, reconstruction_weight=0.0, latent_weight=0.0),
        search=SearchSettings(steps=search_steps, start="random", learning_rate=ANOGAN_LEARNING_RATE),
    )


def train_plain(source: DataSource, work: Path, settings: TrainSettings, progress: Progress) -> GanParts:
    """Train the DCGAN in ``work`` on every normal of the train split, or go on with it."""
    run = Run.create(work, settings, resume=True)
    normals = load_images(source, [i for i in source.items("train") if i.is_normal], settings.preprocess)
    facts = {"data": source.name, "normals_to_train": len(normals.x), "normals_held_out": 0}
    run.begin(settings, {**facts, "started": timestamp(), "machine": machine()})
    keras.utils.set_random_seed(settings.seed * 101 + 1)
    parts = build_gan(settings, settings.precision)
    (work / "gan").mkdir(exist_ok=True)
    stage = gan_stage(parts, downscale_all(normals.x, settings.search_size), settings)
    every, started = settings.checkpoint_every_steps, time.monotonic()
    run_stage(stage, work / "gan", checkpoint_every=every, progress=progress, logs=work / "logs")
    if "gan" not in run.progress:
        run.finish("gan", (time.monotonic() - started) / 60)
    settle(parts.averaged, settings.seed)
    pictures.save_grid(work / "samples.png", np.asarray(parts.averaged(_normal(64, parts.averaged, 0))), 8)
    return parts


def settle(generator: keras.Model, seed: int) -> None:
    """Measure the batch statistics of G on z ~ N(0, 1) alone.

    In training they also see G(E(x)), which has no part in AnoGAN.
    """
    for number in range(1, SETTLING_BATCHES + 1):
        generator(_normal(64, generator, seed * 1000 + number), training=True)


def _normal(count: int, generator: keras.Model, seed: int) -> Tensor:
    return random.normal((count, generator.input_shape[1]), (seed, 7))


def search_plain(parts: GanParts, low: Images, settings: TrainSettings, progress: Progress) -> dict[str, Any]:
    """Search z for ``low`` ``(N, s, s, 1)``: the residual and the paper's loss (0-255 scale), and G(z)."""
    features = feature_extractor(parts.discriminator, settings.anogan.feature_block)
    search = LatentSearch(parts.averaged, features, parts.encoder, settings.search)
    progress.start("searching from random starts", len(low))
    found = []
    for i in range(0, len(low), 64):
        found.append(search(low[i : i + 64], seed=(settings.seed + i) % 1_000_000))  # another draw each batch
        progress.advance(min(i + 64, len(low)))
    generated = np.concatenate([one.generated for one in found])
    residual = [raw_distance(*pair) for pair in zip(low, generated, strict=True)]
    loss = 255 * np.concatenate([one.loss for one in found]).astype(np.float64)
    return {"anogan_residual": np.array(residual), "anogan_loss": loss, "generated": generated}


def plain_scores(
    source: DataSource, low: Images, work: Path, settings: TrainSettings, progress: Progress
) -> dict[str, Any]:
    """Train and search, or return what an earlier call found."""
    kept, run = work / "plain.npz", Run(work)
    if not kept.exists():
        parts = train_plain(source, work, settings, progress)
        started = time.monotonic()
        np.savez(kept, low=low, **search_plain(parts, low, settings, progress))
        run.finish("search", (time.monotonic() - started) / 60)
    with np.load(kept, allow_pickle=False) as arrays:
        found = {name: arrays[name] for name in arrays.files}
    if run.settings != settings or not np.array_equal(found.pop("low"), low):
        raise SystemExit(f"{work} holds the scores of other images or settings; name another --work")
    return found


def bundle_scores(scorer: BundleScorer, films: Films, progress: Progress) -> Numbers:
    """Score the same images on the device's own path."""
    progress.start("scoring with the bundle", len(films.x))
    return scorer.score(films.x, progress.advance).score


def compare(films: Films, scores: Mapping[str, Numbers], seed: int) -> dict[str, Any]:
    """Return scores by class, AUROC of abnormals and of each extra folder against normals, and the order."""
    normal, *others = films.kinds
    found: dict[str, Any] = {"per_class": metrics.per_class(films.labels, scores)}
    found |= {"whiskers": {}, "auroc": {}, "order": {}}
    for name, one in scores.items():
        found["auroc"][name] = {}
        for kind in others:
            chosen = films.of(normal) | films.of(kind)
            pair = one[chosen], films.abnormal[chosen]
            interval = auroc_interval(*pair)
            found["auroc"][name][kind] = {"auroc": metrics.auroc(*pair), "auroc_ci": interval}
        groups = {kind: one[films.of(kind)] for kind in films.kinds}
        found["whiskers"][name] = {k: np.quantile(group, WHISKERS).tolist() for k, group in groups.items()}
        means = [float(group.mean()) for group in groups.values()]
        found["order"][name] = {
            "ascending": [films.kinds[k] for k in np.argsort(means)],
            "as_it_should_be": bool((np.diff(means) > 0).all()),
        }
    return found


def statistics(low: Images) -> dict[str, Numbers]:
    """Single numbers of images ``(N, s, s, 1)``: brightness, contrast, and fine detail."""
    energy = [np.square(cv2.Laplacian(image[..., 0], cv2.CV_32F)) for image in low]
    return {
        "brightness_mean": low.mean(axis=(1, 2, 3), dtype=np.float64),
        "brightness_std": low.std(axis=(1, 2, 3), dtype=np.float64),
        "laplacian": np.array([np.log(one + metrics.LAPLACIAN_FLOOR).mean() for one in energy], np.float64),
    }


def error_parts(low: Images, generated: Images) -> dict[str, Numbers]:
    """Split the squared error of each image in three that add up (0-255 scale, mean over pixels)."""
    error = 255 * (low - generated)[..., 0].astype(np.float64)
    count, side = error.shape[:2]
    cells = side // COARSE_PX
    coarse = error.reshape(count, cells, COARSE_PX, cells, COARSE_PX).mean(axis=(2, 4))
    exposure = np.square(coarse.mean(axis=(1, 2)))
    shape = np.square(coarse).mean(axis=(1, 2)) - exposure
    texture = np.square(error).mean(axis=(1, 2)) - exposure - shape
    return {"exposure": exposure, "shape": shape, "texture": texture}


def readings(films: Films, low: Images, found: Mapping[str, Any]) -> dict[str, Any]:
    """What the residual is made of, what it moves with inside each class, and what is left without these."""
    residual, numbers = found["anogan_residual"], statistics(low)
    parts, normal = error_parts(low, found["generated"]), ~films.abnormal
    pair = films.of(films.kinds[0]) | films.of(films.kinds[1])
    columns = np.stack([np.ones(len(low)), *numbers.values()], axis=1)
    usual = columns @ np.linalg.lstsq(columns[normal], residual[normal], rcond=None)[0]

    def ranked(values: Numbers) -> float | None:
        return metrics.auroc(values[pair], films.abnormal[pair])

    return {
        "auroc_high_is_anomalous": {
            **{name: ranked(values) for name, values in {**numbers, **parts}.items()},
            "residual_over_brightness_std": ranked(residual / numbers["brightness_std"]),
            "residual_beyond_what_normals_with_these_numbers_have": ranked(residual - usual),
        },
        "per_class": {kind: _reading(films.of(kind), residual, numbers, parts) for kind in films.kinds},
    }


def ladder(normals: Images, low: Images, films: Films) -> list[dict[str, float | None]]:
    """AUROC of sum|x - fit|, where the fit is the mean normal with more and more principal components.

    What a model that rebuilds normals better and better makes of plain AnoGAN's residual, without a GAN.
    """
    pair = films.of(films.kinds[0]) | films.of(films.kinds[1])
    known, seen = (images.reshape(len(images), -1).astype(np.float64) for images in (normals, low))
    mean = known.mean(axis=0)
    axes = np.linalg.svd(known - mean, full_matrices=False)[2]
    rungs: list[dict[str, float | None]] = []
    for count in COMPONENTS:
        rest = seen - mean
        residual = 255 * np.abs(rest - rest @ axes[:count].T @ axes[:count]).sum(axis=1)
        ranked = metrics.auroc(residual[pair], films.abnormal[pair])
        rungs.append({"components": count, "auroc": ranked, "residual": float(residual.mean())})
    return rungs


def _reading(
    mine: NDArray[np.bool_],
    residual: Numbers,
    numbers: Mapping[str, Numbers],
    parts: Mapping[str, Numbers],
) -> dict[str, Any]:
    return {
        "mean": {name: float(values[mine].mean()) for name, values in numbers.items()},
        "spearman_with_residual": {
            name: float(spearmanr(values[mine], residual[mine]).statistic) for name, values in numbers.items()
        },
        "mean_squared_error": {name: float(values[mine].mean()) for name, values in parts.items()},
    }


def main(
    data: Annotated[str, typer.Argument(help="As for sranogan-train.")],
    bundle: Annotated[Path, typer.Argument(help="The SR-AnoGAN to compare with.")],
    work: Annotated[Path, typer.Option(help="Folder for the plain AnoGAN (not for the repository).")],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    split: Annotated[str, typer.Option(help="Labelled split to report on.")] = "val",
    steps: Annotated[int, typer.Option(help="Of the DCGAN's training.")] = AnoganSettings.steps,
    search_steps: Annotated[int, typer.Option(help="Of Adam, from a random start.")] = 150,
    seed: Annotated[int, typer.Option(help="Of the plain AnoGAN.")] = 0,
    extra: Annotated[list[str] | None, typer.Option(help="NAME=FOLDER, another kind of abnormals.")] = None,
) -> None:
    """Train a plain AnoGAN, score one split with it and with a bundle, and say who has the order right."""
    source, scorer = open_source(data), BundleScorer(bundle)
    settings = plain_settings(scorer.preprocess.size, steps, search_steps, seed)
    folders = {name: Path(folder) for name, _, folder in (pair.partition("=") for pair in extra or [])}
    films = read_films(source, split, folders, settings.preprocess)
    low = downscale_all(films.x, settings.search_size)
    with Terminal() as progress:
        found = plain_scores(source, low, work, settings, progress)
        started = time.monotonic()
        scores = {name: found[name] for name in ("anogan_residual", "anogan_loss")}
        scores["sr_anogan"] = bundle_scores(scorer, films, progress)
    normal_items = [item for item in source.items("train") if item.is_normal]
    normals = downscale_all(load_images(source, normal_items, settings.preprocess).x, settings.search_size)
    run, minutes = Run(work), round((time.monotonic() - started) / 60, 2)
    result = {
        "commands": [shlex.join(["python", *sys.argv])],
        "seed": seed,
        "minutes": {**run.progress, "score": minutes},
        "provenance": run.provenance,
        "bundle": dict(scorer.facts.provenance),
        "side_px": settings.search_size,
        "anogan": {**asdict(settings.anogan), "search": asdict(settings.search)},
        "paper": PAPER,
        **compare(films, scores, seed),
        "readings": readings(films, low, found),
        "ladder": ladder(normals, low, films),
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, result)


if __name__ == "__main__":
    typer.run(main)
