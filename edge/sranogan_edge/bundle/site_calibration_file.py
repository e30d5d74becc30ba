"""The file of a site's calibration: JSON with a SHA-256 over its contents, signed by option."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sranogan_edge import files
from sranogan_edge.bundle.signature import sign, why_not_signed
from sranogan_edge.errors import CalibrationError, ResultsError

__all__ = ["check_target", "read_body", "write_body"]

PLAIN, ADAPTED = 1, 2  # schema versions; a runner that knows no densities here must not take the thresholds
DENSITY = "density"  # of the body: there in the second
MAX_BYTES = 64 * 2**20


def check_target(path: Path, key: Path | None = None) -> None:
    """Raise what :func:`write_body` would, before there is anything to write; nothing is left at ``path``."""
    if key:
        sign(b"", key)
    try:
        files.check_target(path)
    except OSError as error:
        raise _not_written(path, error) from error


def write_body(body: Mapping[str, Any], path: Path, key: Path | None = None) -> None:
    """Write ``body`` with its digest, and a signature where there is a ``key``; whole or not at all.

    Raises:
        ResultsError: the file cannot be written.
        SettingsError: the key cannot sign.
    """
    content = _canonical(body)
    document: dict[str, Any] = {
        "kind": "sranogan-calibration",
        "schema_version": ADAPTED if DENSITY in body else PLAIN,
        "sha256": hashlib.sha256(content).hexdigest(),
        "signature": sign(content, key) if key else None,
        "body": body,
    }
    text = json.dumps(document, indent=1, allow_nan=False)
    try:
        files.write_whole(path, f"{text}\n".encode())
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> ResultsError:
    return ResultsError(
        f"cannot write the calibration {path}: {error.strerror or error}. Name another place with --out."
    )


def read_body(path: Path, key: Path | None = None) -> tuple[dict[str, Any], str]:
    """Return what :func:`write_body` wrote, and the SHA-256 of the file as it was read.

    With a ``key``, only where it is signed with that.

    Raises:
        CalibrationError: not a calibration, of another schema, changed, or not signed with the key.
    """
    document, digest = _document(path)
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
    return body, digest


def _document(path: Path) -> tuple[dict[str, Any], str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"larger than {MAX_BYTES:,} bytes")
        data = path.read_bytes()
        document = json.loads(data)
        if not isinstance(document, dict) or document.get("kind") != "sranogan-calibration":
            raise ValueError("some other file")
        version, body = document.get("schema_version"), document.get("body")
        if version not in (PLAIN, ADAPTED):
            raise ValueError(f"schema version {version!r}; this runner reads {PLAIN} and {ADAPTED}")
        if not isinstance(body, dict):
            raise ValueError("it has no body")
        if (version == ADAPTED) != (DENSITY in body):
            raise ValueError(f"schema version {version} with{'' if DENSITY in body else 'out'} densities")
    except OSError as error:
        raise CalibrationError(
            f"{path}: cannot be read ({error.strerror or error}). Check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise CalibrationError(
            f"{path}: not a calibration ({error}). Name the file that sranogan-calibrate wrote."
        ) from error
    return document, hashlib.sha256(data).hexdigest()


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _verify(content: bytes, signature: Any, key: Path, path: Path) -> None:
    if why := why_not_signed(content, signature, key):
        raise CalibrationError(
            f"{path}: {why}. Make the calibration again with --sign, or use it only if you know who made it, "
            "and name the key that goes with it."
        )
