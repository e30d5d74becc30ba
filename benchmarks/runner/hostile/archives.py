"""Hostile bundle files: bytes that no hash covers, sizes and numbers that no bundle has, and damaged zips."""

from __future__ import annotations

import io
import json
import zipfile

from benchmarks.runner.hostile.kinds import Rng, kind, mutated

__all__ = ["appended", "between", "comment", "of_huge_pixels", "prepended"]


@kind("bundle: bytes after its end", "archive", refused=True)
def appended(rng: Rng, bundle: bytes) -> bytes:
    """One byte or more behind the last."""
    return bundle + rng.bytes(int(rng.integers(1, 100)))


@kind("bundle: bytes before its begin", "archive", refused=True)
def prepended(rng: Rng, bundle: bytes) -> bytes:
    """Zip files are found from their end, so something else may stand before them."""
    return rng.bytes(int(rng.integers(1, 100))) + bundle


@kind("bundle: a comment", "archive", refused=True)
def comment(rng: Rng, bundle: bytes) -> bytes:
    """Of the archive, which no hash covers."""
    buffer = io.BytesIO(bundle)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = rng.bytes(int(rng.integers(1, 100)))
    return buffer.getvalue()


@kind("bundle: bytes between its members", "archive", refused=True)
def between(rng: Rng, bundle: bytes) -> bytes:
    """A member that is in no list, or an extra field of one that is."""
    buffer = io.BytesIO()
    hidden = bool(rng.integers(0, 2))
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive, zipfile.ZipFile(buffer, "w") as made:
        for entry in archive.infolist():
            copy = zipfile.ZipInfo(entry.filename, entry.date_time)
            if not hidden:
                copy.extra = b"\xfe\xca\x04\0" + rng.bytes(4)
            made.writestr(copy, archive.read(entry))
        if hidden:
            made.writestr("hidden", rng.bytes(50))
            made.filelist.pop()
            del made.NameToInfo["hidden"]
    return buffer.getvalue()


@kind("bundle: images of any size", "archive", refused=True)
def of_huge_pixels(rng: Rng, bundle: bytes) -> bytes:
    """A budget of pixels that no device has memory for."""
    return with_manifest(bundle, lambda m: m["preprocess"].update(max_pixels=int(10 ** rng.integers(9, 18))))


def with_manifest(bundle: bytes, change) -> bytes:  # type: ignore[no-untyped-def]
    """The bundle with a change in its manifest, unsigned."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive, zipfile.ZipFile(buffer, "w") as made:
        for entry in archive.infolist():
            data = archive.read(entry)
            if entry.filename == "manifest.json":
                manifest = json.loads(data)
                change(manifest)
                data = json.dumps(manifest).encode()
            made.writestr(zipfile.ZipInfo(entry.filename, entry.date_time), data)
    return buffer.getvalue()


@kind("bundles, damaged", "archive", weight=20)
def damaged_bundle(rng: Rng, bundle: bytes) -> bytes:
    """Headers and manifest, where nearly all of what a zip reader decides upon is."""
    at = int(rng.choice([0, max(0, len(bundle) - 2000)]))
    return bundle[:at] + mutated(bundle[at : at + 2000], rng) + bundle[at + 2000 :]
