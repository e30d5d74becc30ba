"""benchmarks/gpu/train: what is shortened, and how pace and minutes follow from the steps."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from keras_sranogan.presets import preset

ROOT = Path(__file__).parents[2]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the benchmark."""
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks.gpu.train")


def test_a_share_of_the_steps(bench: ModuleType) -> None:
    """Each stage has its share of steps, 20 at least; a stage that there is not stays so; all else stays."""
    whole = preset("standard", seed=3)
    tenth = bench.shortened(whole, 0.1)
    assert (tenth.anogan.steps, tenth.anogan.encoder_steps, tenth.corrector.steps) == (500, 150, 200)
    assert (tenth.refiner.steps, tenth.srgan.steps, tenth.head.steps) == (100, 250, 150)
    assert bench.shortened(whole, 0.001).head.steps == 20
    assert bench.shortened(preset("demo"), 0.5).corrector.steps == 0
    assert bench.shortened(whole, 1.0) == whole
    assert replace(tenth, **{name: getattr(whole, name) for name in STAGE_SETTINGS}) == whole


STAGE_SETTINGS = ("anogan", "corrector", "refiner", "srgan", "head")


def test_the_first_step_counts_to_the_minutes_and_not_to_the_pace(
    bench: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eleven steps, the first after 30 s, the others 2 s apart: half a step a second, 50 s in all."""
    now = [100.0]
    monkeypatch.setattr(bench.time, "monotonic", lambda: now[0])
    watch = bench.Stopwatch()
    watch.start("gan", 11)
    now[0] += 30
    watch.advance(1)
    for done in range(2, 12):
        now[0] += 2
        watch.advance(done)
    told = watch.of_stage("gan", batch=32)
    assert told == {
        "steps": 11,
        "seconds": 50.0,
        "first_step_s": 30.0,
        "steps_per_s": 0.5,
        "images_per_s": 16.0,
    }


def test_minutes_of_all_steps(bench: ModuleType) -> None:
    """600 steps at 2 a second and 300 at 1 a second are ten minutes; a stage of one step has no pace."""
    measured = {
        "stages": {"gan": {"steps_per_s": 2.0}, "head": {"steps_per_s": 1.0}, "x": {"steps_per_s": 0.0}}
    }
    assert bench.estimated_minutes(measured, {"gan": 600, "head": 300, "x": 9}) == 10.0


def test_every_stage_of_a_run_has_a_batch(bench: ModuleType) -> None:
    """Images of a step are known for each stage that a run trains."""
    assert set(bench.batches(preset("standard"))) == set(bench.STAGES)
