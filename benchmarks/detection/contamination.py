r"""What it costs when some of the training normals are abnormal, and what leaving suspects out gives back.

::

    python benchmarks/detection/contamination.py RUN ../shared/data/chest_xray --split val \
        --out benchmarks/results/contamination.json

Half of the split's abnormals, by patient, is put among the normals; the other half is reported on. They
go among the normals that the head is trained on and among those that densities and threshold are fitted
on, jittered copies included. The stages that reconstruct stay as they are: training them again would take
an hour for every cell of the table, and so their share of the cost is not in it.
"""

from __future__ import annotations

import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import typer
from numpy.typing import NDArray

from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import load_images
from keras_sranogan.data.normals import Reader, read_normals
from keras_sranogan.data.open import open_source
from keras_sranogan.data.split import split_by_group
from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.detector.normals import from_bytes, to_bytes
from keras_sranogan.detector.reconstruct import Reconstructor, downscale_all, head_answers, seen_features
from keras_sranogan.evaluation import metrics
from keras_sranogan.head.network import build_head
from keras_sranogan.head.settle import settle
from keras_sranogan.head.train import head_stage
from keras_sranogan.machine import machine
from keras_sranogan.progress import Progress, Terminal
from keras_sranogan.run import Run
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.stage import run_stage
from sranogan_edge.errors import DataError
from sranogan_edge.files import write_json
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density

Images = NDArray[np.float32]

SHARES = (0.0, 0.05, 0.10)
COPY = 99  # number of the jittered copy of abnormals beside those that the head is trained on
NOTE = (
    "Abnormals are added to the normals until they are the share stated. The GAN, the two-layer CNN and "
    "super-resolution were trained on normals alone in every row."
)
HEAD_KEPT = "The head was trained on normals alone in every row; contamination reaches its density only."
HEAD_AGAIN = "The head was trained again for every share, for fewer steps than the run's own."


@dataclass(frozen=True, eq=False)
class Measured:
    """What a model measures of N images, float32."""

    x: Images  # (N, side, side, 1) in [0, 1], as large as the head sees them
    parts: dict[str, NDArray[np.float32]]  # (N, D) by part
    heat: NDArray[np.float32]  # (N, *HEAT_SHAPE)

    def where(self, rows: Sequence[int]) -> Measured:
        """Those of ``rows``."""
        chosen = np.asarray(rows, np.intp)
        parts = {name: one[chosen] for name, one in self.parts.items()}
        return Measured(self.x[chosen], parts, self.heat[chosen])

    def beside(self, other: Measured) -> Measured:
        """These, then ``other``."""
        parts = {name: np.concatenate([one, other.parts[name]]) for name, one in self.parts.items()}
        return Measured(np.concatenate([self.x, other.x]), parts, np.concatenate([self.heat, other.heat]))

    def seen_by(self, head: keras.Model) -> Measured:
        """The same images, with what another head says of them."""
        return replace(self, parts={**self.parts, **head_answers(head, self.x).measured})


@dataclass(frozen=True)
class Draw:
    """Who contaminates and who is reported on; no patient is in two of the three."""

    held_out: list[Item]  # to put among the held-out normals, in the order of use
    trained: list[Item]  # to put among the normals that the head is trained on
    reported: list[Item]


def draw(abnormals: Sequence[Item], calibration_share: float, seed: int) -> Draw:
    """Divide abnormals by patient: half to report on, the rest in the proportion of the normals' parts."""
    reported, contaminating = split_by_group(abnormals, 0.5, seed)
    trained, held_out = split_by_group(contaminating, calibration_share, seed)
    rng = np.random.default_rng(seed)
    mixed = [[part[i] for i in rng.permutation(len(part))] for part in (held_out, trained)]
    return Draw(mixed[0], mixed[1], reported)


def added(normals: int, share: float, available: Sequence[Item]) -> int:
    """How many abnormals make up ``share`` of a set with ``normals``; DataError when there are fewer."""
    count = round(normals * share / (1 - share))
    if count > len(available):
        raise DataError(
            f"{count} abnormals are needed for {share:.0%} of {normals} normals; half of the split's, "
            f"divided by patient, leaves {len(available)}. Name a split with more abnormals."
        )
    return count


