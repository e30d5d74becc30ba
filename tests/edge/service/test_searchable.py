"""A runner on a spool of an earlier version scores, answers and lives on while that is made ready."""

from __future__ import annotations

import json
import logging
import socket
import threading
import urllib.request
from contextlib import closing
from pathlib import Path

import pytest

from sranogan_edge.errors import SpoolFullError
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.page.board import Board
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.service import searchable
from sranogan_edge.service.searchable import Searchable
from sranogan_edge.spool.queue import Outbox
from sranogan_edge.spool.search import Query, Search
from tests.support.result_lines import line
from tests.support.service_bench import Bench, images, wait_for
from tests.support.spools import of_an_earlier_version

OLD = 20


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Give a runner on old results, of which each turn makes one ready."""
    monkeypatch.setattr(searchable, "AT_ONCE", 1)
    made = Bench(tmp_path)
    for number in range(OLD):
        made.spool.outbox.record(line(number).to_dict(), {})
    made.spool = of_an_earlier_version(made.spool)
    return made


def test_between_two_turns_there_is_a_sign_of_life(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watchdog hears of the runner before each few results, however many there are."""
    plain, signs = Outbox.look_up_more, []
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "4")  # so that each sign is sent

        def heard(outbox: Outbox, most: int) -> int:
            if most:
                said: list[bytes] = []
                while not said or said[-1]:
                    try:
                        said.append(manager.recv(4096))
                    except BlockingIOError:
                        said.append(b"")
                signs.append(b"WATCHDOG=1" in said)
            return plain(outbox, most)

        monkeypatch.setattr(Outbox, "look_up_more", heard)
        (tmp_path / "in").mkdir()
        stop = bench.in_background(bench.build(WatchFeedSettings(f"watch:{tmp_path / 'in'}").open()))
        wait_for(lambda: len(signs) == OLD)
        stop()
    assert all(signs)
    assert Search(bench.spool.folder).find(Query()).count == OLD
    bench.spool.close()


def test_meanwhile_it_scores_and_answers(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """While turns come to no end: /healthz says ok, films get results, the page says what is not found."""
    pytest.importorskip("starlette", reason="the extra page is not installed")
    pytest.importorskip("prometheus_client", reason="the extra page is not installed")
    from sranogan_edge.page.access import Address
    from sranogan_edge.page.app import More
    from sranogan_edge.page.results_page import search_routes
    from sranogan_edge.page.server import serving

    plain, may_go_on = Outbox.look_up_more, threading.Event()

    def held(outbox: Outbox, most: int) -> int:
        return plain(outbox, most if may_go_on.is_set() else 0)

    monkeypatch.setattr(Outbox, "look_up_more", held)
    caplog.set_level(logging.INFO)
    board = bench.board = Board(Calibration((0.0, 200.0), 0.5), 1.0)
    feed = WatchFeedSettings(f"watch:{images(tmp_path / 'in', 100)}", settle_s=0.05, poll_s=0.02).open()
    more = More(tuple(search_routes(Search(bench.spool.folder), board)))
    with serving(board, Address("127.0.0.1", 0), more=more) as url:

        def get(path: str) -> str:
            with urllib.request.urlopen(f"{url}{path}", timeout=60) as answer:
                return str(answer.read().decode())

        stop = bench.in_background(bench.build(feed))
        wait_for(lambda: json.loads(get("api/search"))["found"] == 1)
        assert get("healthz") == "ok\n"
        assert json.loads(get("api/search"))["to_come"] == OLD
        assert f"Up to {OLD} older results of an earlier version cannot be found yet" in get("results")
        may_go_on.set()
        wait_for(lambda: json.loads(get("api/search"))["found"] == OLD + 1)
        assert json.loads(get("api/search"))["to_come"] == 0
        assert "cannot be found yet" not in get("results")
        assert stop() == 0
    bench.spool.close()
    assert f"{OLD} results of an earlier version are made ready to be searched" in caplog.text
    assert "all results can be searched" in caplog.text


def test_images_go_before(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """While images come, turns have a pause; where none does, one follows the other."""
    monkeypatch.setattr(searchable, "BUSY_S", 1e6)
    turns = Searchable(bench.spool.outbox)
    assert turns.turn(busy=True)
    assert not turns.turn(busy=True)
    for _ in range(OLD - 2):
        assert turns.turn(busy=False)
    assert not turns.turn(busy=False)
    assert Search(bench.spool.folder).find(Query()).count == OLD
    bench.spool.close()


def test_progress_is_logged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """How many there are, how far it is now and then, and that it is done; nothing where all are ready."""
    monkeypatch.setattr(searchable, "TOLD_S", 0.0)
    caplog.set_level(logging.INFO)
    turns = Searchable(bench.spool.outbox)
    while turns.turn(busy=False):
        pass
    told = [record.getMessage() for record in caplog.records]
    assert told[0] == f"{OLD} results of an earlier version are made ready to be searched, the newest first"
    assert told[1:-1] == [f"{ready} of {OLD} older results can be searched" for ready in range(1, OLD)]
    assert told[-1].startswith("all results can be searched; it took ")
    caplog.clear()
    assert not Searchable(bench.spool.outbox).turn(busy=False)
    assert not caplog.records
    bench.spool.close()


def test_on_a_full_disk_it_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The runner goes on, says why, and comes back to it after a while."""
    plain, full = Outbox.look_up_more, [True, False]

    def sometimes(outbox: Outbox, most: int) -> int:
        if most and full.pop():
            raise SpoolFullError("the disk is full")
        return plain(outbox, most)

    monkeypatch.setattr(Outbox, "look_up_more", sometimes)
    turns = Searchable(bench.spool.outbox)
    assert turns.turn(busy=False)
    assert not turns.turn(busy=False)
    assert "older results cannot be searched yet, next try in 60 s (the disk is full)" in caplog.text
    assert not turns.turn(busy=False)
    monkeypatch.setattr(searchable, "AGAIN_S", 0.0)
    monkeypatch.setattr(Outbox, "look_up_more", plain)
    assert turns.turn(busy=False)
    bench.spool.close()
