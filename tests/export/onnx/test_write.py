"""A bundle's graphs as ONNX."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from sranogan_edge.bundle.bundle import GRAPHS, Bundle, onnx_names, read_bundle, signature, write_bundle
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import SettingsError
from sranogan_edge.runtime.graph import open_graph
from sranogan_export.onnx.write import check_onnx, onnx_graph, onnx_graphs
from sranogan_export.rebuild.convert import convert

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


def with_onnx(bundle: Bundle) -> Bundle:
    """The bundle with its graphs as ONNX."""
    return replace(bundle, onnx=onnx_graphs(bundle.graphs, bundle.budgets))


@pytest.mark.parametrize("recipe", ["float32", "float16", "int8"])
def test_bundle_proves_itself_on_onnx_runtime(
    export_tiny: Callable[[str], Path], tmp_path: Path, recipe: str
) -> None:
    """Of each recipe, the ONNX graphs give the golden scores, from a file that was written and read."""
    made = with_onnx(read_bundle(export_tiny(recipe)))
    assert set(made.onnx) == set(onnx_names(made.budgets))
    write_bundle(made, tmp_path / "b.sranogan")
    detector = open_detector(read_bundle(tmp_path / "b.sranogan"), backend="onnx")
    assert detector.backend.name == "onnx"
    found = [detector.score_x(x).score for x in made.golden.x]
    np.testing.assert_allclose(found, made.golden.scores, atol=made.golden.tolerance)


def test_names_and_shapes_are_those_of_tflite(tiny_bundle: Path) -> None:
    """Inputs and outputs of every graph keep their names, order of axes and batch of 1."""
    bundle = read_bundle(tiny_bundle)
    made = onnx_graphs(bundle.graphs, bundle.budgets)
    for graph in GRAPHS:
        called = signature(graph, bundle.steps)
        lite = open_graph(bundle.graphs[graph], name=graph, signature=called)
        other = open_graph(
            made[f"search_{called}" if graph == "search" else graph], name=graph, backend="onnx"
        )
        assert (lite.inputs, lite.outputs) == (other.inputs, other.outputs)


def test_stated_opset(tiny_bundle: Path) -> None:
    """Every file is of opset 17, with no operator of another domain, and equal graphs give equal bytes."""
    bundle = read_bundle(tiny_bundle)
    made = onnx_graphs(bundle.graphs, bundle.budgets)
    for model in made.values():
        opened = onnx.load_model_from_string(model)
        assert [(one.domain, one.version) for one in opened.opset_import] == [("", 17)]
        assert {node.domain for node in opened.graph.node} == {""}
    assert made == onnx_graphs(bundle.graphs, bundle.budgets)


def test_each_budget_is_a_file() -> None:
    """Of a file of several signatures, each gives its own graph."""

    def times(factor: float) -> Callable[..., Mapping[str, tf.Tensor]]:
        return lambda x: {"generated": x * factor}

    model = convert({"steps_0": times(2.0), "steps_4": times(3.0)}, {"x": (1, 2, 2, 1)}, "float32")
    x = np.ones((1, 2, 2, 1), np.float32)
    for steps, factor in ((0, 2), (4, 3)):
        graph = open_graph(onnx_graph(model, f"steps_{steps}"), name="search", backend="onnx")
        np.testing.assert_array_equal(graph({"x": x})["generated"], factor * x)


def test_dynamic_is_refused() -> None:
    """Products of floats with integers are refused at once, with the cure."""
    check_onnx("int8")
    with pytest.raises(SettingsError, match=r"received dynamic.*--float32 --onnx"):
        check_onnx("dynamic")


def test_missing_package_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the error gives the pip command."""
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(SettingsError, match=r'pip install "\./export\[onnx\]"'):
        check_onnx("float32")
