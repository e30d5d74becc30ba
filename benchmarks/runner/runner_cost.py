r"""What the runner adds to each image: site calibration, drift, the live page.

::

    python -m benchmarks.runner.runner_cost chest.sranogan --json benchmarks/results/runner_cost.json

Frames are 640 x 480 noise in colour, as a camera gives them; what is in them does not change the times.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Annotated

import numpy as np
import typer

from benchmarks.record import Record
from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.detector.in_force import Site
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import Loader, ScoringSettings
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.page.board import HISTORY, Board
from sranogan_edge.scoring.foreign import DomainRule
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.statistics import statistics_of
from sranogan_edge.service.drift_feeds import FeedsDrift
from sranogan_edge.site.drift import DriftSettings

NORMALS = 200


def milliseconds(call: Callable[[], object], runs: int = 500) -> dict[str, float]:
    """Median and 95th percentile of ``runs`` calls."""
    call()
    taken = []
    for _ in range(runs):
        started = perf_counter()
        call()
        taken.append((perf_counter() - started) * 1000)
    return {
        "median_ms": round(float(np.median(taken)), 4),
        "p95_ms": round(float(np.percentile(taken, 95)), 4),
    }


def with_site(judge: Judge, frames: list[Frame]) -> Judge:
    """Put a calibration of ``frames`` in force."""
    bundle = judge.detector.bundle  # type: ignore[attr-defined]  # a real detector

    def measure(frame: Frame, made: Measurement) -> dict[str, float]:
        return statistics_of(frame, made, bundle.density, bundle.preprocess)

    rows = [measure(frame, judge.detector.measure(frame)) for frame in frames]
    columns = {name: tuple(row[name] for row in rows) for name in rows[0]}
    scorer = judge.scorer
    made = SiteCalibration(scorer.bundle, scorer.steps, scorer.backend, 0.05, columns, "0" * 64, "noise")
    return Judge.of(judge.detector, Site(made, "c" * 64, DomainRule.of(made), measure))  # type: ignore[arg-type]


def main(
    bundle: Annotated[Path, typer.Argument(help="The bundle.")],
    json: Annotated[Path, typer.Option(help="The file to write.")] = Path(
        "benchmarks/results/runner_cost.json"
    ),
) -> None:
    """Measure, print, write."""
    record, rng = Record("runner_cost", 0), np.random.default_rng(0)
    frames = [
        Frame(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8), 8, Photometric.RGB) for _ in range(NORMALS)
    ]
    detector = Loader(ScoringSettings(backend="xnnpack")).detector(bundle)
    plain = Judge.of(detector, domain_rate=None)
    judge = with_site(plain, frames)
    answer = judge.answer(frames[:1])
    assert judge.site
    assert judge.heat_limit
    board, drift = Board(judge.rule.calibration, judge.heat_limit), FeedsDrift(judge, DriftSettings(stride=1))
    line = answer.line("camera", judge.scorer, None, "camera")
    for _ in range(HISTORY):
        board.scored(line, answer.verdict)
    site, picture = judge.site, board.snapshot().entries[-1].picture
    assert site.domain
    assert picture
    rule, made = site.domain, judge.detector.measure(frames[0])
    found = {
        "image": milliseconds(lambda: plain.answer(frames[:1]), 100),
        "statistics and domain": milliseconds(
            lambda: rule.judge(site.measure(frames[0], made)),
        ),
        "drift": milliseconds(lambda: drift.add("camera", answer, of_camera=False)),
        "page, each image": milliseconds(lambda: board.scored(line, answer.verdict)),
        "page, thumbnail looked at": milliseconds(picture.png, 100),
        "page, live frame looked at": milliseconds(lambda: board.live_picture("frame"), 100),
        "page, live heat map looked at": milliseconds(lambda: board.live_picture("heat"), 100),
    }
    for name, times in found.items():
        print(f"{name:30} median {times['median_ms']:8.4f} ms, p95 {times['p95_ms']:8.4f} ms")
    record.write(json, bundle=judge.scorer.bundle, backend=judge.scorer.backend, milliseconds=found)


if __name__ == "__main__":
    typer.run(main)
