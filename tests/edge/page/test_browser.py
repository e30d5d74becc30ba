"""The live page in a real Chromium: what is seen, keyboard, contrast, narrow screens, names, alarms."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.support.page_board_fakes import SCORER, filled_board, show
from tests.support.page_tabs import DESKTOP, PHONE, opened, until

pytest.importorskip("starlette", reason="the extra page is not installed")

from sranogan_edge.image.film import FilmFields
from sranogan_edge.page.access import Address
from sranogan_edge.page.server import serving
from sranogan_edge.results.line import described, not_asked_for_line

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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


def test_the_model_is_named(browser: Browser) -> None:
    """Its name, what it learned from and when, and its digest; another one is shown once it is in force."""
    about = {"bundle": "chest.sranogan (abc)", "model": "chest", "learned from": "films: 80 normals"}
    about |= {"trained": "2026-11-20T08:00:00Z", "digest": "ab" * 32, "backend": "LiteRT"}
    board = filled_board(5, about=about)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url, PHONE)
        until(page, "document.querySelectorAll('#model dd').length === 4")
        assert page.locator("#model dd").all_text_contents() == [*about.values()][1:5]
        assert page.inner_text("#about") == "backend: LiteRT"
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
        calibration = board.snapshot().calibration
        board.recalibrated(calibration, 1.0, {**about, "model": "<b>other</b>"})
        until(page, "document.querySelector('#model dd').textContent === '<b>other</b>'")
        page.close()


def test_a_film_that_is_not_asked_for(browser: Browser) -> None:
    """It has its verdict, the field and its value, what it says it is, no picture; a filter finds it."""
    board = filled_board(20)
    why = "BodyPartExamined is 'HAND'; asked for: CHEST"
    film = FilmFields("CR", "HAND", "PA", "", "L\\F", "")
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        line = described(not_asked_for_line("hand.dcm", why, SCORER), film)
        board.scored(replace(line, feed="dicom:11112"), None)
        until(page, "document.querySelector('#verdict').textContent === 'not asked for, not judged'")
        assert page.locator("#live figure:visible").count() == 0
        assert page.inner_text("#reason") == why
        page.select_option("#kind", "not asked for")
        until(page, "document.querySelectorAll('#list li').length === 1")
        assert page.inner_text("#list .sub").endswith("CR · HAND · PA · dicom:11112")
        page.click("#list button")
        names, values = (page.locator(f"#detail-facts {tag}").all_text_contents() for tag in ("dt", "dd"))
        facts = dict(zip(names, values, strict=True))
        assert (facts["Body part"], facts["Orientation"], facts["Feed"]) == ("HAND", "L\\F", "dicom:11112")
        page.close()


def test_an_alarm_is_loud(browser: Browser) -> None:
    """Every reason is shown, announced, and in the tab's title; it goes when it is over."""
    board = filled_board(alarm=True)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        assert "2 alarms" in page.inner_text("[role=alert]")
        assert "no frame for 12 s" in page.inner_text("[role=alert]")
        assert page.title() == "(!) SR-AnoGAN: alarm"
        assert not page.is_visible("#alarms summary")  # two are not folded
        board.set_alarms(())
        page.wait_for_selector("[role=alert]", state="hidden")
        page.close()


def test_many_alarms_leave_room(browser: Browser) -> None:
    """Three are shown and announced; the others unfold by keyboard, and stay so while numbers change."""
    board = filled_board()
    board.set_alarms(tuple(f"reason {number}" for number in range(7)))
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url, PHONE)
        assert page.inner_text("[role=alert]").split("\n") == ["7 alarms", "reason 0", "reason 1", "reason 2"]
        assert not page.is_visible("#alarms-rest")
        assert page.inner_text("#alarms summary") == "4 more"
        page.focus("#alarms summary")
        page.keyboard.press("Enter")
        assert page.inner_text("#alarms-rest").split("\n") == [f"reason {number}" for number in range(3, 7)]
        board.set_alarms(tuple(f"reason {number + 10}" for number in range(7)))
        until(page, "document.querySelector('#alarms-rest').textContent.startsWith('reason 13')")
        assert page.is_visible("#alarms-rest")
        assert page.evaluate("document.activeElement.id") == "alarms-left"
        page.close()


def test_no_picture_of_what_could_not_be_judged(browser: Browser) -> None:
    """Black boxes would look like films: there are none, but the reason; the next image has its pictures."""
    board = filled_board(30)
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        assert page.locator("#live figure:visible").count() == 3
        show(board, 30, 0.0)
        until(page, "document.querySelector('#verdict').textContent === 'could not be judged'")
        assert page.locator("#live figure:visible").count() == 0
        assert "truncated or corrupt" in page.inner_text("#live")
        page.reload()
        until(page, "document.querySelector('#verdict').textContent === 'could not be judged'")
        assert page.locator("#live figure:visible").count() == 0
        show(board, 31, 0.0)
        page.wait_for_selector("#heat")
        assert page.locator("#live figure:visible").count() == 3
        page.close()


@pytest.mark.parametrize("size", [PHONE, DESKTOP])
def test_long_names_differ_at_their_ends(browser: Browser, size: tuple[int, int]) -> None:
    """What does not fit is cut in the middle; the whole name is there for who asks or listens."""
    board = filled_board(1, name="1.2.826.0.1.3680043.8.498.10020030040050060070080090010")
    with serving(board, Address("127.0.0.1", 0)) as url:
        page = opened(browser, url, size)
        name = page.locator("#list .name")
        cut = "#list .{}", "one => one.scrollWidth > one.clientWidth + 1"
        assert page.eval_on_selector(cut[0].format("head"), cut[1])
        assert not page.eval_on_selector(cut[0].format("tail"), cut[1])
        assert (page.inner_text("#list .tail") or "").endswith("-0000.png")
        assert str(name.get_attribute("title")).endswith(str(name.text_content()))
        assert str(name.text_content()).startswith("1.2.826.0.1")
        page.close()


def test_frames_left_out_are_told_where_there_are_any(browser: Browser) -> None:
    """A scanner has no frames to drop; what waits in the spool is not called like a feed's state."""
    with serving(filled_board(), Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        camera, scanner = page.locator("#feeds li").all_inner_texts()
        assert "3 dropped" in camera
        assert "reconnect" not in camera + scanner
        assert "dropped" not in scanner
        assert page.inner_text("#counts").split("\n")[-2:] == ["queued", "2"]
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
