"""What the page shows of earlier runs: the end of results.jsonl, and the heat maps that are still there."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from sranogan_edge.page.board import HISTORY, Board
from sranogan_edge.page.recall import READ_BYTES, recalled
from sranogan_edge.results.line import ResultLine
from sranogan_edge.scoring.conformal import Calibration
from tests.support.result_lines import line

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("httpx", reason="starlette's test client needs httpx")

from starlette.testclient import TestClient

from sranogan_edge.page.access import Address
from sranogan_edge.page.app import make_app


def text_of(one: ResultLine) -> str:
    """As the runner writes it."""
    return json.dumps({**asdict(one), "number": 7, "identity": {"camera": "0"}}) + "\n"


def begun(out: Path) -> tuple[Board, TestClient]:
    """The page of a runner that starts, and a browser."""
    earlier = recalled(out / "results.jsonl")
    board = Board(Calibration((0.0, 1.0), 0.5), 1.0, earlier=earlier, out=out)
    return board, TestClient(make_app(board, Address("127.0.0.1", 8080)), base_url="http://127.0.0.1")


def test_an_earlier_run_is_shown(tmp_path: Path) -> None:
    """Its results can be searched and make the chart, with the heat maps on disk; they are not counted."""
    (tmp_path / "heat_maps").mkdir()
    (tmp_path / "heat_maps" / "1.png").write_bytes(b"a picture")
    lines = [
        line(1, heat_map="heat_maps/1.png", feed="dicom:1"),
        line(2, heat_map="heat_maps/2.png", verdict="out of domain", reason="a photograph"),
        line(3, score=None, p_value=None, threshold=None, verdict="error", error="torn", milliseconds={}),
    ]
    (tmp_path / "results.jsonl").write_text("".join(map(text_of, lines)))
    board, browser = begun(tmp_path)
    found = browser.get("/api/results").json()["results"]
    assert [(one["number"], one["feed"], one["reason"], one["picture"]) for one in found] == [
        (3, "", "torn", False),
        (2, "", "a photograph", False),
        (1, "dicom:1", "", True),
    ]
    assert found[0]["time"] == 1_767_268_800  # when it was scored
    assert browser.get("/api/picture/1.png").content == b"a picture"
    assert browser.get("/api/picture/2.png").status_code == 404
    assert browser.get("/api/live/frame.png").status_code == 404
    state = browser.get("/api/state").json()
    assert [one[2] for one in state["history"]] == ["normal", "out of domain", "error"]
    assert sum(state["counts"].values()) == 0
    assert browser.get("/metrics").status_code == 200
    board.scored(line(4), None)
    assert browser.get("/api/state").json()["latest"]["number"] == 4


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "no JSON",
        "[]",
        "[" * 100_000,
        "{}",
        text_of(line(1)).replace("1.png", "\x00\xff"),
        text_of(line(1, score=float("nan"))),
        text_of(line(1, score="high")),
        text_of(line(1, score=10**400)),
        text_of(line(1, verdict="unknown")),
        text_of(line(1, scored_at="yesterday")),
        text_of(line(1, scored_at=None)),
        text_of(line(1, milliseconds=[1])),
        text_of(line(1, heat_map=5)),
        text_of(line(1, feed=5)),
    ],
)
def test_what_is_no_result_line_is_left_out(tmp_path: Path, wrong: str) -> None:
    """A torn line, or one that somebody else wrote, costs neither the start nor the other lines."""
    whole = text_of(line(2))
    (tmp_path / "results.jsonl").write_text(whole + wrong.rstrip("\n") + "\n" + whole + whole[:-9])
    _, browser = begun(tmp_path)
    files = [one["file"] for one in browser.get("/api/results").json()["results"]]
    assert files[0] == files[-1] == "2.png"
    assert browser.get("/api/state").status_code == 200
    assert len(files) == 2


def test_only_the_end_of_a_long_file_is_read(tmp_path: Path) -> None:
    """Of a file of 100 GB, the last lines are there; what is kept is bounded."""
    with (tmp_path / "results.jsonl").open("wb") as file:
        file.seek(100 * 2**30)  # takes no room
        file.write(b"\n")
        for number in range(2 * HISTORY):
            file.write(text_of(line(number)).encode())
    board, _ = begun(tmp_path)
    names = [one.line.file for one in board.snapshot().entries]
    assert names == [f"{number}.png" for number in range(HISTORY, 2 * HISTORY)]
    assert len(text_of(line())) * HISTORY < READ_BYTES


def test_nothing_to_recall(tmp_path: Path) -> None:
    """Neither a missing file nor one that cannot be read is an error."""
    assert recalled(tmp_path / "results.jsonl") == []
    assert recalled(tmp_path) == []
