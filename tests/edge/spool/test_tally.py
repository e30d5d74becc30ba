"""How many results there ever were, by verdict: counted by the spool's own file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sranogan_edge.spool.retention import Pruner, Retention
from sranogan_edge.spool.spool import Spool
from tests.support.spools import ROOMY, reopened


def recorded(spool: Spool, verdicts: Iterable[str]) -> None:
    """Store a camera's results."""
    for verdict in verdicts:
        spool.outbox.record({"verdict": verdict}, {})


def test_results_are_counted_across_starts(spool: Spool) -> None:
    """The next start goes on where the last one ended."""
    assert spool.outbox.tally() == {}
    recorded(spool, ["normal", "normal", "error"])
    again = reopened(spool)
    recorded(again, ["normal"])
    assert again.outbox.tally() == {"normal": 3, "error": 1}
    again.close()


def test_what_retention_removes_still_counts(spool: Spool) -> None:
    """A counter never goes down."""
    recorded(spool, ["normal"] * 5)
    Pruner(spool, Retention(max_frames=1, min_free_bytes=0)).prune()
    assert len(spool.outbox.results()) == 1
    assert spool.outbox.tally() == {"normal": 5}


def test_a_result_that_is_taken_back_does_not_count(spool: Spool) -> None:
    """A transaction that fails leaves result and count as they were."""

    def fail() -> None:
        with spool._db.transaction():
            recorded(spool, ["normal"])
            raise KeyError("the power failed")

    with pytest.raises(KeyError):
        fail()
    assert spool.outbox.tally() == {}


def without_tally(folder: Path) -> None:
    """Make the spool one of an earlier version."""
    with closing(sqlite3.connect(folder / "spool.sqlite")) as db:
        db.executescript("DROP TRIGGER results_counted; DROP TABLE tally;")


def test_a_spool_of_an_earlier_version_is_counted_once(spool: Spool) -> None:
    """It begins with the results that are there."""
    recorded(spool, ["normal", "anomalous"])
    spool.close()
    without_tally(spool.folder)
    again = Spool(spool.folder, ROOMY)
    assert again.outbox.tally() == {"anomalous": 1, "normal": 1}
    recorded(again, ["normal"])
    assert reopened(again).outbox.tally() == {"anomalous": 1, "normal": 2}


def test_without_room_for_the_counts_results_are_counted(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk at the first start of this version holds up neither the runner nor its page."""
    recorded(spool, ["normal"])
    spool.close()
    without_tally(spool.folder)
    connect = sqlite3.connect

    class Full(sqlite3.Connection):
        def executescript(self, sql: str, /) -> sqlite3.Cursor:
            if "TABLE tally" in sql:
                raise sqlite3.OperationalError("database or disk is full")
            return super().executescript(sql)

    def connected(path: Any, **how: Any) -> Any:
        return connect(path, factory=Full, **how)

    with monkeypatch.context() as patch:
        patch.setattr(
            "sranogan_edge.spool.database.sqlite3", SimpleNamespace(**{**vars(sqlite3), "connect": connected})
        )
        full = Spool(spool.folder, ROOMY)
    recorded(full, ["normal"])
    assert full.outbox.tally() == {"normal": 2}
    assert reopened(full).outbox.tally() == {"normal": 2}
