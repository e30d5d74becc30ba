"""The bundle's file: a zip archive, stored, whose manifest states the hash of every other member.

Nothing here knows what the members mean (:mod:`sranogan_edge.bundle.bundle` does); everything here is
about bytes: that none is missing, none is there that nobody asked for, and none has changed. A
signature, where there is one, is of the manifest, and so of every hash in it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sranogan_edge.bundle.signature import sign, why_not_signed
from sranogan_edge.errors import (
    BundleFormatError,
    BundleIntegrityError,
    BundleLimitError,
    BundleSchemaError,
    BundleSignatureError,
    ResultsError,
)
from sranogan_edge.files import writing_whole

SCHEMA_VERSION = 3
MANIFEST, SIGNATURE = "manifest.json", "signature.json"
MAX_MEMBER_BYTES = 64 * 2**20
MAX_BUNDLE_BYTES = 8 * MAX_MEMBER_BYTES
# Of a zip file (APPNOTE 4.3), without name and extra: before a member, its entry in the list, the end.
_LOCAL_BYTES, _LISTED_BYTES, _END_BYTES = 30, 46, 22
_NAME_AND_EXTRA, _NAME_AND_EXTRA_AT = struct.Struct("<HH"), 26
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # a constant, so that equal contents give equal files

Manifest = dict[str, Any]


def write_archive(
    manifest: Manifest, members: Mapping[str, bytes], path: Path, key: Path | None = None
) -> None:
    """Write ``members`` and a manifest with their hashes, signed with ``key``: whole or not at all.

    Raises:
        ResultsError: the file cannot be written.
        SettingsError: the key cannot sign.
    """
    hashes = {
        name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in members.items()
    }
    stated = {"schema_version": SCHEMA_VERSION, **manifest, "members": hashes}
    text = json.dumps(stated, indent=2, allow_nan=False).encode()
    signed = {SIGNATURE: json.dumps(sign(text, key)).encode()} if key else {}
    if path.is_dir() or not path.name:
        raise ResultsError(f"cannot write the bundle {path}: it is a folder. Name a file in it.")
    try:
        with writing_whole(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, data in {MANIFEST: text, **signed, **members}.items():
                archive.writestr(_zip_entry(name), data)
    except OSError as error:
        raise ResultsError(
            f"cannot write the bundle {path}: {error.strerror or error}. "
            "Free some space or name another place."
        ) from error


def _zip_entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, ZIP_TIME)
    entry.create_system = 3  # Unix, whatever system writes
    return entry


def read_archive(
    path: Path,
    needed: Callable[[Manifest], tuple[str, ...]],
    optional: Callable[[Manifest], tuple[str, ...]],
    key: Path | None = None,
) -> tuple[Manifest, dict[str, bytes], str]:
    """Read and verify every member.

    Args:
        path: the file.
        needed: the members that a manifest calls for; raises ValueError where the manifest is nonsense.
        optional: those that may be there besides.
        key: that must have signed the manifest; None takes any, and none.

    Returns:
        The manifest without its ``schema_version`` and ``members``; the members by name; the SHA-256
        of the whole file.

    Raises:
        BundleError: one of its kinds, each with its own message; see ``read_bundle``.
    """
    data = _bytes_of(path)
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
    ) as error:  # ValueError: names that are no text
        raise BundleFormatError(
            f"{path} is not a bundle, or not a whole one: {error}. Copy it again, or export it again with "
            "sranogan-export."
        ) from error
    with archive:
        if key is not None:
            _verify(archive, key, path)
        manifest = _manifest(archive, path)
        try:
            names, extra = needed(manifest), optional(manifest)
        except ValueError as error:
            raise BundleFormatError(
                f"{path}: the manifest or a member cannot be understood: {error}. Export the bundle again."
            ) from error
        present = archive.namelist()
        stated = manifest.get("members")
        listed = {*present, *(stated if isinstance(stated, dict) else ())}
        names += tuple(name for name in extra if name in listed)
        members = {name: _member(archive, name, manifest, path) for name in names}
    _check_no_more(present, manifest, members, path)
    _check_no_bytes_between(data, archive, path)
    rest = {name: value for name, value in manifest.items() if name not in ("members", "schema_version")}
    return rest, members, hashlib.sha256(data).hexdigest()


def _verify(archive: zipfile.ZipFile, key: Path, path: Path) -> None:
    signature = None
    if SIGNATURE in archive.namelist():
        try:
            signature = json.loads(_read(archive, SIGNATURE, path))
        except (ValueError, RecursionError) as error:
            raise BundleSignatureError(
                f"{path}: {SIGNATURE} is not JSON: {error}. Use the file as sranogan-export wrote it."
            ) from error
    if why := why_not_signed(_read(archive, MANIFEST, path), signature, key):
        raise BundleSignatureError(
            f"{path}: {why}. Take a bundle only from whom you trust: export it with --sign KEY, or name "
            "the key that goes with it."
        )


def _bytes_of(path: Path) -> bytes:
    try:
        found = path.stat()
        if found.st_size > MAX_BUNDLE_BYTES:
            raise too_large(path)
        if not stat.S_ISREG(found.st_mode):  # opening a pipe would wait for ever
            raise OSError(errno.EINVAL, "it is no regular file")
        with path.open("rb") as file:
            data = file.read(min(found.st_size, MAX_BUNDLE_BYTES) + 1)
    except OSError as error:
        raise BundleFormatError(
            f"cannot read the bundle {path}: {error.strerror or error}. "
            "Name the file that sranogan-export wrote."
        ) from error
    if len(data) > MAX_BUNDLE_BYTES:
        raise too_large(path)
    return data


def too_large(path: Path) -> BundleLimitError:
    """Say that a file is larger than any bundle; nothing of it needs to be read for that."""
    return BundleLimitError(
        f"{path} is larger than {MAX_BUNDLE_BYTES:,} bytes. This is not a bundle of sranogan-export."
    )


def _check_no_more(present: list[str], manifest: Manifest, members: Mapping[str, bytes], path: Path) -> None:
    """Refuse what nobody asked for: in the archive, in the manifest, or twice."""
    known = {MANIFEST, SIGNATURE, *members}
    for name in (*present, *manifest["members"]):
        if name not in known:
            raise BundleFormatError(
                f"{path}: member {name!r} is unknown: no budget and no graph calls for it. Use the file as "
                "sranogan-export wrote it."
            )
    twice = sorted({name for name in present if present.count(name) > 1})
    if twice:
        raise BundleFormatError(
            f"{path}: member {twice[0]} is there twice. Use the file as sranogan-export wrote it."
        )


def _check_no_bytes_between(data: bytes, archive: zipfile.ZipFile, path: Path) -> None:
    """Refuse what stands before, between or after the members, where no hash and no signature looks."""
    at = listed = 0
    for entry in sorted(archive.infolist(), key=lambda one: one.header_offset):
        name = len(entry.filename.encode())
        local = _NAME_AND_EXTRA.unpack_from(data.ljust(at + _LOCAL_BYTES, b"\0"), at + _NAME_AND_EXTRA_AT)
        if entry.header_offset != at or local != (name, 0) or entry.extra or entry.comment:
            break
        at += _LOCAL_BYTES + name + entry.file_size
        listed += _LISTED_BYTES + name
    else:
        if at + listed + _END_BYTES == len(data) and not archive.comment:
            return
    raise BundleIntegrityError(
        f"{path}: holds bytes that belong to no member. Use the file as sranogan-export wrote it."
    )


def _manifest(archive: zipfile.ZipFile, path: Path) -> Manifest:
    try:
        manifest = json.loads(_read(archive, MANIFEST, path))
    except (ValueError, RecursionError) as error:
        raise BundleFormatError(
            f"{path}: {MANIFEST} is not JSON: {error}. Export the bundle again."
        ) from error
    found = manifest.get("schema_version") if isinstance(manifest, dict) else None
    if found is True or found != SCHEMA_VERSION:
        cure = (
            "Update sranogan-edge on this device."
            if isinstance(found, int) and found > SCHEMA_VERSION
            else "Export it again with this version of sranogan-export."
        )
        raise BundleSchemaError(
            f"{path} has schema version {found!r}; this runner reads version {SCHEMA_VERSION}. {cure}"
        )
    return dict(manifest)


def _read(archive: zipfile.ZipFile, name: str, path: Path) -> bytes:
    try:
        entry = archive.getinfo(name)
        if entry.file_size > MAX_MEMBER_BYTES:
            raise BundleLimitError(
                f"{path}: {name} claims {entry.file_size:,} bytes; at most {MAX_MEMBER_BYTES:,} are "
                "accepted. This is not a bundle of sranogan-export."
            )
        if entry.compress_type != zipfile.ZIP_STORED:  # whatever it claims, it could grow without bound
            raise BundleFormatError(
                f"{path}: member {name} is compressed, which a bundle's members never are. Use the file as "
                "sranogan-export wrote it."
            )
        return archive.read(name)
    except KeyError as error:
        raise BundleFormatError(
            f"{path}: member {name} is missing. Copy or export the bundle again."
        ) from error
    except (zipfile.BadZipFile, NotImplementedError, EOFError, RuntimeError, ValueError) as error:
        raise BundleIntegrityError(
            f"{path}: member {name} is damaged: {error}. Copy the bundle again."
        ) from error


def _member(archive: zipfile.ZipFile, name: str, manifest: Manifest, path: Path) -> bytes:
    data = _read(archive, name, path)
    try:
        stated = manifest["members"][name]["sha256"]
    except (KeyError, TypeError) as error:
        raise BundleFormatError(
            f"{path}: the manifest states no hash of {name}. Export the bundle again."
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if found != stated:
        raise BundleIntegrityError(
            f"{path}: {name} has SHA-256 {found[:16]}…, the manifest states {str(stated)[:16]}…: the file "
            "was changed or damaged after export. Copy the bundle again."
        )
    return data
