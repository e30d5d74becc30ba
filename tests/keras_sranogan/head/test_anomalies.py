"""Synthetic anomalies: where they are, what they do, and that they are never broken."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.head.anomalies import BRIGHT_SHARE, MARKED, MARKED_BY_SIGHT, SHARES, paste
from keras_sranogan.settings import Anomalies

Images = NDArray[np.float32]
KINDS = get_args(Anomalies)
STRONGEST = 2.0  # change, in full scales, that no anomaly's whole strength exceeds
BODY = slice(4, 36)


def seed(number: int) -> tf.Tensor:
    """One seed of the stateless generators."""
    return tf.constant((7, number), tf.int64)


def normals(count: int = 12, side: int = 64) -> Images:
    """``(count, side, side, 1)``: bright shapes with dark places between them, and some texture."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[0:side, 0:side] / side
    waves = 0.5 + 0.28 * np.sin(9 * rows + 1) * np.cos(7 * columns) + 0.02 * rng.normal(size=(side, side))
    gains = rng.uniform(0.7, 1.0, (count, 1, 1))
    return (np.clip(waves, 0.2, 0.9) * gains).astype(np.float32)[..., None]


def pasted(images: Images, number: int, kind: Anomalies) -> tuple[Images, Images]:
    """Anomalous images and their masks, as arrays."""
    changed, masks = paste(tf.constant(images), seed(number), kind)
    return np.asarray(changed), np.asarray(masks)


@pytest.mark.parametrize("kind", KINDS)
def test_shares_add_up(kind: Anomalies) -> None:
    """Every image gets an anomaly of exactly one sort: the sorts' shares make one."""
    assert sum(SHARES[kind]) == pytest.approx(1, abs=1e-9)
    assert 0 < BRIGHT_SHARE[kind] <= 1


@pytest.mark.parametrize("side", [16, 32, 64])
@pytest.mark.parametrize("kind", KINDS)
def test_changes_lie_inside_the_masks(kind: Anomalies, side: int) -> None:
    """Each image is changed within its mask, and the less the weaker the mask: not at all where it is 0."""
    images = normals(side=side)
    for number in range(4):
        changed, masks = pasted(images, number, kind)
        assert changed.shape == masks.shape == images.shape
        assert masks.min() >= 0
        assert masks.max() <= 1
        apart = np.abs(changed - images)
        assert (apart <= STRONGEST * masks + 1e-5).all()
        assert apart[masks < 0.005].mean() < 0.005
        assert apart[masks > MARKED].mean() > 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_every_image_has_a_marked_place(kind: Anomalies) -> None:
    """Each anomaly marks some place as anomalous, and never all of the image."""
    for number in range(6):
        _, masks = pasted(normals(32), number, kind)
        share = (masks > MARKED).mean(axis=(1, 2, 3))
        unseen = (share == 0).mean()  # texture of another image may be what was there, by chance
        assert unseen <= (1 / 32 if kind in MARKED_BY_SIGHT else 0)
        assert share.max() < 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_is_a_function_of_the_seed(kind: Anomalies) -> None:
    """The same seed pastes the same, as a graph too; another seed pastes something else."""
    images = normals(4)
    changed, masks = pasted(images, 0, kind)
    again, marked = tf.function(lambda x, s: paste(x, s, kind))(tf.constant(images), seed(0))
    np.testing.assert_allclose(changed, again, atol=1e-5)
    np.testing.assert_allclose(masks, marked, atol=1e-5)
    repeated, _ = pasted(images, 0, kind)
    np.testing.assert_array_equal(repeated, changed)
    assert np.abs(pasted(images, 1, kind)[1] - masks).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("brightness", [0.0, 0.13, 0.5, 1.0])
def test_constant_images_stay_images(kind: Anomalies, brightness: float) -> None:
    """On images without any contrast, black and white too, nothing leaves [0, 1] or becomes NaN."""
    images = np.full((16, 32, 32, 1), brightness, np.float32)
    for number in range(3):
        changed, masks = pasted(images, number, kind)
        for found in (changed, masks):
            assert np.isfinite(found).all()
            assert found.min() >= 0
            assert found.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_extreme_images_stay_in_range(kind: Anomalies) -> None:
    """Black and white noise, and one white pixel on black, come back finite and in [0, 1]."""
    noise = (np.random.default_rng(2).random((8, 64, 64, 1)) > 0.5).astype(np.float32)
    spot = np.zeros((8, 64, 64, 1), np.float32)
    spot[:, 32, 32] = 1
    for images in (noise, spot):
        changed, masks = pasted(images, 0, kind)
        assert np.isfinite(changed).all()
        assert np.isfinite(masks).all()
        assert 0 <= changed.min() <= changed.max() <= 1


