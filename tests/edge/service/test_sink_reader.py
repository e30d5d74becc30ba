"""One sink's results in order: what it alone stumbles over is set apart after five attempts, not before."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from sranogan_edge.errors import DicomUnreachableError, ResultsError
from sranogan_edge.results.line import ResultLine
from sranogan_edge.service.delivery import Delivery, ResultsLog, SinkReader
from sranogan_edge.sinks.jsonl_files import Rotation
from sranogan_edge.sinks.sink import SinkHealth
from sranogan_edge.spool.spool import Cursor, Spool, StoredResult
from tests.support.remote_results import wait_until
from tests.support.result_lines import line


class Careful:
    """A sink that fails at some files, is not concerned by others, and keeps what is set apart."""

    def __init__(self) -> None:
        self.fails: dict[str, Exception] = {}
        self.passes: set[str] = set()
        self.got: list[str] = []
        self.apart: list[tuple[str, Path, str]] = []
        self.again: Exception | None = None
        self.written, self.closed = 0, False

    @property
    def health(self) -> SinkHealth:
        return SinkHealth(written=self.written, waiting=2)

    def write(self, line: ResultLine) -> None:
        raise AssertionError("an object's result goes to write_object")

    def write_object(self, line: ResultLine, path: Path) -> None:
        if line.file in self.fails:
            raise self.fails[line.file]
        self.got.append(line.file)
        self.written += line.file not in self.passes

    def set_apart(self, line: ResultLine, path: Path, reason: str) -> None:
        self.apart.append((line.file, path, reason))

    def send_again(self) -> None:
        if self.again:
            raise self.again

    def close(self) -> None:
        self.closed = True


def stored(*numbers: int) -> list[StoredResult]:
    """Results of objects."""
    return [StoredResult(n, n, {}, asdict(line(n)), Path(f"{n}.dcm")) for n in numbers]


def test_five_attempts_at_one_result() -> None:
    """While the next one is taken; that one is not handed over a second time."""
    sink, error = Careful(), ResultsError("stumbles")
    sink.fails["2.png"] = error
    reader = SinkReader(sink)
    assert reader.take(stored(1, 2, 3, 4), Cursor()) == (Cursor(1), error)
    for _ in range(3):
        assert reader.take(stored(2, 3, 4), Cursor(1)) == (Cursor(1), error)
    assert (sink.got, sink.apart) == (["1.png"], [])
    assert reader.take(stored(2, 3, 4), Cursor(1)) == (Cursor(4), None)
    assert sink.got == ["1.png", "3.png", "4.png"]
    reason = "not taken in 5 attempts, while others are: stumbles"
    assert sink.apart == [("2.png", Path("2.dcm"), reason)]


def test_attempts_at_another_result_do_not_count() -> None:
    """Four at the second, which is taken then, and one at the third: that waits."""
    sink, error = Careful(), ResultsError("stumbles")
    reader = SinkReader(sink)
    sink.fails["2.png"] = error
    for _ in range(4):
        reader.take(stored(2, 3, 4), Cursor(1))
    sink.fails = {"3.png": error}
    assert reader.take(stored(2, 3, 4), Cursor(1)) == (Cursor(2), error)
    assert (sink.got, sink.apart) == (["2.png"], [])


def test_a_result_that_is_nothing_to_the_sink_proves_nothing() -> None:
    """Others of no concern to it pass anyhow: only one that arrives shows that the sink works."""
    sink = Careful()
    sink.fails["2.png"], sink.passes = ResultsError("stumbles"), {"3.png", "4.png"}
    reader = SinkReader(sink)
    for _ in range(9):
        assert reader.take(stored(2, 3, 4), Cursor(1))[0] == Cursor(1)
    assert sink.apart == []
    assert reader.take(stored(2, 3, 4, 5), Cursor(1)) == (Cursor(5), None)
    assert (sink.apart[0][0], sink.got[-1]) == ("2.png", "5.png")


@pytest.mark.parametrize("kind", ["unreachable", "all", "alone"])
def test_nothing_is_set_apart_while_the_sink_takes_nothing(kind: str) -> None:
    """The archive is away; or takes no result; or there is no later one to try it by."""
    sink, numbers = Careful(), (2,) if kind == "alone" else (2, 3)
    error = DicomUnreachableError("away") if kind == "unreachable" else ResultsError("stumbles")
    sink.fails = dict.fromkeys(("2.png", "3.png") if kind == "all" else ("2.png",), error)
    reader = SinkReader(sink)
    for _ in range(12):
        assert reader.take(stored(*numbers), Cursor(1)) == (Cursor(1), error)
    assert sink.apart == []


def test_a_result_without_an_object_is_never_set_apart() -> None:
    """Of a frame there is no file to send again: however often it fails, it waits, and all behind it."""
    sink = Careful()
    reader = SinkReader(sink)
    results = [replace(stored(1)[0], path=None), *stored(2)]
    for _ in range(12):
        at, error = reader.take(results, Cursor())
        assert (at, str(error)) == (Cursor(), "an object's result goes to write_object")
    assert (sink.apart, sink.got) == ([], [])


def test_nothing_is_remembered_of_what_was_handed_over_early() -> None:
    """Once its turn has come and gone, a result that proved the sink well takes no memory."""
    sink = Careful()
    sink.fails["1.png"] = ResultsError("no such study")
    reader = SinkReader(sink)
    for _ in range(5):
        at, error = reader.take(stored(1, 2, 3), Cursor())
    assert (at, error, sink.got) == (Cursor(3), None, ["2.png", "3.png"])
    assert reader._ahead == set()


def test_what_waits_for_a_sink_is_told_with_its_reason(spool: Spool) -> None:
    """In its own outbox, and in the spool; taken up again once it works. It is closed in the end."""
    sink = Careful()
    for _ in range(3):
        entry = spool.put(b"x", {})
        spool.finish(entry, asdict(line(1)))
    sink.fails["1.png"] = ResultsError("no archive")
    delivery = Delivery(spool.outbox, {"archive": SinkReader(sink)})
    wait_until(lambda: "archive" in delivery.failing)
    found = delivery.health["archive"]
    assert (found.state, found.message, found.waiting) == ("failing", "no archive", 2 + 3)
    assert delivery.behind == ["archive"]
    sink.fails.clear()
    delivery.close()
    found = delivery.health["archive"]
    assert (found.state, found.waiting, len(sink.got), sink.closed) == ("ok", 2, 3, True)


def test_what_cannot_be_sent_again_is_why_a_sink_fails(spool: Spool) -> None:
    """Though no result waits."""
    sink = Careful()
    sink.again = DicomUnreachableError("away")
    delivery = Delivery(spool.outbox, {"archive": SinkReader(sink)})
    wait_until(lambda: delivery.failing == {"archive": "away"})
    delivery.close()


class Recorder(threading.Condition):
    """Notes how long somebody would wait, and lets the time pass."""

    pauses: list[float]

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.pauses.append(timeout)
        return False


def test_pauses_double_up_to_a_minute_and_begin_anew(
    spool: Spool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a second after the first failure, a second where all is well; each trouble is told once."""
    pauses = Recorder.pauses = list[float]()
    monkeypatch.setattr(
        "sranogan_edge.service.delivery.threading",
        SimpleNamespace(Condition=Recorder, Thread=threading.Thread),
    )
    sink, steps = Careful(), [*[ResultsError("away")] * 9, None, None, *[ResultsError("away")] * 2]

    def again() -> None:
        if not steps:
            delivery._closing = True
            return
        trouble = steps.pop(0)
        if trouble:
            raise trouble

    monkeypatch.setattr(sink, "send_again", again)
    delivery = Delivery(spool.outbox, {"archive": SinkReader(sink)})
    for thread in delivery._threads:
        thread.join(60)
    assert pauses[:13] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 1.0, 1.0, 0.5, 1.0]
    assert [one.getMessage() for one in caplog.records] == ["archive: away"] * 2


