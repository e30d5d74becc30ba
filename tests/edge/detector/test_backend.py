"""Which backend scores: the one asked for or none, and ``auto`` with its reasons."""

from __future__ import annotations

import logging
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector import backend as backend_module
from sranogan_edge.detector.backend import choose_backend, gpu_in_sight
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.open import open_detector
from sranogan_edge.detector.probe import Report
from sranogan_edge.errors import BackendError, ExitCode, SettingsError
from sranogan_edge.runtime.backends import BACKENDS, check_backend
from sranogan_edge.runtime.graph import open_graph
from sranogan_edge.runtime.graphs import open_graphs

# A TFLite external delegate that takes no operator at all. The fields are those of TfLiteDelegate in TFLite's
# core/c/common.h: data, Prepare, three for buffers, flags, builder.
IDLE_DELEGATE = """
#include <stddef.h>
#include <stdint.h>
struct Delegate {
    void *data; int (*prepare)(void *, struct Delegate *); void *buffers[3]; int64_t flags; void *builder;
};
static int prepare(void *context, struct Delegate *self) { return 0; }
static struct Delegate idle = { NULL, prepare, { NULL, NULL, NULL }, 0, NULL };
void *tflite_plugin_create_delegate(char **k, char **v, size_t n, void (*say)(const char *)) { return &idle; }
void tflite_plugin_destroy_delegate(void *delegate) {}
"""


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny bundle, read once."""
    return read_bundle(tiny_bundle)


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> Callable[[Report], list[Sequence[str]]]:
    """Give a function that puts a GPU in sight and a report in the place of its probe."""

    def put(report: Report) -> list[Sequence[str]]:
        asked: list[Sequence[str]] = []

        def probe(_bundle: Bundle, _threads: int, backends: Sequence[str]) -> Report:
            asked.append(backends)
            return report

        monkeypatch.setattr(backend_module, "gpu_in_sight", lambda: True)
        monkeypatch.setattr(backend_module, "probe", probe)
        return asked

    return put


@pytest.mark.parametrize("name", ["", "GPU", "cuda", "delegate", "delegate:", "delegate:PATH:", "onnx "])
def test_names_of_backends(name: str) -> None:
    """What is no backend is refused with the list; a delegate needs its path."""
    if name == "delegate:PATH:":
        check_backend(name)  # a path may hold anything
        return
    with pytest.raises(SettingsError, match=r"choose one of auto, xnnpack, gpu, .*delegate:PATH, onnx"):
        check_backend(name)


def test_every_listed_backend_is_known() -> None:
    """The names in the list pass their own check."""
    for name in BACKENDS:
        check_backend(name)


def test_auto_is_no_backend_of_one_graph(bundle: Bundle) -> None:
    """A choice needs a bundle with golden cases: a single graph is opened on a backend by name."""
    with pytest.raises(SettingsError, match="chosen for a whole bundle, not for graph 'head'"):
        open_graph(bundle.graphs["head"], name="head", backend="auto")


def test_runtime_that_is_not_installed(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """tflite-runtime asked for is tflite-runtime or nothing, also where LiteRT is installed."""
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(BackendError, match=r'pip install "\./edge\[tflite-runtime\]"') as refused:
        open_detector(bundle, backend="tflite-runtime")
    assert refused.value.exit_code == ExitCode.NO_BACKEND


def test_gpu_without_litert(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without LiteRT there is no GPU, and the message says so instead of a traceback."""
    from sranogan_edge.runtime import gpu as backend_gpu

    backend_gpu._gpu.cache_clear()
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(BackendError, match="reached through LiteRT"):
        open_graph(bundle.graphs["head"], name="head", backend="gpu")


def test_bundle_without_onnx(bundle: Bundle) -> None:
    """A bundle that was exported without ONNX says how to get it."""
    with pytest.raises(BackendError, match=r"no ONNX graph 'search_steps_\d+'; .*--onnx"):
        open_graphs(replace(bundle, onnx={}), "onnx", 1)


@pytest.mark.parametrize("what", ["nothing", "text", "another library"])
def test_no_delegate(bundle: Bundle, tmp_path: Path, what: str, capfd: pytest.CaptureFixture[str]) -> None:
    """A path without a delegate is refused by name, and leaves no traceback of the runtime."""
    library = tmp_path / "libno.so"
    if what == "text":
        library.write_text("no library")
    if what == "another library":
        import _ctypes

        shutil.copy(_ctypes.__file__, library)
    with pytest.raises(BackendError, match=r"libno\.so cannot be loaded: .*tflite_plugin_create_delegate"):
        open_detector(bundle, backend=f"delegate:{library}")
    assert "Traceback" not in capfd.readouterr().err


