"""The bundle's contract: what is written comes back, and everything else is refused with its own error."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from sranogan_edge import bundle_archive
from sranogan_edge.arrays import arrays_to_bytes
from sranogan_edge.bundle import (
    GRAPHS,
    MANIFEST,
    SCHEMA_VERSION,
    Budget,
    Bundle,
    member_names,
    onnx_names,
    read_bundle,
    signature,
    write_bundle,
)
from sranogan_edge.density import PARTS, Calibration, Density, Gaussian
from sranogan_edge.errors import (
    BundleError,
    BundleFormatError,
    BundleIntegrityError,
    BundleLimitError,
    BundleSchemaError,
    ResultsError,
    SettingsError,
)
from sranogan_edge.preprocess import PreprocessSpec
from sranogan_edge.score import HEAT_SHAPE

SIZE = 16
BUDGETS = (0, 3, 12)
KNOWING = (3, 12)  # the budgets that know the signs of their normals
SIGNED = [f"domain_{steps}.npz" for steps in KNOWING]
MEMBERS = (*member_names(BUDGETS), *SIGNED, "onnx/search_steps_3.onnx", "onnx/features.onnx")
DENSITIES = [name for name in MEMBERS if name.startswith("density")]
ARRAYS = [*DENSITIES, *SIGNED, "golden.npz"]


def small_budget(steps: int) -> Budget:
    """A budget of invented contents, different for each number of steps."""
    rng = np.random.default_rng(steps)
    density = Density(
        parts={
            name: Gaussian(rng.random(4, np.float32), rng.random((4, 3), np.float32), 0.5, 2.0)
            for name in PARTS
        },
        heat_center=rng.random(HEAT_SHAPE, np.float32),
        heat_scale=np.ones(HEAT_SHAPE, np.float32),
        heat_limit=2.5,
    )
    calibration = Calibration((-0.5, 1.0, 1.5 + steps), 0.3)
    signs = {name: rng.normal(size=25) for name in ("brightness", "likeness")} if steps in KNOWING else None
    return Budget(density, calibration, np.array([1.0, 2.0]) + steps, 0.1 + steps, signs)


def small_bundle() -> Bundle:
    """A bundle of invented contents; its graphs are bytes that no runtime would load."""
    return Bundle(
        preprocess=PreprocessSpec(size=SIZE, contrast="none"),
        search_size=SIZE // 2,
        graphs={name: f"the {name} graph".encode() for name in GRAPHS},
        steps=3,
        budgets={steps: small_budget(steps) for steps in reversed(BUDGETS)},
        golden_x=np.random.default_rng(0).random((2, SIZE, SIZE, 1), np.float32),
        model_card="# Card\nπ",
        details={"recipe": "int8", "search": {"kind": "gradient", "rate": 0.3}},
        onnx={"features": b"ONNX features", "search_steps_3": b"ONNX search"},
    )


def with_budget(bundle: Bundle, **changes: Any) -> Bundle:
    """The bundle with another budget of the steps in use."""
    changed = replace(bundle.budgets[bundle.steps], **changes)
    return replace(bundle, budgets={**bundle.budgets, bundle.steps: changed})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a small, valid bundle."""
    path = tmp_path / "small.sranogan"
    write_bundle(small_bundle(), path)
    return path


def members_of(path: Path) -> dict[str, bytes]:
    """Every member of the bundle by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Write a zip archive of ``members``, whatever they are."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def rewrite_manifest(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Apply ``change`` to the manifest's values and pack the bundle again."""
    members = members_of(path)
    manifest = json.loads(members[MANIFEST])
    change(manifest)
    pack(path, {**members, MANIFEST: json.dumps(manifest).encode()})


