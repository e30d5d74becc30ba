"""What a result was made on: this machine, the installed versions, and when."""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("keras-sranogan", "tensorflow", "keras", "numpy", "opencv-python-headless", "scikit-learn")


def machine() -> dict[str, str]:
    """Describe this machine and the installed versions."""
    cpu = next(
        (line.split(":", 1)[1].strip() for line in _cpuinfo() if line.startswith("model name")),
        platform.processor(),
    )
    versions = {name: version(name) for name in PACKAGES}
    return {"cpu": cpu, "python": sys.version.split()[0], "system": platform.platform(), **versions}


def _cpuinfo() -> Sequence[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def circumstances(data: str, split: str, seed: int) -> dict[str, Any]:
    """What figures were computed of, by which command, when, and where."""
    return {
        "data": data,
        "split": split,
        "seed": seed,
        "command": sys.argv,
        "evaluated_at": timestamp(),
        "machine": machine(),
    }


def timestamp() -> str:
    """UTC time, ISO 8601."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
