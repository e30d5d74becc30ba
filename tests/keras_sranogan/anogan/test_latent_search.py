from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_sranogan.anogan.discriminator import build_discriminator, feature_extractor
from keras_sranogan.anogan.encoder import build_encoder
from keras_sranogan.anogan.generator import build_generator
from keras_sranogan.anogan.latent_search import LatentSearch, SearchResult, random_start
from keras_sranogan.anogan.loss import search_loss
from keras_sranogan.settings import AnoganSettings, SearchSettings

ANOGAN = AnoganSettings(latent_dim=6, base_width=4, max_width=8)
Networks = tuple[keras.Model, keras.Model, keras.Model]


@pytest.fixture(scope="module")
def networks() -> Networks:
    """G, f and E, untrained: a search needs no more."""
    keras.utils.set_random_seed(3)
    generator, encoder = build_generator(16, ANOGAN), build_encoder(16, ANOGAN)
    return generator, feature_extractor(build_discriminator(16, 4, 8), 1), encoder


@pytest.fixture(scope="module")
def x_low(networks: Networks) -> np.ndarray:
    """Five images that G can make."""
    z = np.random.default_rng(5).normal(size=(5, 6)).astype(np.float32)
    return np.asarray(networks[0](z, training=False))


def search(networks: Networks, x: np.ndarray, seed: int = 0, **settings: object) -> SearchResult:
    """Search with these settings."""
    return LatentSearch(*networks, SearchSettings(**settings))(x, seed=seed)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("optimiser", ["adam", "momentum"])
@pytest.mark.parametrize("start", ["encoder", "random"])
def test_ends_nearer_than_it_started(
    networks: Networks, x_low: np.ndarray, start: str, optimiser: str
) -> None:
    """From either start and with either optimiser every image ends with a lower loss, in [0, 1]."""
    found = search(networks, x_low, steps=20, start=start, optimiser=optimiser)
    assert (found.loss < found.start_loss).all()
    assert found.z.shape == (5, 6)
    assert found.generated.shape == x_low.shape
    assert (found.generated.min() >= 0) & (found.generated.max() <= 1)


def test_loss_is_the_papers_at_the_end(networks: Networks, x_low: np.ndarray) -> None:
    """The loss and the image that are returned belong to the z that is returned."""
    generator, features, _ = networks
    found = search(networks, x_low, steps=3, feature_weight=0.3)
    made = generator(found.z, training=False)
    expected = search_loss(x_low, made, features(tf.constant(x_low)), features(made), 0.3)
    np.testing.assert_allclose(found.generated, made, atol=1e-6)
    np.testing.assert_allclose(found.loss, expected, rtol=1e-4)


def test_no_step_returns_the_start(networks: Networks, x_low: np.ndarray) -> None:
    """With steps=0 the search is the encoder alone: f-AnoGAN's single pass."""
    found = search(networks, x_low, steps=0)
    np.testing.assert_allclose(found.z, networks[2](x_low, training=False), atol=1e-6)
    np.testing.assert_array_equal(found.loss, found.start_loss)


def test_more_restarts_are_never_worse(networks: Networks, x_low: np.ndarray) -> None:
    """The best of more restarts is at least as good for every image, and better for some."""
    losses = [search(networks, x_low, steps=2, start="random", restarts=n).loss for n in (1, 3, 6)]
    assert (losses[1] <= losses[0]).all()
    assert (losses[2] <= losses[1]).all()
    assert (losses[2] < losses[0]).any()


@pytest.mark.parametrize("start", ["encoder", "random"])
def test_images_do_not_touch_each_other(networks: Networks, x_low: np.ndarray, start: str) -> None:
    """An image is found the same beside four others, beside other others, and alone."""
    whole = search(networks, x_low, steps=4, start=start)
    others = x_low.copy()
    others[1:] = 1 - others[1:]
    for found in (
        search(networks, others, steps=4, start=start),
        search(networks, x_low[:1], steps=4, start=start),
    ):
        np.testing.assert_allclose(found.z[0], whole.z[0], atol=1e-4)
        np.testing.assert_allclose(found.loss[0], whole.loss[0], rtol=1e-4)


def test_seed_decides_the_random_start(networks: Networks, x_low: np.ndarray) -> None:
    """The same seed starts at the same place, another one elsewhere."""
    first, again, other = (
        search(networks, x_low, seed=seed, steps=0, start="random").z for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.1


def test_a_random_start_is_the_images_own(networks: Networks, x_low: np.ndarray) -> None:
    """Whatever the batch, and wherever in a list: an image begins at one place, no two images at the same."""
    found = LatentSearch(*networks, SearchSettings(steps=0, start="random", restarts=1))
    images = np.concatenate([x_low, 1 - x_low, 0.5 * x_low])
    whole = found(images, batch=64).z
    for batch in (1, 2, 4, 32):
        np.testing.assert_array_equal(found(images, batch=batch).z, whole)
    np.testing.assert_array_equal(found(images[::-1], batch=4).z[::-1], whole)
    np.testing.assert_array_equal(found(images[7:]).z, whole[7:])
    apart = np.abs(whole[:, None] - whole[None]).max(axis=2) + np.eye(len(images))
    assert apart.min() > 0.1


def test_random_starts_are_of_the_prior() -> None:
    """Over 1,000 images starts are N(0, 1) and independent; a restart is another, the last bit nothing."""
    images = np.random.default_rng(6).random((1000, 8, 8, 1)).astype(np.float32)
    starts = np.stack([random_start(image, 16, 3) for image in images])
    assert starts.dtype == np.float32
    assert np.abs(starts.mean(axis=0)).max() < 5 / 1000**0.5
    np.testing.assert_allclose(np.cov(starts.T), np.eye(16), atol=0.2)
    image = np.rint(images[0] * 255) / np.float32(255)
    first = random_start(image, 16, 3)
    np.testing.assert_array_equal(first, random_start(np.nextafter(image, np.float32(1)), 16, 3))
    for other in (random_start(image, 16, 3, restart=1), random_start(image, 16, 4)):
        assert np.abs(first - other).max() > 0.1
