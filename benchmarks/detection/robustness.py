r"""What is left of int8 bundles when images are softened, re-taken, or come from a source not fitted on.

::

    python benchmarks/detection/robustness.py ../shared/data/chest_xray --split val \
        --bundle s/0.sranogan --run s/0 --bundle s/1.sranogan --run s/1 \
        --source-prefix IM- --source-prefix NORMAL2- --out benchmarks/results/chest_xray_val_robustness.json

Every bundle is one seed. Labels are used to report; thresholds come from held-out normals alone.
"""

from __future__ import annotations

import json
import math
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from keras_sranogan.audit.controls import ACQUISITION, DETAIL, PLAIN, SHIFTED_NORMALS
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import load_images
from keras_sranogan.data.normals import Reader, read_normals
from keras_sranogan.data.open import open_source
from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.normals import to_bytes
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.intervals import auroc_interval
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.progress import Progress, Terminal
from keras_sranogan.run import Run
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import RunError, SettingsError
from sranogan_edge.runtime.graph import Graph
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.head import head_input, pooled
from sranogan_edge.scoring.heat import HEAT_SHAPE

LOW_PASS = "low_pass"
CONTROLS = {control.name: control for control in (*DETAIL, *ACQUISITION)}
NETWORKS_NOTE = (
    "Across sources, only the densities and the threshold know one source alone: the networks were trained "
    "on normals of both. A network that had seen one source only may do worse."
)
SHIFT_NOTE = (
    "Shifted: normals of another perspective, tone, light, detail and grain "
    "(keras_sranogan.evaluation.retake), abnormals as they are; the mean over the draws. The densities were "
    "fitted on normals jittered in other ways (keras_sranogan.detector.jitter). Results of before 2026-11-27 "
    "were shifted in those very ways."
)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a bundle makes of N images.

    Attributes:
        items: the images.
        score: ``(N,)``.
        measured: by part, ``(N, D)`` float32.
    """

    items: tuple[Item, ...]
    score: NDArray[np.float64]
    measured: Mapping[str, NDArray[np.float32]]

    @property
    def abnormal(self) -> NDArray[np.bool_]:
        """``(N,)``, by the labels."""
        return np.array([not item.is_normal for item in self.items])

    def where(self, rows: NDArray[np.bool_]) -> Answers:
        """Those of ``rows``."""
        items = tuple(item for item, keep in zip(self.items, rows, strict=True) if keep)
        return Answers(items, self.score[rows], {name: one[rows] for name, one in self.measured.items()})

    def beside(self, other: Answers) -> Answers:
        """These, then ``other``."""
        measured = {name: np.concatenate([one, other.measured[name]]) for name, one in self.measured.items()}
        return Answers(self.items + other.items, np.concatenate([self.score, other.score]), measured)


@dataclass(frozen=True, eq=False)
class Model:
    """One bundle on one split, and what it has answered."""

    detector: Detector
    source: DataSource
    progress: Progress

    def answers(self, x: NDArray[np.float32], items: Sequence[Item], what: str) -> Answers:
        """Score ``x`` ``(N, S, S, 1)``."""
        self.progress.start(what, len(x))
        score, measured = np.empty(len(x)), []
        for number, image in enumerate(x):
            verdict = self.detector.score_x(image)
            score[number] = verdict.score
            measured.append(verdict.reconstruction.measured)
            self.progress.advance(number + 1)
        return Answers(
            tuple(items), score, {name: np.stack([row[name] for row in measured]) for name in measured[0]}
        )

    def controlled(self, items: Sequence[Item], control: str, draw: int = 0) -> Answers:
        """Score ``items``, changed as one of the audit's controls says."""
        images = load_images(
            self.source,
            items,
            self.detector.bundle.preprocess,
            transform=lambda frame, item: CONTROLS[control].apply(frame, item, draw).frame,
        )
        return self.answers(images.x, images.items, f"{CONTROLS[control].title} images")


def rates(answers: Answers, calibration: Calibration) -> dict[str, float | None]:
    """AUROC, and sensitivity and specificity at the normals-only threshold."""
    found = metrics.at_threshold(answers.score, answers.abnormal, calibration.threshold)
    area = metrics.auroc(answers.score, answers.abnormal)
    return {"auroc": area, "sensitivity": found["sensitivity"], "specificity": found["specificity"]}


def measure_bundle(
    path: Path, run: Path | None, source: DataSource, split: str, prefixes: list[str], draws: int
) -> dict[str, Any]:
    """Return all columns of one bundle."""
    bundle = read_bundle(path)
    with Terminal() as progress:
        model = Model(open_detector(bundle), source, progress)
        items = source.items(split)
        plain, low = model.controlled(items, PLAIN), model.controlled(items, LOW_PASS)
        normals = [item for item in items if item.is_normal]
        taken = [model.controlled(normals, SHIFTED_NORMALS, draw) for draw in range(draws)]
        shifted = [rates(one.beside(plain.where(plain.abnormal)), bundle.calibration) for one in taken]
        columns: dict[str, Any] = {
            "plain": rates(plain, bundle.calibration),
            "low_pass": rates(low, bundle.calibration),
            "shifted": summarise(shifted, spread=False),
        }
        if run is not None and prefixes:
            columns["sources"] = across_sources(model, Run(run), plain, low, prefixes)
    return {
        "bundle": path.name,
        "bundle_sha256": bundle.sha256,
        "seed": bundle.details["settings"]["seed"],
        "threshold": bundle.calibration.threshold if math.isfinite(bundle.calibration.threshold) else None,
        "auroc_ci": auroc_interval(plain.score, plain.abnormal),
        "columns": columns,
    }


