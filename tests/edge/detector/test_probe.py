"""The trial of a backend in a process of its own: what hangs, crashes or scores otherwise is found there."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector import probe as probe_module
from sranogan_edge.detector.probe import REPORT, _read, _run, probe


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny bundle, read once."""
    return read_bundle(tiny_bundle)


def test_a_sound_backend_is_timed(bundle: Bundle) -> None:
    """A backend that reproduces the golden scores has no failure, and a time."""
    report = probe(bundle, 1, ("xnnpack",))
    assert report.failure is None
    assert 0 < report.milliseconds["xnnpack"] < 10_000


def test_wrong_golden_score(bundle: Bundle) -> None:
    """A backend that scores otherwise than was exported fails its trial with that message."""
    budget = bundle.budgets[bundle.steps]
    wrong = replace(budget, golden_scores=budget.golden_scores + 2 * budget.tolerance)
    report = probe(replace(bundle, budgets={**bundle.budgets, bundle.steps: wrong}), 1, ("xnnpack",))
    assert "golden case 1 of 8" in str(report.failure)
    assert not report.milliseconds


def test_the_last_backend_counts(bundle: Bundle) -> None:
    """Where the first backend works and the last cannot be loaded, the report has a time and a failure."""
    report = probe(bundle, 1, ("xnnpack", "delegate:/no/such.so"))
    assert "/no/such.so cannot be loaded" in str(report.failure)
    assert set(report.milliseconds) == {"xnnpack"}


def test_a_hanging_process_is_ended(tmp_path: Path) -> None:
    """What does not end by itself is killed at the limit."""
    hang = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
    started = time.monotonic()
    assert _run([sys.executable, "-c", hang], tmp_path, 3.0) is None
    assert time.monotonic() - started < 60
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_crash_is_told_from_an_exit(tmp_path: Path) -> None:
    """A process that dies by a signal has its number, one that fails its exit code."""
    crash = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    for program, ended, words in ((crash, -9, "signal 9"), ("exit(3)", 3, "exit code 3")):
        assert _run([sys.executable, "-c", program], tmp_path, 60.0) == ended
        report = _read(tmp_path / REPORT, ended, ("xnnpack", "gpu"), 60.0)
        assert report.failure == f"the process that tried xnnpack ended with {words}"


def test_reports_that_broke_off(tmp_path: Path) -> None:
    """Whatever the process left, the report names the backend that it did not get through."""
    path = tmp_path / REPORT
    path.write_text(json.dumps({"failure": None, "milliseconds": {"xnnpack": 2.0}}))
    hung = _read(path, None, ("xnnpack", "gpu"), 120.0)
    assert hung.failure == "gpu had not scored the golden cases after 120 s"
    assert hung.milliseconds == {"xnnpack": 2.0}
    crashed = _read(path, -11, ("xnnpack", "gpu"), 120.0)
    assert crashed.failure == "the process that tried gpu ended with signal 11"
    path.write_text('{"failure": nul')
    assert _read(path, 0, ("gpu",), 1.0).failure == "the process that tried gpu ended with exit code 0"


def test_a_hopeless_backend_is_not_proven(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend far slower than another is given up after one image: proving would take minutes."""
    from sranogan_edge.bundle.bundle import write_bundle

    write_bundle(bundle, tmp_path / probe_module.BUNDLE)
    monkeypatch.setattr(probe_module, "HOPELESS", 0.0)
    probe_module._try(tmp_path, 1, ("xnnpack",))
    assert json.loads((tmp_path / REPORT).read_text())["failure"] is None  # nothing to be slower than
    probe_module._try(tmp_path, 1, ("xnnpack", "xnnpack"))
    assert "ms an image, another backend" in json.loads((tmp_path / REPORT).read_text())["failure"]


def test_no_room_for_the_trial(bundle: Bundle, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the bundle's copy finds no room, that is the failure, and nothing is left behind."""
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    report = probe(bundle, 1, ("gpu",))
    assert "cannot be tried out in a process of its own" in str(report.failure)
    assert "No space left" in str(report.failure)
    assert not list(small_disk.iterdir())
