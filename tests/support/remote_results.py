"""What the tests of sinks beyond this machine share: results, their names, patience."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

SECRET = b"0123456789abcdef"
PATIENCE_S = 60.0


def names(bodies: list[bytes]) -> list[str]:
    """The file names of results as they were received."""
    return [json.loads(body)["file"] for body in bodies]


def files(count: int, start: int = 0) -> list[str]:
    """The file names of so many lines."""
    return [f"{number}.png" for number in range(start, count)]


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until ``true()``, or fail."""
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


class Clock:
    """A time that only moves when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now
