"""The bundle's contract: what is written comes back, and everything else is refused with its own error."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.bundle.bundle import GRAPHS, MANIFEST, onnx_names, read_bundle, signature, write_bundle
from sranogan_edge.errors import BundleFormatError, ResultsError, SettingsError
from sranogan_edge.scoring.conformal import Calibration
from tests.support.small_bundles import BUDGETS, KNOWING, SIGNED, SIZE, members_of, small_bundle, with_budget


def test_round_trip(path: Path) -> None:
    """Everything that was written is read back, with the hash of the file."""
    wrote, read = small_bundle(), read_bundle(path)
    assert (read.preprocess, read.search_size, read.size) == (wrote.preprocess, wrote.search_size, SIZE)
    assert (read.steps, read.model_card) == (wrote.steps, wrote.model_card)
    assert dict(read.graphs) == dict(wrote.graphs)
    assert dict(read.onnx) == dict(wrote.onnx)
    assert read.details == {
        "recipe": "int8",
        "search": {"kind": "gradient", "rate": 0.3, "steps": 3, "budgets": list(BUDGETS)},
    }
    assert read.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_array_equal(read.golden_x, wrote.golden_x)
    assert tuple(read.budgets) == BUDGETS
    for steps, budget in read.budgets.items():
        expected = wrote.budgets[steps]
        assert budget.density.to_bytes() == expected.density.to_bytes()
        assert (budget.calibration, budget.tolerance) == (expected.calibration, expected.tolerance)
        np.testing.assert_array_equal(budget.golden_scores, expected.golden_scores)
        assert (budget.signs is None) == (expected.signs is None) == (steps not in KNOWING)
        assert set(budget.signs or ()) == set(expected.signs or ())
        for name, values in (expected.signs or {}).items():
            assert budget.signs is not None
            np.testing.assert_array_equal(budget.signs[name], values)


def test_a_budget_brings_its_own_numbers() -> None:
    """Set to another budget, a bundle has that budget's density, calibration and golden scores."""
    bundle = small_bundle()
    for steps in BUDGETS:
        other = bundle.with_steps(steps)
        assert (other.steps, other.calibration) == (steps, bundle.budgets[steps].calibration)
        assert other.density is bundle.budgets[steps].density
        assert other.golden.scores is bundle.budgets[steps].golden_scores
        assert other.golden.tolerance == bundle.budgets[steps].tolerance
        assert other.golden.x is bundle.golden_x
    assert bundle.steps == 3


def test_a_budget_that_is_not_there_names_those_that_are() -> None:
    """A number of steps that was not exported is a wrong option, and the message lists the right ones."""
    with pytest.raises(SettingsError, match=r"no budget of 4 search steps; it has 0, 3, 12\. .*--steps"):
        small_bundle().with_steps(4)


def test_onnx_of_another_name_is_refused() -> None:
    """An ONNX model that no budget and no graph calls for is refused, not left out."""
    with pytest.raises(
        SettingsError, match=r"no ONNX graph 'search_steps_4'.*search_steps_3, search_steps_12"
    ):
        replace(small_bundle(), onnx={"search_steps_4": b""})
    assert onnx_names((3,)) == ("search_steps_3", "reconstruct", "features", "head")


def test_a_bundle_that_knows_no_signs(tmp_path: Path) -> None:
    """It has no such member, and is read as before."""
    plain = small_bundle()
    budgets = {steps: replace(budget, signs=None) for steps, budget in plain.budgets.items()}
    write_bundle(replace(plain, budgets=budgets), tmp_path / "plain.sranogan")
    assert not set(SIGNED) & set(members_of(tmp_path / "plain.sranogan"))
    assert read_bundle(tmp_path / "plain.sranogan").signs is None


def test_signatures() -> None:
    """The search has a signature for each budget, the other graphs have one."""
    assert [signature(graph, 8) for graph in GRAPHS] == ["steps_8"] + 3 * ["serving_default"]


def test_equal_contents_give_equal_files(path: Path, tmp_path: Path) -> None:
    """Neither the clock, nor the name, nor the order of graphs and budgets leaves a trace in the file."""
    wrote = small_bundle()

    def turned(named: Mapping[Any, Any]) -> dict[Any, Any]:
        return dict(reversed(list(named.items())))

    other = replace(
        wrote, graphs=turned(wrote.graphs), budgets=turned(wrote.budgets), onnx=turned(wrote.onnx)
    )
    write_bundle(other, tmp_path / "other.sranogan")
    assert (tmp_path / "other.sranogan").read_bytes() == path.read_bytes()


def test_manifest_is_strict_json_without_a_threshold(tmp_path: Path) -> None:
    """Too few normals for the rate make the threshold null, not the Infinity that JSON does not know."""
    wrote = with_budget(small_bundle(), calibration=Calibration((0.5, 1.0), 0.05))
    write_bundle(wrote, tmp_path / "few.sranogan")
    stated = json.loads(members_of(tmp_path / "few.sranogan")[MANIFEST], parse_constant=pytest.fail)
    assert stated["calibration"]["3"]["threshold"] is None
    assert read_bundle(tmp_path / "few.sranogan").calibration.threshold == float("inf")


@pytest.mark.parametrize("place", ["file/b.sranogan", "missing/b.sranogan", "folder", "."])
def test_unwritable_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """A place where no file can be made is refused with the cure, and nothing is left behind."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ResultsError, match=r"cannot write the bundle .* [Nn]ame another|Name a file"):
        write_bundle(small_bundle(), Path(place))
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["file", "folder"]


def test_a_failed_write_keeps_the_old_bundle(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills up on the way leaves the earlier bundle as it was, and no half file."""

    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sranogan_edge.files.os.fsync", full)
    before = path.read_bytes()
    with pytest.raises(ResultsError, match="No space left on device"):
        write_bundle(replace(small_bundle(), model_card="new"), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_missing_file(tmp_path: Path) -> None:
    """A path where nothing is says so."""
    with pytest.raises(BundleFormatError, match="No such file"):
        read_bundle(tmp_path / "none.sranogan")
