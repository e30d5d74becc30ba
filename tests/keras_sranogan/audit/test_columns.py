"""Columns hold the same images under a control, and one that spoils them ends in a column without figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from keras_sranogan.audit.audit import AuditOptions, audit_scorers
from keras_sranogan.audit.columns import Reader, typical
from keras_sranogan.audit.controls import all_controls
from keras_sranogan.data.item import Item
from keras_sranogan.progress import Silent
from sranogan_edge.errors import UnreadableImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec

Make = Callable[..., Any]


class Framed:
    """Drawn images inside a black frame, wider than the borders; some of them broken."""

    name = "framed"

    def __init__(self, source: Any, broken: tuple[str, ...] = ()) -> None:
        self._source, self._broken = source, broken
        self.items, self.splits, self.mask = source.items, source.splits, source.mask

    def frame(self, item: Item) -> Frame:
        if item.key in self._broken:
            raise UnreadableImageError(f"{item.key}: not an image")
        frame: Frame = self._source.frame(item)
        pixels = np.zeros_like(frame.pixels)
        pixels[30:-30, 30:-30] = frame.pixels[30:-30, 30:-30]
        return Frame(pixels, 8, frame.photometric, source=item.key)


def test_a_control_that_leaves_nothing_is_said_and_not_fatal(drawn: Make, reads: Make) -> None:
    """With black borders nothing is left without the centre: no figure, undecided, all else is there."""
    source = drawn(each=25)
    framed: Any = Framed(source)
    audit = audit_scorers({"m": reads("content", source)}, framed, AuditOptions(), Silent())
    centre = audit.figures["controls"]["centre_masked"]
    assert centre["ranking"]["auroc"] is None
    assert "50 of 50 images" in centre["problem"]
    undecided = [one for one in audit.figures["verdict"]["findings"] if one["kind"] == "undecided"]
    assert any("no figure" in one["text"] for one in undecided)
    assert audit.figures["controls"]["border_masked"]["ranking"]["auroc"] > 0.9
    assert audit.draw()


def test_unreadable_images_are_left_out_of_every_column(drawn: Make, reads: Make) -> None:
    """A broken image is missing everywhere, so that columns stay comparable."""
    source = drawn(each=25)
    bad = source.items("test")[3].key
    framed: Any = Framed(source, (bad,))
    reader = Reader([reads("content", source)], framed, 0.05, 0, Silent())
    first, low_pass, *_ = all_controls(PreprocessSpec(size=64))
    plain = reader.plain(first, source.items("test"))
    changed = reader.changed(low_pass, plain)
    assert plain.skipped == 1
    assert [item.key for item in plain.items] == [item.key for item in changed.items]
    assert bad not in {item.key for item in plain.items}
    assert plain.scores.shape == changed.scores.shape == (1, 49)
    assert set(plain.seen) == set(changed.seen)
    assert len(plain.seen) == 2


@pytest.mark.parametrize(
    ("scores", "expected"), [([3.0, 1, 2, 9, 8, 7], ("c", "e")), ([1.0, 2, 3, 7, 8, 9], ("b", "e"))]
)
def test_examples_are_the_medians(scores: list[float], expected: tuple[str, str]) -> None:
    """One normal and one abnormal image of middling score are shown."""
    items = [Item(key, "x", number < 3, key) for number, key in enumerate("abcdef")]
    assert typical(items, np.array([scores])) == expected
