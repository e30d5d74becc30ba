"""The outbox's books: what waits, what arrived, what is apart, whoever works on it meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from sranogan_edge.errors import ResultsError
from sranogan_edge.sinks.courier import Courier, RefusedError, UnreachableError
from sranogan_edge.sinks.outbox import Message, Outbox
from tests.support.remote_results import Clock
from tests.support.result_lines import line


def first(outbox: Outbox) -> Message:
    """The oldest message; there is one."""
    message = outbox.first()
    assert message is not None
    return message


def filled(*keys: str, limit: int = 100) -> Outbox:
    """An outbox in memory with these messages."""
    outbox = Outbox(None, limit)
    for key in keys:
        outbox.put(key, key.encode())
    return outbox


def rows(outbox: Outbox, table: str) -> list[tuple[str, bytes]]:
    """Key and body of all in a table, in order."""
    return outbox._database.execute(f"SELECT key, body FROM {table} ORDER BY id").fetchall()


def counts(outbox: Outbox) -> dict[str, int]:
    """Of all times."""
    return dict(outbox._database.execute("SELECT name, number FROM counts").fetchall())


def test_an_outbox_without_a_file_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in memory alone."""
    monkeypatch.chdir(tmp_path)
    filled("a").close()
    assert list(tmp_path.iterdir()) == []


def test_what_arrives_is_counted_once() -> None:
    """Also where it is noted twice; the next one is first then."""
    outbox = filled("a", "b")
    message = first(outbox)
    assert (message.key, message.body, outbox.refusal) == ("a", b"a", "")
    outbox.done(message)
    outbox.done(message)
    assert (len(outbox), outbox.sent, first(outbox).key) == (1, 1, "b")
    assert counts(outbox) == {"lost": 0, "sent": 1, "refused": 0}


def test_what_was_let_go_meanwhile_did_not_arrive() -> None:
    """Full, it let the message go that was under way: it neither arrived nor waits any more."""
    for end in ("done", "refuse"):
        outbox = filled("a", limit=1)
        message = first(outbox)
        outbox.put("b", b"b")
        if end == "done":
            outbox.done(message)
        else:
            outbox.refuse(message, "answered 400")
        assert (len(outbox), outbox.sent, outbox.lost, first(outbox).key) == (1, 0, 1, "b")
        assert (outbox.refused, outbox.apart) == ((0, 0) if end == "done" else (1, 1))
        assert rows(outbox, "refused") == ([] if end == "done" else [("a", b"a")])


def test_as_many_stay_apart_as_may_wait() -> None:
    """The newest; all are counted, and the newest reason is told."""
    outbox = filled(limit=2)
    for key in "abcd":
        outbox.set_apart(key, key.encode(), f"why {key}")
    assert rows(outbox, "refused") == [("c", b"c"), ("d", b"d")]
    assert (outbox.apart, outbox.refused, outbox.refusal, len(outbox)) == (2, 4, "why d", 0)
    assert counts(outbox)["refused"] == 4


def test_what_is_taken_back_waits_in_its_old_order_behind_the_others() -> None:
    """One that waits already is not there twice, and nothing is taken back a second time."""
    outbox = filled("w", "b")
    for key in "abcd":
        outbox.set_apart(key, key.encode(), "why")
    outbox._database.execute("INSERT INTO again VALUES (3), (1), (2)")
    outbox._database.commit()
    assert [message.key for message in outbox.again()] == ["a", "b", "c"]
    outbox.take_back()
    assert [key for key, _ in rows(outbox, "waiting")] == ["w", "b", "a", "c"]
    assert (len(outbox), outbox.apart, outbox.again()) == (4, 1, [])
    outbox.take_back()
    assert (len(outbox), [key for key, _ in rows(outbox, "refused")]) == (4, ["d"])


@pytest.mark.parametrize("reason", ["", "refused again"])
def test_what_was_tried_again_is_gone_or_stays_for_its_new_reason(reason: str) -> None:
    """Either way it is asked for no more."""
    outbox = filled()
    outbox.set_apart("a", b"a", "old reason")
    outbox._database.execute("INSERT INTO again VALUES (1)")
    outbox._database.commit()
    (message,) = outbox.again()
    outbox.tried_again(message, reason)
    found = outbox._database.execute("SELECT reason FROM refused").fetchall()
    assert found == ([("refused again",)] if reason else [])
    assert (outbox.again(), outbox.apart) == ([], len(found))


