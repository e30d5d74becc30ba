"""The table of papers: figures by type of defect and by thirds of their size."""

from __future__ import annotations

import numpy as np
import pytest

from keras_sranogan.data.item import Item
from keras_sranogan.evaluation.by_defect import by_defect
from keras_sranogan.evaluation.defect_table import defect_rows, is_worth_a_table
from keras_sranogan.evaluation.pixels import ImagePixels


def item(number: int, label: str, *kinds: str) -> Item:
    """An image of a class."""
    return Item(f"{number}", label, label == "good", f"{number}", kinds=kinds)


def test_each_type_is_set_against_all_normals() -> None:
    """AUROC by type, by hand; an image of two types counts with both; classes stand where no type is said."""
    items = [item(0, "good"), item(1, "good"), item(2, "anomaly", "melt"), item(3, "anomaly", "melt", "bent")]
    items.append(item(4, "scratch"))
    scores = np.array([0.0, 2.0, 1.0, 3.0, 0.5])
    found = by_defect(items, scores)
    assert found["by_size"] == {}
    assert found["all"] == {
        "n": 3, "auroc": (1 + 2 + 1) / 6, "pixel_auroc": None, "pixel_aupro": None, "pixel_auspro": None,
    }  # fmt: skip
    assert {name: (one["n"], one["auroc"]) for name, one in found["by_type"].items()} == {
        "bent": (1, 1.0),
        "melt": (2, 0.75),
        "scratch": (1, 0.5),
    }


@pytest.mark.parametrize(
    ("areas", "thirds"),
    [
        ([0.3, 0.1, 0.2], {"small": [0.1], "medium": [0.2], "large": [0.3]}),
        ([0.1, 0.2, 0.3, 0.4], {"small": [0.1, 0.2], "medium": [0.3], "large": [0.4]}),
        ([0.1, 0.2, 0.3, 0.4, 0.5], {"small": [0.1, 0.2], "medium": [0.3, 0.4], "large": [0.5]}),
        ([0.2, 0.2, 0.2], {"small": [0.2, 0.2, 0.2]}),
        ([0.1, 0.1, 0.1, 0.5], {"small": [0.1, 0.1, 0.1], "large": [0.5]}),
        ([0.7], {"small": [0.7]}),
        ([0.1, 0.9], {"small": [0.1], "medium": [0.9]}),
        ([], {}),
    ],
)
def test_sizes_are_thirds_of_the_images(areas: list[float], thirds: dict[str, list[float]]) -> None:
    """By the share that is marked; images of one share stand together, and an empty third is left out."""
    items = [item(0, "good"), *(item(1 + number, "crack") for number in range(len(areas)))]
    found = by_defect(items, np.arange(len(items), dtype=float), areas=np.array([0.0, *areas]))["by_size"]
    assert {name: one["n"] for name, one in found.items()} == {name: len(of) for name, of in thirds.items()}
    for name, of in thirds.items():
        assert (found[name]["from_share"], found[name]["to_share"]) == (min(of), max(of))
        assert found[name]["auroc"] == 1


def test_pixels_are_those_of_the_normals_and_the_type() -> None:
    """A type whose map is cold does not spoil another's figures; clean pixels of other types do not count."""
    mask = np.zeros((10, 10), np.bool_)
    mask[:5] = True
    hot, cold = mask.astype(np.float32), (~mask).astype(np.float32)
    items = [item(0, "good"), item(1, "crack"), item(2, "stain")]
    pixels = [
        ImagePixels.of(np.zeros((10, 10), np.float32)),
        ImagePixels.of(hot, mask),
        ImagePixels.of(cold, mask),
    ]
    found = by_defect(items, np.array([0.0, 1.0, 1.0]), pixels, np.array([0, 0.5, 0.5]))
    assert found["by_type"]["crack"]["pixel_auroc"] == 1
    # 50 cold marked pixels tie with the normal's 100 and lose against its own 50
    assert found["by_type"]["stain"]["pixel_auroc"] == pytest.approx(100 / 2 / 150)
    # of all 200 clean pixels the hot ones beat 150 and tie with 50, the cold ones tie with 150
    assert found["all"]["pixel_auroc"] == pytest.approx((175 + 75) / 2 / 200)


def test_rows_show_what_there_is() -> None:
    """A column of saturated overlaps stands only where the data have it; a missing figure is a dash."""
    items = [item(0, "good"), item(1, "crack"), item(2, "stain")]
    defects = by_defect(items, np.array([0.0, 1.0, 2.0]), areas=np.array([0, 0.005, 0.25]))
    heads, rows = defect_rows(defects)
    assert heads == ["defects", "n", "image AUROC", "pixel AUROC", "AUPRO 0.3"]
    assert rows == [
        ["all", "2", "1.000", "-", "-"],
        ["crack", "1", "1.000", "-", "-"],
        ["stain", "1", "1.000", "-", "-"],
        ["small (0.5 to 0.5 % of the image)", "1", "1.000", "-", "-"],
        ["medium (25 to 25 % of the image)", "1", "1.000", "-", "-"],
    ]
    defects["all"]["pixel_auspro"] = 0.25
    heads, rows = defect_rows(defects)
    assert heads[-1] == "AU-sPRO 0.05"
    assert [row[-1] for row in rows[:2]] == ["0.250", "-"]


def test_a_table_that_says_nothing_new_is_left_out() -> None:
    """One type without masks is the AUROC above; earlier figures have no such table."""
    assert not is_worth_a_table(None)
    one = by_defect([item(0, "good"), item(1, "ill")], np.array([0.0, 1.0]))
    assert not is_worth_a_table(one)
    two = by_defect([item(0, "good"), item(1, "ill"), item(2, "odd")], np.array([0.0, 1.0, 2.0]))
    assert is_worth_a_table(two)
