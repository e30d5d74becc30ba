"""Quantisation-aware fine-tuning: each network learns to give, on integers, what it gave on floats.

Post-training quantisation rounds what training left. Here each network is rebuilt with trainable
kernels and biases, every tensor passes through fake quantisation (Keras 3), and its float self is
the teacher: distillation on normals, no label. The error is measured on others, before and
after; a network that gained nothing keeps its old weights. Both are of the training: normals that are held
out have no part in it (:mod:`sranogan_export.finetune.set_aside`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from keras_sranogan.progress import Progress
from keras_sranogan.training.stage import draw_batch, step_seed
from sranogan_export.rebuild.taps import Calibrating, FakeQuantised, Plain, Ranges, Tap, opened
from sranogan_export.rebuild.unrolled import Convolution
from sranogan_export.recipe import QatSettings

Array = NDArray[np.float32]
Ask = Callable[[Any, tuple[tf.Tensor, ...], Tap], list[tf.Tensor]]
HIDDEN_WEIGHT = 0.1  # of the hidden activations' errors, beside the outputs'
EVALUATIONS = 4  # in the course of the training; the best of them is kept
CALIBRATED_ON = 64  # inputs that give the ranges while a network learns
TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Student:
    """A network and what it is asked.

    Attributes:
        name: for people, and part of the random seed.
        network: rebuilt from plain operators: convolutions, matrices and biases as attributes.
        run: calls a network of this kind with a batch and a tap; returns activations, the outputs last.
        outputs: how many of these are outputs; the others are hidden.
        symmetric: whether the zero point of every activation is 0.
        lessons: inputs from training normals, each ``(N, ...)``.
        exam: inputs from training normals that are none of the lessons.
        beyond: inputs with anomalies, which ranges reach some way to; none is learned from.
    """

    name: str
    network: Any
    run: Ask
    lessons: tuple[Array, ...]
    exam: tuple[Array, ...]
    outputs: int = 1
    symmetric: bool = False
    beyond: tuple[Array, ...] = ()


@dataclass(frozen=True)
class Gain:
    """What fine-tuning gave one network.

    Attributes:
        network: which.
        ptq_error: of post-training quantisation on the exam, relative: root mean square of the difference
            to the float network's output over that output's standard deviation.
        qat_error: after fine-tuning.
        kept: ``qat``, or ``ptq`` where that was no worse.
        engine: what fine-tuned it.
    """

    network: str
    ptq_error: float
    qat_error: float
    kept: str
    engine: str = "keras"


FineTune = Callable[[Sequence[Student], QatSettings, int, Progress], tuple[dict[str, Any], list[Gain]]]


class Learning:
    """A tap with gradients: fake quantisation of trainable kernels, and of activations in given ranges."""

    def __init__(self, ranges: Ranges) -> None:
        """Take the ranges that :class:`sranogan_export.rebuild.taps.Calibrating` saw."""
        self.ranges = ranges

    def activation(self, name: str, x: tf.Tensor, limits: tuple[float, float] | None = None) -> tf.Tensor:
        """Return ``x`` rounded to 256 levels."""
        low, high = opened(self.ranges[name])
        return keras.quantizers.fake_quant_with_min_max_vars(x, low, high, 8)

    def weights(self, kernel: Any, *, per_channel: bool) -> tf.Tensor:
        """Return ``kernel`` rounded to 255 symmetric levels, per output channel or as a whole."""
        kernel = tf.convert_to_tensor(kernel)
        axes = list(range(len(kernel.shape) - 1)) if per_channel else None
        top = tf.maximum(tf.stop_gradient(tf.reduce_max(tf.abs(kernel), axis=axes)), TINY)
        return keras.quantizers.fake_quant_with_min_max_vars(
            kernel, -top, top, 8, narrow_range=True, axis=-1 if per_channel else None
        )


def rebuilt(network: Any, change: Callable[[Any], Any]) -> Any:
    """Return a copy of an unrolled network with every kernel, matrix and bias changed."""
    made = copy.copy(network)
    for name, value in vars(network).items():
        if name != "transposed":
            setattr(made, name, _changed(value, change))
    if hasattr(made, "transposed") and isinstance(made.matrix, np.ndarray):  # the matrix, for the way back
        made.transposed = np.ascontiguousarray(made.matrix.T)
    return made


def _changed(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, Convolution):
        return replace(value, kernel=change(value.kernel), bias=change(value.bias))
    if isinstance(value, list):
        return [_changed(one, change) for one in value]
    return change(value) if isinstance(value, np.ndarray | keras.Variable) else value


def fine_tune(
    students: Sequence[Student], settings: QatSettings, seed: int, progress: Progress
) -> tuple[dict[str, Any], list[Gain]]:
    """Fine-tune every student; return their networks by name, and what each gained."""
    progress.start("fine-tuning for int8", len(students) * settings.steps)
    done = 0
    networks, gains = {}, []

    for student in students:

        def step(name: str = student.name) -> None:
            nonlocal done
            done += 1
            progress.advance(done, name)

        networks[student.name], gain = fine_tuned(student, settings, seed, step)
        gains.append(gain)
    return networks, gains


def fine_tuned(
    student: Student, settings: QatSettings, seed: int, on_step: Callable[[], None]
) -> tuple[Any, Gain]:
    """Return the network with the weights that did best on integers, its own or learned ones.

    Args:
        student: the float network and what it is asked.
        settings: how long to learn.
        seed: of the batches.
        on_step: called after each step.
    """
    lesson = _Lesson(student, settings, seed)
    best, before = student.network, exam_error(student, student.network)
    least = before
    every = max(settings.steps // EVALUATIONS, 1)
    for step in range(1, settings.steps + 1):
        lesson.step(tf.constant(step, tf.int64))
        on_step()
        if step % every == 0 or step == settings.steps:
            learned = lesson.learned()
            error = exam_error(student, learned)
            if error < least:
                best, least = learned, error
    kept = "ptq" if best is student.network else "qat"
    return best, Gain(student.name, before, least, kept)


def exam_error(student: Student, network: Any) -> float:
    """Return the error of ``network`` on integers against the student's float self, on its exam."""
    quantised = FakeQuantised(calibrated(student, network), symmetric=student.symmetric)
    outputs = -student.outputs
    asked = tuple(tf.constant(one) for one in student.exam)
    expected = student.run(student.network, asked, Plain())[outputs:]
    found = student.run(network, asked, quantised)[outputs:]
    return float(np.mean([math.sqrt(_relative(*pair)) for pair in zip(found, expected, strict=True)]))


