"""Where a bundle's and a calibration's limits lie: the last that is read, and the first that is refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.bundle import archive, site_calibration_file
from sranogan_edge.bundle.bundle import MANIFEST, read_bundle, write_bundle
from sranogan_edge.bundle.manifest import MAX_BUDGETS, MAX_STEPS, search_size, stated_budgets
from sranogan_edge.bundle.site_calibration_file import check_target, read_body, write_body
from sranogan_edge.errors import (
    BundleFormatError,
    BundleIntegrityError,
    BundleLimitError,
    BundleSignatureError,
    CalibrationError,
    ResultsError,
    SettingsError,
)
from sranogan_edge.site.calibrate import calibration_for, read_calibration, write_calibration
from tests.support.calibrated_sites import site
from tests.support.calibrated_sites import small_bundle as bundle_of_a_site
from tests.support.small_bundles import SIZE, members_of, rewrite_manifest, small_bundle, with_budget

SECRET = b"a secret of more than thirty-two bytes"


@pytest.mark.parametrize("wrong", [lambda s: s[:16], lambda s: s[:63], lambda s: s[:-1] + "g", str.upper])
def test_a_hash_is_compared_to_its_last_digit(path: Path, wrong: Callable[[str], str]) -> None:
    """A stated hash that begins like the right one is another hash."""

    def change(manifest: dict[str, Any]) -> None:
        stated = manifest["members"]["search.tflite"]
        assert len(stated["sha256"]) == 64
        stated["sha256"] = wrong(stated["sha256"])

    rewrite_manifest(path, change)
    with pytest.raises(BundleIntegrityError, match=r"search\.tflite has SHA-256"):
        read_bundle(path)


def test_who_signed_is_asked_before_what_it_says(tmp_path: Path, path: Path) -> None:
    """A manifest of strangers is not interpreted: the signature is what is told of."""
    (tmp_path / "key").write_bytes(SECRET)
    rewrite_manifest(path, lambda m: m.update(schema_version=99))
    with pytest.raises(BundleSignatureError, match="not signed"):
        read_bundle(path, tmp_path / "key")


def test_the_largest_member_and_the_largest_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both limits are sizes that are read; one byte less refuses the same file."""
    member, file = max(map(len, members_of(path).values())), path.stat().st_size
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", member)
    monkeypatch.setattr(archive, "MAX_BUNDLE_BYTES", file)
    assert read_bundle(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(archive, "MAX_BUNDLE_BYTES", file - 1)
    with pytest.raises(BundleLimitError, match=f"larger than {file - 1:,} bytes"):
        read_bundle(path)
    monkeypatch.setattr(archive, "MAX_BUNDLE_BYTES", file)
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", member - 1)
    with pytest.raises(BundleLimitError, match=f"at most {member - 1:,} are"):
        read_bundle(path)


def test_a_file_that_grows_past_the_limit_once_it_was_looked_at(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read counts, not what was stated before."""
    monkeypatch.setattr(archive, "MAX_BUNDLE_BYTES", path.stat().st_size)
    real = Path.open

    def opened(self: Path, mode: str) -> Any:
        with real(self, "ab") as file:
            file.write(b"more")
        return real(self, mode)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(BundleLimitError):
        read_bundle(path)


@pytest.mark.parametrize(
    ("stated", "fits"),
    [(1, True), (SIZE, True), (0, False), (SIZE + 1, False), (8.0, False), ("8", False), (None, False)],
)
def test_search_sizes(stated: Any, fits: bool) -> None:
    """A whole number from 1 to the size of the image, both of them included."""
    if fits:
        assert search_size(stated, SIZE) == stated
    else:
        with pytest.raises(ValueError, match=f"a whole number from 1 to {SIZE}; received {stated!r}"):
            search_size(stated, SIZE)


@pytest.mark.parametrize(
    ("budgets", "fits"),
    [
        ([0], True),
        ([MAX_STEPS], True),
        (list(range(MAX_BUDGETS)), True),
        ([MAX_STEPS + 1], False),
        (list(range(MAX_BUDGETS + 1)), False),
        ([False], False),
        ([True, 3], False),
        ((0,), False),
    ],
)
def test_step_budgets(budgets: Any, fits: bool) -> None:
    """From 0 to 10,000 steps, at most 32 of them; true and false are no numbers of steps."""
    each = {str(steps): 0 for steps in budgets}
    search = {"kind": "gradient", "steps": budgets[0], "budgets": budgets}
    manifest = {"search": search, "calibration": each, "golden_tolerance": each}
    if fits:
        assert stated_budgets(manifest) == budgets
        with pytest.raises(ValueError, match=r"search\.steps must be one of"):
            stated_budgets({**manifest, "search": {**search, "steps": float(budgets[0])}})
    else:
        with pytest.raises(ValueError, match=r"search\.budgets must be ascending"):
            stated_budgets(manifest)


def test_golden_cases_without_tolerance(tmp_path: Path) -> None:
    """A backend that reproduces the scores to the bit may be asked for."""
    write_bundle(with_budget(small_bundle(), tolerance=0.0), tmp_path / "b.sranogan")
    assert read_bundle(tmp_path / "b.sranogan").golden.tolerance == 0.0


def test_the_steps_in_use_are_the_manifest_s(tmp_path: Path) -> None:
    """They are written from the bundle, whatever its details say."""
    details = {"search": {"kind": "gradient", "steps": 0, "budgets": [0]}}
    write_bundle(replace(small_bundle(), details=details), tmp_path / "b.sranogan")
    stated = json.loads(members_of(tmp_path / "b.sranogan")[MANIFEST])["search"]
    assert stated == {"kind": "gradient", "steps": 3, "budgets": [0, 3, 12]}


def test_the_largest_calibration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many bytes are read, one more is refused by its size."""
    file = tmp_path / "c.json"
    write_calibration(site(), file)
    monkeypatch.setattr(site_calibration_file, "MAX_BYTES", file.stat().st_size)
    assert read_calibration(file) == site()
    monkeypatch.setattr(site_calibration_file, "MAX_BYTES", file.stat().st_size - 1)
    with pytest.raises(CalibrationError, match=f"larger than {file.stat().st_size - 1:,} bytes"):
        read_calibration(file)


@pytest.mark.parametrize("adapted", [False, True])
def test_densities_and_the_schema_go_together(tmp_path: Path, adapted: bool) -> None:
    """Version 1 has none and version 2 has them; a file that says otherwise was put together by hand."""
    file, density = tmp_path / "c.json", bundle_of_a_site().density
    write_calibration(site(density=density if adapted else None, fitted=3), file)
    document = json.loads(file.read_text())
    assert document["schema_version"] == 1 + adapted
    assert read_calibration(file).fitted == 3 * adapted
    file.write_text(json.dumps({**document, "schema_version": 2 - adapted}))
    with pytest.raises(CalibrationError, match=f"with{'' if adapted else 'out'} densities"):
        read_calibration(file)


def test_densities_of_other_measurements_are_refused(tmp_path: Path) -> None:
    """They would be asked for what this bundle does not measure."""
    bundle = bundle_of_a_site()
    part = bundle.density.parts["map"]
    wider = replace(part, center=np.ones(2, np.float32), whitening=np.ones((2, 1), np.float32))
    for one, fits in ((part, True), (wider, False)):
        write_calibration(site(density=replace(bundle.density, parts={"map": one})), tmp_path / "c.json")
        if fits:
            assert calibration_for(bundle, tmp_path / "c.json").density is not None
        else:
            with pytest.raises(CalibrationError, match="of other measurements than the bundle's"):
                calibration_for(bundle, tmp_path / "c.json")


@pytest.mark.parametrize(
    "change", [{"frames": 0}, {"fitted": -1}, {"apart": float("nan")}, {"successive": (1.0, np.inf)}]
)
def test_numbers_that_no_calibration_has(change: dict[str, Any]) -> None:
    """Each by itself is refused."""
    with pytest.raises(SettingsError, match=r"received|finite"):
        site(**change)


def test_the_threshold_is_compared_closely(tmp_path: Path) -> None:
    """One part in a million is another threshold; the last digits of a float are not."""
    file = tmp_path / "c.json"
    write_calibration(site(), file)
    body, _ = read_body(file)
    write_body({**body, "threshold": body["threshold"] * (1 + 1e-12)}, file)
    assert read_calibration(file).calibration.threshold == 3.0
    write_body({**body, "threshold": body["threshold"] * (1 + 1e-6)}, file)
    with pytest.raises(CalibrationError, match="does not follow from the scores"):
        read_calibration(file)


def test_a_manifest_s_threshold_is_compared_closely(path: Path) -> None:
    """The same of a bundle's own."""

    def times(factor: float) -> None:
        rewrite_manifest(path, lambda m: m["calibration"]["12"].update(threshold=13.5 * factor))

    times(1 + 1e-12)
    assert read_bundle(path).with_steps(12).calibration.threshold == 13.5
    times(1 + 1e-6)
    with pytest.raises(BundleFormatError, match="is not the one that scores and false_alarm_rate give"):
        read_bundle(path)


def test_with_a_key_only_a_calibration_that_is_signed_is_put_in_force(tmp_path: Path) -> None:
    """For a bundle as by itself; the message has why, and what to do."""
    file, key, other = tmp_path / "c.json", tmp_path / "key", tmp_path / "other"
    key.write_bytes(SECRET)
    other.write_bytes(SECRET[::-1])
    write_calibration(site(), file, key)
    assert (
        calibration_for(bundle_of_a_site(), file, key) == calibration_for(bundle_of_a_site(), file) == site()
    )
    with pytest.raises(CalibrationError, match="not made with the key"):
        calibration_for(bundle_of_a_site(), file, other)
    write_calibration(site(), file)
    with pytest.raises(CalibrationError) as refused:
        calibration_for(bundle_of_a_site(), file, key)
    assert str(refused.value) == (
        f"{file}: not signed, and the key {key} verifies hmac-sha256. Make the calibration again with "
        "--sign, or use it only if you know who made it, and name the key that goes with it."
    )


def test_densities_are_base64_and_nothing_between(tmp_path: Path) -> None:
    """What no hash of theirs would see is refused, though the whole has a sound digest."""
    file = tmp_path / "c.json"
    write_calibration(site(density=bundle_of_a_site().density), file)
    body, _ = read_body(file)
    write_body({**body, "density": f"!{body['density']}"}, file)
    with pytest.raises(CalibrationError, match="cannot be understood"):
        read_calibration(file)


def test_a_target_is_tried_with_its_key(tmp_path: Path) -> None:
    """Before hours of scoring: a key that cannot sign, and a place that cannot be written to."""
    (tmp_path / "short").write_bytes(SECRET[:31])
    (tmp_path / "key").write_bytes(SECRET)
    check_target(tmp_path / "c.json", tmp_path / "key")
    check_target(tmp_path / "c.json")
    with pytest.raises(SettingsError, match="has 31 bytes"):
        check_target(tmp_path / "c.json", tmp_path / "short")
    with pytest.raises(ResultsError) as refused:
        check_target(tmp_path)
    assert str(refused.value) == (
        f"cannot write the calibration {tmp_path}: it is a folder. Name another place with --out."
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "short"]


def test_what_strict_json_cannot_say_is_written_nowhere(tmp_path: Path) -> None:
    """No NaN in a manifest; without details of the search it is written, and refused by who reads it."""
    file = tmp_path / "b.sranogan"
    with pytest.raises(ValueError, match="JSON"):
        write_bundle(replace(small_bundle(), details={"provenance": float("nan")}), file)
    assert not list(tmp_path.iterdir())
    write_bundle(replace(small_bundle(), details={}), file)
    with pytest.raises(BundleFormatError, match="search must state the kind, steps and budgets"):
        read_bundle(file)


def test_a_member_that_claims_too_much_is_told_in_full(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it claims, what is accepted, and what that means."""
    size = len(members_of(path)[MANIFEST])
    monkeypatch.setattr(archive, "MAX_MEMBER_BYTES", size - 1)
    with pytest.raises(BundleLimitError) as refused:
        read_bundle(path)
    assert str(refused.value) == (
        f"{path}: manifest.json claims {size:,} bytes; at most {size - 1:,} are accepted. This is not a "
        "bundle of sranogan-export."
    )