class Bench:
    """One run, its normals, and the films of a labelled split."""

    def __init__(self, run: Run, source: DataSource, split: str, progress: Progress, head_steps: int) -> None:
        self.settings, self.source, self.progress = run.settings, source, progress
        self.networks, self.head_steps = run.networks(), head_steps
        self.side = self.settings.head_side
        self.normals, self.seen = run.held_out_normals(), run.seen()
        self.trained_on = read_normals(Reader(source, self.settings, progress, 0.05)).fit.x[:]
        self._reconstruct = Reconstructor(self.networks, self.settings.search, self.settings.preprocess)
        self.held_out = self.measured(self.normals.x, "held-out normals")
        films = load_images(source, source.items(split), self.settings.preprocess)
        self.items, self.films = films.items, self.measured(films.x, f"films of {split}")
        self._place = {item.key: i for i, item in enumerate(films.items)}
        self._heads: dict[tuple[str, ...], keras.Model] = {}

    def measured(self, x: Images, what: str) -> Measured:
        """Reconstruct and measure ``x`` ``(N, S, S, 1)``."""
        self.progress.start(f"measuring {what}", len(x))
        made = self._reconstruct(x, on_progress=self.progress.advance)
        return Measured(downscale_all(x, self.side), made.measured, made.heat)

    def of(self, items: Sequence[Item]) -> Measured:
        """Return films of the split."""
        return self.films.where([self._place[item.key] for item in items])

    def jittered(self, items: Sequence[Item], copy: int) -> Images:
        """Load ``items`` again, jittered and stored in 8 bits as the training does it with normals."""

        def distort(frame: Frame, item: Item) -> Frame:
            place = self._place[item.key]
            return jitter_frame(frame, np.random.default_rng((self.settings.seed, copy, place)))

        loaded = load_images(self.source, items, self.settings.preprocess, transform=distort)
        return from_bytes(to_bytes(loaded.x))

    def head(self, trained: Sequence[Item]) -> keras.Model:
        """Return the run's head, or where steps are given one trained with ``trained`` among the normals."""
        key = tuple(sorted(item.key for item in trained))
        if self.head_steps and key not in self._heads:
            images = np.concatenate([downscale_all(self.trained_on, self.side), self.of(trained).x])
            self._heads[key] = train_head(images, self.settings, self.head_steps, self.progress)
        return self._heads[key] if self.head_steps else self.networks.head


def train_head(images: Images, settings: TrainSettings, steps: int, progress: Progress) -> keras.Model:
    """Train a head on ``images`` ``(N, side, side, 1)``, from the run's own initial weights."""
    settings = replace(settings, head=replace(settings.head, steps=steps))
    keras.utils.set_random_seed(settings.seed * 101 + 5)
    head, averaged = (build_head(images.shape[1], settings.head) for _ in range(2))
    averaged.set_weights(head.get_weights())
    stage = head_stage(head, averaged, images, settings)
    with tempfile.TemporaryDirectory() as folder:
        run_stage(stage, Path(folder), checkpoint_every=steps, progress=progress, logs=Path(folder))
    settle(averaged, images, settings)
    return averaged


def cells(bench: Bench, chosen: Draw) -> list[dict[str, Any]]:
    """Return the figures of every share of contamination and every share left out, for one draw."""
    found: list[dict[str, Any]] = []
    count = int(bench.normals.original.sum())
    held = chosen.held_out[: added(count, max(SHARES), chosen.held_out)]
    copies = [bench.jittered(held, copy) for copy in range(bench.settings.detector.jitter_copies)]
    made = [bench.of(held), *(bench.measured(one, "jittered abnormals") for one in copies)]
    for share in SHARES:
        mine = added(count, share, held)
        trained = chosen.trained[: added(len(bench.trained_on), share, chosen.trained)]
        fit = _fitter(bench, [one.where(range(mine)) for one in made], held[:mine], trained)
        reported = bench.of([*(i for i in bench.items if i.is_normal), *chosen.reported])
        seen = reported.seen_by(bench.head(trained)) if bench.head_steps else reported
        abnormal = np.arange(len(seen.x)) >= len(seen.x) - len(chosen.reported)
        found += [
            {"contaminated": share, "left_out": left_out, **_rates(*fit(left_out), seen, abnormal)}
            for left_out in SHARES
        ]
    return found


