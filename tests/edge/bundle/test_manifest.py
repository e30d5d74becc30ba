"""A bundle whose manifest, calibration, budgets or golden cases make no sense is refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_to_bytes
from sranogan_edge.bundle.bundle import MANIFEST, SCHEMA_VERSION, read_bundle, write_bundle
from sranogan_edge.errors import BundleFormatError, BundleSchemaError
from sranogan_edge.scoring.density import Gaussian
from sranogan_edge.scoring.heat import HEAT_SHAPE
from tests.support.small_bundles import (
    MEMBERS,
    SIGNED,
    SIZE,
    members_of,
    pack,
    replace_member,
    rewrite_manifest,
    small_bundle,
    with_budget,
)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff\xfe\xfd", b"[" * 200_000])
def test_manifest_is_not_json(path: Path, text: bytes) -> None:
    """A manifest that cannot be parsed is refused, even one nested to exhaust the stack."""
    pack(path, {**members_of(path), MANIFEST: text})
    with pytest.raises(BundleFormatError, match="is not JSON"):
        read_bundle(path)


@pytest.mark.parametrize(
    ("version", "cure"),
    [
        (SCHEMA_VERSION + 1, "Update sranogan-edge"),
        (10**9, "Update sranogan-edge"),
        (SCHEMA_VERSION - 1, "Export it again"),
        (0, "Export it again"),
        (None, "Export it again"),
        (str(SCHEMA_VERSION), "Export it again"),
        (True, "Export it again"),
    ],
)
def test_other_schema_version(path: Path, version: object, cure: str) -> None:
    """A newer schema asks for a newer runner, any other for a new export."""
    rewrite_manifest(path, lambda m: m.update(schema_version=version))
    with pytest.raises(BundleSchemaError, match=cure):
        read_bundle(path)


@pytest.mark.parametrize("manifest", [b"[]", b"null", b'"text"', b"{}"])
def test_absent_schema_version(path: Path, manifest: bytes) -> None:
    """JSON that states no schema version is refused as of another schema."""
    pack(path, {**members_of(path), MANIFEST: manifest})
    with pytest.raises(BundleSchemaError, match="schema version None"):
        read_bundle(path)


@pytest.mark.parametrize("break_it", [lambda m: m.pop("members"), lambda m: m.update(members=3)])
def test_manifest_without_hashes(path: Path, break_it: Callable[[dict[str, Any]], object]) -> None:
    """Without stated hashes nothing is proven, so nothing is read."""
    rewrite_manifest(path, break_it)
    with pytest.raises(BundleFormatError, match=r"states no hash of search\.tflite"):
        read_bundle(path)


@pytest.mark.parametrize("name", MEMBERS)
def test_manifest_without_a_members_hash(path: Path, name: str) -> None:
    """Each member needs its hash, and the message names the one that has none."""
    rewrite_manifest(path, lambda m: m["members"].pop(name))
    with pytest.raises(BundleFormatError, match=f"states no hash of {name}"):
        read_bundle(path)


@pytest.mark.parametrize(
    "nonsense",
    [
        {"scores": []},
        {"scores": None},
        {"scores": "123"},
        {"scores": [1.5, 1.0, 0.5]},
        {"scores": [0.5, float("nan"), 1.5]},
        {"scores": [0.5, 1.0, float("inf")]},
        {"scores": ["low", "high"]},
        {"false_alarm_rate": 0},
        {"false_alarm_rate": 1},
        {"false_alarm_rate": True},
        {"false_alarm_rate": float("nan")},
        {"false_alarm_rate": "0.3"},
        {"threshold": 1.0},
        {"threshold": float("nan")},
    ],
)
def test_nonsense_calibration(path: Path, nonsense: dict[str, Any]) -> None:
    """Scores, rate and threshold that cannot be a calibration, or contradict each other, are refused."""
    rewrite_manifest(path, lambda m: m["calibration"]["12"].update(nonsense))
    with pytest.raises(BundleFormatError, match="cannot be understood"):
        read_bundle(path)


@pytest.mark.parametrize(
    "break_it",
    [
        lambda m: m.pop("calibration"),
        lambda m: m.update(calibration=[1, 2]),
        lambda m: m["calibration"]["0"].pop("threshold"),
        lambda m: m["calibration"].update({"0": None}),
        lambda m: m.pop("preprocess"),
        lambda m: m["preprocess"].update(size=7),
        lambda m: m["preprocess"].update(surprise=1),
        lambda m: m.update(preprocess=3),
        lambda m: m.pop("search_size"),
        lambda m: m.update(search_size=SIZE + 1),
        lambda m: m.update(search_size=0),
        lambda m: m.pop("golden_tolerance"),
        lambda m: m.update(golden_tolerance=0.1),
        lambda m: m["golden_tolerance"].update({"3": float("inf")}),
        lambda m: m["golden_tolerance"].update({"3": -1.0}),
        lambda m: m["golden_tolerance"].update({"3": None}),
    ],
)
def test_nonsense_manifest(path: Path, break_it: Callable[[dict[str, Any]], object]) -> None:
    """A field that is missing or cannot work is refused when the bundle is read, not on the first image."""
    rewrite_manifest(path, break_it)
    with pytest.raises(BundleFormatError, match="cannot be understood"):
        read_bundle(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.pop("search"), "search must state the kind"),
        (lambda m: m["search"].pop("kind"), "search must state the kind"),
        (lambda m: m["search"].update(steps=4), r"search\.steps must be one of the budgets \[0, 3, 12\]"),
        (lambda m: m["search"].update(steps=True), r"search\.steps must be"),
        (lambda m: m["search"].pop("budgets"), r"search\.budgets must be ascending"),
        (lambda m: m["search"].update(budgets=[]), r"search\.budgets must be ascending"),
        (lambda m: m["search"].update(budgets=[3, 0, 12]), r"search\.budgets must be ascending"),
        (lambda m: m["search"].update(budgets=[3, 3]), r"search\.budgets must be ascending"),
        (lambda m: m["search"].update(budgets=[-1, 3]), r"search\.budgets must be ascending"),
        (lambda m: m["search"].update(budgets=[0, 3.0]), r"search\.budgets must be ascending"),
        (lambda m: m["search"].update(budgets=[[], 3]), r"search\.budgets must be ascending"),
        (lambda m: m["search"].update(budgets=list(range(99))), r"search\.budgets must be ascending"),
        (lambda m: m["search"].update(budgets=[0, 3]), "calibration must be stated for each of the budgets"),
        (lambda m: m["calibration"].pop("12"), "calibration must be stated for each of the budgets"),
        (lambda m: m["golden_tolerance"].pop("12"), "golden_tolerance must be stated for each"),
    ],
)
def test_budgets_that_do_not_fit(
    path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    """Budgets that contradict themselves, or what is stated for each of them, are refused as such."""
    rewrite_manifest(path, change)
    with pytest.raises(BundleFormatError, match=message):
        read_bundle(path)


def drop_last_budget(manifest: dict[str, Any]) -> None:
    """Take the last budget out of all that the manifest states by budget."""
    manifest["search"]["budgets"].remove(12)
    manifest["calibration"].pop("12")
    manifest["golden_tolerance"].pop("12")


def test_member_of_a_budget_that_is_not_stated(path: Path) -> None:
    """The density of a budget that the manifest does not know is an unknown member."""
    rewrite_manifest(path, drop_last_budget)
    with pytest.raises(BundleFormatError, match=r"member 'density_12\.npz' is unknown"):
        read_bundle(path)


def test_golden_cases_of_a_budget_that_is_not_in_use(path: Path) -> None:
    """Somebody may choose it: a tolerance below zero proves nothing, whichever budget's it is."""
    rewrite_manifest(path, lambda m: m["golden_tolerance"].update({"12": -1.0}))
    with pytest.raises(BundleFormatError, match=r"golden_tolerance must be finite.*received -1\.0"):
        read_bundle(path)


