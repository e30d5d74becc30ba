"""The full lane: whole chains, trained by the package, judged part by part; a JSON file for each judgement.

::

    python -m benchmarks.transfer chain restores-64 plain-128 --protocol solar --seeds 1 --runs /tmp/chains

A run that was begun goes on. The learned search, which no score is made of, is not trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.detection.ablation_bench import LOW_PASS, NORMALS, Bench, ImageSets, Rows, variants
from benchmarks.record import Record
from benchmarks.transfer.chains import CHAINS, RESIDUALS, SUMS
from benchmarks.transfer.fast import result_path
from benchmarks.transfer.protocols import PROTOCOLS, Protocol, judged_items, lowered
from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.audit.controls import PLAIN
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import load_images
from keras_sranogan.detector.reconstruct import downscale_all, enhance_all, predict
from keras_sranogan.evaluation.metrics import auroc
from keras_sranogan.networks import Networks
from keras_sranogan.precision import resolve_precision
from keras_sranogan.progress import Progress
from keras_sranogan.run import Run
from keras_sranogan.settings import SearchSettings, TrainSettings
from keras_sranogan.training.train import train
from sranogan_edge.scoring.density import WHOLE_PARTS
from sranogan_edge.scoring.residual import raw_distance

Images = NDArray[np.float32]
Scores = NDArray[np.float64]
VIEWS = {"plain": PLAIN, "low_pass": LOW_PASS}
BATCH = 32
OTHERS = tuple(part for part in WHOLE_PARTS if part != "residual")


@dataclass(frozen=True, eq=False)
class Narrowed:
    """A source whose images to learn from are those of one protocol."""

    source: DataSource
    protocol: Protocol

    def __getattr__(self, name: str) -> Any:
        """Everything else is the source's."""
        return getattr(self.source, name)

    def items(self, split: str) -> list[Item]:
        """Return the images of a split; of those to learn from, the protocol's."""
        found = self.source.items(split)
        return [one for one in found if self.protocol.learns_from(one)] if split == "train" else found


def run_chain(name: str, protocol: str, seed: int, results: Path, runs: Path, progress: Progress) -> Path:
    """Train and judge a chain on one protocol, unless that was done; return the file of its figures.

    Raises:
        DataError: its images are not here.
    """
    path = result_path(results, name, protocol, seed)
    if path.exists():
        return path
    record, chosen = Record("transfer", seed), PROTOCOLS[protocol]
    source = Narrowed(chosen.source, chosen)
    settings = replace(CHAINS[name].settings(seed), precision=resolve_precision("auto"))
    run = train(source, runs / path.stem, settings, progress, resume=True)
    figures = judge_chain(run, source, chosen, progress)
    minutes = {"training_minutes": run.progress}
    record.write(path, design=name, protocol=protocol, **figures, **minutes, settings=run.settings.to_dict())
    return path


def judge_chain(run: Run, source: DataSource, protocol: Protocol, progress: Progress) -> dict[str, Any]:
    """Return AUROCs of every score of a run, by view, false alarms of the whole, and what was counted."""
    networks, sets = run.networks(), _read(run, source, protocol, progress)
    bench = Bench(run, networks, sets, run.folder / "judged", progress)
    ways = variants(run.settings.search)
    made = {of: bench.made(ways[of]) for of in RESIDUALS.values() if of in ways}
    residuals = {"image": bench.image_parts["image"], **{of: one["residual"] for of, one in made.items()}}
    others = {name: bench.image_parts[name] for name in OTHERS}
    score_of: dict[str, Callable[[str], Scores]] = {}
    for title, of in RESIDUALS.items():
        score_of[title] = bench.judged({**others, **({"residual": residuals[of]} if of else {})})
    for name, rows in {"residual": residuals["as_trained"], **others}.items():
        score_of[name] = bench.judged({name: rows})
    given = networks, run.settings, ways["random_100"].search
    sums = {view: _sums(*given, sets.x[view], progress) for view in VIEWS.values()}
    summed = {title: {view: one[title] for view, one in sums.items()} for title in SUMS[:2]}
    summed[SUMS[2]] = {view: rows.astype(np.float64) for view, rows in made["as_trained"]["l1_sr"].items()}
    score_of |= {title: of_view.__getitem__ for title, of_view in summed.items()}
    scores = {title: _figures(score, sets.abnormal) for title, score in score_of.items()}
    for view, flagged in _flagged(run, {"residual": residuals["as_trained"], **others}).items():
        scores["whole score"][view]["false_alarms"] = float(flagged[~sets.abnormal].mean())
    counted = {"fit": run.provenance["normals_to_train"], "held_out": int(sets.original.sum())}
    judged = {"normal": int((~sets.abnormal).sum()), "abnormal": int(sets.abnormal.sum())}
    return {"scores": scores, "normals": counted, "judged": judged}


def _figures(score: Callable[[str], Scores], abnormal: NDArray[np.bool_]) -> dict[str, dict[str, Any]]:
    return {view: {"auroc": auroc(score(name), abnormal)} for view, name in VIEWS.items()}


def _flagged(run: Run, parts: Mapping[str, Rows]) -> dict[str, NDArray[np.bool_]]:
    """Return, by view, what the run's own detector calls anomalous."""
    density, calibration = run.detector()
    found = {}
    for view, name in VIEWS.items():
        rows = {part: of[name] for part, of in parts.items()}
        count = len(rows["residual"])
        scores = [density.score({part: one[k] for part, one in rows.items()}) for k in range(count)]
        found[view] = np.array(scores) > calibration.threshold
    return found


def _read(run: Run, source: DataSource, protocol: Protocol, progress: Progress) -> ImageSets:
    """Read the images to judge, plain and low-pass; the held-out normals are the run's."""
    items, normals, spec = (
        list(judged_items(protocol, source)),
        run.held_out_normals(),
        run.settings.preprocess,
    )
    x = {NORMALS: normals.x}
    for name, change in ((PLAIN, None), (LOW_PASS, lowered)):
        progress.start(f"reading {protocol.name}, {name}", len(items))
        x[name] = load_images(source, items, spec, transform=change, on_progress=progress.advance).x
    abnormal = np.array([not item.is_normal for item in items])
    return ImageSets(x, abnormal, normals.groups, normals.original)


def _sums(
    networks: Networks, settings: TrainSettings, from_random: SearchSettings, x: Images, progress: Progress
) -> dict[str, Scores]:
    """Return what those before us score images ``(N, S, S, 1)`` by, ``(N,)`` each.

    AnoGAN: sum of |x - G(z)|, z searched for from a random start. f-AnoGAN (Schlegl et al. 2019, equation 4):
    mean of (x - G(E(x)))² + kappa times that of the discriminator's features.
    """
    low = downscale_all(enhance_all(x, settings.preprocess), settings.search_size)
    search = LatentSearch(networks.generator, networks.features, networks.encoder, from_random)
    progress.start("searching from random starts", len(x))
    found = search(low, batch=BATCH, seed=settings.seed).generated
    encoded = predict(networks.generator, predict(networks.encoder, low))
    features = [predict(networks.features, images) for images in (low, encoded)]
    apart = [_mean_square(low - encoded), _mean_square(features[0] - features[1])]
    return {
        "plain AnoGAN": np.array([raw_distance(*pair) for pair in zip(low, found, strict=True)]),
        "f-AnoGAN": apart[0] + settings.anogan.encoder_feature_weight * apart[1],
    }


def _mean_square(difference: Images) -> Scores:
    return np.asarray(np.square(difference.astype(np.float64)).mean(axis=(1, 2, 3)))