def test_what_was_tried_again_and_arrived_is_gone() -> None:
    """Without a word."""
    outbox = filled()
    outbox.set_apart("a", b"a", "old reason")
    outbox._database.execute("INSERT INTO again VALUES (1)")
    outbox._database.commit()
    (message,) = outbox.again()
    outbox.tried_again(message)
    assert (rows(outbox, "refused"), outbox.again(), outbox.apart) == ([], [], 0)


def test_what_failed_by_half_is_taken_back(tmp_path: Path) -> None:
    """A message whose arrival could not be counted still waits, whatever is written next."""
    outbox = Outbox(tmp_path / "outbox.sqlite")
    outbox.put("a", b"a")
    outbox._database.execute(
        "CREATE TRIGGER fails BEFORE UPDATE ON counts BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
    )
    with pytest.raises(ResultsError) as failed:
        outbox.done(first(outbox))
    assert str(failed.value) == (
        f"the outbox {tmp_path / 'outbox.sqlite'} fails: disk I/O error. Free some space, or name another "
        "folder."
    )
    outbox.put("b", b"b")
    assert ([key for key, _ in rows(outbox, "waiting")], len(outbox), outbox.sent) == (["a", "b"], 2, 0)
    outbox.close()


def test_a_thread_waits_for_the_transaction_of_another() -> None:
    """What it adds is no part of that one, which is taken back."""
    outbox = filled()
    adds = threading.Thread(target=outbox.put, args=("a", b"a"))
    with outbox._transaction() as database:
        database.execute("INSERT INTO waiting (key, body) VALUES ('half', 'x')")
        adds.start()
        adds.join(0.1)
        assert adds.is_alive()
    adds.join()
    assert rows(outbox, "waiting") == [("a", b"a")]


class Line:
    """A transport that does as it is told."""

    def __init__(self, *troubles: Exception | None, pause: float = 0.0) -> None:
        self.troubles, self.got, self.pause = list(troubles), list[str](), threading.Event()
        self._pause_s = pause

    def send(self, key: str, body: bytes) -> None:
        self.pause.wait(self._pause_s)
        trouble = self.troubles.pop(0) if self.troubles else None
        if trouble:
            raise trouble
        self.got.append(key)

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("asked_s", "least", "most"), [(100.0, 100.0, 100.0), (0.25, 1.0, 2.0), (None, 1.0, 2.0)]
)
def test_a_pause_that_is_asked_for_is_the_least(asked_s: float | None, least: float, most: float) -> None:
    """Of 2 s, drawn from the upper half, or longer where the other side asks for that."""
    clock, transport = Clock(), Line(UnreachableError("busy", asked_s))
    courier = Courier(transport, Outbox(None), retry_s=(2.0, 8.0), clock=clock, start=False)
    courier.write(line(1))
    pause_s = courier.pump()
    assert least <= pause_s <= most
    clock.now += pause_s - 0.125
    assert courier.pump() == pytest.approx(0.125)
    assert not transport.got
    clock.now += 0.25
    assert courier.pump() == 60.0
    assert len(transport.got) == 1


def test_each_number_of_the_health_is_its_own() -> None:
    """One arrived, two wait, three were refused, and of four that were too many each is counted as lost."""
    refused = RefusedError("answered 400")
    transport = Line(None, refused, refused, refused, UnreachableError("away"))
    courier = Courier(transport, Outbox(None, limit=5), start=False)
    for number in range(9):
        courier.write(line(number))
    courier.pump()
    for number in range(9, 10):
        courier.write(line(number))
    found = courier.health
    assert (found.written, found.waiting, found.refused, found.lost, found.apart) == (1, 2, 3, 4, 3)
    assert (found.state, found.message, found.refusal) == ("failing", "away", "answered 400")


def test_what_waits_is_sent_before_it_closes() -> None:
    """As long as the other side takes it."""
    transport = Line(pause=0.05)
    courier = Courier(transport, Outbox(None))
    for number in range(4):
        courier.write(line(number))
    courier.close()
    assert (len(transport.got), courier.health.state) == (4, "closed")
