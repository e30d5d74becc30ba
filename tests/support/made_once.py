"""Where the small runs and bundles of the tests are kept, by all that has a say in what they are."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["kept_of", "made_by"]

ROOT = Path(__file__).resolve().parents[2]
CODE = ("keras_sranogan", "export/sranogan_export", "edge/sranogan_edge")
NAMED = (b"made_once", b"bundle_of")  # a test that names one of these says itself what is made
LIBRARIES = ("tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-learn", "scipy")
KEPT_S = 24 * 3600.0  # since they were last used


def made_by(root: Path) -> str:
    """Return a digest of the code below ``root``, its libraries, the Python and the backend."""
    digest = hashlib.sha256(f"{sys.version_info[:2]} {os.environ.get('KERAS_BACKEND')}".encode())
    for library in LIBRARIES:
        try:
            digest.update(f"{library} {version(library)}\n".encode())
        except PackageNotFoundError:
            digest.update(f"no {library}\n".encode())
    for path in sorted(path for folder in (*CODE, "tests") for path in (root / folder).rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        name, content = path.relative_to(root).as_posix(), path.read_bytes()
        if name.startswith(("tests/support/", *CODE)) or any(one in content for one in NAMED):
            digest.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def kept_of(made: str, place: Path = ROOT / "build" / "made-once") -> Path:
    """Make and return the folder of what is ``made`` so; those that nothing used for a day go."""
    folder = place / made
    folder.mkdir(parents=True, exist_ok=True)
    os.utime(folder)
    for one in place.iterdir():
        if one.stat().st_mtime < time.time() - KEPT_S:
            shutil.rmtree(one, ignore_errors=True)
    return folder
