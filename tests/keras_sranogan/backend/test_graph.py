"""Gradients, branches and compiled functions, the same on the backend that the tests run on.

``test_backends.py`` runs this module on JAX.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from keras_sranogan.backend.graph import BACKEND, branch, compiled, gradients, inference, slope

X = np.array([[1.0, 2.0], [3.0, -1.0]], np.float32)


class Holder:
    """What has variables: stands for a model."""

    def __init__(self, *values: float) -> None:
        self.variables = [keras.Variable(value, dtype="float32") for value in values]
        self.trainable_variables = self.variables[:2]

    def __iter__(self) -> Any:
        return iter(self.variables)


@pytest.fixture
def holder() -> Holder:
    """Two that are trained, and one that counts."""
    return Holder(2.0, 3.0, 0.0)


@pytest.mark.parametrize("whole", [False, True], ids=["step by step", "compiled"])
def test_each_loss_has_the_gradient_of_its_own_model(whole: bool) -> None:
    """Two losses of one pass: each model gets that of its own, and the counter moves once."""
    one, other, counter = Holder(2.0), Holder(5.0), Holder(0.0)
    (a,), (b,), (count,) = one, other, counter

    def compute() -> Any:
        count.assign(count.value + 1)
        shared = a.value * b.value
        return (shared * 3.0, shared * b.value), shared

    def run() -> Any:
        return gradients(compute, one, other)

    (of_a, of_b), shared = (compiled(run, one, other, counter) if whole else run)()
    assert [float(x) for x in (*of_a, *of_b, shared)] == [15.0, 2.0 * 2.0 * 5.0, 10.0]
    assert float(count.value) == 1.0


@pytest.mark.parametrize("whole", [False, True], ids=["step by step", "compiled"])
def test_what_is_assigned_is_a_number(holder: Holder, whole: bool) -> None:
    """As spectral normalisation has it: a gradient is by the value that was used, not through its making."""
    kernel, gain, _ = holder

    def compute() -> Any:
        kernel.assign(kernel.value / 4.0)
        return (ops.square(kernel.value) * gain.value,), kernel.value

    def run() -> Any:
        return gradients(compute, holder)

    ((of_kernel, of_gain),), used = (compiled(run, holder) if whole else run)()
    assert float(used) == float(kernel.value) == 0.5
    assert float(of_kernel) == pytest.approx(2 * 0.5 * 3.0)
    assert float(of_gain) == pytest.approx(0.25)


@pytest.mark.parametrize(("number", "value", "counted"), [(0, 4.0, 1.0), (1, 0.0, 10.0)])
def test_either_branch_may_assign(holder: Holder, number: int, value: float, counted: float) -> None:
    """The branch that is taken assigns, the other one leaves no trace; gradients go through it."""
    kernel, _, count = holder

    def taken() -> Any:
        count.assign(count.value + 1.0)
        return ops.square(kernel.value)

    def not_taken() -> Any:
        count.assign(count.value + 10.0)
        return ops.zeros(())

    def run(number: Any) -> Any:
        def compute() -> Any:
            found = branch(number % 2 == 0, taken, not_taken)
            return (found,), found

        return gradients(compute, holder)

    (slopes,), found = compiled(run, holder)(number)
    assert float(found) == value
    assert float(count.value) == counted
    assert float(0.0 if slopes[0] is None else slopes[0]) == value  # 2 k, k = 2


def test_a_gradient_of_a_gradient(holder: Holder) -> None:
    """A penalty on the slope by the input has a gradient by the weights, also within another gradient."""
    kernel, gain, count = holder

    def penalty(x: Any) -> Any:
        def value(x: Any) -> Any:
            count.assign(count.value + 1.0)
            return ops.sum(kernel.value * ops.square(x))

        return ops.sum(ops.square(slope(value, x)))  # sum (2 k x)^2

    def run(x: Any) -> Any:
        def compute() -> Any:
            found = penalty(x)
            return (found * gain.value,), found

        return gradients(compute, holder)

    ((of_kernel, of_gain),), found = compiled(run, holder)(ops.convert_to_tensor(X))
    squares = float((X**2).sum())
    assert float(found) == pytest.approx(4 * 2.0**2 * squares)
    assert float(of_kernel) == pytest.approx(8 * 2.0 * squares * 3.0)
    assert float(of_gain) == pytest.approx(float(found))
    assert float(count.value) == 1.0


def test_a_network_that_changed_is_run_as_it_is() -> None:
    """What was compiled reads the weights of now: neither they nor statistics are built in."""
    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.BatchNormalization()(keras.layers.Dense(3)(inputs)))
    before = np.asarray(inference(model)(X))
    model.set_weights([one + 0.5 for one in model.get_weights()])
    after = np.asarray(inference(model)(X))
    np.testing.assert_allclose(after, np.asarray(model(X, training=False)), rtol=1e-5)
    assert np.abs(after - before).max() > 0.1


@pytest.mark.skipif(BACKEND != "jax", reason="TensorFlow has no pure form")
def test_many_steps_are_one_program(holder: Holder) -> None:
    """The pure form of a step, repeated by JAX itself, ends where the steps one by one do."""
    import jax

    kernel, _, count = holder

    def step(number: Any) -> Any:
        def compute() -> Any:
            count.assign(count.value + 1.0)
            loss = ops.square(kernel.value - number)
            return (loss,), loss

        ((of_kernel, _),), loss = gradients(compute, holder)
        kernel.assign(kernel.value - 0.1 * of_kernel)
        return loss

    program: Any = compiled(step, holder)
    start = [one.value for one in program.variables]
    expected = [float(program(number)) for number in range(5)]

    def body(values: Any, number: Any) -> Any:
        loss, values = program.pure(values, number)
        return values, loss

    values, losses = jax.jit(lambda values: jax.lax.scan(body, values, jax.numpy.arange(5)))(start)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    np.testing.assert_allclose([float(x) for x in values], [float(x.value) for x in holder], rtol=1e-6)


@pytest.mark.skipif(BACKEND != "jax", reason="TensorFlow assigns to any variable")
def test_a_forgotten_variable_is_an_error(holder: Holder) -> None:
    """An assignment to a variable that the program was not given is refused, not lost."""
    with pytest.raises(ValueError, match="not of what this was compiled with"):
        compiled(lambda: holder.variables[2].assign(1.0))()
