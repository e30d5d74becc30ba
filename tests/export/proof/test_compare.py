"""The proof of equality: it holds for sound graphs, fails for damaged ones, and names what is damaged."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from rich.console import Console

from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.errors import ExitCode, ResultsError
from sranogan_edge.runtime.tflite_file import FILE_IDENTIFIER, operator_name, unpacked
from sranogan_export.proof.compare import EqualityError, prove
from sranogan_export.proof.compare_plot import plot
from sranogan_export.proof.compare_steps import with_images
from sranogan_export.proof.compare_table import markdown, print_tables
from sranogan_export.proof.equality import EXACT, FLOAT, KERAS, Equality
from sranogan_export.recipe import ExportOptions

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny int8 bundle."""
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def proof(tiny_run: Run, export_tiny: Callable[[str], Path]) -> Callable[[Bundle], Equality]:
    """Give a function that compares a bundle of the tiny run with the run."""
    networks, normals = tiny_run.networks(), tiny_run.held_out_normals()
    reference = read_bundle(export_tiny("float32")).graphs

    def proven(made: Bundle) -> Equality:
        searches = ExportOptions(made.details["recipe"]).searches(tiny_run.settings)
        return prove(networks, searches, made, reference, normals.x[normals.original], Silent())

    return proven


@pytest.fixture(scope="module")
def found(proof: Callable[[Bundle], Equality], bundle: Bundle) -> Equality:
    """Give what the comparison of the int8 bundle found."""
    return proof(bundle)


def damaged(bundle: Bundle, graph: str, number: int) -> Bundle:
    """``bundle`` with the kernel of convolution ``number`` (from 0) of ``graph`` turned into its negative."""
    opened = unpacked(bundle.graphs[graph])
    operators = opened.subgraphs[-1].operators
    nodes = [n for n in operators if operator_name(opened.operatorCodes[n.opcodeIndex]) == "CONV_2D"]
    buffer = opened.buffers[opened.subgraphs[-1].tensors[nodes[number].inputs[1]].buffer]
    buffer.data = (-np.asarray(buffer.data, np.uint8).view(np.int8)).view(np.uint8)
    builder = flatbuffers.Builder(2**20)
    builder.Finish(opened.Pack(builder), FILE_IDENTIFIER)
    return replace(bundle, graphs={**bundle.graphs, graph: bytes(builder.Output())})


def test_sound_graphs_are_equal(found: Equality, bundle: Bundle, tiny_run: Run) -> None:
    """Both forms of TFLite are near to Keras, the one on floats to within its last digits."""
    exact, rounded = found.scores
    assert (exact.form, rounded.form) == (FLOAT, "int8 TFLite")
    assert exact.correlation > 0.999
    assert exact.max_difference < 0.05
    assert abs(exact.l1_growth) < 1e-3
    assert abs(rounded.l1_growth) < 0.05
    assert found.normals == found.normals_of_steps == tiny_run.held_out_normals().original.sum()
    assert found.steps == bundle.steps


def test_every_graph_has_a_row_for_each_form(found: Equality, bundle: Bundle) -> None:
    """Operators, partitions, size and multiplications are stated; integers have few operators on floats."""
    names = [f"search_steps_{bundle.steps}", "reconstruct", "features", "head"]
    assert [(row.graph, row.form) for row in found.graphs] == [
        (name, form) for form in (FLOAT, "int8 TFLite") for name in names
    ]
    for exact, rounded in zip(found.graphs[:4], found.graphs[4:], strict=True):
        assert exact.macs == rounded.macs != 0
        assert rounded.file_bytes < exact.file_bytes
        assert exact.mean_error < 1e-3 < rounded.mean_error < 0.2
        assert exact.float_operators > rounded.float_operators
        assert exact.partitions > 0 < rounded.partitions


def test_curve_follows_the_steps(found: Equality, bundle: Bundle) -> None:
    """From the encoder's start to the last step, every form has the error of its reconstructions."""
    assert [row.steps for row in found.curve] == [0, 1, 2, bundle.steps]
    for row in found.curve:
        assert set(row.mean_l1) == {KERAS, FLOAT, "int8 TFLite"}
        assert row.mean_l1[FLOAT] == pytest.approx(row.mean_l1[KERAS], rel=1e-3)
        assert row.mean_l1["int8 TFLite"] == pytest.approx(row.mean_l1[KERAS], rel=0.05)
        assert all(row.max_l1[form] >= row.mean_l1[form] for form in row.mean_l1)


