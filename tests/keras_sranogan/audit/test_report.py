"""Terminal, page and card say the same, load nothing, and hold no markup from data."""

from __future__ import annotations

import copy
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from keras_sranogan.audit.audit import Audit, AuditOptions, audit_scorers
from keras_sranogan.audit.report import markdown_section, print_audit, render_audit
from keras_sranogan.audit.tables import SHORT, tables_of
from keras_sranogan.data.item import Item
from keras_sranogan.progress import Silent
from tests.support.html_pages import Page

Make = Callable[..., Any]


class Renamed:
    """A source whose abnormal class has a name with markup, two images a patient."""

    name = "drawn"

    def __init__(self, source: Any) -> None:
        self._source = source
        self.splits, self.frame, self.mask = source.splits, source.frame, source.mask

    def items(self, split: str) -> list[Item]:
        found: list[Item] = self._source.items(split)
        return [item if item.is_normal else replace(item, label="<b>lesion|") for item in found]


@pytest.fixture
def audit(drawn: Make, reads: Make) -> Audit:
    """Two models on a few images of patients with two images each."""
    source = drawn(each=24, per_patient=2)
    scorers = {f"runs/{k}": reads("content", source, noise=0.02, seed=k) for k in range(2)}
    renamed: Any = Renamed(source)
    return audit_scorers(scorers, renamed, AuditOptions(), Silent())


def printed(figures: Any, width: int) -> str:
    """What goes to a terminal."""
    stream = io.StringIO()
    print_audit(figures, Console(file=stream, width=width))
    return stream.getvalue()


def test_page_terminal_and_card_are_whole(audit: Audit) -> None:
    """One audit, three forms: the page is well formed and self-contained, each states verdict and figures."""
    figures = json.loads(json.dumps(audit.figures))
    html, terminal, card = (
        render_audit(figures, audit.draw()),
        printed(figures, 120),
        markdown_section(figures),
    )
    page = Page()
    page.feed(html)
    assert page.open == []
    assert len(page.loads) == 3
    assert all(address.startswith("data:image/png;base64,") for address in page.loads)
    assert not re.search(r"https?://|@import|url\(", html)
    assert "<b>lesion" not in html
    auroc = f"{figures['controls']['plain']['ranking']['auroc']:.3f}"
    for text in (html, terminal, card):
        assert auroc in text
        assert figures["verdict"]["text"][:30] in text
        assert "None" not in text
    assert "runs/0" in card
    assert figures["verdict"]["rules"] in card


def test_the_tables_fit_a_terminal_of_80_columns(audit: Audit) -> None:
    """Nothing of the nine-column table is cut off in the usual width."""
    terminal = printed(audit.figures, 80)
    assert "…" not in terminal
    for one in audit.figures["controls"].values():
        assert one["title"] in terminal
    for head in SHORT.values():
        assert head in terminal


def test_several_models_are_told_apart(audit: Audit) -> None:
    """The range over models is on the terminal and in the page, and absent for one model."""
    assert "over the models" in printed(audit.figures, 120)
    alone = copy.deepcopy(audit.figures) | {"seeds": None}
    assert "over the models" not in printed(alone, 120)
    assert "luck of one training" in render_audit(audit.figures, {})
    assert "luck of one training" not in render_audit(alone, {})


def test_numbers_that_are_the_same_for_all_images_are_called_so(audit: Audit) -> None:
    """Drawn images have one size; AUROC 0.500 of the width would read like a finding."""
    rows = {row.name: row for row in tables_of(audit.figures).statistics}
    assert rows["width"].constant
    assert not rows["sharpness"].constant
    assert "the same for all images" in render_audit(audit.figures, {})
    assert "width" in printed(audit.figures, 120)


@pytest.mark.parametrize("figures", [{}, {"verdict": {}}, {"auroc": 0.9}])
def test_other_figures_make_no_card(figures: dict[str, Any]) -> None:
    """A JSON file that is no audit cannot become one."""
    with pytest.raises((KeyError, TypeError)):
        markdown_section(figures)
