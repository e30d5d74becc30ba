"""Which images densities are adapted to: anomalies, colours, several frames, and what is said of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sranogan_edge.errors import DataError
from sranogan_edge.image.frame import Frame
from sranogan_edge.site.adapt import Local, adapted, told_apart
from tests.support.calibrated_sites import small_bundle


def local(name: str = "a", **changes: Any) -> Local:
    """An image of a site."""
    made = Local(name, 1, {"map": np.zeros(1, np.float32)}, "", colourful=False)
    return replace(made, **changes)


def images_of(count: int, **changes: Any) -> list[Local]:
    """So many, each with another number."""
    rng = np.random.default_rng(0)
    return [
        local(f"{n}", measured={"map": rng.normal(size=1).astype(np.float32)}, **changes)
        for n in range(count)
    ]


def scored(*values: float) -> list[Mapping[str, float]]:
    """Statistics of images."""
    return [{"score": value} for value in values]


def test_anomalies_alone_are_asked_about() -> None:
    """Where the bundle calls most of them anomalous, they are hardly normals: refused, unless told."""
    bundle = small_bundle(scores=tuple(np.linspace(-1, 1, 50)))
    rows = scored(*np.linspace(0, 4, 30))
    with pytest.raises(DataError, match=r"23 of 30 images score above the bundle's threshold of .*--anyway"):
        adapted(images_of(30), rows, bundle, "here", lambda message: None)
    told: list[str] = []
    assert adapted(images_of(30), rows, bundle, "here", told.append, anyway=True).used
    assert any("used anyway: here: 23 of 30" in message for message in told)


def test_what_is_said_of_the_images() -> None:
    """How many the bundle flagged, which are left out, and that colours are not seen."""
    bundle = small_bundle(scores=tuple(np.linspace(-1, 1, 50)))
    images = images_of(30, colourful=True)
    images[7] = local("film7.png", measured={"map": np.array([40], np.float32)})
    told: list[str] = []
    found = adapted(images, scored(*np.linspace(-1, 1.6, 30)), bundle, "here", told.append)
    assert 7 not in found.used
    assert found.fitted == 29
    assert any("left out: film7.png scores" in message and "nor the threshold" in message for message in told)
    assert any("29 of 30 images are in colour" in message for message in told)
    assert any("flags 30% of these normals, where 10% were meant" in message for message in told)


def test_objects_of_several_frames_are_named() -> None:
    """Densities are adapted to single images."""
    images = [local("cine.dcm", frames=30)]
    with pytest.raises(DataError, match=r"cine\.dcm: it has 30 frames"):
        told_apart(images, [np.zeros((32, 32), np.float32)], small_bundle(), "here", lambda message: None)


@pytest.mark.parametrize(("colours", "expected"), [((90, 120, 200), True), ((90, 91, 92), False)])
def test_a_colour_is_told_from_grey_in_three_channels(colours: tuple[int, int, int], expected: bool) -> None:
    """Grey films are often saved with three equal channels: these are no colour."""
    frame = Frame.of(np.tile(np.array(colours, np.uint8), (64, 64, 1)))
    made: Any = SimpleNamespace(reconstruction=SimpleNamespace(measured={}))
    assert Local.of("a", (frame,), 0, made, None).colourful is expected
