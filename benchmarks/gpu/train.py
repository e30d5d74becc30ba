"""Training on the card and on the processor beside it: minutes a stage, images a second, memory.

::

    python -m benchmarks.gpu.train --out build/gpu/results/gpu_train.json

Each platform trains in a process of its own, by JAX. The card takes all steps of the preset; the processor a
share of them (``--cpu-share``), from whose pace the time of all is computed and called an estimate. The first
step of a stage, in which it is compiled, counts to the minutes and not to the pace.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from keras_sranogan.progress import Silent

if TYPE_CHECKING:
    from keras_sranogan.settings import TrainSettings

STAGES = ("gan", "encoder", "corrector", "refiner", "srgan", "head")
FEWEST_STEPS = 20
MARK = "measured: "


class Stopwatch(Silent):
    """Progress that notes when the first and the last step of each stage ended."""

    def __init__(self) -> None:
        """Nothing has begun."""
        self.began: dict[str, float] = {}
        self.first: dict[str, float] = {}
        self.last: dict[str, tuple[int, float]] = {}
        self._task = ""

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Note the beginning of ``task``."""
        self._task = task
        self.began[task] = time.monotonic()

    def advance(self, done: int, note: str = "") -> None:
        """Note the time after ``done`` steps."""
        now = time.monotonic()
        self.first.setdefault(self._task, now)
        self.last[self._task] = done, now

    def say(self, text: str) -> None:
        """Tell it on standard error: standard output is for the figures."""
        print(text, file=sys.stderr)

    def of_stage(self, name: str, batch: int) -> dict[str, float]:
        """Steps, seconds (compiling among them), seconds of the first step, and the pace of the others."""
        steps, ended = self.last[name]
        pace = (steps - 1) / (ended - self.first[name]) if steps > 1 else 0.0
        return {
            "steps": steps,
            "seconds": round(ended - self.began[name], 2),
            "first_step_s": round(self.first[name] - self.began[name], 2),
            "steps_per_s": round(pace, 2),
            "images_per_s": round(pace * batch, 1),
        }


def batches(settings: TrainSettings) -> dict[str, int]:
    """Images of one step, by stage; the head takes pairs."""
    return {
        "gan": settings.anogan.batch,
        "encoder": settings.anogan.batch,
        "corrector": settings.corrector.batch,
        "refiner": settings.refiner.batch,
        "srgan": settings.srgan.batch,
        "head": 2 * settings.head.pairs,
    }


def shortened(settings: TrainSettings, share: float) -> TrainSettings:
    """``settings`` with this share of each stage's steps, at least ``FEWEST_STEPS``."""
    if share >= 1:
        return settings

    def fewer(steps: int) -> int:
        return max(FEWEST_STEPS, round(share * steps)) if steps else 0

    anogan = settings.anogan
    return replace(
        settings,
        anogan=replace(anogan, steps=fewer(anogan.steps), encoder_steps=fewer(anogan.encoder_steps)),
        corrector=replace(settings.corrector, steps=fewer(settings.corrector.steps)),
        refiner=replace(settings.refiner, steps=fewer(settings.refiner.steps)),
        srgan=replace(settings.srgan, steps=fewer(settings.srgan.steps)),
        head=replace(settings.head, steps=fewer(settings.head.steps)),
    )


def measure_here(data: str, preset_name: str, seed: int, share: float) -> dict[str, Any]:
    """Train in this process; return the figures of each stage and of the whole."""
    import jax

    from keras_sranogan.data.open import open_source
    from keras_sranogan.presets import preset
    from keras_sranogan.training.train import train

    settings = shortened(preset(preset_name, seed=seed), share)
    watch, began = Stopwatch(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sranogan-train-") as folder:
        run = train(open_source(data), Path(folder) / "run", settings, watch)
        minutes = run.progress
    device = jax.devices()[0]
    memory = device.memory_stats() or {}
    of_one = batches(settings)
    return {
        "device": device.device_kind,
        "platform": device.platform,
        "share_of_steps": share,
        "stages": {name: watch.of_stage(name, of_one[name]) for name in STAGES if name in watch.last},
        "minutes_by_piece": minutes,
        "minutes": round((time.monotonic() - began) / 60, 2),
        "peak_memory_mib": round(memory["peak_bytes_in_use"] / 2**20) if memory else None,
    }


def measure_apart(arguments: list[str], platform: str | None) -> dict[str, Any]:
    """Run :func:`measure_here` in a process of its own on ``platform``; None is what JAX takes by itself."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    if platform:
        environment["JAX_PLATFORMS"] = platform
    command = [sys.executable, "-m", "benchmarks.gpu.train", *arguments, "--here"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    told = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not told:
        raise SystemExit(f"{' '.join(command)} on {platform or 'the card'} ended with {done.returncode}")
    return dict(json.loads(told[-1].removeprefix(MARK)))


def estimated_minutes(measured: dict[str, Any], all_steps: dict[str, int]) -> float:
    """Minutes of every step of every stage at the pace measured, compiling left out."""
    paces = {name: stage["steps_per_s"] for name, stage in measured["stages"].items()}
    return round(sum(all_steps[name] / pace for name, pace in paces.items() if pace) / 60, 1)


def main(
    out: Annotated[Path | None, typer.Option(help="The JSON to write.")] = None,
    data: Annotated[str, typer.Option(help="As for sranogan-train.")] = "phantom?train=1000",
    preset_name: Annotated[str, typer.Option("--preset", help="As for sranogan-train.")] = "standard",
    seed: Annotated[int, typer.Option(help="As for sranogan-train.")] = 0,
    share: Annotated[float, typer.Option(help="Of the steps, on the card.")] = 1.0,
    cpu_share: Annotated[float, typer.Option(help="Of the steps, on the processor; 0 leaves it out.")] = 0.01,
    here: Annotated[bool, typer.Option(help="In this process, figures to standard output.")] = False,
) -> None:
    """Train on what JAX finds, then a share of it on the processor; write what both took."""
    if here:
        print(MARK + json.dumps(measure_here(data, preset_name, seed, share)), flush=True)
        return
    if out is None:
        raise typer.BadParameter("name the JSON to write", param_hint="--out")
    from benchmarks.record import Record

    record = Record("gpu.train", seed)
    common = ["--data", data, "--preset", preset_name, "--seed", str(seed)]
    figures = {"card": measure_apart([*common, "--share", str(share)], None)}
    record.write(out, **figures)  # kept, should the processor take too long
    if cpu_share:
        processor = measure_apart([*common, "--share", str(cpu_share)], "cpu")
        steps = {name: stage["steps"] / share for name, stage in figures["card"]["stages"].items()}
        for one in (figures["card"], processor):
            one["minutes_of_all_steps_at_this_pace"] = estimated_minutes(one, steps)
        record.write(out, **figures, processor=processor)


if __name__ == "__main__":
    typer.run(main)