def across_sources(
    model: Model, run: Run, plain: Answers, low: Answers, prefixes: Sequence[str]
) -> dict[str, Any]:
    """Fit densities on the normals of one source, test on the normals of each, against all abnormals."""
    settings, normals = run.settings, run.held_out_normals()
    fit_items, held_out_items = named_normals(model, run)
    held_out = model.answers(normals.x, held_out_items, "held-out normals and jittered copies")
    graph = Graph(model.detector.bundle.graphs["head"], name="head")
    inputs = (head_input(x, x.shape[0])[None] for x in run.seen())
    seen = np.stack([pooled(graph({"image": image})["features"][0]) for image in inputs])
    found: dict[str, Any] = {}
    for known in prefixes:
        rows, also = _of_source(held_out_items, known), _of_source(fit_items, known)
        density, calibration = fit_detector(
            held_out.where(rows).measured,
            np.zeros((int(rows.sum()), *HEAT_SHAPE), np.float32),  # heat maps are not looked at here
            normals.groups[rows],
            normals.original[rows],
            settings.detector,
            settings.seed,
            {"head": seen[also]},
        )
        for new in prefixes:
            chosen = [one.where(one.abnormal | _of_source(one.items, new)) for one in (plain, low)]
            scores = [_scored(one, density.score) for one in chosen]
            name = f"fitted on {known}, tested on {new}"
            found[name] = {PLAIN: rates(scores[0], calibration), LOW_PASS: rates(scores[1], calibration)}
    return found


def _scored(answers: Answers, score: Any) -> Answers:
    rows = [{name: one[k] for name, one in answers.measured.items()} for k in range(len(answers.items))]
    return Answers(answers.items, np.array([score(row) for row in rows]), answers.measured)


def _of_source(items: Sequence[Item], prefix: str) -> NDArray[np.bool_]:
    """``(N,)``: whether the file's name begins with ``prefix``."""
    return np.array([item.key.rpartition("/")[2].startswith(prefix) for item in items])


def named_normals(model: Model, run: Run) -> tuple[list[Item], list[Item]]:
    """Return the item of each row of ``run.seen()`` and of its held-out normals, jittered copies included.

    Raises:
        RunError: the run was not made from this data.
    """
    stored, seen = run.held_out_normals(), run.seen()
    data = read_normals(Reader(model.source, run.settings, model.progress, max_bad_share=0.05))
    kept = to_bytes(stored.x[stored.original])
    copies, again = len(stored.x) / len(data.held_out.items), len(seen) / len(data.fit.items)
    if not (copies % 1 == again % 1 == 0 and np.array_equal(to_bytes(data.held_out.x[:]), kept)):
        raise RunError(f"{run.folder}: its held-out normals are not those of {model.source.name}.")
    return [*data.fit.items] * int(again), [*data.held_out.items] * int(copies)


def summarise(rows: Sequence[Mapping[str, Any]], *, spread: bool = True) -> dict[str, Any]:
    """Mean, minimum and standard deviation (or the mean alone) of nested figures that ``rows`` share."""
    summary: dict[str, Any] = {}
    for name, value in rows[0].items():
        values = [row[name] for row in rows]
        if isinstance(value, Mapping):
            summary[name] = summarise(values, spread=spread)
        elif any(one is None for one in values):
            summary[name] = None
        else:
            deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
            mean = float(np.mean(values))
            summary[name] = {"mean": mean, "min": min(values), "std": deviation} if spread else mean
    return summary


def main(
    data: Annotated[str, typer.Argument(help="As for sranogan-evaluate.")],
    bundle: Annotated[list[Path], typer.Option(help="An int8 bundle; once for each seed.")],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    split: Annotated[str, typer.Option(help="Labelled split to report on.")] = "val",
    run: Annotated[
        list[Path] | None, typer.Option(help="Run folder of each bundle, in the same order; for sources.")
    ] = None,
    source_prefix: Annotated[
        list[str] | None, typer.Option(help="What names of one source's normals begin with.")
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Of the shifted normals.")] = 3,
) -> None:
    """Measure bundles of one design, each a seed, under controls and across sources."""
    started, source, prefixes = time.monotonic(), open_source(data), source_prefix or []
    runs: Sequence[Path | None] = run or [None] * len(bundle)
    if len(runs) != len(bundle) or (prefixes and not run):
        raise SettingsError("--source-prefix needs one --run for each --bundle, in the same order.")
    rows = [measure_bundle(*pair, source, split, prefixes, draws) for pair in zip(bundle, runs, strict=True)]
    result = {**_circumstances(source, split, started), "draws": draws, "seed": rows[0]["seed"]}
    result["seeds"] = [row["seed"] for row in rows]
    result["notes"] = [SHIFT_NOTE, *([NETWORKS_NOTE] if prefixes else [])]
    result |= {"summary": summarise([row["columns"] for row in rows]), "models": rows}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _circumstances(source: DataSource, split: str, started: float) -> dict[str, Any]:
    items = source.items(split)
    return {
        "commands": [shlex.join(["python", *sys.argv])],
        "minutes": round((time.monotonic() - started) / 60, 2),
        "evaluated_at": timestamp(),
        "provenance": {"data": source.name, "split": split, "machine": machine()},
        "normals": sum(item.is_normal for item in items),
        "abnormals": sum(not item.is_normal for item in items),
    }


if __name__ == "__main__":
    typer.run(main)
