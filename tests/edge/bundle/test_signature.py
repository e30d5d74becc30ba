"""Signatures of bundles: who exported them can be proven, and a runner can insist on it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import read_bundle, write_bundle
from sranogan_edge.errors import BundleSignatureError, SettingsError
from tests.support.small_bundles import members_of, pack, small_bundle

SECRET = bytes(range(40))


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """Give a secret."""
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> Path:
    """Give a small bundle, signed with ``key``."""
    path = tmp_path / "signed.sranogan"
    write_bundle(small_bundle(), path, key)
    return path


def test_signed_and_read(signed: Path, key: Path) -> None:
    """It is read with its key, and without one."""
    with_key, without = read_bundle(signed, key), read_bundle(signed)
    assert with_key.sha256 == without.sha256
    assert with_key.graphs == small_bundle().graphs


def test_ed25519(tmp_path: Path) -> None:
    """The public key on the device proves that the private one signed."""
    pytest.importorskip("cryptography", reason="the extra sign is not installed")
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private, public, foreign = (tmp_path / f"{name}.pem" for name in ("private", "public", "foreign"))
    own, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    private.write_bytes(own.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    for path, one in ((public, own), (foreign, other)):
        path.write_bytes(one.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    bundle = tmp_path / "b.sranogan"
    write_bundle(small_bundle(), bundle, private)
    assert read_bundle(bundle, public).sha256
    with pytest.raises(BundleSignatureError, match=r"not made with the key .*foreign\.pem"):
        read_bundle(bundle, foreign)
    with pytest.raises(SettingsError, match="no private key"):
        write_bundle(small_bundle(), bundle, public)
    assert read_bundle(bundle, public).sha256  # the failed write left the old one


def test_unsigned_is_refused_where_a_key_is_named(tmp_path: Path, key: Path) -> None:
    """The message says what to do."""
    path = tmp_path / "plain.sranogan"
    write_bundle(small_bundle(), path)
    with pytest.raises(BundleSignatureError, match=r"not signed, and the key .* export it with --sign KEY"):
        read_bundle(path, key)


def test_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    """A bundle of somebody else is not taken."""
    other = tmp_path / "other"
    other.write_bytes(SECRET[::-1])
    with pytest.raises(BundleSignatureError, match="not made with the key"):
        read_bundle(signed, other)


def test_a_forged_manifest_is_refused(signed: Path, key: Path) -> None:
    """Whoever changes a threshold and makes the hashes fit lacks the key."""
    members = members_of(signed)
    members["manifest.json"] = members["manifest.json"].replace(
        b'"false_alarm_rate": ', b'"false_alarm_rate":  '
    )
    pack(signed, members)
    assert read_bundle(signed).sha256  # the hashes fit
    with pytest.raises(BundleSignatureError, match="not made with the key"):
        read_bundle(signed, key)


@pytest.mark.parametrize("text", [b"", b"\xff", b"[" * 100_000])
def test_a_signature_that_is_none(signed: Path, key: Path, text: bytes) -> None:
    """Garbage is refused, not an unexpected error."""
    pack(signed, members_of(signed) | {"signature.json": text})
    with pytest.raises(BundleSignatureError, match=r"signature\.json is not JSON"):
        read_bundle(signed, key)


@pytest.mark.parametrize("stated", [{}, [], {"algorithm": "none", "value": ""}, {"algorithm": "hmac-sha256"}])
def test_a_signature_of_another_form(signed: Path, key: Path, stated: object) -> None:
    """Only the algorithm of the key is taken."""
    pack(signed, members_of(signed) | {"signature.json": json.dumps(stated).encode()})
    with pytest.raises(BundleSignatureError):
        read_bundle(signed, key)


def test_a_key_that_is_missing_or_short(signed: Path, tmp_path: Path) -> None:
    """The key is named, not the bundle."""
    with pytest.raises(SettingsError, match=r"nowhere cannot be read"):
        read_bundle(signed, tmp_path / "nowhere")
    short = tmp_path / "short"
    short.write_bytes(b"1234")
    with pytest.raises(SettingsError, match="has 4 bytes"):
        read_bundle(signed, short)


def test_where_the_signature_stands(signed: Path) -> None:
    """It stands beside the manifest, which does not name it."""
    with zipfile.ZipFile(signed) as archive:
        assert archive.namelist()[:2] == ["manifest.json", "signature.json"]
        assert "signature.json" not in json.loads(archive.read("manifest.json"))["members"]
