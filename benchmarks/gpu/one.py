"""The process that tries one thing on a GPU: a graph, or the golden cases; a hang or a crash ends it alone.

``python -m benchmarks.gpu.one`` takes a task as JSON on standard input and answers as
:mod:`sranogan_edge.bench.worker` does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.bench.measure import Distribution
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.errors import SranoganError
from sranogan_edge.runtime.graph import LoadedGraph
from sranogan_edge.runtime.graphs import open_bundle_graph, open_graphs
from sranogan_edge.runtime.ports import Array
from sranogan_edge.scoring.measurement import measure

SECONDS = 1.0  # of timed runs of one graph, on each of the two backends
RUNS = (5, 300)  # the fewest and the most of them
CASES = 2  # golden inputs whose real tensors a graph is compared on


class Listening:
    """A graph that keeps what it was asked."""

    def __init__(self, graph: LoadedGraph) -> None:
        """Listen to ``graph``."""
        self._graph, self.heard = graph, list[dict[str, Array]]()

    @property
    def inputs(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each input, by name."""
        return self._graph.inputs

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Run once."""
        self.heard.append({name: array.copy() for name, array in inputs.items()})
        return self._graph(inputs)


def real_inputs(bundle: Bundle, name: str) -> list[dict[str, Array]]:
    """Return what graph ``name`` is asked while golden inputs are scored on XNNPACK."""
    graphs = {key: Listening(graph) for key, graph in open_graphs(bundle).by_name.items()}
    for x in bundle.golden.x[:CASES]:
        measure(x, bundle.preprocess, bundle.search_size, graphs)
    return graphs[name].heard


def try_graph(bundle: Bundle, name: str, backend: str) -> dict[str, Any]:
    """Load graph ``name`` on ``backend``; compare it with XNNPACK, one thread, and time both."""
    asked = real_inputs(bundle, name)
    reference = open_bundle_graph(bundle, name)
    started = time.perf_counter()
    graph = open_bundle_graph(bundle, name, backend)
    loaded = time.perf_counter() - started
    wanted, found = ([one(inputs) for inputs in asked] for one in (reference, graph))
    return {
        "label": graph.backend,
        "load_seconds": round(loaded, 3),
        "outputs": {
            key: _apart([one[key] for one in wanted], [one[key] for one in found]) for key in wanted[0]
        },
        "milliseconds": asdict(_times(graph, asked[0])),
        "xnnpack_milliseconds": asdict(_times(reference, asked[0])),
    }


def _apart(wanted: list[Array], found: list[Array]) -> dict[str, float]:
    """How far two backends' tensors are apart at most, and the range of values that this is seen against."""
    difference = np.abs(np.stack(wanted) - np.stack(found))
    return {"most": float(difference.max()), "mean": float(difference.mean()), "range": float(np.ptp(wanted))}


def _times(graph: LoadedGraph, inputs: dict[str, Array]) -> Distribution:
    taken: list[float] = []
    end = time.perf_counter() + SECONDS
    graph(inputs)
    while len(taken) < RUNS[0] or (time.perf_counter() < end and len(taken) < RUNS[1]):
        started = time.perf_counter()
        graph(inputs)
        taken.append((time.perf_counter() - started) * 1000)
    return Distribution.of(taken)


def try_golden(bundle: Bundle, backend: str) -> dict[str, Any]:
    """Score every golden case on ``backend``; how far from what was exported, and the milliseconds."""
    started = time.perf_counter()
    detector = Detector(bundle, open_graphs(bundle, backend))
    loaded = time.perf_counter() - started
    golden = bundle.golden
    made = [detector.measure_x(x) for x in (golden.x[0], *golden.x)][1:]  # the first run may still compile
    off = np.abs(np.array([one.score for one in made]) - golden.scores)
    return {
        "label": detector.backend.label,
        "load_seconds": round(loaded, 3),
        "cases": len(made),
        "off_by_at_most": float(off.max()),
        "tolerance": golden.tolerance,
        "reproduced": bool((off <= golden.tolerance).all()),
        "milliseconds": asdict(Distribution.of([sum(one.milliseconds.values()) for one in made])),
    }


def main() -> None:
    """Do the task on standard input."""
    messages = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a driver prints is no message
    task = json.loads(sys.stdin.readline())
    try:
        bundle = read_bundle(Path(task["bundle"])).with_steps(task["steps"])
        if task["graph"]:
            result = try_graph(bundle, task["graph"], task["backend"])
        else:
            result = try_golden(bundle, task["backend"])
        answer: dict[str, Any] = {"result": result}
    except SranoganError as error:
        answer = {"error": type(error).__name__, "message": str(error)}
    print(json.dumps(answer), file=messages, flush=True)


if __name__ == "__main__":
    main()
