"""Fine-tuning on fake quantisation: never worse than before, the same each time, kernels kept in step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from keras_sranogan.progress import Silent
from sranogan_export.finetune.quantize_aware import (
    Learning,
    Student,
    exam_error,
    fine_tune,
    fine_tuned,
    rebuilt,
)
from sranogan_export.rebuild.taps import FakeQuantised, Tap
from sranogan_export.rebuild.unrolled import Convolution
from sranogan_export.recipe import QatSettings

RNG = np.random.default_rng(0)
FAST = QatSettings(steps=40, batch=8, learning_rate=3e-3)


class Tiny:
    """Two convolutions and a matrix, with the matrix turned as the way back needs it."""

    def __init__(self) -> None:
        kernels = [RNG.normal(size=shape).astype(np.float32) for shape in ((3, 3, 2, 6), (3, 3, 6, 4))]
        self.layers = [
            Convolution(f"c{i}", k, np.zeros(k.shape[-1], np.float32)) for i, k in enumerate(kernels)
        ]
        self.matrix = RNG.normal(size=(4, 3)).astype(np.float32)
        self.transposed = np.ascontiguousarray(self.matrix.T)

    def forward(self, x: tf.Tensor, tap: Tap) -> list[tf.Tensor]:
        """Return the hidden activation and the output."""
        x = tap.activation("x", x)
        for layer in self.layers:
            x = tap.activation(layer.name, tf.nn.relu(layer.forward(x, tap)))
        product = tf.matmul(tf.reduce_mean(x, axis=(1, 2)), tap.weights(self.matrix, per_channel=False))
        return [x, tap.activation("y", product)]


@pytest.fixture(scope="module")
def student() -> Student:
    """Give a network with random questions."""
    images = RNG.normal(size=(40, 6, 6, 2)).astype(np.float32)
    return Student(
        "tiny", Tiny(), lambda net, asked, tap: net.forward(asked[0], tap), (images[:32],), (images[32:],)
    )


def test_fine_tuning_helps(student: Student) -> None:
    """A network that was fine-tuned errs less on integers than one that was only rounded."""
    calls: list[None] = []
    network, gain = fine_tuned(student, FAST, 0, lambda: calls.append(None))
    assert gain.kept == "qat"
    assert gain.qat_error < gain.ptq_error
    assert gain.qat_error == exam_error(student, network)
    assert len(calls) == FAST.steps


def test_repeats_itself(student: Student) -> None:
    """One seed gives the same weights to the bit."""
    first, second = (fine_tuned(student, FAST, 3, lambda: None)[0] for _ in range(2))
    np.testing.assert_array_equal(first.matrix, second.matrix)
    np.testing.assert_array_equal(first.layers[1].kernel, second.layers[1].kernel)


def test_what_gained_nothing_is_kept(student: Student) -> None:
    """Steps so long that they ruin a network leave it as it was, and the table says so."""
    network, gain = fine_tuned(student, QatSettings(steps=4, batch=8, learning_rate=10.0), 0, lambda: None)
    assert gain.kept == "ptq"
    assert gain.qat_error == gain.ptq_error
    assert network is student.network


def test_all_students_are_told_of(student: Student) -> None:
    """Every network comes back by its name."""
    networks, gains = fine_tune([student], FAST, 0, Silent())
    assert list(networks) == [gain.network for gain in gains] == ["tiny"]


def test_rebuilt_changes_every_weight() -> None:
    """Kernels, biases and matrices are changed, the turned matrix follows, and the original stays."""
    before = Tiny()
    after: Any = rebuilt(before, lambda value: value + 1)
    np.testing.assert_array_equal(after.layers[0].kernel, before.layers[0].kernel + 1)
    np.testing.assert_array_equal(after.layers[1].bias, 1)
    np.testing.assert_array_equal(after.transposed, (before.matrix + 1).T)
    assert before.layers[1].bias.max() == 0


@pytest.mark.parametrize("per_channel", [True, False])
def test_learning_rounds_as_the_export_does(per_channel: bool) -> None:
    """What a network learns with is what the converter sees: the same values, rounded the same way."""
    kernel, ranges = RNG.normal(size=(3, 3, 2, 5)).astype(np.float32), {"a": (-1.0, 2.0), "dead": (0.0, 0.0)}
    learning, exported = Learning(ranges), FakeQuantised(ranges)
    pairs = [
        (
            learning.weights(kernel, per_channel=per_channel),
            exported.weights(kernel, per_channel=per_channel),
        ),
        *((learning.activation(name, kernel), exported.activation(name, kernel)) for name in ranges),
    ]
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, atol=1e-6)
