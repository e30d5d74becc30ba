"""The threshold on the live page, in a real Chromium: previewed, applied, refused, drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sranogan_edge.page.audit import AuditTrail
from sranogan_edge.page.board import Board
from sranogan_edge.scoring.conformal import Calibration
from tests.support.page_board_fakes import filled_board, show
from tests.support.page_tabs import DESKTOP, PHONE, opened, until

pytest.importorskip("starlette", reason="the extra page is not installed")

from sranogan_edge.page.access import Address
from sranogan_edge.page.server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser


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
        page.keyboard.type("drift")  # why
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#origin').textContent === 'set by hand'")
        assert f"The calibration's threshold is {before:.2f}" in page.inner_text("#preview")
        assert told == [board.threshold]
        assert board.threshold == pytest.approx(before - 0.06)
        page.reload()  # it is still told, and how to go back
        until(page, "document.querySelector('#origin').textContent === 'set by hand'")
        page.focus("#own")
        page.keyboard.press("Enter")
        assert "Would flag" in page.inner_text("#preview")
        page.focus("#why")
        page.keyboard.type("back")
        page.focus("#apply")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#origin').textContent === \"the calibration's\"")
        assert told[1:] == [before] == [board.threshold]
        assert not page.is_visible("#own")
        page.close()


def test_a_preview_is_discarded(browser: Browser) -> None:
    """The slider goes back to the threshold in force, and nothing was applied."""
    with serving(filled_board(), Address("127.0.0.1", 0)) as url:
        page = opened(browser, url)
        until(page, "!document.querySelector('#slider').disabled")
        before = page.input_value("#slider")
        page.focus("#slider")
        page.keyboard.press("End")
        assert page.inner_text("#origin") == "preview"
        page.click("text=Discard")
        assert page.input_value("#slider") == before
        assert page.inner_text("#origin") == "the calibration's"
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
        page.keyboard.type("drift")
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


DRAWN = """() => {
  const seen = [], pen = CanvasRenderingContext2D.prototype, { fillText, arc } = pen;
  pen.fillText = function (text, x, y) {
    const wide = this.measureText(text).width;
    seen.push([text, x, y - 6, x + wide, y + 6]);
    return fillText.call(this, text, x, y);
  };
  pen.arc = function (x, y, r, ...more) {
    seen.push(["", x - r, y - r, x + r, y + r]);
    return arc.call(this, x, y, r, ...more);
  };
  draw();
  Object.assign(pen, { fillText, arc });
  return [seen, document.querySelector("#chart").clientWidth, document.querySelector("#chart").clientHeight];
}"""


@pytest.mark.parametrize("size", [(320, 568), PHONE, DESKTOP])
def test_labels_of_the_chart_can_be_read(browser: Browser, size: tuple[int, int]) -> None:
    """Wherever the preview is, its label and that of the threshold cover neither each other nor a point."""
    with serving(filled_board(), Address("127.0.0.1", 0)) as url:
        page = opened(browser, url, size)
        now = f"{page.evaluate('state.threshold'):.2f}"
        for key in ("", "ArrowUp", "ArrowDown", "ArrowDown", "Home", "End"):
            if key:
                page.focus("#slider")
                page.keyboard.press(key)
            seen, wide, high = page.evaluate(DRAWN)
            words = {"now", "preview"} if key else {"threshold"}
            labels = [box for box in seen if box[0] in words | {now, page.inner_text("#slider-value")}]
            assert len(labels) == 2 * len(words)
            for index, (_, left, top, right, bottom) in enumerate(labels):
                assert min(left, top) >= 0
                assert right <= wide
                assert bottom <= high
                others = [*labels[:index], *(box for box in seen if not box[0])]
                beside = [
                    box[1] >= right or left >= box[3] or box[2] >= bottom or top >= box[4] for box in others
                ]
                assert all(beside)
        page.close()


def test_a_viewer_and_an_operator_sign_in(browser: Browser, tmp_path: Path) -> None:
    """By the form; a viewer may not apply, an operator says why, and both are kept."""
    board = Board(Calibration((0.0, 0.5, 1.0, 1.5), 0.3), 1.0, on_threshold=lambda value, by: None)
    show(board, 0, 0.4)
    address = Address("127.0.0.1", 0, "operator-0123456789", "viewer-0123456789")
    with serving(board, address, audit=AuditTrail(tmp_path)) as url:
        page = browser.new_page(base_url=url)
        problems: list[str] = []
        page.on("console", lambda said: problems.append(said.text) if "Content" in said.text else None)
        for role, token in (("viewer", address.viewer_token), ("operator", address.token)):
            page.goto("/")
            page.fill("#name", f"Ada the {role}")
            page.fill("#token", "wrong")
            page.keyboard.press("Enter")
            page.get_by_text("The token is wrong.").wait_for()
            page.fill("#name", f"Ada the {role}")
            page.fill("#token", token)
            page.keyboard.press("Enter")
            page.get_by_text(f"Ada the {role} ({role})", exact=True).wait_for()
            page.focus("#slider")
            page.keyboard.press("ArrowLeft")
            until(page, "document.querySelector('#preview').textContent.includes('Not applied')")
            assert page.is_enabled("#why") == (role == "operator")
            assert not page.is_enabled("#apply")
            if role == "operator":
                page.fill("#why", "more false alarms than usual")
                page.click("#apply")
                until(page, "document.querySelector('#audit').textContent.includes('more false alarms')")
                assert "signed in" in page.inner_text("#audit")
                assert page.is_hidden("#audit-broken")
            page.click("#sign-out")
            page.locator("#sign-in-title").wait_for()
        page.close()
    assert not problems
