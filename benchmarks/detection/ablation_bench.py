"""What ``detection/ablation.py`` measures: each way to reconstruct, once, and the densities of any parts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.audit.controls import ACQUISITION, DETAIL, PLAIN, SHIFTED_NORMALS
from keras_sranogan.data.item import DataSource
from keras_sranogan.data.load import load_images
from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.reconstruct import (
    bicubic,
    downscale_all,
    enhance_all,
    head_answers,
    predict,
    seen_features,
)
from keras_sranogan.evaluation import metrics
from keras_sranogan.networks import Networks
from keras_sranogan.progress import Progress
from keras_sranogan.run import Run
from keras_sranogan.settings import SearchSettings
from sranogan_edge.image.preprocess import downscale
from sranogan_edge.scoring.density import WHOLE_PARTS
from sranogan_edge.scoring.heat import HEAT_SHAPE
from sranogan_edge.scoring.residual import frequency_bands, log_energy, raw_distance, residual, standardise

Images = NDArray[np.float32]
Scores = NDArray[np.float64]
Rows = Mapping[str, NDArray[np.float32]]  # by set of images, (N, D)

NORMALS, LOW_PASS, SHIFTED = "normals", "low_pass", "shifted"
BATCH = 32
STEPS = (0, 2, 8, 32)
RANDOM_STEPS, RANDOM_RATE = 100, 0.1  # as the plain AnoGAN of sranogan-evaluate


@dataclass(frozen=True)
class Variant:
    """A way to reconstruct.

    Attributes:
        title: in tables.
        search: of the latent code.
        refine: whether the two-layer CNN stands between g and super-resolution.
        resolve: super-resolution; else bicubic enlargement.
        few: on fewer images.
    """

    title: str
    search: SearchSettings
    refine: bool = True
    resolve: bool = True
    few: bool = False


def variants(search: SearchSettings, *, few: bool = False) -> dict[str, Variant]:
    """Every way to reconstruct, by name, for a run that searches as ``search`` says.

    With ``few``, all other searches are measured on fewer images, not the longest alone.
    """
    random = replace(search, steps=RANDOM_STEPS, start="random", optimiser="adam", learning_rate=RANDOM_RATE)
    usual = f"as trained: {search.steps} steps from the {search.start}, lambda {search.feature_weight}"
    mark = " *" if few else ""
    steps = {
        f"steps_{n}": Variant(f"{n} search steps{mark}", replace(search, steps=n), few=few)
        for n in STEPS
        if n != search.steps
    }
    without = Variant(
        f"lambda 0: no discriminator features{mark}", replace(search, feature_weight=0.0), few=few
    )
    return {
        "as_trained": Variant(usual, search),
        "no_refiner": Variant("without the two-layer CNN", search, refine=False),
        "bicubic": Variant("bicubic in place of super-resolution", search, resolve=False),
        "as_trained_few": Variant("as trained *", search, few=True),
        **steps,
        "lambda_0": without,
        "random_100": Variant(f"{RANDOM_STEPS} steps from a random start *", random, few=True),
    }


@dataclass(frozen=True, eq=False)
class ImageSets:
    """Preprocessed images ``(N, S, S, 1)`` by set; ``abnormal`` is of the split, ``groups`` of normals."""

    x: Mapping[str, Images]
    abnormal: NDArray[np.bool_]
    groups: NDArray[np.int64]
    original: NDArray[np.bool_]

    def few(self) -> ImageSets:
        """Held-out normals with one jittered copy each, every second image of the split, one draw."""
        of_normals = slice(2 * int(self.original.sum()))
        x = {NORMALS: self.x[NORMALS][of_normals]}
        x |= {
            name: images[::2] for name, images in self.x.items() if name in (PLAIN, LOW_PASS, f"{SHIFTED}0")
        }
        return ImageSets(x, self.abnormal[::2], self.groups[of_normals], self.original[of_normals])


def read_sets(run: Run, source: DataSource, split: str, draws: int, progress: Progress) -> ImageSets:
    """Read the held-out normals and the split: plain, low-pass, and its normals shifted ``draws`` times."""
    spec, normals, items = run.settings.preprocess, run.held_out_normals(), source.items(split)
    controls = {control.name: control for control in (*DETAIL, *ACQUISITION)}

    def read(control: str, draw: int) -> Images:
        progress.say(f"reading {controls[control].title} images")
        wanted = [i for i in items if i.is_normal] if controls[control].normals_only else items
        return load_images(
            source, wanted, spec, transform=lambda f, i: controls[control].apply(f, i, draw).frame
        ).x

    x = {NORMALS: normals.x, PLAIN: read(PLAIN, 0), LOW_PASS: read(LOW_PASS, 0)}
    x |= {f"{SHIFTED}{draw}": read(SHIFTED_NORMALS, draw) for draw in range(draws)}
    abnormal = np.array([not item.is_normal for item in items])
    return ImageSets(x, abnormal, normals.groups, normals.original)


class Bench:
    """Measures and scores one collection of image sets; what was measured is kept."""

    def __init__(self, run: Run, networks: Networks, sets: ImageSets, work: Path, progress: Progress) -> None:
        """Take what :func:`read_sets` gave, and a folder to keep results in."""
        self.networks, self.sets, self._work, self._progress = networks, sets, work, progress
        self.settings = run.settings
        self._searches = cache(partial(LatentSearch, networks.generator, networks.features, networks.encoder))
        self._weights = b"".join(p.read_bytes() for p in sorted((run.folder / "models").glob("*.keras")))
        self._seen = seen_features(networks.head, run.seen())

    @cached_property
    def image_parts(self) -> Mapping[str, Rows]:
        """What needs no reconstruction: the head's parts, and the band energies of the image."""
        spec = self.settings.preprocess
        said = {name: head_answers(self.networks.head, x).measured for name, x in self.sets.x.items()}
        bands = {
            name: np.stack(
                [
                    log_energy(frequency_bands(standardise(one[..., 0]))).ravel()
                    for one in enhance_all(x, spec)
                ]
            )
            for name, x in self.sets.x.items()
        }
        of_head = {
            part: {name: one[part] for name, one in said.items()}
            for part in WHOLE_PARTS
            if part != "residual"
        }
        return {**of_head, "image": bands}

    def made(self, variant: Variant) -> Mapping[str, Rows]:
        """Per measure (``residual``, ``l1_g``, ``l1_sr``), per set: computed, or as kept."""
        found: dict[str, dict[str, Images]] = {"residual": {}, "l1_g": {}, "l1_sr": {}}
        for name, x in self.sets.x.items():
            task = f"{variant.title}: {name}"
            ways = (variant.search, variant.refine, variant.resolve)
            kept = self._kept(ways, x, partial(self._measured, variant, x, task))
            for measure, of_sets in found.items():
                of_sets[name] = kept[measure]
        return found

    def _kept(self, what: object, x: Images, make: Callable[[], dict[str, Images]]) -> dict[str, Images]:
        """What ``make`` returns; from the folder where it was made before, of these images and weights."""
        digest = hashlib.blake2b(b"|".join([self._weights, x.tobytes(), repr(what).encode()]), digest_size=12)
        path = self._work / f"{digest.hexdigest()}.npz"
        if not path.exists():
            self._work.mkdir(parents=True, exist_ok=True)
            partial_file = path.with_suffix(".part.npz")
            arrays: dict[str, Any] = make()
            np.savez(partial_file, **arrays)
            partial_file.replace(path)
        with np.load(path) as kept:
            return dict(kept)

    def _generated(self, settings: SearchSettings, x: Images, task: str) -> dict[str, Images]:
        search, spec = self._searches(settings), self.settings.preprocess
        self._progress.start(f"{task}, searching", len(x))
        found = []
        for i in range(0, len(x), BATCH):
            low = downscale_all(enhance_all(x[i : i + BATCH], spec), self.settings.search_size)
            found.append(search(low, batch=BATCH).generated)
            self._progress.advance(min(i + BATCH, len(x)))
        return {"g": np.concatenate(found)}

    def _measured(self, variant: Variant, plain: Images, task: str) -> dict[str, Images]:
        networks, spec, size = self.networks, self.settings.preprocess, self.settings.search_size
        generated = self._kept(variant.search, plain, lambda: self._generated(variant.search, plain, task))[
            "g"
        ]
        parts: dict[str, list[Any]] = {"residual": [], "l1_g": [], "l1_sr": []}
        self._progress.start(task, len(plain))
        for i in range(0, len(plain), BATCH):
            x, g = enhance_all(plain[i : i + BATCH], spec), generated[i : i + BATCH]
            low = downscale_all(x, size)
            refined = predict(networks.refiner, g) if variant.refine else g
            resolved = predict(networks.resolver, refined) if variant.resolve else bicubic(refined)
            f_x, f_r = predict(networks.judge, x), predict(networks.judge, resolved)
            parts["residual"] += [residual(*one).features for one in zip(x, resolved, f_x, f_r, strict=True)]
            parts["l1_g"] += [raw_distance(*one) for one in zip(low, g, strict=True)]
            parts["l1_sr"] += [
                raw_distance(a, downscale(b, size)) for a, b in zip(low, resolved, strict=True)
            ]
            self._progress.advance(min(i + BATCH, len(plain)))
        return {name: np.array(values, np.float32) for name, values in parts.items()}

    def judged(self, parts: Mapping[str, Rows]) -> Callable[[str], Scores]:
        """Fit densities of ``parts`` on the held-out normals; return the scores of any set."""
        sets, settings = self.sets, self.settings
        density, _ = fit_detector(
            {name: rows[NORMALS] for name, rows in parts.items()},
            np.zeros((len(sets.groups), *HEAT_SHAPE), np.float32),  # heat maps are not looked at here
            sets.groups,
            sets.original,
            replace(settings.detector, parts=tuple(name for name in WHOLE_PARTS if name in parts)),
            settings.seed,
            self._seen,
        )

        def score(name: str) -> Scores:
            count = len(sets.x[name])
            return np.array(
                [density.score({p: rows[name][k] for p, rows in parts.items()}) for k in range(count)]
            )

        return score

    def figures(self, score: Callable[[str], Scores]) -> dict[str, Any]:
        """AUROC plain, low-pass and under shift; ``scores`` are the plain ones, for comparisons."""
        plain = score(PLAIN)
        found = plain[self.sets.abnormal]
        taken = [score(name) for name in self.sets.x if name.startswith(SHIFTED)]
        shifted = [
            metrics.auroc(np.concatenate([one, found]), np.arange(len(one) + len(found)) >= len(one))
            for one in taken
        ]
        return {
            "auroc": metrics.auroc(plain, self.sets.abnormal),
            "auroc_low_pass": metrics.auroc(score(LOW_PASS), self.sets.abnormal),
            "auroc_shifted": float(np.mean([one for one in shifted if one is not None])),
            "scores": plain,
        }