@pytest.mark.parametrize(
    ("graph", "number"), [("search", 0), ("reconstruct", 1), ("features", 0), ("head", 0)]
)
def test_damaged_kernel_fails_and_is_named(
    proof: Callable[[Bundle], Equality], bundle: Bundle, graph: str, number: int
) -> None:
    """A kernel that was changed ends the export with a message that names graph and operator."""
    with pytest.raises(
        EqualityError, match=rf"depart is in graph '{graph}': operator \d+ of .*CONV_2D"
    ) as caught:
        proof(damaged(bundle, graph, number))
    assert caught.value.exit_code == ExitCode.BUNDLE_REFUSED
    assert "No bundle was written" in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"l1_growth": 0.2}, r"off by 20\.0% more than Keras"),
        ({"l1_growth": float("nan")}, "more than Keras"),
        ({"correlation": 0.5}, r"100 normals correlate with Keras' by 0\.5000"),
        ({"correlation": float("nan")}, "correlate"),
    ],
)
def test_what_is_past_tolerance(found: Equality, changed: dict[str, float], message: str) -> None:
    """Each figure of scores that is past its tolerance, or is no number, fails; sound figures do not."""
    many = replace(found, normals=100)
    assert many.failure() == ("", "")
    rows = (found.scores[0], replace(found.scores[1], **changed))  # type: ignore[arg-type]  # floats they are
    form, past = replace(many, scores=rows).failure()
    assert form == "int8 TFLite"
    assert re.search(message, past)


@pytest.mark.parametrize("error", [0.05, float("nan")])
def test_outputs_past_tolerance(found: Equality, error: float) -> None:
    """A graph on floats whose outputs are off by some percent fails, and is named."""
    rows = (found.graphs[0], replace(found.graphs[1], mean_error=error), *found.graphs[2:])
    form, past = replace(found, graphs=rows).failure()
    assert form == FLOAT
    assert "'reconstruct'" in past


def test_few_normals_prove_no_correlation(found: Equality) -> None:
    """With a dozen normals a correlation is chance: it does not fail an export."""
    rows = (found.scores[0], replace(found.scores[1], correlation=0.5))
    assert replace(found, scores=rows).failure() == ("", "")


def test_manifest_takes_the_figures(found: Equality) -> None:
    """The figures are plain JSON, with the tolerances that were in force; NaN is null."""
    kept = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert [row["form"] for row in kept["scores"]] == [FLOAT, "int8 TFLite"]
    assert kept["tolerance"][FLOAT]["correlation"] == EXACT.correlation
    nothing = replace(found, scores=(replace(found.scores[0], correlation=float("nan")),))
    assert nothing.to_dict()["scores"][0]["correlation"] is None


def test_section_of_the_card(found: Equality) -> None:
    """The section states what was compared, on how many normals, in three tables."""
    section = markdown(found)
    assert section.startswith("## Equality\n")
    assert f"{found.normals} held-out normals" in section
    assert section.count("| --- |") == 3
    assert all(row.graph in section for row in found.graphs)


def test_tables_for_people(found: Equality) -> None:
    """The same tables are printed, without losing a cell in 120 columns."""
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115  # for the test's life
    print_tables(found, console)
    text = console.export_text()
    assert "int8 TFLite" in text
    assert f"{found.scores[1].correlation:.4f}" in text
    assert "…" not in text


def test_picture(found: Equality, tmp_path: Path) -> None:
    """The picture is a PNG file, equal for equal figures; a place that cannot be written is an error."""
    places = [tmp_path / "a.png", tmp_path / "b.png"]
    for place in places:
        plot(found, place)
    assert places[0].read_bytes() == places[1].read_bytes()
    assert places[0].read_bytes().startswith(PNG)
    with pytest.raises(ResultsError, match="The bundle is complete"):
        plot(found, tmp_path / "missing" / "a.png")


def test_graph_without_inner_images_shows_its_end(bundle: Bundle) -> None:
    """Where a search has other images inside than its steps need, there is nothing to follow."""
    model: Any = bundle.graphs["search"]
    called = f"steps_{bundle.steps}"
    assert with_images(model, called, bundle.steps) is not None
    assert with_images(model, called, bundle.steps + 1) is None
