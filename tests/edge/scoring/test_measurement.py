"""What is measured of an image, with graphs of plain arithmetic in the places of networks."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import count

import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.image.preprocess import PreprocessSpec, enhance
from sranogan_edge.scoring.cells import Cells
from sranogan_edge.scoring.head import head_input
from sranogan_edge.scoring.heat import HEAT_SHAPES
from sranogan_edge.scoring.measurement import Clock, Reconstruction, measure
from sranogan_edge.scoring.residual import residual

Array = NDArray[np.float32]


class Arithmetic:
    """A graph that gives constant answers of the shapes that a network's have, to the inputs that it has."""

    def __init__(self, inputs: Mapping[str, tuple[int, ...]], **answers: Array) -> None:
        self.inputs, self.answers = inputs, answers

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        assert set(inputs) == set(self.inputs)
        return {name: answer[None] for name, answer in self.answers.items()}


def graphs() -> dict[str, Arithmetic]:
    """Four of them, for images of 64 x 64 and a search at 32."""
    grey = np.full((64, 64, 1), 0.5, np.float32)
    return {
        "search": Arithmetic({"x": (1, 32, 32, 1)}, generated=grey[::2, ::2]),
        "reconstruct": Arithmetic({"generated": (1, 32, 32, 1)}, refined=grey[::2, ::2], resolved=grey),
        "features": Arithmetic({"image": (1, 64, 64, 1)}, features=np.zeros((8, 8, 4), np.float32)),
        "head": Arithmetic(
            {"image": (1, 32, 32, 2)},
            features=np.zeros((2, 2, 6), np.float32),
            map=np.zeros((8, 8, 1), np.float32),
        ),
    }


def test_heat_is_of_the_plain_image() -> None:
    """Brightness is that of the image before its contrast was enhanced, which looks otherwise."""
    rng, spec = np.random.default_rng(0), PreprocessSpec(size=64)
    ramp = np.linspace(0.1, 0.9, 64, dtype=np.float32)[None, :, None] ** 3
    plain = (ramp + 0.05 * rng.random((64, 64, 1))).astype(np.float32)

    def cells(image: Array) -> Array:
        standard = (image - image.mean()) / (image.std() + 0.03)
        return np.asarray(standard[..., 0].reshape(32, 2, 32, 2).mean(axis=(1, 3)))

    made = measure(plain, spec, 32, graphs())
    np.testing.assert_allclose(made.heat[1], cells(plain), atol=1e-4)
    assert np.abs(cells(enhance(plain, spec)) - cells(plain)).max() > 0.1


