"""Sets of surfaces evaluated: the table of papers, and what becomes of masks that do not fit."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_scorer
from keras_sranogan.evaluation.report import print_figures, render_report
from keras_sranogan.progress import Silent
from sranogan_edge.errors import DataError
from sranogan_edge.image.preprocess import PreprocessSpec
from tests.support import surfaces
from tests.support.mean_image_scorer import MeanImageScorer
from tests.support.surfaces import LARGE, SMALL, marked

QUICK = EvaluationOptions(low_pass=False)


def evaluated(root: Path, spec: PreprocessSpec | None = None) -> dict[str, Any]:
    """The figures of a scorer that learned the mean of ``train``."""
    source = open_source(str(root))
    return evaluate_scorer(MeanImageScorer(source, spec), source, QUICK, Silent()).figures


@pytest.fixture
def bottle(tmp_path: Path) -> Path:
    """MVTec AD's layout, in colour: a small, a medium and a large defect."""
    return surfaces.mvtec(tmp_path / "bottle", train=20, test=4, colour=True)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_types_and_sizes_of_defects(bottle: Path, fit: str) -> None:
    """Bright boxes are told from normals and found in place, each type and each size with its share."""
    figures = evaluated(bottle, PreprocessSpec(size=32, fit=fit, contrast="none"))  # type: ignore[arg-type]
    defects = figures["defects"]
    assert {name: one["n"] for name, one in defects["by_type"].items()} == {"crack": 1, "stain": 2}
    shares = {name: one["to_share"] for name, one in defects["by_size"].items()}
    whole = surfaces.HEIGHT * surfaces.WIDTH
    assert shares == pytest.approx({"small": 20 / whole, "medium": 80 / whole, "large": 600 / whole})
    for one in (defects["all"], *defects["by_type"].values(), *defects["by_size"].values()):
        assert one["auroc"] == 1
        assert one["pixel_auroc"] > 0.95
        assert one["pixel_aupro"] > 0.8
        assert one["pixel_auspro"] is None
    assert figures["pixel_auroc"] == defects["all"]["pixel_auroc"]
    assert figures["pixel_aupro"] == defects["all"]["pixel_aupro"]
    assert json.loads(json.dumps(defects)) == defects


def test_a_defect_smaller_than_a_cell_of_the_map_counts(tmp_path: Path) -> None:
    """At the size of heat maps one pixel in 48 x 64 is marked nowhere; at the image's own it is a region."""
    root = surfaces.mvtec(tmp_path, train=8, test=4)
    for mask in (root / "ground_truth").rglob("*.png"):
        surfaces.write(mask, marked((5, 7, 1, 1)))
    figures = evaluated(root, PreprocessSpec(size=32, contrast="none"))
    assert figures["defects"]["by_size"]["small"]["to_share"] == pytest.approx(1 / (48 * 64))
    assert figures["pixel_aupro"] is not None


def test_saturated_overlaps_of_loco(tmp_path: Path) -> None:
    """AU-sPRO stands beside AUPRO where the data say how much of a defect is enough, for each type."""
    figures = evaluated(surfaces.loco(tmp_path / "juice_bottle"), PreprocessSpec(size=32, contrast="none"))
    defects = figures["defects"]
    assert set(defects["by_type"]) == {"logical_anomalies", "structural_anomalies"}
    for one in (defects["all"], *defects["by_type"].values()):
        assert 0 <= one["pixel_auspro"] <= 1
    assert figures["pixel_auspro"] == defects["all"]["pixel_auspro"]


def test_types_of_visa(tmp_path: Path) -> None:
    """What is wrong by the annotations; an image with two types counts with each."""
    surfaces.visa(tmp_path / "VisA", "candle")
    figures = evaluated(tmp_path / "VisA" / "candle", PreprocessSpec(size=32, contrast="none"))
    assert {name: one["n"] for name, one in figures["defects"]["by_type"].items()} == {"bent": 1, "melt": 2}
    assert figures["auroc"] == 1
    assert figures["pixel_auroc"] > 0.9


