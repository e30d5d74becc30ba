"""What normals are aligned to: a sharp mean that lies as they do on average."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.reference import learn_reference
from sranogan_edge.errors import DataError
from sranogan_edge.image.align import view_of
from sranogan_edge.image.frame import Frame
from tests.support.turned_parts import Lie, part

COUNT = 24


def views(count: int = COUNT) -> list[NDArray[np.float32]]:
    """Views of parts that lie each in their own way."""
    return [view_of(Frame.of(part(seed, Lie.drawn(seed)))) for seed in range(count)]


def detail(view: NDArray[Any]) -> float:
    """Variance of its edges, noise smoothed away."""
    return float(cv2.Laplacian(cv2.GaussianBlur(np.asarray(view, np.float32), (0, 0), 1.5), cv2.CV_32F).var())


def test_parts_that_lie_anyhow_give_a_sharp_reference() -> None:
    """It has most of the detail of one part, and their mean as they came hardly any."""
    done: list[int] = []
    seen = views()
    aligner = learn_reference(seen, done.append)
    blurred, alone = detail(np.mean(seen, axis=0)), float(np.median([detail(one) for one in seen]))
    assert detail(aligner.reference) > 0.7 * alone > 2 * blurred
    assert done == list(range(1, 3 * COUNT + 1))


def test_it_lies_as_they_do_on_average() -> None:
    """How each lies is found to .1 degrees and .5 %, but for what all have in common, which is little."""
    aligner = learn_reference(views())
    off = []
    for seed, view in enumerate(views()):
        found, likeness, _ = aligner.find(view)
        assert found is not None
        assert likeness > aligner.least
        lie = Lie.drawn(seed)
        off.append((found.rotation - lie.rotation, np.log(found.scale / lie.scale)))
    assert np.abs(np.std(off, axis=0)).max() < 0.1
    assert np.std(off, axis=0)[1] < 0.005
    usual = [(Lie.drawn(seed).rotation, np.log(Lie.drawn(seed).scale)) for seed in range(COUNT)]
    assert np.mean(off, axis=0) == pytest.approx(-np.mean(usual, axis=0), abs=0.6)


def test_what_cannot_be_aligned_has_no_part_in_it() -> None:
    """Some noise among the parts: the reference is nearly the same, and none of it is called like it."""
    rng = np.random.default_rng(0)
    noise = [rng.random((96, 128), np.float32) for _ in range(4)]
    without, with_noise = learn_reference(views()), learn_reference([*views(), *noise])
    assert np.abs(without.reference - with_noise.reference).mean() < 0.05
    assert all(with_noise.find(one)[0] is None for one in noise)
    assert all(with_noise.find(one)[0] for one in views())


def test_the_usual_shape_is_the_references() -> None:
    """Images of another shape are aligned, too."""
    cut = view_of(Frame.of(part(50, Lie(4, 1, 0, 0))[:, 20:]))
    aligner = learn_reference([*views(), cut])
    assert aligner.reference.shape == (96, 128)
    found, _, _ = aligner.find(cut)
    assert found is not None


@pytest.mark.parametrize("one", [np.full((96, 128), 0.5, np.float32), np.eye(128, dtype=np.float32)[:9]])
def test_normals_that_show_nothing_are_refused(one: NDArray[np.float32]) -> None:
    """Blank ones, and such that are long and thin: the option to leave out is named."""
    with pytest.raises(DataError, match="--align"):
        learn_reference([one] * 5)
