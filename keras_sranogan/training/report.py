"""What a training came to: one sentence, the commands that come next, ``report.html`` in the run folder."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from keras_sranogan.html.page import render_page
from keras_sranogan.run_record import RunRecord
from keras_sranogan.training.event_log import Curves, read_curves
from keras_sranogan.training.stage import writing
from sranogan_edge.scoring.conformal import Calibration

__all__ = [
    "REPORT",
    "STAGES",
    "curves_of",
    "end_lines",
    "learned_text",
    "next_commands",
    "pictures_of",
    "write_report",
]

REPORT = "report.html"
STAGES = ("gan", "encoder", "corrector", "refiner", "srgan", "head")  # in the order that they are trained in
WIDE, HIGH = 320.0, 90.0  # of a curve, in its own units


@dataclass(frozen=True)
class _Curve:
    """A metric over the steps of its stage, as a line of an SVG picture of ``WIDE`` x ``HIGH``."""

    name: str
    points: str
    first: float
    last: float
    steps: int


def learned_text(record: RunRecord) -> str:
    """What to expect of the run's threshold, in one sentence."""
    calibration, provenance = record.calibration, record.provenance
    count, what = provenance["normals_held_out"], "normals"
    if "images_held_out" in provenance:
        what = f"tiles of {provenance['images_held_out']} normals"
    learned = f"Learned from {provenance['normals_to_train']} {'tiles' if what != 'normals' else 'normals'}"
    if not math.isfinite(calibration.threshold):
        needed = _needed(calibration)
        return (
            f"{learned}, but {count} {what} held out are too few for a threshold of {_rate(calibration)} %: "
            f"nothing is flagged. {needed} held out are enough, which are a fifth of {5 * needed} normals."
        )
    return (
        f"{learned}: of 100 normals like the {count} {what} held out about {_rate(calibration)} are flagged, "
        "more of another machine, place or light; how many anomalies are found, labelled images tell."
    )


def next_commands(record: RunRecord, data: str) -> list[str]:
    """Return the lines to type next, after a training on ``data``."""
    run, bundle = str(record.folder), f"{record.folder.name}.sranogan"
    if record.settings.preset == "paper":  # no bundle holds its search
        return [shlex.join(["sranogan-evaluate", run, data, "--report", f"{record.folder.name}.html"])]
    return [
        shlex.join(["sranogan-export", run, "--out", bundle]),
        f"{shlex.join(['sranogan-score', bundle])} NEW_IMAGES/ --out scores --report scores/report.html",
    ]


def end_lines(record: RunRecord, data: str, report: Path) -> list[str]:
    """Return what to say at the end: minutes, what was learned, where the report is, what to type next."""
    pieces = record.progress
    minutes = ", ".join(f"{name} {value:.1f}" for name, value in pieces.items())
    leads = ("next:", "     ")
    return [
        f"trained in {sum(pieces.values()):.1f} min ({minutes}); run folder: {record.folder}",
        learned_text(record),
        f"report: {report}",
        *(f"{lead} {line}" for lead, line in zip(leads, next_commands(record, data), strict=False)),
    ]


def curves_of(record: RunRecord) -> dict[str, Curves]:
    """Return the curves of each stage that left any."""
    read = {stage: read_curves(record.folder / "logs" / stage) for stage in STAGES}
    return {stage: curves for stage, curves in read.items() if curves}


def pictures_of(record: RunRecord) -> list[Path]:
    """Return the sample pictures of the stages, in their order."""
    return [path for stage in STAGES for path in sorted((record.folder / stage).glob("*.png"))]


def write_report(record: RunRecord, data: str) -> Path:
    """Write the page of a finished run into its folder and return where; ``data`` is what it was trained on.

    Raises:
        RunError: the run is unfinished or damaged.
        ResultsError: the page cannot be written.
    """
    pictures = {path.relative_to(record.folder).as_posix(): path.read_bytes() for path in pictures_of(record)}
    page = render_page(
        "train.html.j2",
        pictures,
        name=record.folder.name,
        learned=learned_text(record),
        commands=next_commands(record, data),
        minutes=record.progress,
        curves={stage: [_curve(*one) for one in found.items()] for stage, found in curves_of(record).items()},
        provenance=record.provenance,
        settings=record.settings.to_dict(),
        wide=WIDE,
        high=HIGH,
    )
    path = record.folder / REPORT
    with writing(path):
        path.write_text(page, encoding="utf-8")
    return path


def _rate(calibration: Calibration) -> str:
    return f"{100 * calibration.false_alarm_rate:g}"


def _needed(calibration: Calibration) -> int:
    return math.ceil(1 / calibration.false_alarm_rate - 1e-9) - 1


def _curve(name: str, values: Sequence[tuple[int, float]]) -> _Curve:
    numbers = [value for _, value in values]
    low, high, last = min(numbers), max(numbers), values[-1][0]
    points = " ".join(
        f"{WIDE * step / max(last, 1):.1f},{HIGH * (high - value) / ((high - low) or 1.0):.1f}"
        for step, value in values
    )
    return _Curve(name, points, numbers[0], numbers[-1], last)
