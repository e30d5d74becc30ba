"""What was measured on a real GPU: the page says what the results say, and every score was reproduced."""

from __future__ import annotations

import json

import pytest

from benchmarks.pages.gpu_page import PAGE, RESULTS, parts
from benchmarks.pages.marked import with_part
from benchmarks.screen.table import FIGURES, markdown


def test_the_page_is_current() -> None:
    """Its tables are those that the results give."""
    text = new = PAGE.read_text(encoding="utf-8")
    for name, inside in parts().items():
        new = with_part(new, name, inside)
    assert new == text


def test_every_golden_case_was_reproduced_on_the_card() -> None:
    """Both bundles, all budgets; every graph ran wholly on the card."""
    result = json.loads((RESULTS / "gpu" / "gpu_graphs.json").read_text(encoding="utf-8"))
    golden = [one for one in result["results"] if not one["graph"]]
    assert len(golden) == 6
    assert all(one["reproduced"] for one in golden)
    assert all("GPU: NVIDIA" in one["label"] for one in result["results"])


def test_a_design_without_a_set_has_no_mean() -> None:
    """A mean over other sets would be compared with those over all."""
    row = {"start": "a", "fine": "b", "seed": 0, "protocol": "x", "scores": {"late": [0.9, 0.1, 0.8, 0.2]}}
    other = {**row, "start": "c"}
    rows = [row, other, {**other, "protocol": "y", "scores": {"late": [0.7, 0.1, 0.6, 0.2]}}]
    lines = markdown(rows, "late").splitlines()
    assert lines[2] == "| a, b | 0.900 | - | - | - |"
    assert lines[3] == "| c, b | 0.900 | 0.700 | 0.800 | 0.700 |"


@pytest.mark.parametrize(("view", "expected"), [("plain", "0.900"), ("low_pass", "0.800")])
def test_a_view_has_its_own_figures(view: str, expected: str) -> None:
    """The low-pass view's AUROC is not the plain one's."""
    row = {"start": "a", "fine": "b", "seed": 0, "protocol": "x", "scores": {"late": [0.9, 0.1, 0.8, 0.2]}}
    assert len(FIGURES) == 4
    assert markdown([row], "late", view).splitlines()[2] == f"| a, b | {expected} | {expected} | {expected} |"
