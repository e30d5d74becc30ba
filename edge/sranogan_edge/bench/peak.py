"""What this machine can do at most: multiplications a second in a convolution, bytes a second from memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sranogan_edge.bench.conv import END_CHANNELS, Arithmetic, Chain, conv_chain
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.graph import open_graph

# Shapes that come near to a core's limit; which one comes nearest differs by cache and instruction set.
CHAINS = (Chain(16, 128, 3, 8), Chain(32, 128, 3, 4), Chain(32, 64, 3, 8), Chain(32, 128, 1, 16))
SECONDS = 0.5  # for each chain: the best run of so many is hardly disturbed by other programs
COPY_BYTES = 128 * 2**20  # larger than the last cache of the machines that we know
COPIES = 5


@dataclass(frozen=True)
class Peak:
    """The most that was reached with a backend and a number of threads.

    Attributes:
        int8: 10^9 multiply-accumulates a second in int8 convolutions; None where it could not be measured.
        float32: the same in float32.
        memory: 10^9 bytes a second, read and written, copying in one thread; None where not measured.
        reason: why a figure is missing; empty where none is.
    """

    int8: float | None
    float32: float | None
    memory: float | None
    reason: str = ""


def measure_peak(backend: str, threads: int, seconds: float = SECONDS) -> Peak:
    """Run chains of convolutions; a backend that cannot run them has None and the reason."""
    found: dict[Arithmetic, float | None] = {}
    reason = ""
    kinds: tuple[Arithmetic, ...] = ("int8", "float32")
    for kind in kinds:
        try:
            found[kind] = max(_reached(chain, kind, backend, threads, seconds) for chain in CHAINS)
        except (BackendError, ImportError) as error:
            found[kind], reason = None, str(error)
    return Peak(found["int8"], found["float32"], memory_bandwidth(), reason)


def _reached(chain: Chain, kind: Arithmetic, backend: str, threads: int, seconds: float) -> float:
    graph = open_graph(conv_chain(chain, kind), name=f"{kind} peak", backend=backend, threads=threads)
    try:
        x = {"x": np.ones((1, chain.side, chain.side, END_CHANNELS), np.float32)}
        return chain.macs / best_seconds(lambda: graph(x), seconds) / 1e9
    finally:
        graph.close()


def best_seconds(run: Callable[[], object], seconds: float) -> float:
    """Return the shortest time that ``run`` took, of as many runs as fit into ``seconds``, three at least."""
    best, runs = math.inf, 0
    end = time.perf_counter() + seconds
    while runs < 3 or time.perf_counter() < end:
        started = time.perf_counter()
        run()
        best, runs = min(best, time.perf_counter() - started), runs + 1
    return best


def memory_bandwidth(copied: int = COPY_BYTES) -> float:
    """Return 10^9 bytes a second, read and written, of copies too large for any cache."""
    source = np.ones(copied, np.uint8)
    target = np.empty_like(source)
    np.copyto(target, source)  # the pages come into being here
    best = math.inf
    for _ in range(COPIES):
        started = time.perf_counter()
        np.copyto(target, source)
        best = min(best, time.perf_counter() - started)
    return 2 * copied / best / 1e9
