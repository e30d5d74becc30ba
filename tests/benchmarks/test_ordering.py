"""ordering.py and its page: the scores of both methods, the readings of the error, the tables."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from keras_sranogan.data.open import open_source

DATA = "phantom?train=60&val=12&test=12&size=96"


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture
def ordering() -> ModuleType:
    """Import the script."""
    return importlib.import_module("benchmarks.detection.ordering")


@pytest.fixture
def page() -> ModuleType:
    """Import what writes its page."""
    return importlib.import_module("benchmarks.pages.ordering_page")


def test_the_parts_of_the_error_add_up(ordering: ModuleType) -> None:
    """Exposure, shape and texture are the whole squared error, and each finds the error made of it."""
    rng = np.random.default_rng(0)
    x, made = rng.uniform(size=(2, 5, 32, 32, 1)).astype(np.float32)
    parts = ordering.error_parts(x, made)
    whole = np.square(255 * (x - made).astype(np.float64)).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(sum(parts.values()), whole, rtol=1e-6)
    brighter = ordering.error_parts(x, x - np.float32(0.1))
    np.testing.assert_allclose(brighter["exposure"], 25.5**2, rtol=1e-3)
    assert max(brighter["shape"].max(), brighter["texture"].max()) < 1e-3


def test_a_richer_fit_leaves_less_and_one_that_has_everything_nothing(ordering: ModuleType) -> None:
    """The residual falls with the components, to zero for images that are among those fitted."""
    rng = np.random.default_rng(3)
    normals = rng.random((12, 4, 4, 1)).astype(np.float32)
    films = ordering.Films(normals[:6], ["NORMAL"] * 3 + ["PNEUMONIA"] * 3, np.arange(6) >= 3)
    rungs = ordering.ladder(normals, normals[:6], films)
    left = [rung["residual"] for rung in rungs]
    assert left == sorted(left, reverse=True)
    assert left[0] == pytest.approx(255 * np.abs(normals[:6] - normals.mean(axis=0)).sum() / 6)
    assert left[-1] == pytest.approx(0, abs=1e-6)
    assert all(0 <= rung["auroc"] <= 1 for rung in rungs)


def test_the_order_is_of_the_means(ordering: ModuleType) -> None:
    """Normals below abnormals below the extra folder is right; the paper's order of AnoGAN is not."""
    labels = ["NORMAL"] * 3 + ["PNEUMONIA"] * 3 + ["covid"] * 3
    films = ordering.Films(np.zeros((9, 4, 4, 1), np.float32), labels, np.arange(9) >= 3)
    right, wrong = np.arange(9.0), np.array([5.0, 6, 7, 2, 3, 4, 8, 9, 10])
    found = ordering.compare(films, {"right": right, "wrong": wrong}, 0)
    assert found["order"]["right"]["as_it_should_be"]
    assert not found["order"]["wrong"]["as_it_should_be"]
    assert found["order"]["wrong"]["ascending"] == ["PNEUMONIA", "NORMAL", "covid"]
    assert found["auroc"]["right"]["PNEUMONIA"]["auroc"] == 1
    assert found["auroc"]["wrong"]["PNEUMONIA"]["auroc"] == 0


@pytest.mark.slow
def test_both_methods_score_the_same_films(
    ordering: ModuleType, page: ModuleType, tiny_bundle: Path, tmp_path: Path
) -> None:
    """From training to the tables; a second call trains and searches nothing, and says the same."""
    source, folder, work = open_source(DATA), tmp_path / "covid", tmp_path / "work"
    folder.mkdir()
    for number, item in enumerate(source.items("test")[:4]):
        cv2.imwrite(str(folder / f"{number}.png"), source.frame(item).pixels)

    def called(out: Path) -> dict[str, object]:
        ordering.main(DATA, tiny_bundle, work, out, "val", 4, 3, 0, [f"covid={folder}"])
        return dict(json.loads(out.read_text()))

    first = called(tmp_path / "first.json")
    kept = (work / "plain.npz").stat().st_mtime_ns
    again = called(tmp_path / "again.json")
    assert (work / "plain.npz").stat().st_mtime_ns == kept
    assert {name: again[name] for name in ("per_class", "readings", "ladder")} == {
        name: first[name] for name in ("per_class", "readings", "ladder")
    }
    kinds = first["per_class"]
    assert isinstance(kinds, dict)
    assert kinds["covid"]["n"] == 4
    assert "covid, n = 4" in page.table(first)
    assert page.draw(first).startswith(b"\x89PNG")


def test_the_page_shows_the_committed_figures(page: ModuleType) -> None:
    """The tables between the page's markers are those of the result file, where one was committed."""
    if not page.RESULT.exists():
        pytest.skip(
            "benchmarks/detection/ordering.py was not run to its end on this tree: there is no result file"
        )
    assert page.table(json.loads(page.RESULT.read_text())) in page.PAGE.read_text()