def test_laps_are_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quarter of a second between two laps is 250 ms."""
    ticks = count(0.0, 0.25)
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    clock = Clock()
    clock.lap("search")
    clock.lap("head")
    assert clock.laps == {"search": 250.0, "head": 250.0}


class Recorder(Arithmetic):
    """One that keeps what it was given, without the axis of the batch; features are the mean of the image."""

    def __init__(self, plain: Arithmetic) -> None:
        super().__init__(plain.inputs, **plain.answers)
        self.given: list[Array] = []

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        (image,) = inputs.values()
        self.given.append(image[0])
        found = super().__call__(inputs)
        if "map" not in found and "features" in found:
            return {"features": np.full((1, 8, 8, 4), image.mean(), np.float32)}
        return found


def test_each_network_is_given_what_it_was_trained_on() -> None:
    """Search and features see enhanced contrast, the head the image as it came; each the right picture."""
    rng, spec = np.random.default_rng(1), PreprocessSpec(size=64)
    plain = (0.3 + 0.3 * rng.random((64, 64, 1)) ** 3).astype(np.float32)
    made_of = graphs()
    made_of["search"].answers["generated"] = np.full((32, 32, 1), 0.25, np.float32)
    made_of["reconstruct"].answers["refined"] = np.full((32, 32, 1), 0.75, np.float32)
    seen = {name: Recorder(graph) for name, graph in made_of.items()}
    made = measure(plain, spec, 32, seen)
    x = enhance(plain, spec)
    low = x.reshape(32, 2, 32, 2, 1).mean(axis=(1, 3))
    np.testing.assert_allclose(seen["search"].given[0], low, atol=1e-6)
    np.testing.assert_array_equal(seen["reconstruct"].given[0], made_of["search"].answers["generated"])
    np.testing.assert_array_equal(seen["features"].given[0], x)
    np.testing.assert_array_equal(seen["features"].given[1], made_of["reconstruct"].answers["resolved"])
    np.testing.assert_array_equal(seen["head"].given[0], head_input(plain, 32))
    assert made.anogan_score == pytest.approx(float(np.abs(low - 0.25).sum() * 255), rel=1e-5)
    f_x, f_resolved = (np.full((8, 8, 4), one.mean(), np.float32) for one in seen["features"].given)
    expected = residual(x, made.resolved, f_x, f_resolved).features
    np.testing.assert_array_equal(made.measured["residual"], expected)
    np.testing.assert_array_equal(made.x, x)
    np.testing.assert_array_equal(made.generated, made_of["search"].answers["generated"])
    np.testing.assert_array_equal(made.refined, made_of["reconstruct"].answers["refined"])
    np.testing.assert_array_equal(made.resolved, made_of["reconstruct"].answers["resolved"])
    assert made.plain is plain


def test_a_bright_spot_is_above_its_reconstruction() -> None:
    """The signed difference of a cell (the last but one 8 x 8 of the features) is x less reconstruction."""
    plain = np.full((64, 64, 1), 0.3, np.float32)
    plain[8:16, 16:24] = 0.9
    measured = measure(plain, PreprocessSpec(size=64, contrast="none"), 32, graphs()).measured["residual"]
    signed = measured[-128:-64].reshape(8, 8)
    assert int(signed.argmax()) == 1 * 8 + 2
    assert signed[1, 2] > 1
    assert signed[5, 5] < 0


def test_the_time_of_each_step_is_told_by_its_name() -> None:
    """As results and ``sranogan-bench`` have them, in the order of the steps."""
    made = measure(np.full((64, 64, 1), 0.5, np.float32), PreprocessSpec(size=64), 32, graphs())
    assert list(made.milliseconds) == ["search", "reconstruct", "features", "residual", "head"]
    assert min(made.milliseconds.values()) >= 0


def test_cells_have_a_plane_of_the_heat() -> None:
    """Where the density knows the usual ones: those that are 3 away from them, in features of one number."""
    made_of, early = graphs(), np.full((16, 16, 1), 5.0, np.float32)
    early[8, 4] = 8.0
    made_of["head"].answers["early"] = early
    known = Cells(np.zeros(1, np.float32), np.ones((1, 1), np.float32), np.array([[5]], np.float32))
    made = measure(np.full((64, 64, 1), 0.5, np.float32), PreprocessSpec(size=64), 32, made_of, known)
    assert made.heat.shape == HEAT_SHAPES[1]
    np.testing.assert_allclose(made.heat[3, 16:18, 8:10], 3 * 0.75**2, rtol=1e-5)  # between four cells
    assert made.heat[3, :8].max() == 0
    assert list(made.milliseconds)[-2:] == ["head", "cells"]


def test_people_are_shown_the_enhanced_image_in_its_colours() -> None:
    """Luminance is the enhanced one, the opponents those of the image; without them it is grey."""
    x, plain = np.full((4, 4, 1), 0.9, np.float32), np.full((4, 4, 3), [0.1, 0.4, 0.6], np.float32)
    small = np.zeros((2, 2, 1), np.float32)
    made = Reconstruction(x, small, small, x, {}, small, 0.0, {}, plain)
    np.testing.assert_array_equal(made.shown, np.full((4, 4, 3), [0.9, 0.4, 0.6], np.float32))
    np.testing.assert_array_equal(Reconstruction(x, small, small, x, {}, small, 0.0, {}).shown, x)
    np.testing.assert_array_equal(
        Reconstruction(x, small, small, x, {}, small, 0.0, {}, plain[..., :1]).shown, x
    )
