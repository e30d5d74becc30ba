"""results.jsonl has each result once, in files that do not grow for ever, whoever ends or replaces what."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.results.line import ResultLine
from sranogan_edge.service.delivery import Delivery, ResultsLog, SinkReader
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.jsonl import JsonlSinkSettings
from sranogan_edge.sinks.jsonl_files import JsonlFiles, Rotation
from sranogan_edge.sinks.sqlite import SqliteSinkSettings
from sranogan_edge.spool.spool import Cursor, Spool, StoredResult
from tests.support.result_lines import line
from tests.support.service_bench import wait_for


def record(spool: Spool, first: int, last: int) -> None:
    """Store the results of frames ``first`` to ``last``."""
    for number in range(first, last + 1):
        spool.outbox.record(asdict(line(number)), {})


def numbers(folder: Path) -> list[int]:
    """Of every line of every file, oldest first, none of them torn."""
    files = sorted(folder.glob("results*.jsonl"))  # results.jsonl itself sorts last
    data = b"".join(file.read_bytes() for file in files)
    assert not data or data.endswith(b"\n")
    return [json.loads(one)["number"] for one in data.splitlines()]


def deliver(spool: Spool, log: ResultsLog) -> None:
    """A run that delivers what there is."""
    Delivery(spool.outbox, {"results.jsonl": log}).close()


class KilledError(BaseException):
    """The process ended here."""


def deliver_until(spool: Spool, log: ResultsLog, steps: int) -> bool:
    """Deliver by hand, and be killed before the cursor of step ``steps`` is kept; True: there was no more."""
    at = spool.outbox.cursor("results.jsonl")
    if at is None:
        at = log.begin()
        spool.outbox.advance("results.jsonl", at)
    for step in range(steps + 1):
        results = spool.outbox.results(at.number, 2)
        if not results:
            return True
        at, error = log.take(results, at)
        assert error is None
        if step < steps:
            spool.outbox.advance("results.jsonl", at)
    return False


@pytest.mark.parametrize("max_bytes", [1, 1000, 1 << 20])
@pytest.mark.parametrize("before", ["", '{"number": 0}\n'])
def test_a_kill_before_the_cursor_is_kept(spool: Spool, tmp_path: Path, max_bytes: int, before: str) -> None:
    """Whichever step it undoes, the first one too, each result is there once, after what was there before."""
    log = tmp_path / "results.jsonl"
    log.write_text(before)
    record(spool, 1, 7)
    for steps in range(20):
        if deliver_until(spool, ResultsLog(log, Rotation(max_bytes, keep=None)), steps):
            break
    assert numbers(tmp_path) == [*([0] if before else []), *range(1, 8)]


def test_full_files_are_closed_and_the_oldest_go(spool: Spool, tmp_path: Path) -> None:
    """None is larger than its limit and a batch; so many closed ones stay, the newest."""
    for rotation, kept in ((Rotation(2000, keep=None), None), (Rotation(2000, keep=2), 2)):
        folder = tmp_path / str(kept)
        spool.outbox.forget_sinks([])
        for last in range(1, 401):
            if kept is None:
                record(spool, last, last)
            if last % 40 == 0:
                deliver(spool, ResultsLog(folder / "results.jsonl", rotation))
        found = numbers(folder)
        assert found == list(range(401 - len(found), 401))
        assert len(found) == 400 if kept is None else len(found) < 400
        closed = sorted(folder.glob("results-*.jsonl"))
        assert kept in (None, len(closed))
        assert len(closed) > 1
        assert all(file.stat().st_size > 2000 for file in closed)


def test_closed_files_are_in_order_whatever_the_clock_says(spool: Spool, tmp_path: Path) -> None:
    """With the clock set back ten years it is the oldest that go, by number."""
    log = tmp_path / "results.jsonl"
    for number in range(1, 6):
        record(spool, number, number)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda day=number: 1e9 - 86_400 * day)
            deliver(spool, ResultsLog(log, Rotation(1, keep=2)))
    assert numbers(tmp_path) == [3, 4, 5]


@pytest.mark.parametrize("how", ["renamed", "emptied", "replaced"])
def test_somebody_else_turns_the_file_while_it_runs(spool: Spool, tmp_path: Path, how: str) -> None:
    """What logrotate leaves is gone on with from its end: no NUL bytes, nothing twice, nothing lost."""
    log, old = tmp_path / "results.jsonl", tmp_path / "results-0.jsonl"
    delivery = Delivery(spool.outbox, {"results.jsonl": ResultsLog(log)})
    record(spool, 1, 50)
    delivery.announce()
    wait_for(lambda: log.read_bytes().count(b"\n") == 50)
    old.write_bytes(log.read_bytes())
    if how == "renamed":
        log.unlink()
    else:
        log.write_text("" if how == "emptied" else '{"number": 50.5}\n')
    record(spool, 51, 52)
    delivery.announce()
    wait_for(lambda: log.exists() and b'"number": 52' in log.read_bytes())
    delivery.close()
    extra = [50.5] if how == "replaced" else []
    assert numbers(tmp_path) == [*range(1, 51), *extra, 51, 52]


def test_a_file_that_comes_back(spool: Spool, tmp_path: Path) -> None:
    """While its disk was away results went elsewhere; what stands in it then is gone on with, not cut."""
    log, away = tmp_path / "results.jsonl", tmp_path / "away"
    record(spool, 1, 3)
    deliver(spool, ResultsLog(log))
    log.rename(away)
    record(spool, 4, 4)
    deliver(spool, ResultsLog(log))  # the cursor is behind one line; all lines are of one length
    away.replace(log)
    record(spool, 5, 5)
    deliver(spool, ResultsLog(log))
    assert numbers(tmp_path) == [1, 2, 3, 5]


def test_the_place_is_safe_before_and_after_a_turn(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut cannot take the cursor back behind a turn; all other steps cost no fsync.

    SQLite says with each cursor how it is kept: with the commit (2), or with the next checkpoint (1).
    """
    kept: list[tuple[int, int, int]] = []
    real = spool.outbox.advance

    def advance(sink: str, to: Cursor, *, durable: bool = False) -> None:
        real(sink, to, durable=durable)
        ((level,),) = spool.outbox._db.rows("PRAGMA synchronous")
        kept.append((to.number, to.offset, level))

    monkeypatch.setattr(spool.outbox, "advance", advance)
    monkeypatch.setattr("sranogan_edge.service.delivery._BATCH", 1)
    size = len(json.dumps({**asdict(line(1)), "key": "0" * 64}))
    record(spool, 1, 9)
    deliver(spool, ResultsLog(tmp_path / "results.jsonl", Rotation(3 * size)))
    assert numbers(tmp_path) == list(range(1, 10))
    turns = [one for one in kept if one[1] == 0 or one[1] >= 3 * size]
    assert len(turns) >= 4  # before and after at least two
    assert [level for _, _, level in turns] == [2] * len(turns)
    others = [one for one in kept if one not in turns]
    assert len(others) >= 5
    assert [level for _, _, level in others] == [1] * len(others)


