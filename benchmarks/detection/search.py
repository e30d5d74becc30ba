r"""Search, recipe and number of steps: what each does to detection, to the loss reached, to time and to size.

::

    python benchmarks/detection/search.py RUN ../shared/data/chest_xray --split val --work /tmp/search \
        --out benchmarks/results/search.json
    python -m benchmarks.pages.search_page

Exports the run once per search and recipe, each with several step budgets, and scores the split with every
one on the edge runner. Bundles in ``--work`` are used again. All are timed in turn, image by image, so that
what else the machine does falls on all alike; compare times inside one result only.
"""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import keras
import numpy as np
import typer
from numpy.typing import NDArray

from keras_sranogan.anogan.loss import search_loss
from keras_sranogan.data.load import load_images
from keras_sranogan.data.open import open_source
from keras_sranogan.detector.reconstruct import downscale_all, predict
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.intervals import auroc_interval
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.progress import Progress, Terminal
from keras_sranogan.run import Run
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.files import write_json
from sranogan_edge.scoring.rule import Verdict

Images = NDArray[np.float32]

BACKEND = "xnnpack"
TIMED_IMAGES = 60
RECIPES: dict[str, tuple[str, ...]] = {
    "float32": ("--float32",),
    "float16": ("--float16",),
    "dynamic": ("--dynamic",),
    "int8, after training": ("--int8", "--ptq"),
    "int8, quantisation-aware": ("--int8",),
}
TFMOT = {"int8, quantisation-aware by tfmot": ("--int8", "--qat", "tfmot")}


@dataclass(frozen=True)
class Asked:
    """One export: a search with all its numbers of steps, in one recipe."""

    search: str
    steps: tuple[int, ...]
    recipe: str
    options: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the bundle's file is called: search and options."""
        return "-".join([self.search, *(option.strip("-") for option in self.options)])

    def command(self, run: Path, out: Path) -> list[str]:
        """How it is made."""
        budgets = ",".join(str(k) for k in self.steps)
        search = ["--search", self.search, "--steps", str(max(self.steps)), "--budgets", budgets]
        return ["sranogan-export", str(run), *self.options, *search, "--out", str(out)]


def wanted(gradient: Sequence[int], learned: Sequence[int], *, tfmot: bool) -> list[Asked]:
    """Return every export of the table; the encoder alone is the gradient search with no step."""
    searches = {"gradient": tuple(sorted({0, *gradient})), "learned": tuple(sorted({*learned} - {0}))}
    recipes = RECIPES | (TFMOT if tfmot else {})
    return [
        Asked(search, steps, recipe, options)
        for recipe, options in recipes.items()
        for search, steps in searches.items()
        if steps
    ]


def export(asked: Asked, run: Path, work: Path) -> tuple[Path, str]:
    """Return the bundle, made unless it is there, and the command."""
    out = work / f"{asked.name}.sranogan"
    command = asked.command(run, out)
    if not out.exists():
        subprocess.run([Path(sys.executable).with_name(command[0]), *command[1:]], check=True)
    return out, shlex.join(command)


class Films:
    """A labelled split, and the paper's loss of what a search makes of it."""

    def __init__(self, run: Run, data: str, split: str) -> None:
        source, self._settings = open_source(data), run.settings
        loaded = load_images(source, source.items(split), self._settings.preprocess)
        self.x = loaded.x
        self.abnormal = np.array([not item.is_normal for item in loaded.items])
        self._features: keras.Model = run.networks().features

    def losses(self, verdicts: Sequence[Verdict]) -> NDArray[np.float32]:
        """Return ``(N,)``: the loss at the end of the search, by the float features whatever the recipe."""
        made = [verdict.reconstruction for verdict in verdicts]
        low = downscale_all(np.stack([one.x for one in made]), self._settings.search_size)
        generated = np.stack([one.generated for one in made])
        f_low, f_generated = (predict(self._features, images) for images in (low, generated))
        weight = self._settings.search.feature_weight
        return np.asarray(search_loss(low, generated, f_low, f_generated, weight), np.float32)