def test_what_is_announced_is_delivered_at_once(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the next look; and who waits is woken to end."""
    sink = Careful()
    delivery = Delivery(spool.outbox, {"archive": SinkReader(sink)})
    wait = delivery._wake.wait
    monkeypatch.setattr(delivery._wake, "wait", lambda timeout: wait(None))  # for as long as it takes
    time.sleep(1.1)  # the wait that began before is over
    spool.finish(spool.put(b"x", {}), asdict(line(1)))
    delivery.announce()
    wait_until(lambda: sink.got == ["1.png"])
    delivery.close()
    assert sink.closed


def test_a_sink_s_place_is_kept_under_the_name_that_it_has(spool: Spool) -> None:
    """Its own, or the reader's; those of sinks that are no more are dropped."""
    spool.outbox.advance("old", Cursor(1))
    spool.outbox.record(asdict(line(1)), {})
    readers = {"one": SinkReader(Careful(), "key-of-one"), "two": SinkReader(Careful())}
    spool.outbox.remove_frames(0, 0, 10)
    Delivery(spool.outbox, readers).close()
    names = [row[0] for row in spool._db.rows("SELECT sink FROM cursors ORDER BY sink")]
    assert names == ["key-of-one", "two"]


def test_where_a_file_of_results_turns(tmp_path: Path) -> None:
    """At its beginning, and from its full size on: there a power cut must not lead back."""
    log = ResultsLog(tmp_path / "results.jsonl", Rotation(max_bytes=100))
    assert [log.is_turn(Cursor(1, offset)) for offset in (0, 1, 99, 100, 101)] == [
        True,
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("keep_s", "hours", "turns"), [(1e6, 0, False), (1e6, 23, False), (1e6, 25, True), (None, 25, False)]
)
def test_a_file_is_closed_a_day_after_its_first_line(
    tmp_path: Path, keep_s: float | None, hours: int, turns: bool
) -> None:
    """Where closed files go after a time, so that none of their lines stays much longer."""
    log, (first, second) = ResultsLog(tmp_path / "results.jsonl", Rotation(keep_s=keep_s)), stored(1, 2)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 3600 * hours))
    at, error = log.take([replace(first, line={**first.line, "scored_at": stamp})], log.begin())
    assert (at.number, error) == (1, None)
    after, error = log.take([second], at)
    assert error is None
    assert after == (Cursor(1, 0) if turns else Cursor(2, (tmp_path / "results.jsonl").stat().st_size))
    assert len(list(tmp_path.glob("results-*.jsonl"))) == turns


