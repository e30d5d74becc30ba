"""The bundle: one file that holds all that a device needs, and proves itself before it is used.

``NAME.sranogan`` is a zip archive (stored, not compressed) of

- ``manifest.json``: schema version, preprocessing, search, calibration, provenance, and the size and
  SHA-256 of every other member;
- ``search.tflite``, ``reconstruct.tflite``, ``features.tflite``, ``head.tflite``;
- ``density.npz``: the densities of :class:`sranogan_edge.density.Density`;
- ``golden.npz``: synthetic inputs with the scores that they must get;
- ``MODEL_CARD.md``.

Reading verifies schema, sizes and hashes; scoring also re-scores the golden inputs on the backend
in use (:mod:`sranogan_edge.pipeline`). Threshold and calibration stand in the manifest, outside the
graphs.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes
from sranogan_edge.density import Calibration, Density
from sranogan_edge.errors import (
    BundleFormatError,
    BundleIntegrityError,
    BundleLimitError,
    BundleSchemaError,
    ResultsError,
    SettingsError,
)
from sranogan_edge.preprocess import PreprocessSpec

SCHEMA_VERSION = 2
MANIFEST = "manifest.json"
GRAPHS = ("search", "reconstruct", "features", "head")
DENSITY = "density.npz"
GOLDEN = "golden.npz"
MODEL_CARD = "MODEL_CARD.md"
MEMBERS = (*(f"{graph}.tflite" for graph in GRAPHS), DENSITY, GOLDEN, MODEL_CARD)
MAX_MEMBER_BYTES = 64 * 2**20
MAX_BUNDLE_BYTES = (len(MEMBERS) + 1) * MAX_MEMBER_BYTES
ZIP_TIME = (1980, 1, 1, 0, 0, 0)  # a constant, so that equal contents give equal files


@dataclass(frozen=True, eq=False)
class Golden:
    """Inputs with known scores.

    Attributes:
        x: ``(N, S, S, 1)`` float32 in [0, 1], synthetic: made by the model itself, never a patient's image.
        scores: ``(N,)`` float64, what the exporting machine scored.
        tolerance: largest accepted absolute difference of a score.
    """

    x: NDArray[np.float32]
    scores: NDArray[np.float64]
    tolerance: float


@dataclass(frozen=True, eq=False)
class Bundle:
    """A verified bundle's contents.

    Attributes:
        preprocess: how frames become x.
        search_size: side in pixels of the search graph's input.
        graphs: TFLite models by name (:data:`GRAPHS`).
        density: of what held-out normals measure.
        calibration: scores of held-out normals and the false-alarm rate.
        golden: proof cases.
        model_card: Markdown.
        details: the rest of the manifest: ``search``, ``recipe``, ``provenance``, ``operators``.
        sha256: of the whole file; empty for a bundle that was not read from one.
    """

    preprocess: PreprocessSpec
    search_size: int
    graphs: Mapping[str, bytes]
    density: Density
    calibration: Calibration
    golden: Golden
    model_card: str
    details: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @property
    def size(self) -> int:
        """Side in pixels of x."""
        return self.preprocess.size


def write_bundle(bundle: Bundle, path: Path) -> None:
    """Write ``bundle`` to ``path``: whole or not at all; equal contents give equal bytes.

    Raises:
        ResultsError: the file cannot be written.
    """
    members = {
        **{f"{name}.tflite": bundle.graphs[name] for name in GRAPHS},
        DENSITY: bundle.density.to_bytes(),
        GOLDEN: arrays_to_bytes({"x": bundle.golden.x, "scores": bundle.golden.scores}),
        MODEL_CARD: bundle.model_card.encode(),
    }
    manifest = json.dumps(_manifest_of(bundle, members), indent=2, allow_nan=False)
    if path.is_dir() or not path.name:
        raise ResultsError(f"cannot write the bundle {path}: it is a folder. Name a file in it.")
    temporary = path.with_name(path.name + ".part")
    try:
        with temporary.open("wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, data in {MANIFEST: manifest.encode(), **members}.items():
                    archive.writestr(_zip_entry(name), data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise ResultsError(
            f"cannot write the bundle {path}: {error.strerror or error}. "
            "Free some space or name another place."
        ) from error


def _zip_entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, ZIP_TIME)
    entry.create_system = 3  # Unix, whatever system writes
    return entry


def _manifest_of(bundle: Bundle, members: Mapping[str, bytes]) -> dict[str, Any]:
    threshold = bundle.calibration.threshold
    return {
        "schema_version": SCHEMA_VERSION,
        "preprocess": bundle.preprocess.to_dict(),
        "search_size": bundle.search_size,
        "calibration": {
            "scores": list(bundle.calibration.scores),
            "false_alarm_rate": bundle.calibration.false_alarm_rate,
            "threshold": threshold if math.isfinite(threshold) else None,
        },
        "golden_tolerance": bundle.golden.tolerance,
        **bundle.details,
        "members": {
            name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
        },
    }


def read_bundle(path: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        BundleFormatError: no such file, not a bundle, or a member is missing or malformed.
        BundleSchemaError: written for another schema version.
        BundleLimitError: it, or a member, is larger than :data:`MAX_MEMBER_BYTES` allows.
        BundleIntegrityError: a member's bytes are not those that were exported.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BUNDLE_BYTES + 1)
    except OSError as error:
        raise BundleFormatError(
            f"cannot read the bundle {path}: {error.strerror or error}. "
            "Name the file that sranogan-export wrote."
        ) from error
    if len(data) > MAX_BUNDLE_BYTES:
        raise BundleLimitError(
            f"{path} is larger than {MAX_BUNDLE_BYTES:,} bytes. This is not a bundle of sranogan-export."
        )
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
    ) as error:  # ValueError: names that are not text
        raise BundleFormatError(
            f"{path} is not a bundle, or not a whole one: {error}. Copy it again, or export it again with "
            "sranogan-export."
        ) from error
    with archive:
        manifest = _manifest(archive, path)
        members = {name: _member(archive, name, manifest, path) for name in MEMBERS}
    return _assemble(manifest, members, path, hashlib.sha256(data).hexdigest())


def _manifest(archive: zipfile.ZipFile, path: Path) -> dict[str, Any]:
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


def _member(archive: zipfile.ZipFile, name: str, manifest: dict[str, Any], path: Path) -> bytes:
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


def _assemble(manifest: dict[str, Any], members: dict[str, bytes], path: Path, sha256: str) -> Bundle:
    try:
        preprocess = PreprocessSpec.from_dict(manifest.pop("preprocess"))
        return Bundle(
            preprocess=preprocess,
            search_size=_search_size(manifest.pop("search_size"), preprocess.size),
            graphs={name: members[f"{name}.tflite"] for name in GRAPHS},
            density=Density.from_bytes(members[DENSITY]),
            calibration=_calibration(manifest.pop("calibration")),
            golden=_golden(members[GOLDEN], float(manifest.pop("golden_tolerance")), preprocess.size),
            model_card=members[MODEL_CARD].decode(),
            details={k: v for k, v in manifest.items() if k not in ("members", "schema_version")},
            sha256=sha256,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SettingsError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else error
        raise BundleFormatError(
            f"{path}: the manifest or a member cannot be understood: {reason}. Export the bundle again."
        ) from error


def _search_size(stated: Any, size: int) -> int:
    if not isinstance(stated, int) or not 1 <= stated <= size:
        raise ValueError(f"search_size must be a whole number from 1 to {size}; received {stated!r}")
    return stated


def _calibration(stated: dict[str, Any]) -> Calibration:
    """Read the scores and the rate; the stated threshold must be the one that follows from them."""
    calibration = Calibration(tuple(float(score) for score in stated["scores"]), stated["false_alarm_rate"])
    threshold = math.inf if stated["threshold"] is None else float(stated["threshold"])
    if not math.isclose(threshold, calibration.threshold, rel_tol=1e-9):
        raise ValueError(
            f"the threshold {threshold} is not the one that scores and false_alarm_rate give, "
            f"{calibration.threshold}"
        )
    return calibration


def _golden(data: bytes, tolerance: float, size: int) -> Golden:
    arrays = arrays_from_bytes(data, ("x", "scores"))
    x, scores = arrays["x"], arrays["scores"]
    if not len(x) or x.shape != (len(x), size, size, 1) or x.dtype != np.float32 or scores.shape != (len(x),):
        raise ValueError(f"golden inputs {x.dtype}{x.shape} with scores {scores.shape}")
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"golden_tolerance must be finite, from 0 up; received {tolerance}")
    return Golden(x, scores, tolerance)
