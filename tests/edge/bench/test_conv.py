"""The chains of convolutions are graphs that the runtime takes, and compute convolutions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sranogan_edge.bench.conv import END_CHANNELS, Arithmetic, Chain, conv_chain
from sranogan_edge.bench.peak import CHAINS, best_seconds, measure_peak, memory_bandwidth
from sranogan_edge.runtime.graph import open_graph

SMALL = Chain(side=8, channels=8, kernel=3, depth=2)


@pytest.mark.parametrize("arithmetic", ["int8", "float32"])
@pytest.mark.parametrize("chain", [SMALL, *CHAINS])
def test_the_runtime_runs_it(chain: Chain, arithmetic: Arithmetic) -> None:
    """Each chain loads and gives an image of the input's shape that is not constant."""
    graph = open_graph(conv_chain(chain, arithmetic), name="chain", backend="xnnpack")
    shape = (1, chain.side, chain.side, END_CHANNELS)
    assert (graph.inputs, graph.outputs) == ({"x": shape}, {"y": shape})
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    y = graph({"x": x})["y"]
    assert np.isfinite(y).all()
    assert y.std() > 0
    graph.close()


@pytest.mark.parametrize("arithmetic", ["int8", "float32"])
def test_equal_chains_are_equal_files(arithmetic: Arithmetic) -> None:
    """The same chain is made of the same bytes: a peak is always that of one and the same graph."""
    assert conv_chain(SMALL, arithmetic) == conv_chain(SMALL, arithmetic)


def test_the_shortest_run_counts() -> None:
    """At least three runs are made, however long they take."""
    runs = []
    assert math.isfinite(best_seconds(lambda: runs.append(1), 0.0))
    assert len(runs) == 3


def test_a_peak_is_measured() -> None:
    """XNNPACK has a peak in both arithmetics."""
    found = measure_peak("xnnpack", threads=1, seconds=0.01)
    assert found.int8 is not None
    assert found.float32 is not None
    assert min(found.int8, found.float32) > 0
    assert found.reason == ""


def test_a_backend_without_a_peak_says_why() -> None:
    """A backend that cannot run the chains has no peak, and the reason."""
    found = measure_peak("delegate:/no/such/library.so", threads=1, seconds=0.01)
    assert (found.int8, found.float32) == (None, None)
    assert "/no/such/library.so" in found.reason


def test_copies_have_a_rate() -> None:
    """Memory bandwidth is a positive number, for however few bytes."""
    assert memory_bandwidth(1000) > 0
