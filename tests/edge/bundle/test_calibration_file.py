"""A calibration's file: written, signed, read again, refused where it was changed, and put in force."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.detector.in_force import Site
from sranogan_edge.errors import CalibrationError, ResultsError, SettingsError
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.site.calibrate import calibration_for, read_calibration, write_calibration
from tests.support.calibrated_sites import site, small_bundle

SECRET = b"a secret of more than thirty-two bytes"


@pytest.mark.parametrize("signed", [False, True])
def test_written_and_read_again(tmp_path: Path, signed: bool) -> None:
    """What is read is what was written, with and without a signature."""
    key = tmp_path / "secret"
    key.write_bytes(SECRET)
    made = site(usual={"score": (1.0,)}, made="2026-01-01T00:00:00Z")
    write_calibration(made, tmp_path / "c.json", key if signed else None)
    assert read_calibration(tmp_path / "c.json", key if signed else None) == made
    if not signed:
        with pytest.raises(CalibrationError, match="not signed"):
            read_calibration(tmp_path / "c.json", key)


def test_ed25519(tmp_path: Path) -> None:
    """A private key signs; its public key and itself verify, another key does not, HMAC neither."""
    pytest.importorskip("cryptography", reason="the extra sign is not installed")
    from cryptography.hazmat.primitives import serialization as s
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private, public, foreign = (tmp_path / name for name in ("private.pem", "public.pem", "foreign.pem"))
    key = Ed25519PrivateKey.generate()
    pem = (s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
    private.write_bytes(key.private_bytes(*pem))
    foreign.write_bytes(Ed25519PrivateKey.generate().private_bytes(*pem))
    public.write_bytes(key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo))
    file, secret = tmp_path / "c.json", tmp_path / "secret"
    secret.write_bytes(SECRET)
    write_calibration(site(), file, private)
    assert read_calibration(file, public) == read_calibration(file, private) == site()
    with pytest.raises(CalibrationError, match="not made with the key"):
        read_calibration(file, foreign)
    with pytest.raises(CalibrationError, match="signed with 'ed25519'"):
        read_calibration(file, secret)
    with pytest.raises(SettingsError, match="no private key"):
        write_calibration(site(), file, public)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    """A score, a signature or a schema that was changed by hand is noticed."""
    file, key = tmp_path / "c.json", tmp_path / "secret"
    key.write_bytes(SECRET)
    write_calibration(site(), file, key)
    whole = json.loads(file.read_text())
    for change, reason in (
        ({"body": {**whole["body"], "false_alarm_rate": 0.5}}, "changed since"),
        ({"signature": {"algorithm": "hmac-sha256", "value": "0" * 64}}, "not made with the key"),
        ({"schema_version": 9}, "schema version 9"),
        ({"kind": "a letter"}, "some other file"),
        ({"body": None}, "it has no body"),
    ):
        file.write_text(json.dumps({**whole, **change}))
        with pytest.raises(CalibrationError, match=reason):
            read_calibration(file, key)
    for content in (b"", b"\xff\xfe", b"[" * 100_000, b"[]"):
        file.write_bytes(content)
        with pytest.raises(CalibrationError, match="not a calibration"):
            read_calibration(file)
    with pytest.raises(CalibrationError, match="No such file"):
        read_calibration(tmp_path / "missing.json")


def test_a_sound_digest_over_nonsense_is_refused(tmp_path: Path) -> None:
    """Contents that no calibration can have are refused, digest or not."""
    from sranogan_edge.bundle.site_calibration_file import read_body, write_body

    file = tmp_path / "c.json"
    write_calibration(site(), file)
    body, _ = read_body(file)
    changes: tuple[dict[str, object], ...] = (
        {"statistics": {"score": []}},
        {"statistics": {"length": [1.0]}},
        {"statistics": {"brightness": [1.0]}},
        {"statistics": {"score": [1.0, 2.0], "brightness": [1.0]}},
        {"threshold": 0.5},
        {"steps": "four"},
        {"usual": None},
    )
    for change in changes:
        write_body({**body, **change}, file)
        with pytest.raises(CalibrationError, match="cannot be understood"):
            read_calibration(file)


def test_applied(tmp_path: Path) -> None:
    """Scores, rate and threshold in force are the site's, and its digest is of the bytes that were read."""
    file = tmp_path / "c.json"
    write_calibration(site(), file)
    bundle = small_bundle()
    found = calibration_for(bundle, file)
    assert found.digest == hashlib.sha256(file.read_bytes()).hexdigest()
    in_force = Site.of(found, bundle)
    assert in_force.rule.calibration == Calibration((1.0, 2.0, 3.0), 0.25)
    assert (in_force.rule.override, in_force.rule.foreign) == (None, None)  # three normals tell no domain
    assert in_force.digest == found.digest


def test_the_digest_is_of_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is read once: what replaces it a moment later is not what the digest says is in force."""
    file = tmp_path / "c.json"
    write_calibration(site(), file)
    first = file.read_bytes()
    read: list[Path] = []

    def replaced_once_read(path: Path) -> bytes:
        read.append(path)
        with path.open("rb") as opened:
            content = opened.read()
        write_calibration(site((7.0, 8.0, 9.0)), file)
        return content

    monkeypatch.setattr(Path, "read_bytes", replaced_once_read)
    found = calibration_for(small_bundle(), file)
    assert found.digest == hashlib.sha256(first).hexdigest()
    assert found.calibration.scores == (1.0, 2.0, 3.0)
    assert read == [file]


def test_of_another_bundle_or_budget(tmp_path: Path) -> None:
    """A calibration of another bundle, or of other search steps, is refused."""
    file = tmp_path / "c.json"
    write_calibration(site(), file)
    with pytest.raises(CalibrationError, match="made with the bundle bbbbbbbbbbbb, not with this one"):
        calibration_for(small_bundle("c" * 64), file)
    with pytest.raises(CalibrationError, match="not read from a file"):
        calibration_for(small_bundle(""), file)
    with pytest.raises(CalibrationError, match="made with 4 search steps, and 8 are in use"):
        calibration_for(small_bundle().with_steps(8), file)


def test_a_full_disk(small_disk: Path) -> None:
    """Where the file does not fit, nothing is left of it, and the message says where to go."""
    with pytest.raises(ResultsError, match="Name another place with --out"):
        write_calibration(site(tuple(np.linspace(0, 1, 20_000))), small_disk / "c.json")
    assert not list(small_disk.iterdir())


@pytest.mark.parametrize("usual", [{"score": ()}, {"score": (1.0, np.nan)}, {"length": (1.0,)}])
def test_usual_images_have_finite_numbers_of_what_is_known(usual: dict[str, tuple[float, ...]]) -> None:
    """As normals have: the drift monitor goes by them."""
    (name, values), *_ = usual.items()
    with pytest.raises(SettingsError, match=f"received {len(values)} of '{name}'"):
        site(usual=usual)


def test_the_digest_of_the_scores_tells_the_scores(tmp_path: Path) -> None:
    """The same whatever order their images are in, as others work it out: little-endian, ascending."""
    stated = []
    for scores in ((3.0, 1.0, 2.0), (2.0, 3.0, 1.0), (2.0, 3.0, 1.5)):
        write_calibration(site(scores), tmp_path / "c.json")
        stated.append(json.loads((tmp_path / "c.json").read_text())["body"]["scores_sha256"])
    assert stated[0] == stated[1] == hashlib.sha256(struct.pack("<3d", 1, 2, 3)).hexdigest()
    assert stated[2] == hashlib.sha256(struct.pack("<3d", 1.5, 2, 3)).hexdigest()
