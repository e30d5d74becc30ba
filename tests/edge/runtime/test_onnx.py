"""ONNX Runtime behind the common face."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.graph import open_graph
from sranogan_edge.runtime.onnx import OnnxGraph
from tests.support.onnx_files import sum_and_difference


def test_graph_runs_by_name() -> None:
    """Inputs and outputs go by name, in their shapes, with the label of what runs them."""
    pytest.importorskip("onnxruntime")
    graph = open_graph(sum_and_difference(), name="test", backend="onnx", threads=2)
    assert graph.inputs == {"a": (1, 2, 3), "b": (1, 2, 3)}
    assert graph.outputs == {"difference": (1, 2, 3), "sum": (1, 2, 3)}
    assert graph.backend.startswith("onnxruntime 1.")
    a, b = np.arange(6, dtype=np.float32).reshape(1, 2, 3), np.ones((1, 2, 3), np.float32)
    made = graph({"b": b, "a": a})
    np.testing.assert_array_equal(made["sum"], a + 1)
    np.testing.assert_array_equal(made["difference"], a - 1)
    graph.close()


@pytest.mark.parametrize("model", [b"", b"x", b"TFL3" * 100])
def test_bytes_that_are_no_graph(model: bytes) -> None:
    """Bytes that are no ONNX file are a backend error that names the graph and the cure."""
    pytest.importorskip("onnxruntime")
    with pytest.raises(
        BackendError, match=r"'search' cannot be loaded by onnxruntime .*export the bundle again"
    ):
        OnnxGraph(model, name="search")


def test_missing_runtime_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ONNX Runtime the error gives the pip command."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match=r'pip install "\./edge\[onnx\]"'):
        OnnxGraph(b"", name="search")
