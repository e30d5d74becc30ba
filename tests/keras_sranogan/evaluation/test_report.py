"""The page and the tables: complete, self-contained, and honest about what is missing."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console

from keras_sranogan.data.item import Item
from keras_sranogan.data.load import LoadedImages
from keras_sranogan.evaluation import metrics, plots
from keras_sranogan.evaluation.evaluation import Evaluation, Reading
from keras_sranogan.evaluation.report import Report, comparison, print_figures, render_report
from keras_sranogan.evaluation.scored import Scored
from keras_sranogan.evaluation.scorers import PlainAnogan
from sranogan_edge.scoring.conformal import Calibration
from tests.support.html_pages import Page

RNG = np.random.default_rng(5)
LABELS = ["NORMAL"] * 12 + ["<b>opacity</b>"] * 8 + ["effusion"] * 8
ABNORMAL = np.array([label != "NORMAL" for label in LABELS])
SCORE = RNG.normal(1.0, 0.1, len(LABELS)) + 0.2 * ABNORMAL


def figures() -> dict[str, Any]:
    """What an evaluation writes, on made-up scores."""
    calibration = Calibration(tuple(np.linspace(0.8, 1.2, 60).tolist()), 0.05)
    named = {"sr_anogan": SCORE, "anogan": 12000 - 500 * SCORE}
    plain = {"laplacian_32": 0.8, "file_bytes": 0.1}
    return {
        **metrics.detection(SCORE, ABNORMAL, calibration),
        "auroc_low_pass": 0.9,
        "auroc_low_pass_ci": [0.8, 0.95],
        "anogan_auroc": 0.4,
        "anogan_auroc_ci": [0.3, 0.5],
        "anogan_method": "sum of differences",
        "anogan": {"auroc_paper_loss": 0.41, "auroc_own_search": 0.5, "settings": {}},
        "baselines": metrics.merge_baselines(plain, {"laplacian_32": 0.7}),
        **metrics.by_class(LABELS, ABNORMAL, named),
        "pixel_auroc": 0.77,
        "skipped": ["a.png: not an image"],
        "duplicates": 0,
        "near_training": {"images": 2, "of": 24, "abnormal": 1, "examples": ["test/a.png", "test/b.png"]},
        "notes": [],
        "model": "runs/one",
        "model_kind": "run",
        "data": "phantom",
        "split": "test",
        "seed": 0,
        "minutes": 0.1,
        "evaluated_at": "2025-01-01T00:00:00Z",
        "command": ["sranogan-evaluate", "runs/one", "phantom"],
        "machine": {"cpu": "one"},
        "settings": {"a": 1},
        "provenance": {"data": "phantom"},
        "reconstruction_quality": {
            "super_resolution": {"psnr_db": 21.0, "ssim": 0.7, "l1": 0.05, "sharpness": 0.9},
            "bicubic": {"psnr_db": 20.0, "ssim": 0.6, "l1": 0.06, "sharpness": 0.6},
            "search_loss": {"start": 300.0, "end": 250.0, "images_improved": 0.98},
        },
    }


def evaluation() -> Evaluation:
    """What the pictures are drawn from, on made-up images."""
    count, x = len(LABELS), RNG.random((len(LABELS), 32, 32, 1), np.float32)
    low = np.full((count, 16, 16, 1), 0.5, np.float32)
    items = tuple(Item(f"{i}", label, label == "NORMAL", f"{i}") for i, label in enumerate(LABELS))
    masks = np.zeros((count, 32, 32), np.bool_)
    masks[12:, 8:20, 8:20] = True
    reading = Reading(LoadedImages(x, items, (), 0), {"laplacian_32": SCORE, "file_bytes": SCORE})
    scored = Scored(SCORE, {"residual": SCORE}, x, masks.astype(np.float32) * 5, low, low, x, SCORE)
    return Evaluation(figures(), reading, scored, PlainAnogan(12000 - 500 * SCORE, "sum"), masks, 1.18, 2.0)


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    """Every tag is closed in order, and every picture is embedded."""
    page = Page()
    html = render_report(figures(), plots.draw_all(evaluation()))
    page.feed(html)
    assert page.open == []
    assert len(page.loads) == 4
    assert all(address.startswith("data:image/png;base64,") for address in page.loads)
    assert not re.search(r"https?://|@import|url\(", html)


def test_the_page_states_figures_limits_and_use_of_labels() -> None:
    """A reader finds the AUROC with its interval, the limits, and what the labels were used for."""
    known, html = figures(), render_report(figures(), {})
    assert f"{known['auroc']:.3f}" in html
    assert f"{known['auroc_ci'][0]:.3f} to {known['auroc_ci'][1]:.3f}" in html
    for words in (
        "Limits",
        "labels",
        "normal images only",
        "a.png: not an image",
        "sranogan-evaluate runs/one",
    ):
        assert words in html


def test_names_from_data_are_escaped() -> None:
    """A class name cannot put markup into the page."""
    html = render_report(figures(), {})
    assert "<b>opacity" not in html
    assert "&lt;b&gt;opacity" in html


@pytest.mark.parametrize("missing", ["auroc", "auroc_low_pass", "anogan_auroc", "threshold", "sensitivity"])
def test_missing_figures_are_dashes(missing: str) -> None:
    """A figure that is null shows as a dash on the page and on the terminal."""
    known = figures() | {missing: None, "best_accuracy_protocol": None, "reconstruction_quality": None}
    assert "None" not in render_report(known, {})
    stream = io.StringIO()
    print_figures(known, Console(file=stream, width=120))
    assert "None" not in stream.getvalue()


def test_the_table_has_ours_first_then_anogan_then_trivial() -> None:
    """A stranger compares three kinds of method, and reversed statistics are called so."""
    rows = comparison(figures())
    assert [row.ours for row in rows] == [True, False, False, False]
    assert "AnoGAN" in rows[1].name
    assert "reversed" in rows[3].remark
    assert "reversed" not in rows[2].remark


def test_the_terminal_tells_a_wrong_order() -> None:
    """When normals score above a class on average, it is said in words."""
    stream = io.StringIO()
    print_figures(figures(), Console(file=stream, width=140))
    assert "plain AnoGAN: wrong order, normals score higher on average than" in stream.getvalue()
    assert "SR-AnoGAN: normals score lower on average than every abnormal class." in stream.getvalue()


def test_pictures_are_images_of_some_size() -> None:
    """Each picture is a PNG that opens, wide enough to read."""
    for name, png in plots.draw_all(evaluation()).items():
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None, name
        assert picture.shape[1] > 500, name


def test_examples_are_chosen_by_rule() -> None:
    """Typical normals, highest, median and missed abnormals are shown, none twice."""
    rows = plots.choose_rows(SCORE, ABNORMAL, float(np.quantile(SCORE[ABNORMAL], 0.3)))
    places = [row.place for row in rows]
    assert len(set(places)) == len(places) == 10
    assert [row.caption for row in rows].count("missed") == 2
    assert rows[3].place == int(np.where(ABNORMAL, SCORE, -1).argmax())


def test_examples_of_small_sets_do_not_repeat() -> None:
    """With two images there are two rows; without a miss none is shown."""
    rows = plots.choose_rows(np.array([1.0, 3.0]), np.array([False, True]), 2.0)
    assert [row.caption for row in rows] == ["typical normal", "highest abnormal"]


def test_a_notebook_shows_the_figures() -> None:
    """The table and the sentence of the threshold, every name escaped; it stays a dictionary for JSON."""
    report = Report({**figures(), "data": "<i>parts</i>", "notes": ["<img src=x>"]})
    page = report._repr_html_()
    for text in ("SR-AnoGAN (ours)", "plain AnoGAN", "of 100 normals like these about", "12 normal and 16"):
        assert text in page
    assert "&lt;i&gt;parts&lt;/i&gt;" in page
    assert "<img" not in page
    assert "http" not in page
    assert json.loads(json.dumps(report))["auroc"] == report["auroc"]
