"""A bundle's file that is cut off, changed, compressed or stuffed is refused before it is used."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sranogan_edge.bundle import archive as bundle_archive
from sranogan_edge.bundle.bundle import MANIFEST, read_bundle, write_bundle
from sranogan_edge.errors import BundleError, BundleFormatError, BundleIntegrityError, BundleLimitError
from tests.support.arrays import claims_a_terabyte
from tests.support.fuzz import examples
from tests.support.small_bundles import (
    ARRAYS,
    MEMBERS,
    members_of,
    pack,
    replace_member,
    rewrite_manifest,
)


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


@settings(
    max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
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
    replace_member(path, "golden.npz", claims_a_terabyte())
    with pytest.raises(BundleFormatError, match="cannot be understood"):
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


def test_a_file_that_the_manifest_alone_names_is_refused(path: Path) -> None:
    """It is asked for by no budget, and is not there: the manifest was not written with this file."""
    rewrite_manifest(path, lambda m: m["members"].update({"notes.txt": m["members"]["golden.npz"]}))
    with pytest.raises(BundleFormatError, match=r"member 'notes\.txt' is unknown"):
        read_bundle(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_no_kind_of_compression_is_taken(path: Path, compression: int) -> None:
    """Whatever it is called: members stand in a bundle as they are."""
    pack(path, members_of(path), compression)
    with pytest.raises(BundleFormatError, match=r"member manifest\.json is compressed"):
        read_bundle(path)
