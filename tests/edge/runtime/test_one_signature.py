"""Cutting a model of several signatures to one: what stays computes the same, and nonsense is refused."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sranogan_edge.bundle.bundle import Bundle, read_bundle, signature
from sranogan_edge.runtime.one_signature import only_signature
from tests.support.fuzz import examples


@pytest.fixture(scope="module")
def bundle(budgets_bundle: Path) -> Bundle:
    """Give a bundle of two budgets, read once."""
    return read_bundle(budgets_bundle)


def test_each_signature_computes_what_it_did(bundle: Bundle) -> None:
    """Cut to any of its budgets, a search has that one signature and gives the same result to the bit."""
    from ai_edge_litert.interpreter import Interpreter

    model = bundle.graphs["search"]
    whole = Interpreter(model_content=model)
    names = {signature("search", steps) for steps in bundle.budgets}
    assert set(whole.get_signature_list()) == names
    assert len(names) > 1
    results = []
    for name in sorted(names):
        cut = only_signature(model, name)
        assert len(cut) == len(model)
        alone = Interpreter(model_content=cut)
        assert set(alone.get_signature_list()) == {name}
        runners = [interpreter.get_signature_runner(name) for interpreter in (whole, alone)]
        details = runners[0].get_input_details()["x"]
        x = np.random.default_rng(0).integers(-128, 127, details["shape"]).astype(details["dtype"])
        first, second = (runner(x=x)["generated"] for runner in runners)
        np.testing.assert_array_equal(first, second)
        results.append(first)
    assert not np.array_equal(results[0], results[1])


def test_a_model_of_one_signature_stays_as_it_is(bundle: Bundle) -> None:
    """Where there is nothing to cut, no byte changes."""
    assert only_signature(bundle.graphs["head"], "serving_default") == bundle.graphs["head"]


def test_signature_that_is_not_there(bundle: Bundle) -> None:
    """A signature that the model has not is refused with those that it has."""
    with pytest.raises(ValueError, match=r"no signature 'steps_99'; this model has steps_"):
        only_signature(bundle.graphs["search"], "steps_99")


@pytest.mark.parametrize("model", [b"", b"x" * 7, b"\0" * 64, b"\x08\0\0\0TFL3", b"TFL3" * 100])
def test_bytes_that_are_no_model(model: bytes) -> None:
    """Bytes that are no flatbuffer are refused."""
    with pytest.raises(ValueError, match=r"TFLite model|no signatures"):
        only_signature(model, "serving_default")


@settings(
    max_examples=examples(300), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(at=st.integers(0, 2000), value=st.integers(0, 255), end=st.integers(0, 20_000))
def test_damage_is_refused_or_passes(bundle: Bundle, at: int, value: int, end: int) -> None:
    """A damaged or cut-off model raises ValueError and nothing else, or keeps its length."""
    model = bytearray(bundle.graphs["search"][:end] if end % 2 else bundle.graphs["search"])
    if at < len(model):
        model[at] = value
    with contextlib.suppress(ValueError):
        assert len(only_signature(bytes(model), signature("search", bundle.steps))) == len(model)
