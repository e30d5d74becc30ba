"""All results on pages of their own: found, linked, as JSON and CSV; what cannot be asked is told."""

from __future__ import annotations

import csv
import html
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")

from starlette.testclient import TestClient

from sranogan_edge.page.access import Address
from sranogan_edge.page.app import More, make_app
from sranogan_edge.page.board import Board
from sranogan_edge.page.results_page import search_routes
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.spool.search import Search
from sranogan_edge.spool.spool import Spool
from tests.support.page_board_fakes import fake_verdict
from tests.support.page_client import LOCAL, TOKEN
from tests.support.result_lines import line
from tests.support.spools import ROOMY

PATIENT = {"patient_id": "P'1%", "accession_number": "A_1", "study_uid": "1.2.3", "instance_uid": "1.2.3.4"}


class Place:
    """A spool, and a browser that looks into it."""

    def __init__(self, root: Path) -> None:
        self.spool = Spool(root / "spool", ROOMY)
        self.board = Board(Calibration((0.0, 1.0), 0.5), 1.0, out=root)
        self.browser = self.seen_by(LOCAL)

    def seen_by(self, address: Address) -> TestClient:
        """A browser that knows no token."""
        more = More(tuple(search_routes(Search(self.spool.folder), self.board)))
        app = make_app(self.board, address, more=more)
        return TestClient(app, base_url="http://127.0.0.1:8080", follow_redirects=False)

    def record(self, number: int, identity: dict[str, str] | None = None, **changes: Any) -> int:
        """Store a result."""
        return self.spool.outbox.record(line(number, **changes).to_dict(), identity or {})

    def json(self, **params: Any) -> Any:
        """The answer for programs."""
        return self.browser.get("/api/search", params=params).json()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Give a place with three results, one of a patient."""
    made = Place(tmp_path)
    made.record(1, PATIENT, file="/in/film <b>1.dcm", verdict="anomalous")
    made.record(2, scored_at="2026-02-01T00:00:00Z")
    made.record(3, scored_at="2026-03-01T23:59:59Z", verdict="error", score=None, error="torn")
    yield made
    made.spool.close()


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({}, [3, 2, 1]),
        ({"q": "P'1%"}, [1]),
        ({"q": " a_1 "}, [1]),
        ({"q": "1.2.3"}, [1]),
        ({"q": "1.2.3.4"}, [1]),
        ({"q": "film"}, [1]),
        ({"q": "%"}, []),
        ({"q": "_"}, []),
        ({"q": "'"}, []),
        ({"verdict": "error"}, [3]),
        ({"since": "2026-02-01"}, [3, 2]),
        ({"since": "2026-02-01", "until": "2026-02-28"}, [2]),
        ({"until": "2026-03-01"}, [3, 2, 1]),
        ({"q": "png", "verdict": "normal", "since": "2026-01-01"}, [2]),
    ],
)
def test_what_is_found(place: Place, params: dict[str, str], numbers: list[int]) -> None:
    """The page, the JSON and the CSV of one question have the same results in the same order."""
    found = place.json(**params)
    assert [one["number"] for one in found["results"]] == numbers
    assert (found["found"], found["more"], found["page"], found["pages"]) == (len(numbers), False, 1, 1)
    page = place.browser.get("/results", params=params)
    assert page.status_code == 200
    assert [int(part.split('"')[0]) for part in page.text.split('href="results/')[1:]] == numbers
    table = place.browser.get("/results.csv", params=params)
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert [int(row["number"]) for row in csv.DictReader(io.StringIO(table.text))] == numbers


def test_a_link_for_each_result(place: Place) -> None:
    """It says all that the result does, as text, with its picture; it is the same in another run."""
    page = place.browser.get("/results/1")
    assert page.status_code == 200
    assert "film &lt;b&gt;1.dcm" in page.text
    assert html.escape("P'1%") in page.text
    assert "<b>" not in page.text
    assert 'src="1.png"' not in page.text
    assert place.browser.get("/results/1.png").status_code == 404
    place.board.scored(line(1), fake_verdict(1, 0.0, 1.0), 1)
    assert 'src="1.png"' in place.browser.get("/results/1").text
    assert place.browser.get("/results/1.png").headers["content-type"] == "image/png"
    assert place.json()["results"][-1]["link"] == "results/1"


def test_a_picture_of_an_earlier_run(place: Place, tmp_path: Path) -> None:
    """It is read from the heat maps on the disk, and from nowhere else."""
    (tmp_path / "heat_maps").mkdir()
    (tmp_path / "heat_maps" / "4.png").write_bytes(b"a picture")
    (tmp_path / "secret.png").write_bytes(b"a secret")
    kept = place.record(4, heat_map="heat_maps/4.png")
    strange = place.record(5, heat_map="../secret.png")
    assert place.browser.get(f"/results/{kept}.png").content == b"a picture"
    assert place.browser.get(f"/results/{strange}.png").status_code == 404


@pytest.mark.parametrize("number", ["0", "4", "9" * 18, "9" * 5000, "-1", "1.5", "x", "٣", "1%00"])
def test_a_result_that_is_not_there(place: Place, number: str) -> None:
    """A number that nobody has, or that is none, is told as such."""
    page = place.browser.get(f"/results/{number}")
    assert page.status_code == 404
    assert "no such result" in page.text
    assert place.browser.get(f"/results/{number}.png").status_code == 404


def test_pages_lead_to_each_other(place: Place) -> None:
    """The middle page of three has a link to both sides, with all that was asked for."""
    for number in range(120):
        place.record(number + 10, verdict="normal")
    asked = {"q": "png", "verdict": "normal", "page": "2"}
    page = html.unescape(place.browser.get("/results", params=asked).text)
    assert "121 results" in page
    assert "Page 2 of 3" in page
    for other in (1, 3):
        assert f'href="results?q=png&verdict=normal&page={other}"' in page
    assert 'href="results.csv?q=png&verdict=normal&page=2"' in page
    table = place.browser.get("/results.csv", params=asked).text
    shown = [int(row["number"]) for row in csv.DictReader(io.StringIO(table))]
    assert shown == [one["number"] for one in place.json(**asked)["results"]]
    assert len(shown) == 50


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\uff1d"])
def test_no_cell_is_a_formula(place: Place, start: str) -> None:
    """Whatever a sender, a file's name or an error begins with, a spreadsheet computes nothing."""
    place.record(
        9, {"patient_id": f"{start}1+1"}, file=f"{start}cmd.png", error=f"{start}SUM(A1)", verdict="error"
    )
    rows = csv.DictReader(
        io.StringIO(place.browser.get("/results.csv", params={"q": "cmd"}).text, newline="")
    )
    (row,) = rows
    for name in ("patient_id", "file", "error"):
        assert row[name].startswith(f"'{start}")
    assert row["score"] == "10.0"
    assert row["milliseconds"] == "4.0"


