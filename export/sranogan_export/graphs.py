"""The graphs of a device, from a run's networks, in one recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.networks import Networks
from keras_sranogan.settings import SearchSettings
from sranogan_edge.bundle.bundle import signature
from sranogan_export.finetune.students import Examples
from sranogan_export.rebuild.convert import Function, convert
from sranogan_export.rebuild.search_graph import SearchGraph
from sranogan_export.rebuild.taps import Calibrating, FakeQuantised, Plain, Ranges, Tap
from sranogan_export.rebuild.unrolled_stages import Stages, stages_of
from sranogan_export.recipe import Recipe

Images = NDArray[np.float32]
Tapped = Callable[[tf.Tensor, Tap], Mapping[str, tf.Tensor]]
SEARCH_NETWORKS = ("encoder", "generator", "features", "corrector")
CALIBRATION_SEARCHES = 48  # searches whose trajectories give the ranges; each adds K steps of ranges
CALIBRATION_BATCH = 32


@dataclass(eq=False)
class Unrolled:
    """A run's networks rebuilt from plain operators, in their graphs.

    Attributes:
        searches: by step budget; all of one kind, with the same networks.
        stages: what comes after the search.
    """

    searches: dict[int, SearchGraph]
    stages: Stages

    @classmethod
    def of(cls, networks: Networks, searches: Mapping[int, SearchSettings]) -> Unrolled:
        """Rebuild them; raises SettingsError where a search cannot be a fixed graph."""
        graphs = {steps: SearchGraph(networks, search) for steps, search in searches.items()}
        stages = stages_of(networks.refiner, networks.resolver, networks.judge, networks.head)
        return cls(graphs, stages)

    def networks(self) -> dict[str, Any]:
        """Return every network that a graph holds, by name."""
        graph = next(iter(self.searches.values()))
        found = {name: getattr(graph, name, None) for name in SEARCH_NETWORKS} | vars(self.stages)
        return {name: network for name, network in found.items() if network is not None}

    def replace(self, networks: Mapping[str, Any]) -> None:
        """Put other networks in the place of those of the same name."""
        for name, network in networks.items():
            for holder in self.searches.values() if name in SEARCH_NETWORKS else (self.stages,):
                setattr(holder, name, network)


def build_graphs(
    unrolled: Unrolled,
    recipe: Recipe,
    seen: Examples,
    on_done: Callable[[str], None] = lambda name: None,
    *,
    symmetric: bool = False,
    cells: bool = False,
) -> dict[str, bytes]:
    """Return ``search``, ``reconstruct``, ``features`` and ``head`` as TFLite models of batch 1.

    Args:
        unrolled: the networks. The search has a signature for each of its budgets.
        recipe: see :mod:`sranogan_export.recipe`.
        seen: training normals and what the float stages make of them, for the ranges of ``int8``.
        on_done: told the name of each graph when it is ready.
        symmetric: whether every zero point of ``int8`` is 0.
        cells: whether the head gives what cells are made of, too.
    """
    stages, models = unrolled.stages, dict[str, bytes]()
    searches = {
        signature("search", steps): _named(graph, "x", recipe, seen.low[:CALIBRATION_SEARCHES], 1, symmetric)
        for steps, graph in unrolled.searches.items()
    }
    models["search"] = convert(searches, {"x": (1, *seen.low.shape[1:])}, recipe)
    on_done("search")
    others: dict[str, tuple[Tapped, str, Images]] = {
        "reconstruct": (stages.reconstruct, "generated", seen.generated),
        "features": (stages.features, "image", np.concatenate([seen.x, seen.resolved])),
        "head": (stages.see_cells if cells else stages.see, "image", seen.seen),
    }
    for name, (function, argument, images) in others.items():
        beyond = seen.anomalous if name == "head" else None
        ready = _named(function, argument, recipe, images, CALIBRATION_BATCH, symmetric, beyond)
        models[name] = convert(ready, {argument: (1, *images.shape[1:])}, recipe)
        on_done(name)
    return models


def _named(
    function: Tapped,
    argument: str,
    recipe: Recipe,
    images: Images,
    batch: int,
    symmetric: bool,
    beyond: Images | None = None,
) -> Function:
    """Return ``function`` of its named argument alone, on floats or with fake quantisation."""
    tap: Tap = Plain()
    if recipe == "int8":
        ranges = calibrated(function, images, batch, symmetric=symmetric, beyond=beyond)
        tap = FakeQuantised(ranges, symmetric=symmetric)
    return lambda **given: function(given[argument], tap)


def calibrated(
    function: Tapped, images: Images, batch: int, *, symmetric: bool = False, beyond: Images | None = None
) -> Ranges:
    """Return the range of each tensor that ``function`` passes through a tap.

    They are of ``images``, which are normals, and reach some way to those ``beyond``, which are anomalous.
    """
    seen = Calibrating(symmetric=symmetric)
    for i in range(0, len(images), batch):
        function(tf.constant(images[i : i + batch]), seen)
    if beyond is not None:
        seen.end_of_normals()
        for i in range(0, len(beyond), batch):
            function(tf.constant(beyond[i : i + batch]), seen)
    return seen.ranges
