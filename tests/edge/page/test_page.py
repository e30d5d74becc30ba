"""The live page's answers: what it shows, to whom, and what it lets them change."""

from __future__ import annotations

import json
import socket
import time
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest

from sranogan_edge.scoring.conformal import Calibration
from tests.support.page_board_fakes import fake_verdict, filled_board
from tests.support.result_lines import line

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")
from sranogan_edge.page.access import Address
from sranogan_edge.page.app import CHART_POINTS
from sranogan_edge.page.board import HISTORY, THUMBNAILS, Board
from sranogan_edge.page.server import serving
from tests.support.page_client import SAME, TOKEN, answer, client


@pytest.fixture
def board() -> Board:
    """Give a board after 60 images."""
    return filled_board()


def test_files_and_headers(board: Board) -> None:
    """The page, its script and style come from the package, and nothing from elsewhere is allowed."""
    browser = client(board)
    scripts = {f"/{name}.js": "javascript" for name in ("page", "chart", "audit")}
    for path, kind in {"/": "html", **scripts, "/page.css": "css", "/icon.svg": "svg"}.items():
        answer = browser.get(path)
        assert answer.status_code == 200
        assert kind in answer.headers["content-type"]
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "http://" not in answer.text.replace("http://www.w3.org", "")
        assert "https://" not in answer.text
    assert browser.get("/page.py").status_code == 404


def test_state(board: Board) -> None:
    """The state has the newest image, the history, feeds, latencies and counts, all of it JSON."""
    state = client(board).get("/api/state").json()
    assert state["ready"] is True
    assert sum(state["counts"].values()) == len(state["history"]) == 60
    assert state["counts"]["out of domain"] == 2
    assert state["counts"]["error"] == 1
    assert [feed["state"] for feed in state["feeds"]] == ["running", "waiting"]
    assert [(sink["name"], sink["state"], sink["apart"]) for sink in state["sinks"]] == [
        ("mqtt://broker", "ok", 0)
    ]
    assert state["latencies"]["total"]["p95"] >= state["latencies"]["search"]["median"] > 0
    assert state["latest"]["number"] == 60
    assert state["threshold"] == pytest.approx(board.threshold)


def test_an_infinite_threshold_is_null() -> None:
    """Too few normals for the rate: there is no threshold, and the JSON stays JSON."""
    few = Board(Calibration((0.0, 1.0), 0.05), 1.0)
    assert client(few).get("/api/state").json()["threshold"] is None
    assert client(few).get("/api/calibration").json()["threshold"] is None


def test_pictures(board: Board) -> None:
    """Frame, reconstruction and heat map of the newest, and the pictures of results, are PNG."""
    browser = client(board)
    for kind in ("frame", "reconstruction", "heat"):
        answer = browser.get(f"/api/live/{kind}.png")
        assert answer.headers["content-type"] == "image/png"
        decoded = np.asarray(cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR))
        assert decoded.shape[0] >= 128
    assert browser.get("/api/live/secret.png").status_code == 404
    assert browser.get("/api/picture/1.png").status_code == 200
    assert browser.get("/api/picture/31.png").status_code == 404  # the error has none
    assert client(Board(Calibration((0.0,), 0.5), 1.0)).get("/api/live/frame.png").status_code == 404


def test_results_are_searched(board: Board) -> None:
    """Words and verdict choose, the newest first, and older ones come by number."""
    browser = client(board)
    first = browser.get("/api/results").json()
    assert [one["number"] for one in first["results"]] == list(range(60, 10, -1))
    assert first["more"] is True
    rest = browser.get("/api/results?before=11").json()
    assert [one["number"] for one in rest["results"]] == list(range(10, 0, -1))
    found = browser.get("/api/results?q=FILM-0030 truncated").json()["results"]
    assert [one["verdict"] for one in found] == ["error"]
    outside = browser.get("/api/results", params={"verdict": "out of domain"}).json()
    assert [one["number"] for one in outside["results"]] == [46, 23]
    assert browser.get("/api/results?q=%00<script>").json()["found"] == 0
    assert browser.get("/api/results?before=x").status_code == 200


def test_memory_is_bounded() -> None:
    """However long it runs, so many results and so many pictures are kept."""
    board = filled_board(1)
    line_of = board.snapshot().entries[0].line
    verdict = fake_verdict(1, 0.0, 1.0)
    for _ in range(THUMBNAILS + 20):
        board.scored(line_of, verdict)
    for _ in range(HISTORY):
        board.scored(line_of, None)
    entries = board.snapshot().entries
    assert len(entries) == HISTORY
    assert sum(bool(one.picture) for one in entries) <= THUMBNAILS
    assert sum(bool(one.picture) for one in entries[:-THUMBNAILS]) == 0
    assert board.snapshot().counts["normal"] == 1 + THUMBNAILS + 20 + HISTORY