def rows_of(asked: Asked, path: Path, films: Films, progress: Progress) -> Iterator[dict[str, Any]]:
    """Yield a row for each number of steps: detection, and the mean loss over the split's normals."""
    bundle = read_bundle(path)
    for steps in asked.steps:
        with_steps = bundle.with_steps(steps)
        detector = open_detector(with_steps, backend=BACKEND)
        progress.start(f"{asked.search}, {asked.recipe}, {steps} steps", len(films.x))
        verdicts = []
        for done, x in enumerate(films.x, start=1):
            verdicts.append(detector.score_x(x))
            progress.advance(done)
        score, normal = np.array([verdict.score for verdict in verdicts]), ~films.abnormal
        yield {
            "search": "encoder" if steps == 0 else asked.search,
            "recipe": asked.recipe,
            "steps": steps,
            "bundle": path.name,
            "auroc": metrics.auroc(score, films.abnormal),
            "auroc_ci": auroc_interval(score, films.abnormal),
            "final_loss": float(films.losses(verdicts)[normal].mean()),
            "search_bytes": len(bundle.graphs["search"]),
            "bundle_bytes": path.stat().st_size,
        }


def milliseconds(rows: Sequence[Mapping[str, Any]], work: Path, x: Images) -> list[dict[str, float]]:
    """Return the medians of each row's bundle over ``x``, all bundles in turn, one thread."""
    detectors = [
        open_detector(read_bundle(work / r["bundle"]).with_steps(r["steps"]), backend=BACKEND) for r in rows
    ]
    taken: list[tuple[list[float], list[float]]] = [([], []) for _ in rows]
    for image in x:
        for detector, (search, whole) in zip(detectors, taken, strict=True):
            started = time.perf_counter()
            verdict = detector.score_x(image)
            whole.append((time.perf_counter() - started) * 1000)
            search.append(verdict.milliseconds["search"])
    return [
        {"search_ms": statistics.median(search), "total_ms": statistics.median(whole)}
        for search, whole in taken
    ]


def main(
    run: Annotated[Path, typer.Argument(help="A finished run folder, with a corrector.")],
    data: Annotated[str, typer.Argument(help="What it was trained on.")],
    work: Annotated[Path, typer.Option(help="Folder for the bundles (not for the repository).")],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    split: Annotated[str, typer.Option(help="Labelled split to report on.")] = "val",
    gradient: Annotated[str, typer.Option(help="Numbers of gradient steps.")] = "2,8",
    learned: Annotated[str, typer.Option(help="Numbers of learned steps; empty for none.")] = "1,2,4",
    tfmot: Annotated[bool, typer.Option("--tfmot", help="Also the second engine.")] = False,
) -> None:
    """Export in every way, score one split with each, time them in turn."""
    started, model, commands = time.monotonic(), Run(run), list[str]()
    work.mkdir(parents=True, exist_ok=True)
    films, rows = Films(model, data, split), list[dict[str, Any]]()
    with Terminal() as progress:
        for asked in wanted(_numbers(gradient), _numbers(learned), tfmot=tfmot):
            path, command = export(asked, run, work)
            commands.append(command)
            rows += rows_of(asked, path, films, progress)
    timed = milliseconds(rows, work, films.x[:TIMED_IMAGES])
    result = {
        "commands": [*commands, shlex.join(["python", *sys.argv])],
        "seed": model.settings.seed,
        "minutes": {"total": round((time.monotonic() - started) / 60, 2)},
        "evaluated_at": timestamp(),
        "provenance": {**model.provenance, "machine": machine(), "load_average": os.getloadavg()},
        "split": {
            "name": split,
            "normal": int((~films.abnormal).sum()),
            "abnormal": int(films.abnormal.sum()),
        },
        "threads": 1,
        "timed_images": min(TIMED_IMAGES, len(films.x)),
        "rows": [{**row, **ms} for row, ms in zip(rows, timed, strict=True)],
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, result)


def _numbers(listed: str) -> list[int]:
    return [int(number) for number in listed.split(",") if number.strip()]


if __name__ == "__main__":
    typer.run(main)
