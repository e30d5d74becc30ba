"""The live page in a real Chromium: what is seen, keyboard, contrast, narrow screens, and the threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from sranogan_edge.density import Calibration
from sranogan_edge.page.board import Board
from tests.edge.page_board_fakes import filled_board, show

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("playwright", reason="playwright is not installed: pip install playwright")

from playwright.sync_api import sync_playwright

from sranogan_edge.page.access import Address
from sranogan_edge.page.server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DESKTOP, PHONE = (1440, 960), (390, 844)


ERRORS: list[str] = []


@pytest.fixture(autouse=True)
def no_script_errors() -> Iterator[None]:
    """Fail a test in which the page's script raised an error."""
    ERRORS.clear()
    yield
    assert not ERRORS


@pytest.fixture(scope="module")
def browser(service: Callable[[str], str]) -> Iterator[Browser]:
    """Give a headless Chromium."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=service("chromium"), args=["--no-sandbox"])
        yield chromium
        chromium.close()


def opened(browser: Browser, url: str, size: tuple[int, int] = DESKTOP, scheme: Any = "light") -> Page:
    """A tab that shows the page; errors of its script are kept in ``ERRORS``."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    page.on("pageerror", lambda error: ERRORS.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#heat:not([hidden])")
    page.wait_for_selector("#list button")
    return page


def until(page: Page, condition: str) -> None:
    """Wait for a condition; not by Playwright's own loop, which the page's security policy forbids."""
    for _ in range(150):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"15 s without {condition}")


def test_what_is_seen(browser: Browser) -> None:
    """Verdict, score, feeds, latencies and results are there, and a new image replaces the old one."""
    board = filled_board()
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        assert page.inner_text("#status") == "running"
        assert "camera:/dev/video0" in page.inner_text("#feeds")
        assert "search" in page.inner_text("#times")
        show(board, 5, 4.0)
        until(page, "document.querySelector('#score').textContent.startsWith('4.00 ')")
        assert page.inner_text("#verdict") == "anomalous"
        until(page, "document.querySelector('#list .name').textContent === 'film-0005.png'")
        page.close()


def test_an_alarm_is_loud(browser: Browser) -> None:
    """Every reason is shown, announced, and in the tab's title; it goes when it is over."""
    board = filled_board(alarm=True)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        assert "2 alarms" in page.inner_text("[role=alert]")
        assert "no frame for 12 s" in page.inner_text("[role=alert]")
        assert page.title() == "(!) SR-AnoGAN: alarm"
        board.set_alarms(())
        page.wait_for_selector("[role=alert]", state="hidden")
        page.close()


def test_the_threshold_is_previewed_then_applied(browser: Browser) -> None:
    """Moving the slider changes nothing; the button does, by keyboard alone."""
    told: list[float] = []
    board = Board(
        Calibration((0.0, 0.5, 1.0, 1.5), 0.3), 1.0, on_threshold=lambda value, by: told.append(value)
    )
    for number in range(10):
        show(board, number, number / 4)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        page.focus("#slider")
        before = board.threshold
        for _ in range(6):
            page.keyboard.press("ArrowLeft")
        text = page.inner_text("#preview")
        assert "Would flag" in text
        assert "of the last 10 images" in text
        page.wait_for_timeout(1500)  # the state came again: the preview is still there
        assert "Would flag" in page.inner_text("#preview")
        assert (told, board.threshold) == ([], before)
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#preview').textContent.startsWith('Move it')")
        assert told == [board.threshold]
        assert board.threshold == pytest.approx(before - 0.06)
        page.close()


def test_a_threshold_of_another_calibration_is_refused(browser: Browser) -> None:
    """The page says why it was not applied, and shows the calibration that is in force."""
    told: list[float] = []
    board = Board(Calibration((0.0, 0.5, 1.0), 0.3), 1.0, on_threshold=lambda value, by: told.append(value))
    show(board, 0, 0.2)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        page.focus("#slider")
        page.keyboard.press("ArrowLeft")
        board.recalibrated(Calibration((7.0, 8.0, 9.0, 10.0), 0.3), 1.0, {"bundle": "new"})
        until(page, "document.querySelector('#bundle').textContent === 'new'")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#preview').textContent.includes('has taken over')")
        page.wait_for_timeout(1500)  # the state came again: the reason is still there
        assert page.inner_text("#preview").startswith("Not applied: another bundle or calibration")
        assert page.input_value("#slider") == f"{board.threshold:g}"
        assert not told
        page.keyboard.press("ArrowLeft")
        assert "Would flag" in page.inner_text("#preview")
        page.close()


def test_results_are_searched_and_opened(browser: Browser) -> None:
    """Typing narrows the list, a verdict too, and a result opens and closes by keyboard."""
    with serving(filled_board(), Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        page.select_option("#kind", "out of domain")
        until(page, "document.querySelectorAll('#list li').length === 2")
        page.select_option("#kind", "")
        page.fill("#q", "film-0030")
        until(page, "document.querySelectorAll('#list li').length === 1")
        page.focus("#list button")
        page.keyboard.press("Enter")
        assert "truncated" in page.inner_text("#detail")
        page.keyboard.press("Escape")
        assert not page.is_visible("#detail")
        page.fill("#q", "<img src=x onerror=alert(1)>")
        until(page, "document.querySelector('#found').textContent === 'Nothing found.'")
        page.close()


def test_a_name_is_only_text(browser: Browser) -> None:
    """A file name that is HTML is shown as it is."""
    board = filled_board(2)
    show(board, 3, 0.0, name="<b onclick=alert(1)>x")
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        until(page, "document.querySelector('#file').textContent.includes('<b onclick')")
        assert page.query_selector("#file b") is None
        page.close()


def test_the_runner_is_gone(browser: Browser) -> None:
    """Without a connection the page says so instead of showing old news."""
    with serving(filled_board(), Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
    until(page, "document.querySelector('#status').textContent.startsWith('no connection')")
    page.close()


@pytest.mark.parametrize("size", [PHONE, (320, 568), (900, 1100), DESKTOP])
def test_nothing_sticks_out(browser: Browser, size: tuple[int, int]) -> None:
    """No screen has to be scrolled sideways, whatever the names."""
    board = filled_board(alarm=True, name="a_very_long_name_without_any_space_" * 4)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url, size)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_axe_finds_nothing(browser: Browser, scheme: str, size: tuple[int, int]) -> None:
    """Contrast, names and roles pass axe's checks, dark and light, with an alarm and a result open."""
    reason = "axe is not installed: pip install axe-playwright-python"
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=reason)
    with serving(filled_board(alarm=True), Address("127.0.0.1", 0)) as url:
        page = opened(browser, url, size, scheme)
        for opens in (None, "#list button"):
            if opens:
                page.click(opens)
            found = axe.Axe().run(page).response["violations"]
            assert not [(one["id"], [node["html"] for node in one["nodes"]]) for one in found]
        page.close()
