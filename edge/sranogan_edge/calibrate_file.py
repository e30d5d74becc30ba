"""The file of a site's calibration: JSON with a SHA-256 over its contents, signed by option.

A signature is Ed25519 (a private key in PEM to sign, its public key or itself to verify) or HMAC-SHA-256
(any other key file of at least 32 bytes, the same to sign and to verify).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sranogan_edge.errors import CalibrationError, ResultsError, SettingsError

__all__ = ["CALIBRATION_SCHEMA_VERSION", "read_body", "write_body"]

CALIBRATION_SCHEMA_VERSION = 1
MAX_BYTES = 64 * 2**20
MIN_SECRET_BYTES = 32
_ED25519, _HMAC = "ed25519", "hmac-sha256"
_NO_CRYPTOGRAPHY = (
    "{path}: Ed25519 needs the package cryptography. Install it with: pip install 'sranogan-edge[sign]'"
)


def write_body(body: Mapping[str, Any], path: Path, key: Path | None = None) -> None:
    """Write ``body`` with its digest, and a signature where there is a ``key``; whole or not at all.

    Raises:
        ResultsError: the file cannot be written.
        SettingsError: the key cannot sign.
    """
    content = _canonical(body)
    document: dict[str, Any] = {
        "kind": "sranogan-calibration",
        "schema_version": CALIBRATION_SCHEMA_VERSION,
        "sha256": hashlib.sha256(content).hexdigest(),
        "signature": _sign(content, key) if key else None,
        "body": body,
    }
    temporary = path.parent / f"{path.name}.part"
    try:
        temporary.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ResultsError(
            f"cannot write the calibration {path}: {error.strerror or error}. Name another place with --out."
        ) from error


def read_body(path: Path, key: Path | None = None) -> dict[str, Any]:
    """Return what :func:`write_body` wrote; with a ``key``, only where it is signed with that.

    Raises:
        CalibrationError: not a calibration, of another schema, changed, or not signed with the key.
    """
    document = _document(path)
    content = _canonical(document["body"])
    if not hmac.compare_digest(str(document.get("sha256")), hashlib.sha256(content).hexdigest()):
        raise CalibrationError(
            f"{path}: changed since it was written (its SHA-256 does not fit). Copy it again, or make it "
            "again with sranogan-calibrate."
        )
    if key is not None:
        _verify(content, document.get("signature"), key, path)
    body = document["body"]
    assert isinstance(body, dict)
    return body


def _document(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES:,} bytes")
        document = json.loads(path.read_bytes())
        if not isinstance(document, dict) or document.get("kind") != "sranogan-calibration":
            raise ValueError("some other file")
        if document.get("schema_version") != CALIBRATION_SCHEMA_VERSION:
            raise ValueError(
                f"schema version {document.get('schema_version')!r}; this runner reads "
                f"{CALIBRATION_SCHEMA_VERSION}"
            )
        if not isinstance(document.get("body"), dict):
            raise ValueError("it has no body")
    except OSError as error:
        raise CalibrationError(
            f"{path}: cannot be read ({error.strerror or error}). Check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise CalibrationError(
            f"{path}: not a calibration ({error}). Name the file that sranogan-calibrate wrote."
        ) from error
    return document


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _key_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"the key {path} cannot be read ({error.strerror or error}). Check the path."
        ) from error
    if len(data) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"the key {path} has {len(data)} bytes; at least {MIN_SECRET_BYTES} are needed. Make one with: "
            "openssl genpkey -algorithm ed25519 -out KEY.pem"
        )
    return data


def _sign(content: bytes, path: Path) -> dict[str, str]:
    data = _key_bytes(path)
    if not data.startswith(b"-----BEGIN"):
        return {"algorithm": _HMAC, "value": hmac.new(data, content, hashlib.sha256).hexdigest()}
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as error:
        raise SettingsError(_NO_CRYPTOGRAPHY.format(path=path)) from error
    try:
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"the key {path} is no private key without a password ({error}). Make one with: "
            "openssl genpkey -algorithm ed25519 -out KEY.pem"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise SettingsError(f"the key {path} is not Ed25519. Make one with openssl genpkey.")
    return {"algorithm": _ED25519, "value": private.sign(content).hex()}


def _verify(content: bytes, signature: Any, path: Path, file: Path) -> None:
    algorithm = signature.get("algorithm") if isinstance(signature, dict) else None
    value = signature.get("value") if isinstance(signature, dict) else None
    data = _key_bytes(path)
    expected = _ED25519 if data.startswith(b"-----BEGIN") else _HMAC
    if algorithm != expected or not isinstance(value, str):
        raise CalibrationError(
            f"{file}: {'not signed' if signature is None else f'signed with {algorithm!r}'}, and the key "
            f"{path} verifies {expected}. Make the calibration again with --sign."
        )
    if expected == _HMAC:
        right = hmac.compare_digest(value, hmac.new(data, content, hashlib.sha256).hexdigest())
    else:
        right = _ed25519_holds(content, value, data, path)
    if not right:
        raise CalibrationError(
            f"{file}: the signature was not made with the key {path}. Use the calibration only if you know "
            "who made it; name the key that goes with it."
        )


def _ed25519_holds(content: bytes, value: str, data: bytes, path: Path) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    except ImportError as error:
        raise SettingsError(_NO_CRYPTOGRAPHY.format(path=path)) from error
    try:
        private = b"PRIVATE KEY" in data.splitlines()[0]
        key = load_pem_private_key(data, password=None) if private else load_pem_public_key(data)
    except (ValueError, TypeError) as error:
        raise SettingsError(f"the key {path} cannot be read as PEM ({error}).") from error
    public = key.public_key() if isinstance(key, Ed25519PrivateKey) else key
    if not isinstance(public, Ed25519PublicKey):
        raise SettingsError(f"the key {path} is not Ed25519.")
    try:
        public.verify(bytes.fromhex(value), content)
    except (InvalidSignature, ValueError):
        return False
    return True
