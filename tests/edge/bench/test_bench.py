"""The statistics of times, and the process that measures: its answer, its errors, its crashes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.bench.measure import (
    Configuration,
    Distribution,
    Measured,
    measure_configuration,
    measure_peak,
    run_task,
)
from sranogan_edge.bench.settings import BenchSettings
from sranogan_edge.bench.worker import Samples, peak_mib, resident_mib
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import BackendError, BundleFormatError, BundleIntegrityError

SETTINGS = BenchSettings(repeats=3, warm_up=1, frame_side=64)


def samples(milliseconds: dict[str, list[float]]) -> Samples:
    """Samples of these times, and made-up facts."""
    return Samples("xnnpack", "LiteRT", None, milliseconds, 1.0, 0.5, {"read": 1.0}, {"peak": 2.0}, 0.1, {})


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a module that does what its task's ``script`` says."""
    (tmp_path / "made_up_worker.py").write_text(
        "import json, os, sys, time\ntask = json.loads(sys.stdin.readline())\nexec(task['script'])\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    return "made_up_worker"


def test_percentiles() -> None:
    """Of 1 to 100 the median is 50.5, and the other percentiles lie between their neighbours."""
    found = Distribution.of([float(i) for i in range(100, 0, -1)])
    assert (found.p50, found.mean, found.least, found.most) == (50.5, 50.5, 1.0, 100.0)
    assert found.p95 == pytest.approx(95.05)
    assert found.p99 == pytest.approx(99.01)


def test_one_value_is_every_percentile() -> None:
    """A single frame is a distribution, too."""
    assert set(vars(Distribution.of([7.0])).values()) == {7.0}


def test_from_x_is_all_but_preprocess() -> None:
    """The time from x in memory is taken frame by frame, not as a difference of medians."""
    taken = {"preprocess": [1.0, 50.0, 2.0], "search": [5.0, 5.0, 5.0], "total": [11.0, 61.0, 32.0]}
    found = Measured(Configuration("auto", 1, 8), samples(taken)).milliseconds()
    assert list(found) == ["preprocess", "search", "total", "from_x"]
    assert (found["from_x"].p50, found["from_x"].least, found["from_x"].most) == (11.0, 10.0, 30.0)
    assert found["from_x"].p50 != found["total"].p50 - found["preprocess"].p50


def test_configurations_have_names() -> None:
    """Messages name backend, threads and steps, in the right number."""
    assert str(Configuration("gpu", 1, 8)) == "gpu, 1 thread, 8 steps"
    assert str(Configuration("auto", 2, 1)) == "auto, 2 threads, 1 step"


def test_progress_and_answer(worker: str) -> None:
    """Messages on the way reach the caller, the last one is the answer."""
    script = "for n in (1, 2): print(json.dumps({'done': n}))\nprint(json.dumps({'result': {'a': 1}}))"
    done: list[int] = []
    assert run_task({"script": script}, done.append, module=worker) == {"a": 1}
    assert done == [1, 2]


def test_numpy_has_the_threads_that_the_commands_give_it(
    worker: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One, however many the graphs have, unless the environment says otherwise."""
    script = "print(json.dumps({'result': {'n': os.environ['OPENBLAS_NUM_THREADS']}}))"
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert run_task({"script": script}, module=worker) == {"n": "1"}
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "3")
    assert run_task({"script": script}, module=worker) == {"n": "3"}


def test_errors_of_the_worker_keep_their_kind(worker: str) -> None:
    """What the worker met is raised here as the same error."""
    script = "print(json.dumps({'error': 'BundleIntegrityError', 'message': 'it was changed'}))"
    with pytest.raises(BundleIntegrityError, match="it was changed"):
        run_task({"script": script}, module=worker)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("os.kill(os.getpid(), 11)", "signal SIGSEGV"),
        ("sys.exit(3)", "exit code 3"),
        ("print('no adapter', file=sys.stderr); os.abort()", "signal SIGABRT.*no adapter"),
        ("print(json.dumps({'done': 1})); sys.exit('out of memory')", "exit code 1.*out of memory"),
    ],
)
def test_a_crash_is_named(worker: str, script: str, words: str) -> None:
    """A worker that ends without an answer is a backend's error with the signal and the last words."""
    with pytest.raises(BackendError, match=words):
        run_task({"script": script}, module=worker)


def test_a_worker_that_hangs_is_ended(worker: str) -> None:
    """Past the limit the worker is killed, and the message says so."""
    with pytest.raises(BackendError, match="no answer within 0 s"):
        run_task({"script": "time.sleep(600)"}, module=worker, limit_s=0.2)


def test_an_interruption_leaves_no_process(worker: str) -> None:
    """Ctrl-C while the worker runs ends the worker."""
    pids: list[int] = []

    def interrupted(done: int) -> None:
        pids.append(done)
        raise KeyboardInterrupt

    script = "print(json.dumps({'done': os.getpid()}), flush=True); time.sleep(600)"
    with pytest.raises(KeyboardInterrupt):
        run_task({"script": script}, interrupted, module=worker)
    assert not Path(f"/proc/{pids[0]}").exists()


def test_a_tiny_bundle_is_measured(tiny_bundle: Path) -> None:
    """Every stage of every frame has a time; start-up and memory are known."""
    steps = read_bundle(tiny_bundle).steps
    found = measure_configuration(
        tiny_bundle, Configuration("xnnpack", 1, steps), SETTINGS, lambda done: None
    )
    assert found.error is None
    taken = found.samples
    assert taken is not None
    assert (taken.backend, taken.fallback_reason) == ("xnnpack", None)
    assert {"preprocess", "search", "reconstruct", "features", "residual", "head", "score", "total"} <= set(
        taken.milliseconds
    )
    assert {len(times) for times in taken.milliseconds.values()} == {3}
    parts = [taken.milliseconds[stage] for stage in taken.milliseconds if stage != "total"]
    assert (np.array(taken.milliseconds["total"]) >= np.sum(parts, axis=0) - 1e-6).all()
    assert list(taken.startup_ms) == ["imports", "read", "choose", "load", "prove"]
    assert 0 < taken.memory_mib["imported"] <= taken.memory_mib["ready"] <= taken.memory_mib["peak"]


def test_a_file_that_is_no_bundle_is_its_error(tmp_path: Path) -> None:
    """What is wrong with the bundle comes back from the process as the configuration's error."""
    (tmp_path / "x.sranogan").write_text("no bundle")
    found = measure_configuration(
        tmp_path / "x.sranogan", Configuration("auto", 1, 8), SETTINGS, lambda done: None
    )
    assert found.samples is None
    assert isinstance(found.error, BundleFormatError)
    assert found.milliseconds() == {}


def test_a_peak_without_its_library_has_a_reason() -> None:
    """A backend that is not here gives a peak of nothing, and says why."""
    found = measure_peak("delegate:/no/such/library.so", 1)
    assert (found.int8, found.float32) == (None, None)
    assert "/no/such/library.so" in found.reason


def test_memory_of_this_process() -> None:
    """The highest mark is at least what is resident now; an unknown mark is 0."""
    assert peak_mib() >= resident_mib("VmRSS") - 1 > 0
    assert resident_mib("VmNone") == 0