def test_the_table_is_printed_and_on_the_page(bottle: Path) -> None:
    """A line for all, each type and each size, on the terminal and in the report."""
    figures = {
        **evaluated(bottle, PreprocessSpec(size=32, contrast="none")),
        **dict.fromkeys(("model", "evaluated_at", "minutes", "reconstruction_quality")),
        **{"data": "bottle", "split": "test", "model_kind": "run", "seed": 0, "command": ["x"]},
        **{"settings": {}, "provenance": {}, "machine": {}},
    }
    stream = io.StringIO()
    print_figures(figures, Console(file=stream, width=160))
    page = render_report(figures, {})
    for text in (stream.getvalue(), page):
        for words in ("image AUROC", "AUPRO 0.3", "crack", "stain", "small (0.65 to 0.65 % of the image)"):
            assert words in text
    figures["defects"] = None
    assert "Defects by type and size" in page
    assert "Defects by type and size" not in render_report(figures, {})


@pytest.mark.parametrize("times", [2, 0.5])
def test_masks_of_another_size_are_resized_and_said(bottle: Path, times: float) -> None:
    """A mask of the same shape marks the same places at twice and at half the size, and a note says so."""
    before = evaluated(bottle, PreprocessSpec(size=32, contrast="none"))
    assert before["notes"] == []
    for path in (bottle / "ground_truth").rglob("*.png"):
        box = {"crack": [SMALL], "stain": [surfaces.MEDIUM, LARGE]}[path.parent.name][int(path.name[:3])]
        drawn = marked(box)
        other = drawn.repeat(2, axis=0).repeat(2, axis=1) if times == 2 else drawn[::2, ::2]
        surfaces.write(path, np.ascontiguousarray(other))
    after = evaluated(bottle, PreprocessSpec(size=32, contrast="none"))
    assert after["notes"] == [
        "3 masks are smaller or larger than their images, of the same shape: they were resized."
    ]
    assert after["pixel_auroc"] == pytest.approx(before["pixel_auroc"], abs=0.02)


def test_masks_of_another_shape_are_refused(bottle: Path) -> None:
    """A mask that lies on its side, or is of a cut-out, names the image and both sizes."""
    surfaces.write(bottle / "ground_truth" / "crack" / "000_mask.png", marked(SMALL).T.copy())
    with pytest.raises(DataError) as raised:
        evaluated(bottle)
    assert "test/crack/000.png: its mask has 48 x 64 pixels and the image 64 x 48" in str(raised.value)


def test_all_masks_that_cannot_be_used_are_told_before_scoring(bottle: Path) -> None:
    """One missing, one black and one of another shape: one message with each of them."""
    truth = bottle / "ground_truth"
    (truth / "crack" / "000_mask.png").unlink()
    surfaces.write(truth / "stain" / "000_mask.png", marked(SMALL, 0))
    surfaces.write(truth / "stain" / "001_mask.png", marked(SMALL)[:20])
    source = open_source(str(bottle))
    scorer = MeanImageScorer(source)
    scorer.mean = scorer.mean * np.float32(np.nan)  # scoring would end in another error
    with pytest.raises(DataError, match="3 masks cannot be used") as raised:
        evaluate_scorer(scorer, source, QUICK, Silent())
    for words in ("no mask of test/crack/000.png", "marks nothing", "64 x 20"):
        assert words in str(raised.value)


def test_thresholds_of_defects_are_looked_at_before_scoring(tmp_path: Path) -> None:
    """A value that ``defects_config.json`` does not know is an error of the data, before time is spent."""
    root = surfaces.loco(tmp_path)
    surfaces.write(root / "ground_truth" / "structural_anomalies" / "000" / "000.png", marked(SMALL, 17))
    with pytest.raises(DataError, match="has the value 17, which"):
        evaluated(root)


def test_masks_of_no_image_are_a_note(bottle: Path) -> None:
    """They count nowhere: the figures stay, and some are named."""
    before = evaluated(bottle)
    for number in range(4, 9):
        surfaces.write(bottle / "ground_truth" / "crack" / f"{number:03d}_mask.png", marked(SMALL))
    after = evaluated(bottle)
    assert after["notes"] == [
        "5 masks belong to no image and count nowhere: ground_truth/crack/004_mask.png, "
        "ground_truth/crack/005_mask.png, ground_truth/crack/006_mask.png and others."
    ]
    assert after["defects"] == before["defects"]


def test_without_masks_types_are_still_told(bottle: Path) -> None:
    """Without ground truth there is an AUROC by type, no figure of pixels and no size."""
    (bottle / "ground_truth").rename(bottle.parent / "away")
    defects = evaluated(bottle)["defects"]
    assert defects["by_size"] == {}
    assert {name: one["pixel_auroc"] for name, one in defects["by_type"].items()} == {
        "crack": None,
        "stain": None,
    }
    assert defects["by_type"]["stain"]["auroc"] is not None
