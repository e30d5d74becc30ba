"""The unrolled search graph against the Keras reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.anogan.loss import search_loss
from keras_sranogan.detector.reconstruct import downscale_all
from keras_sranogan.settings import SearchSettings
from sranogan_edge.errors import SettingsError
from sranogan_export.search_graph import SearchGraph
from sranogan_export.taps import Plain

if TYPE_CHECKING:
    from keras_sranogan.run import Networks, Run


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
