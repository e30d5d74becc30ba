r"""What a bundle answers to images that it was not made for: figures, error messages, and what to do.

::

    python -m benchmarks.detection.bad_input s/0.sranogan ../shared/data/chest_xray --split val \
        --out docs/method/bad-input.md --picture docs/images/bad_input.png \
        --json benchmarks/results/chest_xray_val_bad_input_seed0.json

The page holds figures alone; the picture shows a phantom, no patient.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.detection.bad_input_cases import CASES, NOT_FILMS, changed, noise, photographs, refused
from benchmarks.pages.bad_input_page import draw, page
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.open import open_source
from keras_sranogan.machine import machine, timestamp
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import ImageError
from sranogan_edge.image.frame import Frame


@dataclass(frozen=True, eq=False)
class Answered:
    """Scores of the images that could be scored, and the messages of those that could not."""

    scores: NDArray[np.float64]
    errors: tuple[str, ...]


def answer(detector: Detector, frames: Iterable[Frame]) -> Answered:
    """Score ``frames``; a refused one leaves its message."""
    scores, errors = [], []
    for frame in frames:
        try:
            scores.append(detector.score(frame).score)
        except ImageError as error:
            errors.append(str(error))
    return Answered(np.array(scores), tuple(errors))


def figures(name: str, images: str, answered: Answered, bundle: Bundle, advice: str) -> dict[str, Any]:
    """One row of the page."""
    scores, total = answered.scores, len(answered.scores) + len(answered.errors)
    flagged = float((scores > bundle.calibration.threshold).mean()) if len(scores) else None
    return {
        "name": name,
        "images": images,
        "n": total,
        "refused": len(answered.errors),
        "share_flagged": flagged,
        "median_score": float(np.median(scores)) if len(scores) else None,
        "q95_score": float(np.quantile(scores, 0.95)) if len(scores) else None,
        "first_error": next(iter(answered.errors), None),
        "advice": advice,
    }


def measure(detector: Detector, source: DataSource, items: Sequence[Item]) -> list[dict[str, Any]]:
    """Score every case on the normals and on the abnormals, and what is no film at all."""
    bundle, rows = detector.bundle, []
    for case in CASES:
        print(case.name, flush=True)
        for images, normal in (("normals", True), ("abnormals", False)):
            frames = (changed(source.frame(item), case) for item in items if item.is_normal is normal)
            rows.append(figures(case.name, images, answer(detector, frames), bundle, case.advice))
    for name, others in (("noise", noise()), ("photograph", photographs())):
        rows.append(figures(name, "not films", answer(detector, others), bundle, NOT_FILMS[name]))
    return rows


def refusals(detector: Detector) -> list[dict[str, str]]:
    """Return what each of :func:`refused` is answered; one that is scored says so."""
    found = []
    for name, frame, advice in refused():
        try:
            answered = f"scored {detector.score(frame()).score:.2f}"
        except ImageError as error:
            answered = f"{type(error).__name__}: {error}"
        found.append({"name": name, "answer": answered, "advice": advice})
    return found


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` of each kind, evenly spread over their order."""
    chosen = []
    for normal in (True, False):
        kind = [item for item in items if item.is_normal is normal]
        places = np.linspace(0, len(kind) - 1, min(count, len(kind))).round().astype(int)
        chosen += [kind[place] for place in places]
    return chosen


def main(
    bundle: Annotated[Path, typer.Argument(help="The bundle to ask.")],
    data: Annotated[str, typer.Argument(help="As for sranogan-evaluate.")],
    out: Annotated[Path, typer.Option(help="The page to write, Markdown.")],
    split: Annotated[str, typer.Option(help="Labelled split to spoil.")] = "val",
    picture: Annotated[Path | None, typer.Option(help="Picture of a phantom to write for the page.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="The figures to write.")] = None,
    images: Annotated[int, typer.Option(min=1, help="At most so many normals and abnormals.")] = 100,
) -> None:
    """Ask one bundle about spoilt films and about what is no film, and write a page."""
    started, source, detector = time.monotonic(), open_source(data), open_detector(read_bundle(bundle))
    threshold = detector.bundle.calibration.threshold
    result = {
        "commands": [shlex.join(["python", "-m", "benchmarks.detection.bad_input", *sys.argv[1:]])],
        "seed": detector.bundle.details["settings"]["seed"],
        "bundle": bundle.name,
        "bundle_sha256": detector.bundle.sha256,
        "threshold": threshold if math.isfinite(threshold) else None,
        "films": measure(detector, source, evenly(source.items(split), images)),
        "refused": refusals(detector),
        "evaluated_at": timestamp(),
        "provenance": {"data": source.name, "split": split, "machine": machine()},
    }
    result["minutes"] = round((time.monotonic() - started) / 60, 2)
    if picture is not None:
        picture.write_bytes(draw(open_source("phantom?val=1")))
    shown = os.path.relpath(picture, out.parent) if picture else None
    out.write_text(page(result, shown), encoding="utf-8")
    if json_out is not None:
        json_out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
