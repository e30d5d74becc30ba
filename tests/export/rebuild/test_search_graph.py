"""The unrolled search graph against the Keras reference."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.anogan.loss import search_loss
from keras_sranogan.detector.reconstruct import Reconstructor, downscale_all
from keras_sranogan.settings import SearchKind, SearchSettings
from sranogan_edge.errors import RunError, SettingsError
from sranogan_edge.runtime.graph import Graph
from sranogan_export.rebuild.convert import convert, operators
from sranogan_export.rebuild.search_graph import SearchGraph, sign
from sranogan_export.rebuild.taps import Calibrating, FakeQuantised, Plain
from sranogan_export.rebuild.unrolled import UnrolledCorrector, positive

if TYPE_CHECKING:
    from keras_sranogan.networks import Networks
    from keras_sranogan.run import Run


@pytest.fixture(scope="module")
def networks(tiny_run: Run) -> Networks:
    """Give the tiny run's networks."""
    return tiny_run.networks()


@pytest.fixture(scope="module")
def x_low(tiny_run: Run) -> NDArray[np.float32]:
    """Give six normals at the size of the search."""
    return downscale_all(tiny_run.representative()[:6], tiny_run.settings.search_size)


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_gradient_equals_tensorflow(networks: Networks, x_low: NDArray[np.float32], weight: float) -> None:
    """The hand-written backward pass gives what automatic differentiation of the paper's loss gives."""
    graph = SearchGraph(networks, SearchSettings(feature_weight=weight))
    x, z = tf.constant(x_low[:1]), tf.random.stateless_normal((1, 16), (1, 2))
    f_x = networks.features(x, training=False)
    with tf.GradientTape() as tape:
        tape.watch(z)
        image = networks.generator(z, training=False)
        loss = search_loss(x, image, f_x, networks.features(image, training=False), weight)
    expected = tape.gradient(loss, z)
    found = graph.gradient(x, f_x if weight else None, z, Plain(), "here")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * float(tf.reduce_max(tf.abs(expected))))


@pytest.mark.parametrize("optimiser", ["adam", "momentum"])
def test_search_equals_reference(networks: Networks, x_low: NDArray[np.float32], optimiser: str) -> None:
    """K unrolled steps end where K steps of the Keras search end."""
    settings = SearchSettings(steps=5, optimiser=optimiser)  # type: ignore[arg-type]  # parametrised
    expected = LatentSearch(networks.generator, networks.features, networks.encoder, settings)(x_low)
    graph = SearchGraph(networks, settings)
    found = np.concatenate([graph(tf.constant(x[None]))["generated"] for x in x_low])
    np.testing.assert_allclose(found, expected.generated, atol=5e-3)
    assert np.abs(found - expected.generated).mean() < 2e-4


def test_no_steps_give_the_encoders_start(networks: Networks, x_low: NDArray[np.float32]) -> None:
    """A search of no steps is G(E(x)), as in Keras."""
    settings = SearchSettings(steps=0)
    expected = LatentSearch(networks.generator, networks.features, networks.encoder, settings)(x_low)
    graph = SearchGraph(networks, settings)
    found = np.concatenate([graph(tf.constant(x[None]))["generated"] for x in x_low])
    np.testing.assert_allclose(found, expected.generated, atol=1e-4)
    np.testing.assert_array_equal(expected.loss, expected.start_loss)


def test_random_start_is_refused(networks: Networks) -> None:
    """A search that does not start at the encoder cannot become a fixed graph, and says so."""
    with pytest.raises(SettingsError, match="start=random"):
        SearchGraph(networks, SearchSettings(start="random"))


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_learned_search_equals_reference(
    tiny_run: Run, networks: Networks, x_low: NDArray[np.float32], steps: int
) -> None:
    """K learned steps end where they end in Keras, also K other than R was trained for."""
    settings = tiny_run.settings.search_of("learned", steps)
    expected = Reconstructor(networks, settings, tiny_run.settings.preprocess).search(x_low)
    found = SearchGraph(networks, settings)(tf.constant(x_low))["generated"]
    np.testing.assert_allclose(found, expected.generated, atol=1e-4)