def test_what_is_not_normal_stays_longer() -> None:
    """A camera's normals push out normals only; older ones that were flagged are kept, so many of them."""
    board = Board(Calibration((0.0, 1.0), 0.5), 1.0)
    for number in range(3 * HISTORY):
        board.scored(line(number, verdict="anomalous" if number % 2 else "normal"), None)
    entries = board.snapshot().entries
    assert [one.number for one in entries] == sorted(one.number for one in entries)
    assert len(entries) == 2 * HISTORY
    assert {one.line.verdict for one in entries[:HISTORY]} == {"anomalous"}
    assert len(client(board).get("/api/state").json()["history"]) == CHART_POINTS


def test_the_chart_shows_scores_that_compare() -> None:
    """After a change of bundle or calibration the chart begins anew; the results can still be searched."""
    board = Board(Calibration((0.0, 1.0), 0.5), 1.0)
    for number in range(9):
        board.scored(line(number, calibration="new" if number > 6 else None), None)
    assert [one[0] for one in client(board).get("/api/state").json()["history"]] == [8, 9]
    assert client(board).get("/api/results").json()["found"] == 9


def test_the_threshold_is_applied(board: Board) -> None:
    """A new threshold is told to the runner, with who chose it, and is the one in force."""
    told: list[tuple[float, str]] = []
    board = Board(
        Calibration((0.0, 1.0, 2.0), 0.3), 1.0, on_threshold=lambda value, by: told.append((value, by))
    )
    browser = client(board)
    version = browser.get("/api/calibration").json()["version"]
    asked = {"threshold": 1.5, "reason": "drift", "calibration_version": version}
    assert browser.post("/api/threshold", json=asked, headers=SAME).json() == {"threshold": 1.5}
    assert told == [(1.5, "local (operator) from testclient")]
    assert board.threshold == 1.5


@pytest.mark.parametrize(
    ("scores", "about"), [((0.0, 1.0, 2.0), {"bundle": "new"}), ((0.0, 1.0, 2.5), {"bundle": "old"})]
)
def test_a_threshold_of_another_calibration_is_refused(
    scores: tuple[float, ...], about: dict[str, str]
) -> None:
    """What was chosen before bundle or calibration changed is not applied, and the answer says why."""
    told: list[float] = []
    first = Calibration((0.0, 1.0, 2.0), 0.3)
    board = Board(first, 1.0, {"bundle": "old"}, on_threshold=lambda value, by: told.append(value))
    browser = client(board)
    version = browser.get("/api/state").json()["calibration_version"]
    asked = {"threshold": 1.5, "reason": "drift", "calibration_version": version}
    board.recalibrated(Calibration(scores, 0.3), 1.0, about)
    answer = browser.post("/api/threshold", json=asked, headers=SAME)
    assert answer.status_code == 409
    assert "has taken over since you chose" in answer.json()["error"]
    assert not told
    board.recalibrated(first, 1.0, {"bundle": "old"})  # and back: as after a restart, it is the same
    assert browser.post("/api/threshold", json=asked, headers=SAME).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"threshold": 1}',
        "[]",
        "",
        "no",
        '{"threshold": "1", "calibration_version": "0"}',
        '{"threshold": NaN, "calibration_version": "0"}',
        '{"threshold": true, "calibration_version": "0"}',
        "[" * 900,
        "\xff",
    ],
)
def test_nonsense_changes_nothing(board: Board, body: str) -> None:
    """A threshold that is no finite number is refused with a reason."""
    before = board.threshold
    answer = client(board).post("/api/threshold", content=body.encode("latin-1"), headers=SAME)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert board.threshold == before


@pytest.mark.parametrize("value", ["1e308", "-1e308", "1" + "0" * 400, "9" * 900, "1e9", "-1e400"])
def test_a_threshold_of_any_size_is_answered(board: Board, value: str) -> None:
    """Numbers that normals could never reach, or that no computer number holds, change nothing."""
    before = board.threshold
    version = board.snapshot().calibration_version
    body = f'{{"threshold": {value}, "calibration_version": "{version}", "reason": "x"}}'
    answer = client(board).post("/api/threshold", content=body, headers=SAME)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert board.threshold == before


@pytest.mark.parametrize("number", ["9" * 18, "9" * 19, "9" * 5000, "٣", "-1", "1.5", "x", ""])
def test_a_number_of_any_length_is_answered(board: Board, number: str) -> None:
    """Results and pictures of numbers that nobody has, or that are none."""
    browser = client(board)
    assert browser.get("/api/results", params={"before": number}).status_code == 200
    assert browser.get(f"/api/picture/{number}.png").status_code == 404


