"""The pages of all results in a real Chromium: with and without a script, by keyboard, narrow, dark."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")

from sranogan_edge.page.access import Address
from sranogan_edge.page.app import More
from sranogan_edge.page.results_page import search_routes
from sranogan_edge.page.server import serving
from sranogan_edge.spool.search import Search
from sranogan_edge.spool.spool import Spool
from tests.support.page_board_fakes import fake_verdict, filled_board
from tests.support.page_tabs import DESKTOP, PHONE
from tests.support.result_lines import line
from tests.support.spools import ROOMY

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LONG = "1.2.826.0.1.3680043.8.498.10020030040050060070080090010"


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """Give the page of a runner with 60 results of patients, their names as long as UIDs."""
    spool, board = Spool(tmp_path / "spool", ROOMY), filled_board(5)
    for number in range(60):
        verdict = "anomalous" if number % 7 == 0 else "normal"
        made = line(number, file=f"/in/{LONG}.{number:02}.dcm", verdict=verdict, heat_map=None)
        stored = spool.outbox.record(made.to_dict(), {"patient_id": f"P{number // 2:02}", "study_uid": LONG})
        board.scored(made, fake_verdict(number, 0.0, 1.0), stored)
    more = More(tuple(search_routes(Search(spool.folder), board)))
    with serving(board, Address("127.0.0.1", 0), more=more) as served:
        yield served
    spool.close()


def tab(browser: Browser, address: str, size: tuple[int, int] = DESKTOP, **how: Any) -> Page:
    """A tab that shows this address."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, **how)
    page.goto(address)
    return page


@pytest.mark.parametrize("script", [True, False])
def test_a_result_is_found_and_opened(browser: Browser, url: str, script: bool) -> None:
    """By keyboard alone, with a script and without: search, open, and back to the live page."""
    page = tab(browser, f"{url}results", java_script_enabled=script)
    page.fill("#q", "P07")
    page.press("#q", "Enter")
    page.wait_for_url("**q=P07**")
    assert page.locator("tbody tr").count() == 2
    assert page.input_value("#q") == "P07"
    page.focus("tbody a")
    page.keyboard.press("Enter")
    page.wait_for_url("**/results/16")
    assert page.inner_text("h2") == "Result 16"
    assert page.locator("img.picture").count() == 1
    page.click("nav a:first-child")
    page.wait_for_url(url)
    page.close()


def test_without_a_script_the_live_page_leads_to_the_results(browser: Browser, url: str) -> None:
    """The newest results are there, and come again by themselves."""
    page = tab(browser, url, java_script_enabled=False)
    page.click("noscript a")
    page.wait_for_url("**/results")
    assert page.locator("tbody tr").count() == 50
    page.click("text=Older results")
    page.wait_for_url("**page=2")
    assert page.locator("tbody tr").count() == 10
    page.close()


def test_the_live_page_links_to_a_result(browser: Browser, url: str) -> None:
    """What is opened there has a link that stays."""
    page = tab(browser, url)
    page.click("#list button")
    page.click("#detail-link a")
    page.wait_for_url("**/results/60")
    page.close()


@pytest.mark.parametrize("size", [PHONE, (320, 568), DESKTOP])
@pytest.mark.parametrize(
    "path", ["results", "results/1", "results?q=nobody", "results?page=99", "results/99"]
)
def test_nothing_sticks_out(browser: Browser, url: str, path: str, size: tuple[int, int]) -> None:
    """No screen has to be scrolled sideways, whatever the names."""
    page = tab(browser, f"{url}{path}", size)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_nothing(browser: Browser, url: str, scheme: str, size: tuple[int, int]) -> None:
    """Contrast, names and roles pass axe's checks, with results, without, and of one result."""
    reason = "axe is not installed: pip install axe-playwright-python"
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=reason)
    page = tab(browser, url, size, color_scheme=scheme)
    for path in ("results", "results?q=nobody", "results?since=never", "results/1"):
        page.goto(f"{url}{path}")
        assert page.evaluate("document.documentElement.dataset.theme") == scheme
        found = axe.Axe().run(page).response["violations"]
        assert not [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
    page.close()
