r"""How long one image takes: int8 against float32 of the same run, and against plain AnoGAN in Keras.

::

    python -m benchmarks.runner.latency RUN INT8.sranogan FLOAT32.sranogan [MORE.sranogan ...] \
        --out benchmarks/results/chest_xray_latency_seed0.json
    python -m benchmarks.pages.latency_page

Everything runs in one process, in turns, in a new order each turn, in one thread: what disturbs one
disturbs all, so ratios hold on a shared machine. An image is in memory; the time ends with score, p-value
and heat map. Milliseconds of CPU are what the process computed; those of the clock are longer by what
other programs took.
"""

from __future__ import annotations

import random
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import tensorflow as tf
import typer
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from benchmarks.runner.latency_anogan import Score, plain_anogan
from keras_sranogan.machine import machine
from keras_sranogan.progress import Progress, Terminal
from keras_sranogan.run import Run
from sranogan_edge.bench.peak import Peak, measure_peak
from sranogan_edge.bench.report import bundle_costs, floor_ms, macs_per_frame
from sranogan_edge.bundle.bundle import GRAPHS, read_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.open import open_detector
from sranogan_edge.device import load_average, read_device
from sranogan_edge.files import write_json

Images = NDArray[np.float32]

FRAMES = 5  # of one contender, one after another, in one turn; the first warms the caches again
WARM_UP = 10
RESAMPLES = 2000
INTERVAL = (0.025, 0.975)
QUIET = 0.1  # quantile of the clock's times that is least disturbed by other programs


@dataclass(frozen=True, eq=False)
class Contender:
    """One bundle at one step budget, loaded and proven.

    Attributes:
        name: recipe, search and steps.
        facts: of the bundle, for the result.
        detector: what is timed.
        macs: of one image, by arithmetic.
        weight_bytes: that one image reads at least once.
    """

    name: str
    facts: dict[str, Any]
    detector: Detector
    macs: dict[str, int] | None
    weight_bytes: int | None


@dataclass(frozen=True, eq=False)
class Turns:
    """Times of one contender: ``(turns, FRAMES - 1)`` milliseconds of the clock, ``(turns,)`` of CPU."""

    clock: NDArray[np.float64]
    cpu: NDArray[np.float64]
    stages: dict[str, float]


def load(path: Path) -> list[Contender]:
    """Load every budget of a bundle; the one that it is set to comes first."""
    bundle = read_bundle(path)
    costs = bundle_costs(bundle)
    found = []
    for steps in sorted(bundle.budgets, key=lambda steps: (steps != bundle.steps, steps)):
        detector = open_detector(bundle.with_steps(steps), backend="xnnpack", threads=1)
        search = bundle.details["search"]["kind"]
        facts = {"recipe": bundle.details["recipe"], "search": search, "steps": steps, "file": path.name}
        used = [costs[name, steps] for name in GRAPHS]
        weights = sum(cost.weight_bytes for cost in used if cost) if all(used) else None
        macs = macs_per_frame(costs, steps)
        facts |= {"default": steps == bundle.steps, "bytes": path.stat().st_size, "sha256": bundle.sha256}
        found.append(Contender(f"{facts['recipe']} {search} {steps}", facts, detector, macs, weights))
    return found


def take_turns(
    contenders: Sequence[Contender], x: Images, turns: int, order: random.Random, advance: Callable[[], None]
) -> list[Turns]:
    """Time every contender in each of ``turns`` turns, in a new order each."""
    clock = np.zeros((len(contenders), turns, FRAMES - 1))
    cpu = np.zeros((len(contenders), turns))
    laps: list[list[dict[str, float]]] = [[] for _ in contenders]
    for turn in range(turns):
        for k in order.sample(range(len(contenders)), len(contenders)):
            score = contenders[k].detector.score_x
            score(x[turn % len(x)])
            before = time.process_time()
            for frame in range(FRAMES - 1):
                started = time.perf_counter()
                verdict = score(x[(turn + frame) % len(x)])
                clock[k, turn, frame] = (time.perf_counter() - started) * 1000
                laps[k].append(dict(verdict.milliseconds))
            cpu[k, turn] = (time.process_time() - before) * 1000 / (FRAMES - 1)
        advance()
    stages = [{stage: float(np.median([lap[stage] for lap in one])) for stage in one[0]} for one in laps]
    return [Turns(*one) for one in zip(clock, cpu, stages, strict=True)]


