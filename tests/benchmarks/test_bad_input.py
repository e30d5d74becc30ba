"""benchmarks/detection/bad_input.py: what is done to films, and the page made of the answers."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.open import open_source
from sranogan_edge.image.frame import Frame, Photometric

DATA = "phantom?train=60&val=12&test=12&size=96"


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture
def cases() -> ModuleType:
    """Import what is done to films."""
    return importlib.import_module("benchmarks.detection.bad_input_cases")


@pytest.mark.parametrize(
    ("dtype", "depth", "kind"),
    [(np.uint8, 8, "MONOCHROME2"), (np.uint16, 16, "MONOCHROME2"), (np.uint8, 8, "RGB")],
)
def test_every_case_keeps_the_kind_of_pixels(cases: ModuleType, dtype: type, depth: int, kind: str) -> None:
    """A spoilt film is still a film: of the same type, grey or colour, and inside the range."""
    shape = (90, 100, 3) if kind == "RGB" else (90, 100)
    drawn: NDArray[np.int64] = np.random.default_rng(0).integers(0, 2**depth, shape)
    pixels: NDArray[Any] = drawn.astype(dtype)
    frame = Frame(pixels, depth, Photometric(kind))
    for case in cases.CASES:
        found = cases.changed(frame, case).pixels
        assert found.dtype == dtype, case.name
        assert found.ndim == pixels.ndim, case.name
        assert found.min() < found.max(), case.name
    assert np.array_equal(frame.pixels, pixels)


def test_page_answers_everything(tiny_bundle: Path, tmp_path: Path) -> None:
    """The page has a row for each case, quotes the errors, and shows a picture of a phantom."""
    script, cases = (
        importlib.import_module(f"benchmarks.detection.{name}") for name in ("bad_input", "bad_input_cases")
    )
    out, picture, figures = (tmp_path / name for name in ("page.md", "picture.png", "figures.json"))
    script.main(tiny_bundle, DATA, out, "val", picture, figures, images=3)
    page, result = out.read_text(), json.loads(figures.read_text())
    assert all(f"| {case.name} |" in page for case in cases.CASES)
    assert "DegenerateImageError: constant.png: one constant brightness" in page
    assert "UnreadableImageError: half.png" in page
    assert "(picture.png)" in page
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert {row["n"] for row in result["films"] if row["images"] == "normals"} == {3}


def test_few_images_are_spread_evenly() -> None:
    """So many of each kind, first and last among them; all where there are fewer."""
    script, items = importlib.import_module("benchmarks.detection.bad_input"), open_source(DATA).items("val")
    few = script.evenly(items, 3)
    assert [item.is_normal for item in few] == [True] * 3 + [False] * 3
    assert few[0] == items[0]
    assert sorted(item.key for item in script.evenly(items, 99)) == sorted(item.key for item in items)
