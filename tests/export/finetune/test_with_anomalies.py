"""What the head is asked on integers: normals, and the same with self-made anomalies."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from keras_sranogan.run import Run
from sranogan_edge.scoring.head import head_input
from sranogan_export.finetune.students import MAX_LESSONS, examples, with_anomalies
from sranogan_export.graphs import CALIBRATION_BATCH, Unrolled, calibrated
from sranogan_export.rebuild.taps import FakeQuantised, Plain


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["spots", "flaws", "mixture"])
def test_each_normal_comes_before_itself_with_an_anomaly(kind: str, channels: int) -> None:
    """Even rows are the normals to the bit; odd ones differ somewhere, in [0, 1], and always alike."""
    images = np.random.default_rng(3).uniform(0.3, 0.6, (6, 32, 32, channels)).astype(np.float32)
    found, again = (with_anomalies(images, kind) for _ in range(2))  # type: ignore[arg-type]
    assert found.shape == (12, 32, 32, channels)
    assert np.array_equal(found[::2], images)
    apart = np.abs(found[1::2] - images).max(axis=(1, 2, 3))
    assert (apart > 0.02).all()
    assert 0 <= found.min() <= found.max() <= 1
    assert np.array_equal(found, again)


def test_of_no_images_there_are_none() -> None:
    """An exam has no small ones."""
    none = np.zeros((0, 32, 32, 1), np.float32)
    assert with_anomalies(none, "spots").shape == (0, 32, 32, 1)


def test_ranges_of_the_head_reach_to_what_is_anomalous(tiny_run: Run) -> None:
    """On integers its map says of anomalies what it says on floats: ranges of normals alone cut it off."""
    networks, settings = tiny_run.networks(), tiny_run.settings
    plain, small, kind = tiny_run.representative(), tiny_run.seen(), settings.head.anomalies
    seen = examples(networks, settings.search, settings.preprocess, plain, small, kind).seen
    side = int(networks.head.input_shape[1])
    assert len(seen) <= MAX_LESSONS
    assert np.array_equal(seen[1], head_input(with_anomalies(plain, kind)[1], side))
    see = Unrolled.of(networks, {0: settings.search}).stages.see
    bright = with_anomalies(plain, kind)[1::2]
    asked = tf.constant(np.stack([head_input(one, side) for one in bright]))
    expected = see(asked, Plain())["map"].numpy()
    found = {
        count: see(asked, FakeQuantised(calibrated(see, rows, CALIBRATION_BATCH)))["map"].numpy()
        for count, rows in (("both", seen), ("normals", seen[::2]))
    }
    peaks = {name: one.reshape(len(one), -1).max(axis=1) for name, one in found.items()}
    true = expected.reshape(len(expected), -1).max(axis=1)
    assert peaks["both"].max() > true.max() - 0.1
    assert np.abs(peaks["both"] - true).max() < 0.25
    assert peaks["normals"].max() < true.max() - 0.3
