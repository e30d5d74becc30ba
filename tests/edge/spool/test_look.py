"""A look at a spool from outside: what it holds, whether its runner works or not; it leaves nothing."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from sranogan_edge.errors import SpoolError
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.spool.look import Look, OutboxLook, look_at_outbox, look_at_spool
from sranogan_edge.spool.spool import Cursor, Spool
from tests.support.spools import claimed

CURE = "Call this as the runner's user, and name the folder of the spool (--spool, or [spool] folder)."


@pytest.mark.parametrize("at_work", [True, False])
def test_what_a_spool_holds(spool: Spool, at_work: bool) -> None:
    """Objects by state, the oldest that waits, the newest result, and how far each sink is."""
    for number, received_at in enumerate((50.0, 30.0, 40.0)):
        spool.put(b"x", {}, key=str(number), received_at=received_at)
    for number in range(2):
        spool.outbox.record({"file": f"{number}.png"}, {})
    spool.finish(claimed(spool), {"file": "film.dcm", "score": 2.5})
    spool.outbox.advance("a", Cursor(1, 7))
    spool.outbox.advance("b", Cursor(3))
    if not at_work:
        spool.close()
    assert look_at_spool(spool.folder) == Look(
        counts={"done": 1, "received": 2},
        oldest_waiting_at=30.0,
        newest=3,
        last={"file": "film.dcm", "score": 2.5},
        reached={"a": 1, "b": 3},
    )
    left = {path.name for path in spool.folder.iterdir() if path.is_file()}
    assert left == {"spool.sqlite", "lock"} | ({"spool.sqlite-wal", "spool.sqlite-shm"} if at_work else set())


def test_an_empty_spool_and_none(spool: Spool, tmp_path: Path) -> None:
    """Nothing waits and nothing came; where no spool is, there is nothing to tell."""
    assert look_at_spool(spool.folder) == Look({}, None, 0, None, {})
    assert look_at_spool(tmp_path / "nowhere") is None
    assert look_at_outbox(tmp_path / "nowhere.sqlite") is None


def test_what_an_outbox_holds(tmp_path: Path) -> None:
    """What waits, and what is set apart."""
    outbox = Outbox(tmp_path / "outbox.sqlite")
    for key in "abc":
        outbox.put(key, b"{}")
    outbox.set_apart("d", b"{}", "refused")
    assert look_at_outbox(tmp_path / "outbox.sqlite") == OutboxLook(waiting=3, apart=1)
    outbox.close()
    assert look_at_outbox(tmp_path / "outbox.sqlite") == OutboxLook(waiting=3, apart=1)


def test_what_cannot_be_read_says_why(spool: Spool, tmp_path: Path) -> None:
    """Another file in its place, one without the tables, and a result that is no JSON: with the cure."""
    for number, content in enumerate((b"no database at all, but long enough" * 100, b"")):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "spool.sqlite").write_bytes(content)
        for look in (look_at_spool, lambda place: look_at_outbox(place / "spool.sqlite")):
            with pytest.raises(SpoolError) as refused:
                look(folder)
            assert str(refused.value).startswith(f"{folder / 'spool.sqlite'}: cannot be read (")
            assert str(refused.value).endswith(f"). {CURE}")
    with sqlite3.connect(spool.folder / "spool.sqlite") as db:
        db.executescript("DROP TRIGGER results_counted; DROP TRIGGER results_looked_up;")
        db.execute("INSERT INTO results (identity, line) VALUES ('{}', ?)", (json.dumps({})[:1],))
    with pytest.raises(SpoolError, match="cannot be read"):
        look_at_spool(spool.folder)


def test_a_runner_that_writes_is_waited_for(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five seconds; nothing is written, and where no runner works, no log is made to read."""
    opened, connect = list[tuple[str, dict[str, object]]](), sqlite3.connect

    def noted(place: str, **how: float) -> sqlite3.Connection:
        opened.append((place, dict(how)))
        return connect(place, **how)  # type: ignore[call-overload]  # as it came

    monkeypatch.setattr(sqlite3, "connect", noted)
    look_at_spool(spool.folder)
    spool.close()
    look_at_spool(spool.folder)
    file, how = (spool.folder / "spool.sqlite").as_uri(), {"uri": True, "timeout": 5.0}
    assert opened == [(f"{file}?mode=ro", how), (f"{file}?mode=ro&immutable=1", how)]