def timed(score: Score, x: Images) -> tuple[float, float]:
    """Return milliseconds of the clock and of CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    score(x)
    return (time.perf_counter() - clock) * 1000, (time.process_time() - cpu) * 1000


def ratio(slow: NDArray[np.float64], fast: NDArray[np.float64], seed: int) -> dict[str, Any]:
    """Return the median of the pairs' ratios, and its 95 % interval by drawing pairs anew.

    Args:
        slow: ``(turns,)`` milliseconds.
        fast: the same turns of the other.
        seed: of the draws.
    """
    ratios = slow / fast
    drawn = np.random.default_rng(seed).integers(0, len(ratios), (RESAMPLES, len(ratios)))
    low, high = np.quantile(np.median(ratios[drawn], axis=1), INTERVAL)
    return {"ratio": float(np.median(ratios)), "interval": [float(low), float(high)]}


def summarise(one: Contender, turns: Turns, first: Turns, peak: Peak, seed: int) -> dict[str, Any]:
    """Return one row: times, times over those of ``first``, and how far from the machine's floor."""
    floor = floor_ms(one.macs, peak)
    weights = one.weight_bytes / peak.memory / 1e6 if one.weight_bytes and peak.memory else None
    cpu = float(np.median(turns.cpu))
    return {
        "name": one.name,
        **one.facts,
        "clock_ms": {
            "median": float(np.median(turns.clock)),
            "quiet": float(np.quantile(turns.clock, QUIET)),
            "least": float(turns.clock.min()),
            "p95": float(np.quantile(turns.clock, 0.95)),
        },
        "cpu_ms": {"median": cpu, "least": float(turns.cpu.min())},
        "stages_clock_ms": turns.stages,
        "over_first": {
            "clock": ratio(np.median(turns.clock, axis=1), np.median(first.clock, axis=1), seed),
            "cpu": ratio(turns.cpu, first.cpu, seed),
        },
        "macs": one.macs,
        "weight_bytes": one.weight_bytes,
        "floor_ms": {"arithmetic": floor, "weights": weights},
        "cpu_over_floor": None if floor is None else cpu / floor,
    }


def against_anogan(anogan: Sequence[tuple[float, float]], first: Sequence[Turns]) -> dict[str, Any]:
    """Return plain AnoGAN's times and their ratio to the first contender's of the turns just before each."""
    clock, cpu = (np.array(column) for column in zip(*anogan, strict=True))
    over = {
        "clock": clock / [np.median(turns.clock) for turns in first],
        "cpu": cpu / [np.median(turns.cpu) for turns in first],
    }
    return {
        "clock_ms": clock.tolist(),
        "cpu_ms": cpu.tolist(),
        "over_first": {
            name: {"median": float(np.median(one)), "least": float(one.min()), "most": float(one.max())}
            for name, one in over.items()
        },
    }


def joined(rounds: Sequence[Turns]) -> Turns:
    """Return the turns of all rounds as those of one; a stage's median is that of the rounds' medians."""
    stages = {k: float(np.median([one.stages[k] for one in rounds])) for k in rounds[0].stages}
    clock, cpu = (np.concatenate([getattr(one, k) for one in rounds]) for k in ("clock", "cpu"))
    return Turns(clock, cpu, stages)


def measure(
    run: Run, bundles: Sequence[Path], turns: int, images: int, steps: int, seed: int, progress: Progress
) -> dict[str, Any]:
    """Warm everything up, then alternate: turns of the bundles, one image of plain AnoGAN each way."""
    contenders = [one for path in bundles for one in load(path)]
    anogan, x = plain_anogan(run, steps), contenders[0].detector.bundle.golden_x
    order, loads = random.Random(seed), [load_average()]
    progress.start("warming up", 1)
    take_turns(contenders, x, WARM_UP // FRAMES, order, lambda: None)
    for score in anogan.values():
        timed(score, x[0])  # traces the search
    rounds: list[list[Turns]] = []
    slow: dict[str, list[tuple[float, float]]] = {name: [] for name in anogan}
    each = -(-turns // images)
    progress.start("taking turns", each * images)
    done = iter(range(1, each * images + 1))
    for image in range(images):
        rounds.append(take_turns(contenders, x, each, order, lambda: progress.advance(next(done))))
        for name, score in anogan.items():
            slow[name].append(timed(score, x[(image + 1) % len(x)]))
        loads.append(load_average())
    peak = measure_peak("xnnpack", 1)
    whole = [joined([one[k] for one in rounds]) for k in range(len(contenders))]
    rows = zip(contenders, whole, strict=True)
    return {
        "rows": [summarise(one, taken, whole[0], peak, seed) for one, taken in rows],
        "anogan": {name: against_anogan(times, [one[0] for one in rounds]) for name, times in slow.items()},
        "anogan_steps": steps,
        "anogan_images": images,
        "peak": asdict(peak),
        "loads": loads,
        "turns": each * images,
        "frames_a_turn": FRAMES - 1,
        "side_px": contenders[0].detector.bundle.size,
    }


def one_thread() -> None:
    """Let TensorFlow and OpenCV compute in one thread, as the graphs do."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    cv2.setNumThreads(1)


def main(
    run: Annotated[Path, typer.Argument(help="The run that the bundles were exported from.")],
    bundles: Annotated[list[Path], typer.Argument(help="The first, at its own steps, is what is compared.")],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    turns: Annotated[int, typer.Option(min=1, help="Of every bundle and budget.")] = 120,
    anogan_images: Annotated[int, typer.Option(min=1, help="That plain AnoGAN searches.")] = 3,
    anogan_steps: Annotated[int, typer.Option(min=1, help="Of its search.")] = 500,
    seed: Annotated[int, typer.Option(help="Of the order of turns.")] = 0,
) -> None:
    """Time bundles and plain AnoGAN in turns, and write one JSON."""
    one_thread()
    started = time.monotonic()
    device = read_device()
    with threadpool_limits(1), Terminal() as progress:
        found = measure(Run(run), bundles, turns, anogan_images, anogan_steps, seed, progress)
    result = {
        "commands": [shlex.join(["python", "-m", "benchmarks.runner.latency", *sys.argv[1:]])],
        "seed": seed,
        "minutes": round((time.monotonic() - started) / 60, 2),
        "provenance": {"machine": machine()},
        "device": asdict(device),
        **found,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    write_json(out, result)


if __name__ == "__main__":
    typer.run(main)