def test_sinks_that_would_write_to_one_file(tmp_path: Path) -> None:
    """They are refused when the settings are read, whatever the path is called."""
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "link").symlink_to(out)
    feeds = (FilesFeedSettings("in"),)
    for uri in (f"jsonl:{out}", f"jsonl:{tmp_path / 'link'}", f"jsonl:{out}/../out"):
        with pytest.raises(SettingsError, match=r"results\.jsonl, as the runner does"):
            Settings(Path("bundle"), feeds, out, sinks=(JsonlSinkSettings(uri),))
    pair = (JsonlSinkSettings(f"jsonl:{out}/a"), SqliteSinkSettings(f"sqlite:{out}/a/results.jsonl"))
    with pytest.raises(SettingsError, match=r"as jsonl:.*/a does"):
        Settings(Path("bundle"), feeds, out, sinks=pair)
    Settings(Path("bundle"), feeds, out, sinks=pair[:1])
    with pytest.raises(SettingsError, match="max_bytes must be above 0"):
        Rotation(0)


class Plain:
    """A sink that takes results, or does not."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.got = error, list[str]()

    def write(self, line: ResultLine) -> None:
        if self.error:
            raise self.error
        self.got.append(line.file)

    def close(self) -> None:
        """Nothing is held open."""


def test_what_was_there_before_the_end_is_delivered(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that comes after the last look, and before the end is asked for, is not left behind."""
    sink = Plain()
    delivery = Delivery(spool.outbox, {"sink": SinkReader(sink)})
    look, came = spool.outbox.results, list[object]()

    def results(after: int, most: int) -> list[StoredResult]:
        found = look(after, most)
        if not found and not came:  # it comes now, and somebody ends the service
            came.append(spool.outbox.record(asdict(line(1)), {}))
            delivery._closing = True
        return found

    monkeypatch.setattr(spool.outbox, "results", results)
    delivery.announce()
    for thread in delivery._threads:
        thread.join(30)
    assert sink.got == ["1.png"]


def test_who_has_the_fewest_results_is_behind(spool: Spool) -> None:
    """One sink fails and lacks two, another has both: the first one alone is named, and both are told of."""
    readers = {"away": SinkReader(Plain(ResultsError("away"))), "there": SinkReader(Plain())}
    delivery = Delivery(spool.outbox, readers)
    assert delivery.behind == ["away", "there"]
    record(spool, 1, 2)
    delivery.announce()
    wait_for(lambda: delivery.behind == ["away"] and "away" in delivery.failing)
    health = delivery.health
    assert (health["away"].waiting, health["there"].waiting) == (2, 0)
    assert (health["away"].state, health["away"].message, health["there"].state) == ("failing", "away", "ok")
    delivery.close()


def test_no_line_holds_what_json_does_not_have(tmp_path: Path) -> None:
    """A score that is no number is an error of its own, not a line that no other program can read."""
    log = ResultsLog(tmp_path / "results.jsonl")
    odd = StoredResult(1, 1, {}, {**asdict(line(1)), "score": float("nan")}, None)
    with pytest.raises(ValueError, match="JSON compliant"):
        log.take([odd], log.begin())
    assert (tmp_path / "results.jsonl").read_bytes() == b""


def test_a_line_says_its_number_and_whose_the_image_is(tmp_path: Path) -> None:
    """Beside the fields of the result, as docs/guide/runner.md has them."""
    log = ResultsLog(tmp_path / "results.jsonl")
    log.take([StoredResult(7, 1, {"patient_id": "P1"}, asdict(line(1)), None)], log.begin())
    (found,) = (json.loads(text) for text in (tmp_path / "results.jsonl").read_text().splitlines())
    assert (found.pop("number"), found.pop("identity")) == (7, {"patient_id": "P1"})
    assert found == asdict(line(1))


def test_a_disk_that_is_full_takes_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its place stays, and why is said, with the cure; the same results come again."""
    log, first = ResultsLog(tmp_path / "results.jsonl"), [StoredResult(1, 1, {}, asdict(line(1)), None)]

    def full(self: JsonlFiles, data: bytes, at: int | None = None) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(JsonlFiles, "append", full)
        at, error = log.take(first, log.begin())
    assert (at, type(error)) == (Cursor(), ResultsError)
    assert f"cannot write results to {tmp_path / 'results.jsonl'}: No space left on device." in str(error)
    assert log.take(first, at)[1] is None
