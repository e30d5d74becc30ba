"""A bundle that aligns images carries what they are aligned to, hashed as all else; no other bundle does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.arrays import arrays_to_bytes
from sranogan_edge.bundle.bundle import Bundle, read_bundle, write_bundle
from sranogan_edge.errors import BundleFormatError, BundleIntegrityError, SettingsError
from sranogan_edge.image.align import SIDE_PX, Aligner
from tests.support.small_bundles import members_of, pack, replace_member, rewrite_manifest, small_bundle

NAME = "reference.npz"


def aligning() -> Bundle:
    """The small bundle with a reference."""
    plain = small_bundle()
    reference = np.random.default_rng(1).random((96, SIDE_PX), np.float32)
    return replace(plain, preprocess=replace(plain.preprocess, align=True), aligner=Aligner(reference, 0.7))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write it."""
    write_bundle(aligning(), tmp_path / "aligning.sranogan")
    return tmp_path / "aligning.sranogan"


def test_the_reference_comes_back(path: Path) -> None:
    """It is a member, and is read as it was written; a bundle without has none, and does not align."""
    read, wrote = read_bundle(path), aligning()
    assert NAME in members_of(path)
    assert read.preprocess.align
    assert read.aligner is not None
    assert wrote.aligner is not None
    assert read.aligner.to_bytes() == wrote.aligner.to_bytes()
    write_bundle(small_bundle(), path)
    assert NAME not in members_of(path)
    assert read_bundle(path).aligner is None


def test_a_missing_reference_is_refused(path: Path) -> None:
    """The manifest says that images are aligned, and nothing is there that says to what."""
    pack(path, {name: data for name, data in members_of(path).items() if name != NAME})
    with pytest.raises(BundleFormatError, match=r"reference\.npz is missing"):
        read_bundle(path)


def test_a_reference_that_nothing_calls_for_is_refused(path: Path) -> None:
    """As any member that is unknown."""
    rewrite_manifest(path, lambda manifest: manifest["preprocess"].pop("align"))
    with pytest.raises(BundleFormatError, match=r"reference\.npz.* is unknown"):
        read_bundle(path)


@pytest.mark.parametrize("align", ["yes", 2, [1]])
def test_nonsense_in_the_manifest_is_refused(path: Path, align: object) -> None:
    """Whether images are aligned is true or not there."""
    rewrite_manifest(path, lambda manifest: manifest["preprocess"].update(align=align))
    with pytest.raises(BundleFormatError, match="align"):
        read_bundle(path)


def test_a_damaged_reference_is_refused(path: Path) -> None:
    """Other bytes than were exported; and, its hash made to fit, what is no reference."""
    members = members_of(path)
    pack(path, {**members, NAME: members[NAME][:-1] + b"x"})
    with pytest.raises(BundleIntegrityError, match=r"reference\.npz"):
        read_bundle(path)
    flat = {"reference": np.zeros((96, SIDE_PX), np.float32), "least": np.array(0.5)}
    pack(path, members)
    replace_member(path, NAME, arrays_to_bytes(flat))
    with pytest.raises(BundleFormatError, match="one brightness"):
        read_bundle(path)


def test_aligner_and_preprocessing_go_together() -> None:
    """One without the other is refused before anything is written."""
    for half in ({"aligner": None}, {"preprocess": small_bundle().preprocess}):
        with pytest.raises(SettingsError, match="aligner"):
            replace(aligning(), **half)
