"""A picture of each state of the pages, in a real Chromium: those in docs/images/states are these.

``SRANOGAN_PICTURES=docs/images/states pytest -m services tests/edge/page/test_browser_pictures.py`` writes
them anew. What is seen is made up: discs for films, numbers for patients.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")

from sranogan_edge.page.access import Address
from sranogan_edge.page.app import More
from sranogan_edge.page.board import Board
from sranogan_edge.page.results_page import search_routes
from sranogan_edge.page.server import serving
from sranogan_edge.results.line import result_line
from sranogan_edge.spool.search import Search
from sranogan_edge.spool.spool import Spool
from tests.support.page_board_fakes import SCORER, fake_verdict, filled_board
from tests.support.page_client import TOKEN
from tests.support.page_tabs import DESKTOP, PHONE, until
from tests.support.result_lines import line
from tests.support.spools import ROOMY

if TYPE_CHECKING:
    from playwright.sync_api import Browser

STATES = Path(__file__).parents[3] / "docs" / "images" / "states"
ABOUT = {
    "bundle": "chest.sranogan (3f0c1a, 4 search steps)",
    "backend": "LiteRT",
    "model": "chest",
    "learned from": "made-up films: 800 normals, 200 held out",
    "trained": "2026-11-20T08:00:00Z",
    "digest": "3f0c1a" + 58 * "0",
    "calibration": "the bundle's own",
}
RUNNING = "document.querySelector('#list button') && document.querySelector('#heat').src"
STARTING = "document.querySelector('#status').textContent.startsWith('not ready')"
GONE = "document.querySelector('#status').textContent.startsWith('no connection')"
DONE = "document.readyState === 'complete'"


@dataclass(frozen=True)
class State:
    """One picture: the address, when it is there, the board, the window."""

    path: str = ""
    until: str = DONE
    board: str = "running"
    size: tuple[int, int] = DESKTOP
    scheme: str = "light"
    token: str = ""


LIVE = State(until=RUNNING)
PICTURES = {
    "live": LIVE,
    "live_dark": replace(LIVE, scheme="dark"),
    "live_phone": replace(LIVE, size=PHONE),
    "live_alarm": replace(LIVE, board="alarm"),
    "live_starting": State(until=STARTING, board="starting"),
    "live_gone": State(until=GONE, board="gone"),
    "sign_in": State("sign-in", token=TOKEN),
    "results": State("results"),
    "results_dark": State("results", scheme="dark"),
    "results_phone": State("results", size=PHONE),
    "results_found": State("results?q=P04"),
    "results_nothing": State("results?q=nobody"),
    "results_refused": State("results?since=yesterday"),
    "result": State("results/5"),
    "result_phone": State("results/5", size=PHONE),
    "result_gone": State("results/999"),
}


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Give a spool with the results of 60 films, three of each patient."""
    made = Spool(tmp_path / "spool", ROOMY)
    for number in range(60):
        verdict = "anomalous" if number % 9 == 4 else "error" if number == 30 else "normal"
        texts = {"file": f"/var/lib/sranogan/in/film-{number:04}.dcm", "verdict": verdict}
        score = 3.4 if verdict == "anomalous" else 0.1 * (number % 7)
        identity = {"patient_id": f"P{number // 3:02}", "accession_number": f"A{number // 2:03}"}
        made.outbox.record(line(number, score=score, modality="DX", **texts).to_dict(), identity)
    yield made
    made.close()


def board_of(state: State) -> Board:
    """What the runner would show."""
    if state.board == "starting":
        empty = filled_board(0, about=ABOUT)
        empty.set_ready(False, "starting")
        return empty
    board = filled_board(60, alarm=state.board == "alarm", about=ABOUT)
    verdict = fake_verdict(5, 3.4, board.threshold)
    board.scored(result_line("/var/lib/sranogan/in/film-0004.dcm", verdict, SCORER, None), verdict, 5)
    return board


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_of_each_state(browser: Browser, spool: Spool, tmp_path: Path, name: str) -> None:
    """It can be brought about, shows something, and needs no scrolling sideways; the docs have it."""
    state, board = PICTURES[name], board_of(PICTURES[name])
    address = Address("127.0.0.1", 0, state.token)
    more = More(tuple(search_routes(Search(spool.folder), board)))
    page = browser.new_page(
        viewport={"width": state.size[0], "height": state.size[1]},
        color_scheme="dark" if state.scheme == "dark" else "light",
    )
    folder = Path(os.environ.get("SRANOGAN_PICTURES") or tmp_path)
    with serving(board, address, more=more) as url:
        page.goto(f"{url}{state.path}")
        if state.board != "gone":
            until(page, state.until)
            page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=75)
        else:
            until(page, RUNNING)
    if state.board == "gone":
        until(page, state.until)
        page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=75)
    assert page.evaluate("document.documentElement.scrollWidth") <= state.size[0]
    page.close()
    seen = np.asarray(cv2.imread(str(folder / f"{name}.jpg")))
    assert seen.shape[:2] == (state.size[1], state.size[0])
    assert seen.std() > 5
    assert (STATES / f"{name}.jpg").is_file()
