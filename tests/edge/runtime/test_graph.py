"""The face over LiteRT: rounding at its borders, and what cannot be loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.graph import Graph, backend_name
from sranogan_edge.runtime.ports import Port

INT8 = Port("x", 0, (1,), np.int8, 1 / 256, -128)
UINT8 = Port("x", 0, (1,), np.uint8, 1 / 255, 0)
FLOAT = Port("x", 0, (1,), np.float32, 0.0, 0)

LOAD = """
import sys
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.graph import Graph

model = sys.stdin.buffer.read()
for end in map(int, sys.argv[1:]):
    try:
        Graph(model[:end], name="cut")
    except BackendError:
        print("refused", end)
"""


@pytest.mark.parametrize("port", [INT8, UINT8])
def test_quantise_at_the_borders(port: Port) -> None:
    """Every level survives the way there and back; beyond the ends values are held, not wrapped around."""
    limits = np.iinfo(port.dtype)
    levels: NDArray[Any] = np.arange(limits.min, limits.max + 1).astype(port.dtype)
    np.testing.assert_array_equal(port.quantise(port.dequantise(levels)), levels)
    outside = np.array([-9.0, 9.0, -1e30, 1e30], np.float32)
    np.testing.assert_array_equal(port.quantise(outside), [limits.min, limits.max] * 2)


def test_8_bit_images_pass_int8() -> None:
    """The image input of an int8 graph keeps 8-bit levels in order, and errs by at most one of them."""
    image = np.arange(256, dtype=np.float32) / np.float32(255)
    steps = INT8.quantise(image)
    assert (np.diff(steps.astype(int)) >= 0).all()
    assert np.abs(INT8.dequantise(steps) - image).max() <= 1 / 255


@settings(deadline=None)
@given(st.floats(0, 255 / 256, width=32))
def test_quantise_rounds_to_the_nearest(value: float) -> None:
    """Inside the range the way there and back errs by at most half a step."""
    array = np.array([value], np.float32)
    assert abs(float(INT8.dequantise(INT8.quantise(array))[0]) - value) <= INT8.scale / 2 + 1e-7


def test_float_ports_change_nothing() -> None:
    """Float32 tensors pass as they are."""
    values = np.array([-3.0, 0.1, 1e9], np.float32)
    np.testing.assert_array_equal(FLOAT.dequantise(FLOAT.quantise(values)), values)


def test_missing_runtime_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a TFLite runtime the error gives the pip command, and the backend is called none."""
    for name in (
        "ai_edge_litert",
        "ai_edge_litert.interpreter",
        "tflite_runtime",
        "tflite_runtime.interpreter",
    ):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendError, match="pip install ai-edge-litert"):
        Graph(b"", name="search")
    assert backend_name() == "none"


def test_older_runtime_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where LiteRT is missing, its predecessor does the work and gives the backend its name."""
    older = type(sys)("tflite_runtime.interpreter")
    older.Interpreter = type("Interpreter", (), {"__module__": "tflite_runtime.interpreter"})  # type: ignore[attr-defined]  # a stand-in
    for name in ("ai_edge_litert", "ai_edge_litert.interpreter"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", type(sys)("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", older)
    assert backend_name().startswith("tflite-runtime")


def test_backend_name_tells_the_version() -> None:
    """The runtime in use is named with its version."""
    assert backend_name().startswith("ai-edge-litert 2.")


@pytest.mark.parametrize("model", [b"", b"x", b"\0" * 64, b"TFL3" * 100])
def test_bytes_that_are_no_graph(model: bytes) -> None:
    """Bytes that are no flatbuffer are a backend error that names the graph and the cure."""
    with pytest.raises(
        BackendError, match=r"'search' cannot be loaded by ai-edge-litert.*export the bundle again"
    ):
        Graph(model, name="search")


def test_cut_off_graphs_do_not_crash(tiny_bundle: Path) -> None:
    """A graph cut off anywhere is refused, in a process of its own that a crash of LiteRT would end.

    LiteRT verifies offsets only: a graph with exchanged bytes inside a buffer loads. Against that
    stands the SHA-256 of every member, which is checked before LiteRT sees a byte.
    """
    model = read_bundle(tiny_bundle).graphs["features"]
    ends = [int(len(model) * share) for share in np.linspace(0, 0.999, 40)]
    done = subprocess.run(
        [sys.executable, "-c", LOAD, *map(str, ends)],
        input=model,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.decode().split() == [word for end in ends for word in ("refused", str(end))]


def test_graph_of_another_signature_is_refused(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sound graph without the signature that bundles use is a backend error, not a traceback."""
    from ai_edge_litert import interpreter

    def none(_self: object, name: str) -> None:
        raise ValueError(f"Invalid signature_key provided: {name!r}")

    monkeypatch.setattr(interpreter.Interpreter, "get_signature_runner", none)
    with pytest.raises(BackendError, match="Invalid signature_key"):
        Graph(read_bundle(tiny_bundle).graphs["features"], name="features")


@pytest.mark.parametrize("recipe", ["int8", "float32"])
def test_graph_runs_by_name(export_tiny: Callable[[str], Path], recipe: str) -> None:
    """Whatever a graph holds inside, float32 goes in and comes out, in the stated shapes, repeatably."""
    graph = Graph(read_bundle(export_tiny(recipe)).graphs["reconstruct"], name="reconstruct")
    generated = np.random.default_rng(0).random(graph.inputs["generated"], np.float32)
    first, second = graph({"generated": generated}), graph({"generated": generated})
    assert {name: array.shape for name, array in first.items()} == graph.outputs
    for name, array in first.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, second[name])
    assert not np.array_equal(graph({"generated": generated * 0})["resolved"], first["resolved"])


def test_signature_that_a_graph_has_not(tiny_bundle: Path) -> None:
    """A budget that a search was not exported with is a backend error that lists those that it was."""
    search = read_bundle(tiny_bundle).graphs["search"]
    with pytest.raises(
        BackendError, match=r"graph 'search' .*no signature 'steps_99'; this model has steps_"
    ):
        Graph(search, name="search", signature="steps_99")


def test_a_graph_leaves_its_input_alone(tiny_bundle: Path) -> None:
    """What is rounded on the way in is a copy: the caller's array stays as it was."""
    graph = Graph(read_bundle(tiny_bundle).graphs["reconstruct"], name="reconstruct")
    generated = np.random.default_rng(0).random(graph.inputs["generated"], np.float32)
    before = generated.copy()
    graph({"generated": generated})
    np.testing.assert_array_equal(generated, before)
    graph.close()
