"""The graphs of a device, from a run's networks, in one recipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.detector.reconstruct import Reconstructions
from keras_sranogan.run import Networks
from keras_sranogan.settings import SearchSettings
from sranogan_export.convert import Recipe, convert
from sranogan_export.search_graph import SearchGraph
from sranogan_export.taps import Calibrating, FakeQuantised

Images = NDArray[np.float32]
CALIBRATION_SEARCHES = 48  # searches whose trajectories give the ranges; each adds K steps of ranges


def build_graphs(
    networks: Networks,
    search: SearchSettings,
    recipe: Recipe,
    x_low: Images,
    made: Reconstructions,
    seen: Images,
    on_done: Callable[[str], None] = lambda name: None,
) -> dict[str, bytes]:
    """Return ``search``, ``reconstruct``, ``features`` and ``head`` as TFLite models of batch 1.

    Args:
        networks: trained, float32.
        search: how many steps, and of which kind.
        recipe: see :func:`sranogan_export.convert.convert`.
        x_low: ``(N, S/2, S/2, 1)`` training normals in [0, 1], for the ranges of the search.
        made: the float reference's reconstructions of the same normals, for the other graphs' ranges.
        seen: the head's input for the same normals, ``(N, side, side, CHANNELS)``.
        on_done: told the name of each graph when it is ready.
    """
    models: dict[str, bytes] = {}

    def add(name: str, model: bytes) -> None:
        models[name] = model
        on_done(name)

    add("search", _search(networks, search, recipe, x_low))
    low_shape, high_shape = (1, *x_low.shape[1:]), (1, *made.x.shape[1:])
    generated = _samples("generated", made.generated)
    add("reconstruct", convert(_reconstruct(networks), {"generated": low_shape}, recipe, generated))
    images = _samples("image", np.concatenate([made.x, made.resolved]))
    add("features", convert(_features(networks), {"image": high_shape}, recipe, images))
    head_shape = (1, *seen.shape[1:])
    add("head", convert(_head(networks), {"image": head_shape}, recipe, _samples("image", seen)))
    return models


def _search(networks: Networks, search: SearchSettings, recipe: Recipe, x_low: Images) -> bytes:
    graph = SearchGraph(networks, search)
    shape = {"x": (1, *x_low.shape[1:])}
    if recipe != "int8":
        return convert(graph, shape, recipe)
    seen = Calibrating()
    for x in x_low[:CALIBRATION_SEARCHES]:
        graph(tf.constant(x[None]), seen)
    quantised = FakeQuantised(seen.ranges)
    return convert(lambda x: graph(x, quantised), shape, recipe)


def _reconstruct(networks: Networks) -> Callable[..., Mapping[str, tf.Tensor]]:
    def reconstruct(generated: tf.Tensor) -> Mapping[str, tf.Tensor]:
        refined = networks.refiner(generated, training=False)
        return {"refined": refined, "resolved": networks.resolver(refined, training=False)}

    return reconstruct


def _features(networks: Networks) -> Callable[..., Mapping[str, tf.Tensor]]:
    return lambda image: {"features": networks.judge(image, training=False)}


def _head(networks: Networks) -> Callable[..., Mapping[str, tf.Tensor]]:
    def head(image: tf.Tensor) -> Mapping[str, tf.Tensor]:
        said = networks.head(image, training=False)
        return {"features": said["features"], "map": said["map"]}

    return head


def _samples(name: str, images: Images) -> Callable[[], Iterator[Mapping[str, Images]]]:
    return lambda: ({name: image[None]} for image in images)