def replace_member(path: Path, name: str, data: bytes) -> None:
    """Put ``data`` in the place of a member, with the hash that belongs to it."""
    pack(path, {**members_of(path), name: data})
    rewrite_manifest(path, lambda m: m["members"][name].update(sha256=hashlib.sha256(data).hexdigest()))


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

    monkeypatch.setattr("sranogan_edge.bundle_archive.os.fsync", full)
    before = path.read_bytes()
    with pytest.raises(ResultsError, match="No space left on device"):
        write_bundle(replace(small_bundle(), model_card="new"), path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_missing_file(tmp_path: Path) -> None:
    """A path where nothing is says so."""
    with pytest.raises(BundleFormatError, match="No such file"):
        read_bundle(tmp_path / "none.sranogan")


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip" * 100])
def test_not_a_zip(tmp_path: Path, data: bytes) -> None:
    """Bytes that are no zip archive are refused as no bundle."""
    (tmp_path / "x.sranogan").write_bytes(data)
    with pytest.raises(BundleFormatError, match="is not a bundle"):
        read_bundle(tmp_path / "x.sranogan")


@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99, 0.9999])
def test_cut_off_file(path: Path, kept: float) -> None:
    """A copy that broke off anywhere is refused, with the advice to copy it again."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(BundleFormatError, match="Copy"):
        read_bundle(path)


@pytest.mark.parametrize("name", [MANIFEST, *MEMBERS])
def test_missing_member(path: Path, name: str) -> None:
    """Each member is needed, and the message names the one that is missing."""
    pack(path, {n: data for n, data in members_of(path).items() if n != name})
    with pytest.raises(BundleFormatError, match=f"member {name} is missing"):
        read_bundle(path)


@pytest.mark.parametrize("name", [MANIFEST, *MEMBERS])
def test_flipped_byte_in_the_file(path: Path, name: str) -> None:
    """One byte that changed in place, in any member, is an integrity error that names the member."""
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        entry = archive.getinfo(name)
    at = entry.header_offset + 30 + len(name) + entry.file_size // 2
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleIntegrityError, match=name):
        read_bundle(path)


@pytest.mark.parametrize("name", MEMBERS)
def test_changed_member_in_a_sound_archive(path: Path, name: str) -> None:
    """A member exchanged inside a well-formed archive differs from the manifest's SHA-256."""
    members = members_of(path)
    pack(path, {**members, name: members[name][:-1] + bytes([members[name][-1] ^ 1])})
    with pytest.raises(BundleIntegrityError, match=rf"{name} has SHA-256 .* the manifest states"):
        read_bundle(path)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_no_flipped_byte_passes_or_crashes(path: Path, tmp_path: Path, where: float, flip: int) -> None:
    """Any byte changed anywhere is refused as a bundle error, or was one that carries no content."""
    data = bytearray(path.read_bytes())
    data[int(where * len(data))] ^= flip
    (tmp_path / "flipped.sranogan").write_bytes(data)
    try:
        read = read_bundle(tmp_path / "flipped.sranogan")
    except BundleError:
        return
    write_bundle(read, tmp_path / "again.sranogan")
    assert (tmp_path / "again.sranogan").read_bytes() == path.read_bytes()


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


def test_member_above_the_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A member above the limit is refused by its header, with both sizes."""
    largest = max(len(data) for data in members_of(path).values())
    monkeypatch.setattr(bundle_archive, "MAX_MEMBER_BYTES", largest - 1)
    with pytest.raises(BundleLimitError, match=rf"claims {largest:,} bytes; at most {largest - 1:,}"):
        read_bundle(path)


def test_file_above_the_limit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file larger than all members together may be is refused without being taken in whole."""
    monkeypatch.setattr(bundle_archive, "MAX_BUNDLE_BYTES", path.stat().st_size - 1)
    with pytest.raises(BundleLimitError, match="is larger than"):
        read_bundle(path)


