"""How a result file says how it was made: command, seed, minutes, machine, load."""

from __future__ import annotations

import json
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from keras_sranogan.machine import machine, timestamp
from sranogan_edge.device import load_average, read_device

__all__ = ["Record"]


class Record:
    """Begun before the measurement, written after it."""

    def __init__(self, module: str, seed: int) -> None:
        """Note the time and the load of the machine before we add to it."""
        self._command = f"python -m benchmarks.{module} {shlex.join(sys.argv[1:])}".strip()
        self._seed, self._began, self._load = seed, time.monotonic(), load_average()

    def write(self, path: Path, **figures: Any) -> None:
        """Write ``figures`` with how they were made."""
        device = read_device()
        made = {
            "commands": [self._command],
            "seed": self._seed,
            "minutes": round((time.monotonic() - self._began) / 60, 1),
            "made": timestamp(),
            "provenance": {
                "machine": machine(),
                "cores": device.cores,
                "instructions": device.instructions,
                "load_average_before": self._load,
                "load_average_after": load_average(),
            },
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({**made, **figures}, indent=2) + "\n", encoding="utf-8")