def _rates(
    density: Density, calibration: Calibration, seen: Measured, abnormal: NDArray[np.bool_]
) -> dict[str, float | None]:
    rows = [{name: one[i] for name, one in seen.parts.items()} for i in range(len(abnormal))]
    score = np.array([density.score(row) for row in rows])
    rates = metrics.at_threshold(score, abnormal, calibration.threshold)
    alarms = float((score[~abnormal] > calibration.threshold).mean())
    found = {"auroc": metrics.auroc(score, abnormal), "sensitivity": rates["sensitivity"]}
    return {**found, "false_alarm_rate": alarms}


def _fitter(
    bench: Bench, made: Sequence[Measured], held: Sequence[Item], trained: Sequence[Item]
) -> Callable[[float], tuple[Density, Calibration]]:
    """Return what fits the detector with ``held`` and ``trained`` among the normals, leaving a share out."""
    head, all_held = bench.head(trained), bench.held_out
    for one in made:
        all_held = all_held.beside(one)
    if bench.head_steps:
        all_held = all_held.seen_by(head)
    names = sorted({item.group for item in held})
    first = int(bench.normals.groups.max()) + 1
    theirs = [first + names.index(item.group) for item in held]
    groups = np.concatenate([bench.normals.groups, *([np.array(theirs, np.int64)] * len(made))])
    original = np.arange(len(groups)) < len(bench.normals.x) + len(held)
    original[: len(bench.normals.x)] = bench.normals.original
    extra = [bench.of(trained).x, downscale_all(bench.jittered(trained, COPY), bench.side)] if trained else []
    seen = seen_features(head, np.concatenate([bench.seen, *extra]))

    def fit(left_out: float) -> tuple[Density, Calibration]:
        settings = replace(bench.settings.detector, contamination=left_out)
        parts, seed = all_held.parts, bench.settings.seed
        return fit_detector(parts, all_held.heat, groups, original, settings, seed, seen)

    return fit


def averaged(draws: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Return the mean over the draws, with each draw's figures, cell by cell."""
    rows = []
    for same in zip(*draws, strict=True):
        row = {name: same[0][name] for name in ("contaminated", "left_out")}
        for name in ("auroc", "sensitivity", "false_alarm_rate"):
            values = [one[name] for one in same]
            row |= {name: statistics.fmean(values), f"{name}_by_draw": values}
        rows.append(row)
    return rows


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return Markdown."""
    lines = [
        "| abnormal among the normals | left out | AUROC | sensitivity | false alarms |",
        "|---" * 5 + "|",
    ]
    for row in rows:
        figures = " | ".join(f"{row[name]:.3f}" for name in ("auroc", "sensitivity", "false_alarm_rate"))
        lines.append(f"| {row['contaminated']:.0%} | {row['left_out']:.0%} | {figures} |")
    return "\n".join(lines)


def main(
    run: Annotated[Path, typer.Argument(help="The --out of sranogan-train.")],
    data: Annotated[str, typer.Argument(help="What it was trained on.")],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    split: Annotated[str, typer.Option(help="Labelled split to take abnormals from, and report on.")] = "val",
    draws: Annotated[int, typer.Option(help="How often to draw who contaminates.")] = 3,
    head_steps: Annotated[int, typer.Option(help="Train the head so long for every share; 0 keeps it.")] = 0,
    seed: Annotated[int, typer.Option(help="Of the first draw.")] = 0,
) -> None:
    """Measure detection with some abnormals among the normals, with and without leaving suspects out."""
    started, model = time.monotonic(), Run(run)
    with Terminal() as progress:
        bench = Bench(model, open_source(data), split, progress, head_steps)
        abnormals = [item for item in bench.items if not item.is_normal]
        share = bench.settings.calibration_share
        rows = averaged([cells(bench, draw(abnormals, share, seed + k)) for k in range(draws)])
    result = {
        "commands": [shlex.join(["python", *sys.argv])],
        "seed": seed,
        "minutes": {"total": round((time.monotonic() - started) / 60, 2)},
        "provenance": {**model.provenance, "machine": machine()},
        "notes": [NOTE, HEAD_AGAIN if head_steps else HEAD_KEPT],
        "draws": draws,
        "head_steps": head_steps,
        "rows": rows,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, result)
    print(table(rows))


if __name__ == "__main__":
    typer.run(main)