def test_a_first_line_that_says_no_time_closes_no_file(tmp_path: Path) -> None:
    """Somebody else wrote it; what is behind it is gone on with."""
    path = tmp_path / "results.jsonl"
    for text in ("no JSON\n", "[1]\n", '{"scored_at": 5}\n'):
        path.write_text(text)
        log = ResultsLog(path, Rotation(keep_s=1e6))
        at, error = log.take(stored(1), log.begin())
        assert (at.number, error) == (1, None)
        assert path.read_text().startswith(text)
        assert not list(tmp_path.glob("results-*.jsonl"))


def test_lines_of_an_earlier_spool_are_not_written_over(spool: Spool, tmp_path: Path) -> None:
    """Though their numbers are those of this one's first results."""
    (tmp_path / "results.jsonl").write_text('{"number": 1}\n{"number": 2}\n')
    spool.outbox.record(asdict(line(1)), {})
    Delivery(spool.outbox, {"results.jsonl": ResultsLog(tmp_path / "results.jsonl")}).close()
    found = [json.loads(text) for text in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [(one["number"], one.get("file")) for one in found] == [(1, None), (2, None), (1, "1.png")]


def test_a_sink_that_hangs_keeps_nobody_from_ending(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is waited for so long, and ends with the process at last."""
    sink, hangs, goes_on = Careful(), threading.Event(), threading.Event()

    def hang() -> None:
        hangs.set()
        goes_on.wait(60)

    monkeypatch.setattr(sink, "send_again", hang)
    delivery = Delivery(spool.outbox, {"archive": SinkReader(sink)})
    assert hangs.wait(60)
    delivery.close(within_s=0.01)
    (thread,) = delivery._threads
    assert (thread.is_alive(), thread.daemon, thread.name) == (True, True, "sink archive")
    goes_on.set()
    thread.join(60)
    assert sink.closed


def test_a_place_that_may_be_away_at_the_start(tmp_path: Path) -> None:
    """Where results are only to be written later, it is no error yet; else it is told with the cure."""
    (tmp_path / "file").touch()
    ResultsLog(tmp_path / "file" / "results.jsonl", must_be_writable=False)
    with pytest.raises(ResultsError) as refused:
        ResultsLog(tmp_path / "file" / "results.jsonl")
    why, cure = str(refused.value).split(". ", 1)
    assert why in (
        f"cannot write results to {tmp_path / 'file' / 'results.jsonl'}: {reason}"
        for reason in ("Not a directory", "File exists")
    )
    assert cure == (
        "They are kept in the spool; free some space, correct the permissions, or name another folder with "
        "--out."
    )
