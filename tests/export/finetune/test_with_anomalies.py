"""Ranges of the head on integers: of normals, and some way to self-made anomalies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from keras_sranogan.run import Run
from sranogan_edge.scoring.head import head_input
from sranogan_export.finetune import quantize_aware
from sranogan_export.finetune.students import examples, students, with_anomalies
from sranogan_export.graphs import CALIBRATION_BATCH, Unrolled, calibrated
from sranogan_export.rebuild.taps import Calibrating, FakeQuantised, Plain
from sranogan_export.rebuild.unrolled_stages import STANDARDISED


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["spots", "flaws", "mixture"])
def test_each_normal_gets_an_anomaly(kind: str, channels: int) -> None:
    """Each differs from the normal somewhere, and stays in [0, 1]; always alike."""
    images = np.random.default_rng(3).uniform(0.3, 0.6, (40, 32, 32, channels)).astype(np.float32)
    found, again = (with_anomalies(images, kind) for _ in range(2))  # type: ignore[arg-type]
    assert found.shape == images.shape
    assert (np.abs(found - images).max(axis=(1, 2, 3)) > 0).mean() > 0.9  # some are too small for 32 px
    assert 0 <= found.min() <= found.max() <= 1
    assert np.array_equal(found, again)


def test_anomalies_take_a_range_half_its_width_further() -> None:
    """No more, at either end, and not at all where they are no further out; then nothing is forgotten."""
    seen = Calibrating()
    seen.activation("a", tf.constant([-1.0, 3.0]))
    seen.activation("b", tf.constant([0.5]))
    seen.end_of_normals()
    seen.activation("a", tf.constant([-9.0, 4.0]))
    seen.activation("b", tf.constant([0.25, 9.0]))
    assert seen.ranges == {"a": (-3.0, 4.0), "b": (0.0, 0.75)}
    seen.activation("a", tf.constant([0.0, 9.0]))
    assert seen.ranges["a"] == (-3.0, 5.0)


def test_ranges_of_the_head_reach_to_what_is_anomalous(tiny_run: Run) -> None:
    """On integers its map says of anomalies what it says on floats: ranges of normals alone cut it off."""
    networks, settings = tiny_run.networks(), tiny_run.settings
    plain, small, kind = tiny_run.representative(), tiny_run.seen(), settings.head.anomalies
    lessons = examples(networks, settings.search, settings.preprocess, plain, small, kind)
    side = int(networks.head.input_shape[1])
    assert np.array_equal(lessons.anomalous[1], head_input(with_anomalies(plain, kind)[1], side))
    see = Unrolled.of(networks, {0: settings.search}).stages.see
    far = np.clip(
        2 * lessons.anomalous, *STANDARDISED
    )  # this head has hardly learned: what is far off for it
    asked = tf.constant(far)
    expected = see(asked, Plain())["map"].numpy()
    reached = {}
    for name, beyond in (("normals", None), ("both", far)):
        tap = FakeQuantised(calibrated(see, lessons.seen, CALIBRATION_BATCH, beyond=beyond))
        reached[name] = float(see(asked, tap)["map"].numpy().max())
    assert reached["normals"] + 0.4 < reached["both"] < expected.max() + 0.2


def test_fine_tuning_has_the_same_reach(tiny_run: Run) -> None:
    """The head alone is asked for what lies beyond, and learns from normals as before."""
    networks, settings = tiny_run.networks(), tiny_run.settings
    given = settings.search, settings.preprocess, tiny_run.representative(), tiny_run.seen()
    lessons = examples(networks, *given, settings.head.anomalies)
    unrolled = Unrolled.of(networks, {0: settings.search}).networks()
    beyond = {one.name: one.beyond for one in students(unrolled, lessons, lessons)}
    assert [name for name, some in beyond.items() if some] == ["head"]
    (head,) = (one for one in students(unrolled, lessons, lessons) if one.name == "head")
    wide = quantize_aware.calibrated(head, head.network)
    narrow = quantize_aware.calibrated(replace(head, beyond=()), head.network)
    assert wide.keys() == narrow.keys()
    assert all(wide[k][0] <= narrow[k][0] and narrow[k][1] <= wide[k][1] for k in wide)
    assert any(wide[k] != narrow[k] for k in wide)
    assert head.lessons[0] is lessons.seen
