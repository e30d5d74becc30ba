"""What a notebook shows of a verdict: a picture, the figures, and nothing that a name could smuggle in."""

from __future__ import annotations

import base64
import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from sranogan_edge.scoring.measurement import Reconstruction, Tiles
from sranogan_edge.scoring.rule import Verdict

FLAT = np.full((32, 32, 1), 0.5, np.float32)
EVIL = '<script>alert("x")</script>&'


def verdict(**changes: object) -> Verdict:
    """Give one of a flat image with a hot corner."""
    heat = np.zeros((32, 32), np.float32)
    heat[:8, :8] = 9.0
    made = Reconstruction(FLAT, FLAT, FLAT, FLAT, {}, FLAT, 0.0, {})
    found = Verdict(2.5, {"head": 1.25}, 0.02, True, 1.5, heat, made, {"total": 7.25}, heat_limit=3.0)
    return replace(found, **changes)  # type: ignore[arg-type]  # names of its fields


def test_figures_and_picture_are_shown() -> None:
    """Verdict, score with its threshold, p-value, parts and time, beside a PNG that is embedded."""
    page = verdict()._repr_html_()
    for text in ("anomalous", "2.500 (threshold 1.500)", "0.02", "score of head", "1.250", "7.2 ms"):
        assert text in page
    embedded = re.search(r'src="data:image/png;base64,([^"]+)"', page)
    assert embedded is not None
    assert base64.b64decode(embedded[1]) == verdict()._repr_png_()
    assert "http" not in page


class Read(HTMLParser):
    """What somebody reads of a page, and its elements."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.elements: list[str] = []
        self.feed(page)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)


def test_nothing_else_is_read() -> None:
    """A name and a figure in each row of the table, in this order, and no other text."""
    tiles = Tiles(40, 1, [64, 32, 128, 96], 1.0, FLAT, FLAT, {})
    heat = np.zeros((32, 32), np.float32)
    page = Read(verdict(anomalous=False, tiles=tiles, heat=heat, colour="a grey image")._repr_html_())
    rows = [
        ("verdict", "normal"),
        ("score", "2.500 (threshold 1.500)"),
        ("p-value", "0.02"),
        ("score of head", "1.250"),
        ("tiles", "40, the worst 128 x 96 at 64, 32"),
        ("note", "a grey image"),
        ("took", "7.2 ms"),
    ]
    assert page.texts == [text for row in rows for text in row]
    assert page.elements == ["div", "img", "table", *["tr", "th", "td"] * len(rows)]
    without = Read(
        verdict(milliseconds={"head": 1.0}, out_of_domain="too dark", heat_limit=0.0)._repr_html_()
    )
    assert without.texts[:2] == ["verdict", "not like the training data"]
    assert without.texts[-2:] == ["note", "too dark"]


def test_the_picture_is_the_overlay() -> None:
    """The hot corner is tinted, the rest is grey."""
    png = verdict()._repr_png_()
    assert png is not None
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (384, 384, 3)
    assert np.ptp(picture[20, 20].astype(int)) > 50
    assert np.ptp(picture[300, 300].astype(int)) == 0


def test_all_text_is_escaped() -> None:
    """Whatever a part or a reason is called, no markup of it reaches the page."""
    page = verdict(out_of_domain=EVIL, colour=f"{EVIL}2", parts={EVIL: 1.0})._repr_html_()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;") == 3
    assert "not like the training data" in page


@pytest.mark.parametrize("threshold", [math.inf, math.nan])
def test_no_threshold_is_said(threshold: float) -> None:
    """Too few held-out normals are no number."""
    assert "(threshold none)" in verdict(threshold=threshold, anomalous=False)._repr_html_()


def test_without_a_scale_there_is_no_picture() -> None:
    """A verdict of somebody's own shows its figures alone."""
    page = verdict(heat_limit=0.0)._repr_html_()
    assert "<img" not in page
    assert re.search("<div[^>]*><table>", page)
    assert verdict(heat_limit=0.0)._repr_png_() is None
    assert "2.500" in page


def test_a_large_image_in_tiles_is_shown_small() -> None:
    """Its picture keeps its shape and has 384 pixels at most, and the worst tile is named."""
    heat = np.zeros((500, 1000), np.float32)
    tiles = Tiles(40, 1, [64, 32, 128, 128], 1.0, np.full((500, 1000, 1), 0.5, np.float32), FLAT, {})
    found = verdict(heat=heat, tiles=tiles)
    png = found._repr_png_()
    assert png is not None
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (192, 384, 3)
    thin = verdict(heat=heat[:2], tiles=replace(tiles, picture=tiles.picture[:2]))._repr_png_()
    assert thin is not None
    small = cv2.imdecode(np.frombuffer(thin, np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert small.shape == (1, 384, 3)
    assert "40, the worst 128 x 128 at 64, 32" in found._repr_html_()