def test_too_long(board: Board) -> None:
    """A body of any length takes no memory."""
    assert client(board).post("/api/threshold", content=b" " * 10_000, headers=SAME).status_code == 413


def test_previews_only(board: Board) -> None:
    """Where the runner does not let it, the page cannot set the threshold."""
    asked = {"threshold": 1.0, "calibration_version": ""}
    answer = client(filled_board(3, settable=False)).post("/api/threshold", json=asked, headers=SAME)
    assert answer.status_code == 400
    assert "calibrate instead" in answer.json()["error"]


@pytest.mark.parametrize("headers", [{}, {**SAME, "Origin": "http://evil.example"}])
def test_another_page_changes_nothing(board: Board, headers: dict[str, str]) -> None:
    """A request that a foreign page made the browser send is refused."""
    assert client(board).post("/api/threshold", json={"threshold": 1.0}, headers=headers).status_code == 403


def test_a_foreign_name_for_this_machine(board: Board) -> None:
    """A name that was pointed at 127.0.0.1 is not answered, so that no other page can read this one."""
    assert client(board, host="evil.example").get("/api/state").status_code == 421
    assert client(board, host="localhost").get("/api/state").status_code == 200


def test_the_address_that_was_asked_for(board: Board) -> None:
    """The page answers to its own address, whichever of this machine's own that is."""
    with serving(board, Address("127.0.0.2", 0)) as url:
        assert json.loads(answer(f"{url}api/state"))["ready"] is True
    assert client(board, Address("::1", 8080), host="[::1]").get("/api/state").status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "x/healthz?",
        "x/healthz#",
        "x/healthz?@127.0.0.1",
        "127.0.0.1/readyz",
        "u@x",
        "a b",
        "",
        "[::1",
        "x:9999999",
    ],
)
@pytest.mark.parametrize("asked_for", ["GET /api/state", "GET /metrics", "POST /api/threshold"])
def test_a_host_that_is_no_name_opens_nothing(board: Board, host: str, asked_for: str) -> None:
    """A Host that would make another path of the address is refused, wherever it leads."""
    with serving(board, Address("0.0.0.0", 0, TOKEN)) as url:
        port = urlsplit(url).port
        with socket.create_connection(("127.0.0.1", port or 0), timeout=10) as connection:
            headers = ("X-Sranogan: 1", "Content-Length: 0", "Connection: close")
            asked = (f"{asked_for} HTTP/1.1", f"Host: {host}", *headers, "", "")
            connection.sendall("\r\n".join(asked).encode())
            status = connection.makefile("rb").readline().split()[1]
    assert status == b"400"


def test_a_token_is_asked_for(board: Board) -> None:
    """Other machines see nothing without the token, but whether it runs; with it, they see all."""
    address = Address("0.0.0.0", 8080, TOKEN)
    browser = client(board, address, host="scanner-7.local")
    for path in ("/api/state", "/api/live/frame.png", "/metrics", "/page.js", "/api/audit", "/api/audit.csv"):
        assert browser.get(path).status_code == browser.get(f"{path}?token={TOKEN}").status_code == 401
    for path in ("/", f"/?token={TOKEN}"):
        assert browser.get(path).headers["location"] == "./sign-in"
    assert browser.post("/api/threshold", json={"threshold": 1}, headers=SAME).status_code == 401
    assert browser.get("/healthz").status_code == browser.get("/readyz").status_code == 200
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert browser.get("/metrics", headers=bearer).status_code == 200


def test_health_and_readiness(board: Board) -> None:
    """Alive is a loop that gave a sign lately; ready is what the runner says."""
    browser = client(board)
    assert browser.get("/healthz").text == "ok\n"
    board.set_ready(False, "the bundle is being proven")
    assert browser.get("/readyz").status_code == 503
    board._beat -= 61
    assert browser.get("/healthz").text == "no sign for 61 s\n"
    board.beat()
    assert browser.get("/healthz").status_code == 200


@pytest.mark.parametrize("set_by_s", [-86_400, 3_600])
def test_health_does_not_go_by_the_clock(
    board: Board, monkeypatch: pytest.MonkeyPatch, set_by_s: float
) -> None:
    """A clock that is set neither hides a loop that hangs nor accuses one that works."""
    browser, now = client(board), time.time
    monkeypatch.setattr(time, "time", lambda: now() + set_by_s)
    assert browser.get("/healthz").status_code == 200
    board._beat -= 61
    assert browser.get("/healthz").status_code == 503
    assert browser.get("/api/state").json()["beat_age"] >= 61
