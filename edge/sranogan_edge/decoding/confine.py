"""Bounds that a process sets itself before it works on what may be hostile."""

from __future__ import annotations

import contextlib
import math
import os
import resource
import time
from functools import cache
from pathlib import Path

__all__ = ["address_space", "bound_cpu", "bound_memory", "go_first"]

_KILL_ME_FIRST = "500"  # of 1000


def go_first() -> None:
    """Let the kernel end this process before others where memory runs out; and it leaves no core dump."""
    with contextlib.suppress(OSError):  # not on this system, or not allowed: the kernel chooses
        Path("/proc/self/oom_score_adj").write_text(_KILL_ME_FIRST)
    _bound(resource.RLIMIT_CORE, 0)


def bound_memory(beside_now: int) -> int:
    """Take at most so many bytes more from now on; returns what is taken now, 0 where nothing tells."""
    now = address_space()
    if now:
        _bound(resource.RLIMIT_AS, now + beside_now)
    return now


def bound_cpu(seconds: float) -> None:
    """Be ended (SIGXCPU) after so many more seconds of a core."""
    _bound(resource.RLIMIT_CPU, math.ceil(time.process_time() + seconds) + 1)


def address_space() -> int:
    """Bytes of this process's address space; 0 where the system does not tell."""
    with contextlib.suppress(OSError, ValueError):
        return int(os.pread(_statm(), 100, 0).split()[0]) * resource.getpagesize()
    return 0


@cache
def _statm() -> int:
    """The file that tells, kept open: it is asked after each film."""
    return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)


def _bound(which: int, most: int) -> None:
    """Set a limit of this process, unless a lower one is set already."""
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
