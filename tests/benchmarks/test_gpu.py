"""benchmarks/gpu: what is tried of a bundle, what is written of it, and the script around it."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sranogan_edge.bundle.bundle import GRAPHS, read_bundle

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "benchmarks" / "gpu" / "run.sh"


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the benchmark; processes that it starts find it, too."""
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return importlib.import_module("benchmarks.gpu.graphs")


def run(steps: list[str], tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the script on the bundles in ``tmp_path``."""
    own = {
        "BUNDLES": str(tmp_path),
        "OUT": str(tmp_path / "out"),
        "PYTHON": sys.executable,
    }
    return subprocess.run(
        ["bash", str(SCRIPT), *steps],
        capture_output=True,
        text=True,
        env={**os.environ, **own, **variables},
        timeout=300,
        check=False,
    )


def test_everything_of_a_bundle_is_tried_and_reproduced(
    graphs: ModuleType, tiny_bundle: Path, tmp_path: Path
) -> None:
    """On XNNPACK itself every graph agrees with XNNPACK, and the golden cases are reproduced."""
    out = tmp_path / "g.json"
    graphs.measure_all([tiny_bundle], ["xnnpack"], out, 100, 300)
    written = json.loads(out.read_text())
    bundle = read_bundle(tiny_bundle)
    assert [one["graph"] for one in written["results"]][: len(GRAPHS) + 1] == [*GRAPHS, ""]
    assert len(written["results"]) == len(GRAPHS) - 1 + 2 * len(bundle.budgets)
    assert written["left_out_for_want_of_time"] == 0
    for one in written["results"]:
        assert "XNNPACK" in one["label"]
        assert one["milliseconds"]["p50"] > 0
        if one["graph"]:
            assert all(apart["most"] == 0 < apart["range"] for apart in one["outputs"].values())
        else:
            assert one["reproduced"]
    assert {"commands", "seed", "minutes", "provenance", "card"} <= set(written)


def test_a_backend_that_is_not_there_is_an_entry(
    graphs: ModuleType, tiny_bundle: Path, tmp_path: Path
) -> None:
    """What cannot be tried is told for each graph; the others are tried all the same."""
    out = tmp_path / "g.json"
    found = graphs.measure_all([tiny_bundle], ["delegate:/no/such.so"], out, 100, 300)
    assert len(found) == len(json.loads(out.read_text())["results"]) > len(GRAPHS)
    assert {one["error"]["kind"] for one in found} == {"BackendError"}
    assert "/no/such.so" in graphs.line_of(found[0])


def test_time_that_is_up_leaves_the_rest_out(graphs: ModuleType, tiny_bundle: Path, tmp_path: Path) -> None:
    """Nothing is begun that could not end in time, and the count of what was left out is told."""
    assert graphs.measure_all([tiny_bundle], ["xnnpack"], tmp_path / "g.json", 100, graphs.LEAST_S / 2) == []


def test_budgets_without_onnx_are_left_out(graphs: ModuleType, tiny_bundle: Path) -> None:
    """Of a bundle without ONNX graphs nothing is asked of a backend that reads these."""
    bundle = read_bundle(tiny_bundle)
    assert list(graphs.tasks(bundle, "onnx:webgpu")) == []
    assert len(list(graphs.tasks(bundle, "gpu"))) == len(GRAPHS) - 1 + 2 * len(bundle.budgets)


@pytest.mark.parametrize(
    ("steps", "words"),
    [(["look", "grahps"], "no step grahps; choose of: look"), (["look"], "no *.sranogan in")],
)
def test_script_refuses_what_it_cannot_do(tmp_path: Path, steps: list[str], words: str) -> None:
    """A step that does not exist, or a folder without bundles, is told before anything is begun."""
    done = run(steps, tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert not done.stdout


def test_script_goes_on_after_a_step_that_fails(tiny_bundle: Path, tmp_path: Path) -> None:
    """Steps fail one by one, each with its reason, and none ends another."""
    (tmp_path / "b.sranogan").symlink_to(tiny_bundle)
    missing = {"VK_ICD_FILENAMES": "/no/such/driver.json", "VK_DRIVER_FILES": "/no/such/driver.json"}
    refused = {"TRAIN_OPTIONS": "--no-such-option"}
    done = run(["onnx", "look", "train"], tmp_path, GRAPHS_S="60", **missing, **refused)
    assert done.returncode == 1
    assert "failed: onnx train (" in done.stdout
    assert "no-such-option" in done.stderr
    assert "DeviceFacts(" in done.stdout


@pytest.mark.slow
def test_script_without_a_gpu_says_why(tiny_bundle: Path, tmp_path: Path) -> None:
    """Where no GPU is reached, every graph is an entry with the reason, and the runtime's log is kept."""
    (tmp_path / "b.sranogan").symlink_to(tiny_bundle)
    missing = {"VK_ICD_FILENAMES": "/no/such/driver.json", "VK_DRIVER_FILES": "/no/such/driver.json"}
    done = run(["graphs"], tmp_path, **missing)
    assert done.returncode == 1
    written = json.loads((tmp_path / "out" / "gpu_graphs.json").read_text())
    assert all("cannot be loaded on the GPU" in one["error"]["message"] for one in written["results"])
    assert "cannot be loaded on the GPU" in (tmp_path / "out" / "gpu_why.log").read_text()
