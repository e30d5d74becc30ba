"""NumPy's linear algebra in the commands: on one thread, unless somebody says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from sranogan_edge.runtime.threads import THREAD_VARIABLES

PRODUCT = """
import os, {first}
import numpy
a = numpy.ones((600, 600))
a @ a
print(len(os.listdir("/proc/self/task")))
"""


def threads(first: str, **environment: str) -> int:
    """How many a fresh process has after a product, which imported ``first`` before NumPy."""
    plain = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    done = subprocess.run(
        [sys.executable, "-c", PRODUCT.format(first=first)],
        env={**plain, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="Linux tells a process's threads")
@pytest.mark.parametrize("command", ["score", "serve", "calibrate"])
def test_commands_multiply_on_one_thread(command: str) -> None:
    """As many as cores wait for each other on a busy device, for tens of milliseconds an image."""
    assert threads(f"sranogan_edge.commands.{command}") == 1


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one core has one thread")
@pytest.mark.skipif(not os.path.isdir("/proc/self/task"), reason="Linux tells a process's threads")
def test_the_environment_goes_first() -> None:
    """Who asks for two has two; a program that scores by itself has what it had."""
    everything = dict.fromkeys(THREAD_VARIABLES, "2")
    assert threads("sranogan_edge.commands", **everything) == 2
    assert threads("sranogan_edge", **everything) == 2
