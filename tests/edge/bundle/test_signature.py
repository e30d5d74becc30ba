"""Signatures of bundles: who exported them can be proven, and a runner can insist on it."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import read_bundle, write_bundle
from sranogan_edge.bundle.signature import sign, why_not_signed
from sranogan_edge.errors import BundleSignatureError, MissingExtraError, SettingsError
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


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({}, "signed with None"),
        ([], "signed with None"),
        ({"algorithm": "none", "value": ""}, "signed with 'none'"),
        ({"algorithm": "hmac-sha256"}, "signed with 'hmac-sha256'"),
    ],
)
def test_a_signature_of_another_form(signed: Path, key: Path, stated: object, said: str) -> None:
    """Only the algorithm of the key is taken; the message says which one was found."""
    pack(signed, members_of(signed) | {"signature.json": json.dumps(stated).encode()})
    with pytest.raises(BundleSignatureError, match=f"{said}, and the key .* verifies hmac-sha256"):
        read_bundle(signed, key)


@pytest.mark.parametrize("change", [lambda v: "", lambda v: v[:1], lambda v: v[:-1], lambda v: v + "0"])
def test_a_signature_that_was_shortened_or_lengthened(
    signed: Path, key: Path, change: Callable[[str], str]
) -> None:
    """Every digit counts: none at all, the first, all but the last, or one more are no signature."""
    members = members_of(signed)
    stated = json.loads(members["signature.json"])
    assert len(stated["value"]) == 64
    forged = json.dumps({**stated, "value": change(stated["value"])}).encode()
    pack(signed, members | {"signature.json": forged})
    with pytest.raises(BundleSignatureError, match="not made with the key"):
        read_bundle(signed, key)


def test_the_hmac_is_what_others_compute(key: Path) -> None:
    """As openssl says: printf content | openssl dgst -sha256 -hmac SECRET."""
    key.write_bytes(b"0123456789abcdef0123456789abcdef")
    made = sign(b"content", key)
    assert made["algorithm"] == "hmac-sha256"
    assert made["value"] == "a8a05a1c63e6cf0d5962d61b34404c55c941fe8c3820fafbfcc7b88387692f79"
    assert why_not_signed(b"content", made, key) == ""
    assert why_not_signed(b"content ", made, key) != ""


def test_a_key_that_is_missing_or_short(signed: Path, tmp_path: Path) -> None:
    """The key is named, not the bundle."""
    with pytest.raises(SettingsError, match=r"nowhere cannot be read \(No such file or directory\)"):
        read_bundle(signed, tmp_path / "nowhere")
    short = tmp_path / "short"
    short.write_bytes(bytes(31))
    with pytest.raises(SettingsError, match=r"has 31 bytes; at least 32 .*: openssl .* -out KEY\.pem"):
        read_bundle(signed, short)


def test_a_secret_of_the_least_length(tmp_path: Path) -> None:
    """32 bytes sign, and verify what they signed."""
    key, path = tmp_path / "key", tmp_path / "b.sranogan"
    key.write_bytes(bytes(range(32)))
    write_bundle(small_bundle(), path, key)
    assert read_bundle(path, key).sha256


@pytest.fixture
def pems(tmp_path: Path) -> dict[str, Path]:
    """Give PEM files: a private key of Ed25519, both halves of another kind's, and one that is torn."""
    pytest.importorskip("cryptography", reason="the extra sign is not installed")
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    own, other = Ed25519PrivateKey.generate(), generate_private_key(SECP256R1())
    private = s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()
    texts = {
        "own": own.private_bytes(*private),
        "other": other.private_bytes(*private),
        "other's public": other.public_key().public_bytes(
            s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo
        ),
        "torn": own.private_bytes(*private)[:60],
    }
    found = {name: tmp_path / f"{name}.pem" for name in texts}
    for name, text in texts.items():
        found[name].write_bytes(text)
    return found


def test_a_private_key_verifies_what_it_signed(pems: dict[str, Path], tmp_path: Path) -> None:
    """The machine that exports needs no second file to look at its own bundle."""
    path = tmp_path / "b.sranogan"
    write_bundle(small_bundle(), path, pems["own"])
    assert read_bundle(path, pems["own"]).sha256


def test_a_key_of_another_kind(pems: dict[str, Path], tmp_path: Path) -> None:
    """It neither signs nor verifies, and is named; a torn one is told from it."""
    path = tmp_path / "b.sranogan"
    write_bundle(small_bundle(), path, pems["own"])
    with pytest.raises(SettingsError, match=r"other\.pem is not Ed25519\. Make one with openssl genpkey"):
        write_bundle(small_bundle(), path, pems["other"])
    with pytest.raises(SettingsError, match=r"torn\.pem is no private key .*: openssl .* -out KEY\.pem"):
        write_bundle(small_bundle(), path, pems["torn"])
    for name in ("other", "other's public"):
        with pytest.raises(SettingsError, match=rf"{name}\.pem is not Ed25519\."):
            read_bundle(path, pems[name])
    with pytest.raises(SettingsError, match=r"torn\.pem cannot be read as PEM"):
        read_bundle(path, pems["torn"])


def test_where_the_signature_stands(signed: Path) -> None:
    """It stands beside the manifest, which does not name it."""
    with zipfile.ZipFile(signed) as archive:
        assert archive.namelist()[:2] == ["manifest.json", "signature.json"]
        assert "signature.json" not in json.loads(archive.read("manifest.json"))["members"]


@pytest.mark.parametrize("act", [lambda *them: write_bundle(small_bundle(), *them), read_bundle])
def test_without_the_package_the_key_names_the_extra(
    pems: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: Callable[..., object]
) -> None:
    """Signing and verifying say which key needs it, and what installs it."""
    path = tmp_path / "b.sranogan"
    write_bundle(small_bundle(), path, pems["own"])
    missing = "cryptography.hazmat.primitives.asymmetric.ed25519"
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingExtraError) as told:
        act(path, pems["own"])
    assert str(told.value).startswith(f"{pems['own']}: Ed25519 needs the package {missing}, which ")
    assert '"./edge[sign]"' in str(told.value)


@pytest.mark.parametrize("value", ["", "zz", "0" * 127, "0" * 128])
def test_a_value_that_is_no_signature(pems: dict[str, Path], value: str) -> None:
    """Whatever stands there instead of 64 bytes in hexadecimal digits, or other 64 bytes."""
    right = sign(b"content", pems["own"])
    assert why_not_signed(b"content", right, pems["own"]) == ""
    said = why_not_signed(b"content", {**right, "value": value}, pems["own"])
    assert said == f"the signature was not made with the key {pems['own']}"


@pytest.mark.parametrize(
    ("change", "found"),
    [({"algorithm": "none"}, "'none'"), ({"algorithm": None}, "None"), ({"value": 5}, "'hmac-sha256'")],
)
def test_a_right_value_under_another_name_is_none(key: Path, change: dict[str, object], found: str) -> None:
    """Algorithm and value both have to be what the key verifies."""
    right = sign(b"content", key)
    assert why_not_signed(b"content", right, key) == ""
    said = why_not_signed(b"content", {**right, **change}, key)
    assert said == f"signed with {found}, and the key {key} verifies hmac-sha256"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_pem_that_an_editor_marked_is_no_secret(key: Path, encoding: str) -> None:
    """A byte-order mark before PEM changes nothing, or is refused: as a secret its public half would sign."""
    pem = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA\n-----END PUBLIC KEY-----\n"
    key.write_bytes(pem.encode(encoding))
    with pytest.raises((SettingsError, MissingExtraError)):
        sign(b"content", key)