def test_corrector_equals_keras(networks: Networks, x_low: NDArray[np.float32]) -> None:
    """R rebuilt from plain operators takes the steps that R takes."""
    assert networks.corrector is not None
    one, other = x_low[:3], x_low[3:]
    expected = networks.corrector([one, other], training=False)
    found = UnrolledCorrector(networks.corrector).forward(tf.constant(one), tf.constant(other), Plain(), "k")
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("kind", ["learned", "encoder"])
def test_integers_from_end_to_end(
    tiny_run: Run, networks: Networks, x_low: NDArray[np.float32], kind: SearchKind
) -> None:
    """These searches have no operator on floats, nor one that moves between floats and integers."""
    graph = SearchGraph(networks, tiny_run.settings.search_of(kind))
    counts, found = quantised(graph, x_low)
    assert counts["float32"] == {}
    assert not {"QUANTIZE", "DEQUANTIZE", "CAST", "SIGN"} & set(counts["all"])
    expected = graph(tf.constant(x_low))["generated"]
    assert np.abs(found - expected).mean() < 0.02


def test_gradient_search_keeps_z_in_floats(networks: Networks, x_low: NDArray[np.float32]) -> None:
    """On integers the gradient search keeps z's update in floats, one island a step, and nothing else."""
    steps = 3
    graph = SearchGraph(networks, SearchSettings(steps=steps))
    counts, found = quantised(graph, x_low)
    assert set(counts["float32"]) <= {"ADD", "SUB", "MUL", "DIV", "SQRT", "SQUARE"}
    assert "SIGN" not in counts["all"]
    assert counts["all"]["QUANTIZE"] == steps
    assert counts["all"]["DEQUANTIZE"] == steps + 1  # each gradient, and the start
    expected = graph(tf.constant(x_low))["generated"]
    assert np.abs(found - expected).mean() < 0.02


@pytest.mark.parametrize("limits", [(0.0, 2.0), (-0.5, 1.5)])
def test_signs_on_integers(limits: tuple[float, float]) -> None:
    """Every level above zero counts as positive, the smallest too; zero is zero; below it is negative."""
    tap = FakeQuantised({"a": limits, "here/mask": (0.0, 1.0), "here": (-1.0, 1.0)})
    levels = np.arange(256) * np.float32((limits[1] - limits[0]) / 255)
    a = tap.activation("a", tf.constant(levels + limits[0], tf.float32))
    np.testing.assert_allclose(positive(a, "a", tap, "here"), np.sign(a) > 0, atol=0.01)
    np.testing.assert_allclose(sign(a, "a", tap, "here"), np.sign(a), atol=0.01)
    np.testing.assert_array_equal(sign(a, "a", Plain(), "here"), np.sign(a))


def quantised(
    graph: SearchGraph, x: NDArray[np.float32]
) -> tuple[dict[str, dict[str, int]], NDArray[np.float32]]:
    """Convert to int8, and return its operators and what it makes of ``x``."""
    seen = Calibrating()
    graph(tf.constant(x), seen)
    tap = FakeQuantised(seen.ranges)
    model = convert(lambda x: graph(x, tap), {"x": (1, *x.shape[1:])}, "int8")
    run = Graph(model, name="search")
    return operators(model), np.concatenate([run({"x": image[None]})["generated"] for image in x])


def test_learned_search_of_an_older_run_is_refused(networks: Networks) -> None:
    """A run without a corrector cannot be exported with the learned search."""
    older = replace(networks, corrector=None)
    SearchGraph(older, SearchSettings(kind="encoder", steps=0))
    with pytest.raises(RunError, match="no corrector"):
        SearchGraph(older, SearchSettings(kind="learned", steps=4))
