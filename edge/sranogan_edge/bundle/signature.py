"""Signatures of what a device trusts: bundles and calibrations.

A signature is Ed25519 (a private key in PEM to sign, its public key or itself to verify) or HMAC-SHA-256
(any other key file of at least 32 bytes, the same to sign and to verify).
"""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path
from typing import Any

from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.text import decode_text

__all__ = ["Signature", "sign", "why_not_signed"]

Signature = dict[str, str]

MIN_SECRET_BYTES = 32
_ED25519, _HMAC = "ed25519", "hmac-sha256"


def _key_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(
            f"the key {path} cannot be read ({error.strerror or error}). Check the path."
        ) from error
    if b"-----BEGIN" in data[:40].replace(b"\0", b"") and not data.startswith(b"-----BEGIN"):
        data = decode_text(data, path).encode()  # PEM with a byte-order mark is no secret of other bytes
    if len(data) < MIN_SECRET_BYTES:
        raise SettingsError(
            f"the key {path} has {len(data)} bytes; at least {MIN_SECRET_BYTES} are needed. Make one with: "
            "openssl genpkey -algorithm ed25519 -out KEY.pem"
        )
    return data


def sign(content: bytes, path: Path) -> Signature:
    """Return the signature of ``content`` with the key at ``path``.

    Raises:
        SettingsError: the key cannot sign.
    """
    data = _key_bytes(path)
    if not data.startswith(b"-----BEGIN"):
        return {"algorithm": _HMAC, "value": hmac.new(data, content, hashlib.sha256).hexdigest()}
    with needs_extra("sign", f"{path}: Ed25519"):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
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


def why_not_signed(content: bytes, signature: Any, path: Path) -> str:
    """Return why ``signature`` is not that of ``content`` by the key at ``path``; empty where it is.

    Raises:
        SettingsError: the key cannot verify.
    """
    algorithm = signature.get("algorithm") if isinstance(signature, dict) else None
    value = signature.get("value") if isinstance(signature, dict) else None
    data = _key_bytes(path)
    expected = _ED25519 if data.startswith(b"-----BEGIN") else _HMAC
    if algorithm != expected or not isinstance(value, str):
        found = "not signed" if signature is None else f"signed with {algorithm!r}"
        return f"{found}, and the key {path} verifies {expected}"
    if expected == _HMAC:
        right = hmac.compare_digest(
            value.encode(), hmac.new(data, content, hashlib.sha256).hexdigest().encode()
        )
    else:
        right = _ed25519_holds(content, value, data, path)
    return "" if right else f"the signature was not made with the key {path}"


def _ed25519_holds(content: bytes, value: str, data: bytes, path: Path) -> bool:
    with needs_extra("sign", f"{path}: Ed25519"):
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
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
