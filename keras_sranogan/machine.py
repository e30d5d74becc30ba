"""What a result was made on: this machine, the installed versions, and when."""

from __future__ import annotations

import sys
import time
from typing import Any

from sranogan_edge.device import read_device
from sranogan_edge.extras import installed

PACKAGES = ("keras-sranogan", "tensorflow", "jax", "keras", "numpy", "opencv-python-headless", "scikit-learn")


def machine() -> dict[str, str]:
    """Describe this machine and the installed versions."""
    found = read_device()
    of_it = {"cpu": found.cpu, "python": found.python, "system": found.system, **installed(PACKAGES)}
    keras = sys.modules.get("keras")  # not imported for this: it takes seconds
    return {**of_it, "backend": keras.backend.backend()} if keras else of_it


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