def test_delegate_that_takes_nothing(bundle: Bundle, tmp_path: Path) -> None:
    """A real delegate library is loaded; as it takes no operator, the CPU does not run in its name."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler to build a delegate with")
    (tmp_path / "idle.c").write_text(IDLE_DELEGATE)
    command = [compiler, "-shared", "-fPIC", "-o", "libidle.so", "idle.c"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    with pytest.raises(BackendError, match=r"libidle\.so took none of the \d+ operators of graph 'search'"):
        open_detector(bundle, backend=f"delegate:{tmp_path / 'libidle.so'}")


def test_gpu_asked_for_and_working(bundle: Bundle, probed: Callable[[Report], list[Sequence[str]]]) -> None:
    """The GPU asked for is tried, and taken however slow it is."""
    asked = probed(Report(None, {"gpu": 1e6}))
    assert choose_backend(bundle, "gpu", 1) == ("gpu", None)
    assert asked == [("gpu",)]


def test_gpu_asked_for_and_failing(bundle: Bundle, probed: Callable[[Report], list[Sequence[str]]]) -> None:
    """The GPU asked for and failing is an error with the reason: the CPU never runs in its name."""
    probed(Report("the driver hangs.", {}))
    with pytest.raises(BackendError, match=r"gpu cannot be used here: the driver hangs\. Nothing was scored"):
        open_detector(bundle, backend="gpu")


def test_auto_takes_a_faster_gpu(bundle: Bundle, probed: Callable[[Report], list[Sequence[str]]]) -> None:
    """A GPU that proves itself and is faster is taken."""
    asked = probed(Report(None, {"xnnpack": 10.0, "gpu": 4.0}))
    assert choose_backend(bundle, "auto", 1) == ("gpu", None)
    assert asked == [("xnnpack", "gpu")]


@pytest.mark.parametrize(
    ("report", "reason"),
    [
        (Report(None, {"xnnpack": 4.0, "gpu": 10.0}), r"the GPU takes 10\.0 ms an image, XNNPACK 4\.0 ms"),
        (Report(None, {"xnnpack": 4.0, "gpu": 4.0}), r"the GPU takes 4\.0 ms an image, XNNPACK 4\.0 ms"),
        (Report("it hangs", {"xnnpack": 4.0}), "it hangs"),
        (Report("no driver", {}), "no driver"),
    ],
)
def test_auto_falls_back_and_says_why(
    bundle: Bundle,
    probed: Callable[[Report], list[Sequence[str]]],
    caplog: pytest.LogCaptureFixture,
    report: Report,
    reason: str,
) -> None:
    """A GPU that fails or is slower gives way to XNNPACK, with the reason in the log and the detector."""
    probed(report)
    with caplog.at_level(logging.WARNING):
        detector = open_detector(bundle)
    assert (detector.backend.name, detector.backend.label[:15]) == ("xnnpack", "ai-edge-litert ")
    assert re.search(reason, detector.backend.fallback_reason or "")
    assert Judge.of(detector).scorer.backend_fallback == detector.backend.fallback_reason  # in every result
    assert "scoring on the CPU, not on the GPU" in caplog.text


def test_auto_takes_a_gpu_where_xnnpack_fails(
    bundle: Bundle, probed: Callable[[Report], list[Sequence[str]]]
) -> None:
    """Where XNNPACK did not prove itself in the trial and the GPU did, the GPU is taken."""
    probed(Report(None, {"gpu": 10.0}))
    assert choose_backend(bundle, "auto", 1) == ("gpu", None)


def test_no_trial_where_no_gpu_is_in_sight(
    bundle: Bundle,
    probed: Callable[[Report], list[Sequence[str]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A machine without a GPU loses no time on one, and nothing fell back."""
    asked = probed(Report(None, {"xnnpack": 4.0, "gpu": 1.0}))
    monkeypatch.setattr(backend_module, "gpu_in_sight", lambda: False)
    assert choose_backend(bundle, "auto", 1) == ("xnnpack", None)
    assert not asked


def test_a_driver_named_is_a_gpu_in_sight(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device file or a named Vulkan driver makes a trial worth its time; elsewhere than on Linux all do."""
    monkeypatch.setattr(backend_module, "DEVICES", ())
    monkeypatch.setattr(sys, "platform", "linux")
    for name in backend_module.DRIVER_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not gpu_in_sight()
    monkeypatch.setenv("VK_DRIVER_FILES", "/some/icd.json")
    assert gpu_in_sight()
    monkeypatch.delenv("VK_DRIVER_FILES")
    monkeypatch.setattr(backend_module, "DEVICES", ("nul[l]",))
    assert gpu_in_sight()
    monkeypatch.setattr(backend_module, "DEVICES", ())
    monkeypatch.setattr(sys, "platform", "darwin")
    assert gpu_in_sight()