@pytest.mark.parametrize("name", [MANIFEST, *MEMBERS])
def test_compressed_member_is_not_inflated(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A compressed member is refused before a byte of it is inflated, whatever size its header claims."""
    members = members_of(path)
    with zipfile.ZipFile(path, "w") as archive:
        for other, data in members.items():
            compression = zipfile.ZIP_DEFLATED if other == name else zipfile.ZIP_STORED
            archive.writestr(other, data if other != name else b"\0" * 2**20, compression)
    packed = bytearray(path.read_bytes())
    size_and_name_length = struct.pack("<IH", 2**20, len(name))
    at = packed.rindex(size_and_name_length)  # the last is the central directory's, which readers go by
    packed[at : at + 4] = struct.pack("<I", 100)
    path.write_bytes(packed)
    monkeypatch.setattr(zlib, "decompressobj", lambda *_: pytest.fail("inflated"))
    with pytest.raises(BundleFormatError, match=f"member {name} is compressed"):
        read_bundle(path)


@pytest.mark.parametrize("name", ARRAYS)
def test_compressed_arrays_are_not_inflated(path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An array archive whose arrays are compressed is refused too: it could grow a thousandfold."""
    with np.load(io.BytesIO(members_of(path)[name])) as arrays:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **dict(arrays))
    replace_member(path, name, buffer.getvalue())
    monkeypatch.setattr(zlib, "decompressobj", lambda *_: pytest.fail("inflated"))
    with pytest.raises(BundleFormatError, match="is compressed"):
        read_bundle(path)


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("data", [b"", b"garbage", b"\x93NUMPY", b"PK\5\6" + b"\0" * 18])
def test_arrays_that_are_none(path: Path, name: str, data: bytes) -> None:
    """A member of the right hash that holds no arrays is refused, not a crash."""
    replace_member(path, name, data)
    with pytest.raises(BundleFormatError, match="cannot be understood"):
        read_bundle(path)


def test_pickled_arrays_are_refused(path: Path) -> None:
    """Arrays of Python objects, which would run code when they are loaded, are refused."""
    buffer = io.BytesIO()
    np.savez(buffer, x=np.array([{}], dtype=object))
    replace_member(path, "golden.npz", buffer.getvalue())
    with pytest.raises(BundleFormatError, match="allow_pickle"):
        read_bundle(path)


def test_array_that_claims_more_than_there_is(path: Path) -> None:
    """An array header that claims a terabyte is refused for want of its data."""
    header = io.BytesIO()
    claim = {"descr": "<f4", "fortran_order": False, "shape": (2**18, 2**20)}
    np.lib.format.write_array_header_1_0(header, claim)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    replace_member(path, "golden.npz", buffer.getvalue())
    with pytest.raises(BundleFormatError, match="cannot be understood"):
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


def test_golden_scores_of_each_budget(path: Path) -> None:
    """A budget without golden scores could not be proven, so the bundle is refused."""
    with np.load(io.BytesIO(members_of(path)["golden.npz"])) as arrays:
        kept = {name: array for name, array in arrays.items() if name != "scores_12"}
    replace_member(path, "golden.npz", arrays_to_bytes(kept))
    with pytest.raises(BundleFormatError, match=r"no array .*scores_12"):
        read_bundle(path)


def test_unknown_member(path: Path) -> None:
    """A file that nobody asked for is refused, listed in the manifest or not."""
    pack(path, {**members_of(path), "notes.txt": b"hello"})
    with pytest.raises(BundleFormatError, match=r"member 'notes\.txt' is unknown"):
        read_bundle(path)
    rewrite_manifest(path, lambda m: m["members"].update({"notes.txt": m["members"]["golden.npz"]}))
    with pytest.raises(BundleFormatError, match=r"member 'notes\.txt' is unknown"):
        read_bundle(path)


def test_member_that_is_there_twice(path: Path) -> None:
    """Two members of one name are refused: readers differ in which of them they take."""
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("golden.npz", members_of(path)["golden.npz"])
    with pytest.raises(BundleFormatError, match=r"member golden\.npz is there twice"):
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