def calibrated(student: Student, network: Any) -> Ranges:
    """Return the ranges of ``network``'s activations on a few lessons."""
    seen = Calibrating(symmetric=student.symmetric)
    student.run(network, tuple(tf.constant(one[:CALIBRATED_ON]) for one in student.lessons), seen)
    if student.beyond:
        seen.end_of_normals()
        student.run(network, tuple(tf.constant(one[:CALIBRATED_ON]) for one in student.beyond), seen)
    return seen.ranges


def _relative(found: tf.Tensor, expected: tf.Tensor) -> tf.Tensor:
    """Mean squared difference over the variance of what was expected."""
    return tf.reduce_mean(tf.square(found - expected)) / (tf.math.reduce_variance(expected) + TINY)


class _Lesson:
    """A network in training."""

    def __init__(self, student: Student, settings: QatSettings, seed: int) -> None:
        self._student, self._settings, self._seed = student, settings, seed
        self._variables: list[keras.Variable] = []
        self._network = rebuilt(student.network, self._variable)
        self._tap = Learning(calibrated(student, student.network))
        rate = keras.optimizers.schedules.CosineDecay(settings.learning_rate, settings.steps)
        self._optimiser = keras.optimizers.Adam(rate, clipnorm=1.0)
        self._optimiser.build(self._variables)
        self._inputs = [tf.constant(one) for one in student.lessons]
        self.step = tf.function(self._step, autograph=False)

    def _variable(self, value: Array) -> keras.Variable:
        self._variables.append(keras.Variable(value, dtype="float32"))
        return self._variables[-1]

    def _step(self, step: tf.Tensor) -> None:
        student = self._student
        drawn = step_seed(self._seed, f"qat/{student.name}", step)
        chosen = draw_batch(len(student.lessons[0]), self._settings.batch, drawn)
        asked = tuple(tf.gather(one, chosen) for one in self._inputs)
        expected = student.run(student.network, asked, Plain())
        with tf.GradientTape() as tape:
            found = student.run(self._network, asked, self._tap)
            errors = [_relative(*pair) for pair in zip(found, expected, strict=True)]
            hidden, outputs = errors[: -student.outputs], errors[-student.outputs :]
            loss = tf.add_n(outputs) + HIDDEN_WEIGHT * tf.add_n([*hidden, tf.zeros(())])
        gradients = tape.gradient(loss, [one.value for one in self._variables])
        self._optimiser.apply(gradients, self._variables)

    def learned(self) -> Any:
        """Return the network as it stands, with constants."""
        return rebuilt(self._network, lambda value: value.numpy())


__all__ = ["FineTune", "Gain", "Learning", "Student", "exam_error", "fine_tune", "fine_tuned", "rebuilt"]