def test_opacities_brighten() -> None:
    """An opacity makes its place brighter than it was, as it does in a radiograph, in nearly all images."""
    images, risen = normals(32), []
    for number in range(4):
        changed, masks = pasted(images, number, "opacities")
        risen += [(one * mask).sum() / mask.sum() for one, mask in zip(changed - images, masks, strict=True)]
    assert np.mean(np.array(risen) > 0) > 0.95
    assert np.mean(risen) > 0.03


def test_defects_go_both_ways() -> None:
    """Among defects there are brighter and darker ones."""
    images = normals(32)
    changed, masks = pasted(images, 0, "defects")
    risen = ((changed - images) * masks).sum(axis=(1, 2, 3)) / masks.sum(axis=(1, 2, 3))
    assert risen.min() < -0.02
    assert risen.max() > 0.02


@pytest.mark.parametrize(("kind", "sorts"), [("spots", 1.0), ("defects", 0.45)])
def test_dark_anomalies_darken(kind: Anomalies, sorts: float) -> None:
    """Half of the spots, and of the spots among defects, are dark: their places are darker than they were."""
    images, risen = normals(40), []
    for number in range(4):
        changed, masks = pasted(images, number, kind)
        spots = slice(0, round(sorts * len(images)))  # they come first
        moved, mask = (changed - images)[spots], masks[spots]
        risen += [(one * where).sum() / where.sum() for one, where in zip(moved, mask, strict=True)]
    assert 0.3 < np.mean(np.array(risen) < 0) < 0.7
    assert np.mean([one for one in risen if one < 0]) < -0.03


def test_flecks_are_small_and_half_of_them_as_bright_or_dark_as_the_image_gets() -> None:
    """They come last among flaws; a few pixels each, brighter or darker than what was there."""
    images = normals(32, side=128)
    first = round(sum(SHARES["flaws"][:-1]) * len(images))
    all_the_way, sizes, ways = [], [], []
    for number in range(4):
        changed, masks = pasted(images, number, "flaws")
        for one, was, mask in zip(changed[first:], images[first:], masks[first:], strict=True):
            sizes.append((mask > MARKED).mean())
            strongest = np.unravel_index(np.abs(one - was).argmax(), one.shape)
            ways.append(np.sign((one - was)[strongest]))
            end = was.max() if ways[-1] > 0 else was.min()
            all_the_way.append(abs(one[strongest] - end) < 0.02)
    assert 0.0005 < np.median(sizes) < 0.03
    assert max(sizes) < 0.12
    assert 0.3 < np.mean(all_the_way) < 0.9
    assert {-1.0, 1.0} == set(ways)


def test_opacities_stay_out_of_a_black_border() -> None:
    """Where there is no body no opacity is centred, and away from the body next to nothing changes."""
    images, body, far = np.zeros((32, 64, 64, 1), np.float32), *np.zeros((2, 64, 64), np.bool_)
    images[:, BODY, BODY] = normals(32)[:, BODY, BODY]
    body[:40, :40] = True  # as far as the smoothed image still counts as body
    far[56:], far[:, 56:] = True, True
    for number in range(4):
        changed, masks = pasted(images, number, "opacities")
        apart = np.abs(changed - images)[..., 0]
        peaks = masks[..., 0].reshape(len(masks), -1).argmax(axis=1)
        assert body.ravel()[peaks].mean() > 0.8
        assert apart[:, far].mean() < 0.05 * apart[:, body].mean()


def test_opacities_fall_on_dark_places() -> None:
    """Opacities go to where their surroundings are brighter, as lungs are dark beside ribs and heart."""
    columns = np.tile(np.where(np.arange(64) // 16 % 2, 0.85, 0.35), (64, 1)).astype(np.float32)
    images = np.tile(columns[None, ..., None], (64, 1, 1, 1))
    _, masks = pasted(images, 0, "opacities")
    dark = columns < 0.5
    assert masks[:, dark].mean() > 1.2 * masks[:, ~dark].mean()