def test_golden_scores_of_each_budget(path: Path) -> None:
    """A budget without golden scores could not be proven, so the bundle is refused."""
    with np.load(io.BytesIO(members_of(path)["golden.npz"])) as arrays:
        kept = {name: array for name, array in arrays.items() if name != "scores_12"}
    replace_member(path, "golden.npz", arrays_to_bytes(kept))
    with pytest.raises(BundleFormatError, match=r"no array .*scores_12"):
        read_bundle(path)


@pytest.mark.parametrize(
    "change",
    [
        {"x": np.zeros((0, SIZE, SIZE, 1), np.float32), "scores": np.zeros(0)},
        {"scores": np.zeros(3)},
        {"x": np.zeros((2, SIZE, SIZE), np.float32)},
        {"x": np.zeros((2, SIZE, SIZE, 1), np.float64)},
        {"x": np.zeros((2, 8, 8, 1), np.float32)},
    ],
)
def test_golden_cases_that_prove_nothing(tmp_path: Path, change: dict[str, Any]) -> None:
    """Golden cases must be there, of the size judged at, each with a score in every budget."""
    golden = replace(small_bundle().golden, **change)
    bundle = with_budget(replace(small_bundle(), golden_x=golden.x), golden_scores=golden.scores)
    write_bundle(bundle, tmp_path / "b.sranogan")
    with pytest.raises(BundleFormatError, match="golden inputs"):
        read_bundle(tmp_path / "b.sranogan")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parts": {}}, "not one boolean each"),
        ({"parts": {"head": Gaussian(np.ones(4, np.float32), np.ones((5, 3), np.float32))}}, "a whitening"),
        (
            {"parts": {"map": Gaussian(np.full(1, np.nan, np.float32), np.ones((1, 1), np.float32))}},
            "not finite",
        ),
        ({"heat_scale": np.zeros(HEAT_SHAPE, np.float32)}, "not positive"),
        ({"heat_center": np.zeros((4, 4), np.float32)}, "not on"),
        ({"heat_center": np.full(HEAT_SHAPE, np.nan, np.float32)}, "not finite"),
        ({"heat_scale": np.ones((4, *HEAT_SHAPE[1:]), np.float32)}, "not on"),
        ({"heat_limit": 0.0}, "not positive"),
        ({"heat_limit": float("nan")}, "not positive"),
    ],
)
def test_nonsense_density(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """A density that would score with NaN, or not at all, is refused when the bundle is read."""
    wrote = small_bundle()
    write_bundle(with_budget(wrote, density=replace(wrote.density, **change)), tmp_path / "b.sranogan")
    with pytest.raises(BundleFormatError, match=message):
        read_bundle(tmp_path / "b.sranogan")


@pytest.mark.parametrize(
    ("signs", "values", "message"),
    [
        ([True] * 3, np.zeros((25, 3)), "not one boolean each"),
        ([False] * 4, np.zeros((25, 0)), "not one boolean each"),
        ([1] * 4, np.zeros((25, 4)), "not one boolean each"),
        ([True] * 4, np.zeros((25, 3)), "of 4 signs"),
        ([True] * 4, np.zeros((25, 4), np.float32), "of 4 signs"),
        ([True] * 4, np.zeros(25), "of 4 signs"),
        ([True] * 4, np.zeros((19, 4)), "at least 20"),
        ([True] * 4, np.full((25, 4), np.nan), "finite"),
    ],
)
def test_nonsense_signs(path: Path, signs: list[bool], values: NDArray[Any], message: str) -> None:
    """Signs that would call nothing or everything foreign are refused when the bundle is read."""
    replace_member(path, SIGNED[0], arrays_to_bytes({"signs": np.array(signs), "values": values}))
    with pytest.raises(BundleFormatError, match=message):
        read_bundle(path)