@pytest.mark.parametrize(
    ("params", "status", "why"),
    [
        ({"q": "x" * 10_000}, 400, "at most 200 characters; received 10,000"),
        ({"since": "yesterday"}, 400, "a day is written like 2026-01-31; received 'yesterday'"),
        ({"since": "2026-02-30"}, 400, "received '2026-02-30'"),
        ({"until": "2026-1-1"}, 400, "received '2026-1-1'"),
        ({"until": "\u0662\u0660\u0662\u0666-01-01"}, 400, "a day is written like"),
        ({"until": "9" * 10_000}, 400, "a day is written like"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, 400, "no day is from 2026-02-01 until 2026-01-01"),
        ({"verdict": "fine"}, 400, "no verdict is 'fine'; there are: normal, anomalous"),
        ({"page": "0"}, 400, "counted from 1; received 0"),
        ({"page": "-1"}, 400, "a page has a number, from 1; received '-1'"),
        ({"page": "x" * 5000}, 400, "a page has a number"),
        ({"page": "2"}, 404, "there are 1 pages; received 2"),
        ({"page": "9" * 18}, 404, "there are 1 pages"),
        ({"q": "nothing", "page": "2"}, 404, "there are 1 pages"),
    ],
)
def test_what_cannot_be_asked(place: Place, params: dict[str, str], status: int, why: str) -> None:
    """Page, JSON and CSV say why, with a status, and the form stays as it was filled in."""
    page = place.browser.get("/results", params=params)
    assert page.status_code == status
    assert why in html.unescape(page.text)
    assert len(page.text) < 10_000
    told = place.browser.get("/api/search", params=params)
    assert told.status_code == status
    assert why in told.json()["error"]
    table = place.browser.get("/results.csv", params=params)
    assert table.status_code == status
    assert why in table.text


def test_the_form_keeps_what_was_asked(place: Place) -> None:
    """As text: what was typed is neither HTML nor one of the page's own marks."""
    for text in ('"><script>alert(1)</script>', "<!-- found -->", "é'&amp;"):
        page = place.browser.get("/results", params={"q": text, "verdict": "error"}).text
        assert f'value="{html.escape(text)}"' in page
        assert page.count("<script") == 1
        assert "<option selected>error</option>" in page


def test_only_the_newest_are_asked_for_again(place: Place) -> None:
    """Without a script the newest results come again by themselves; a search stays as it is."""
    assert '<noscript><meta http-equiv="refresh"' in place.browser.get("/results").text
    assert "refresh" not in place.browser.get("/results?q=a").text


def test_a_spool_that_cannot_be_searched(place: Place, tmp_path: Path) -> None:
    """The answer is 503 and says why; the rest of the page works."""
    more = More(tuple(search_routes(Search(tmp_path / "nowhere"), place.board)))
    browser = TestClient(make_app(place.board, LOCAL, more=more), base_url="http://127.0.0.1:8080")
    for path in ("/results", "/results/1", "/results/1.png", "/api/search", "/results.csv"):
        answer = browser.get(path)
        assert answer.status_code == 503
        assert "cannot be searched" in answer.text
    assert browser.get("/api/state").status_code == 200


def test_who_may_search(place: Place) -> None:
    """Nobody without a token: a person is led to the form, a program is told; whoever may look may search."""
    viewers = "viewers-0123456789"
    browser = place.seen_by(Address("0.0.0.0", 8080, TOKEN, viewers))
    for path, form in (("/results", "./sign-in"), ("/results/1", "../sign-in")):
        assert browser.get(path).headers["location"] == form
    for path in ("/api/search", "/results.csv", "/results/1.png"):
        assert browser.get(path).status_code == 401
    for token in (viewers, TOKEN):
        bearer = {"Authorization": f"Bearer {token}"}
        assert json.loads(browser.get("/api/search", headers=bearer).text)["found"] == 3
