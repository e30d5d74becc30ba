"""The audit trail: lines are added, and whoever changes one is seen."""

from __future__ import annotations

import csv
import io
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import ResultsError
from sranogan_edge.page.audit import THE_RUNNER, AuditTrail
from sranogan_edge.page.visitors import Visitor
from tests.support.disks import synced_by

ADA = Visitor("Ada", "operator", "10.0.0.7")


@pytest.fixture
def audit(tmp_path: Path) -> AuditTrail:
    """Give a trail of three lines."""
    made = AuditTrail(tmp_path)
    for number in range(3):
        made.add("threshold", ADA, old=number, new=number + 1, reason=f"drift {number}")
    return made


def test_lines_are_added_over_restarts(audit: AuditTrail) -> None:
    """Each has all of who, when, from where, by what role, old and new value, and why."""
    again = AuditTrail(audit.path.parent)
    again.add("bundle", THE_RUNNER, old="a", new="b")
    events, intact = again.events()
    assert intact
    assert [(one.action, one.who, one.role, one.address) for one in events] == [
        *[("threshold", "Ada", "operator", "10.0.0.7")] * 3,
        ("bundle", "the runner", "operator", ""),
    ]
    assert (events[1].old, events[1].new, events[1].reason) == ("1", "2", "drift 1")
    assert events[0].at.endswith("Z")
    assert audit.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("what", ["changed", "taken out", "put in", "exchanged", "garbage", "code"])
def test_who_changes_a_line_is_seen(audit: AuditTrail, what: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is done to the file by somebody who has not its key."""
    lines = audit.path.read_text().splitlines()
    if what == "changed":
        lines[1] = lines[1].replace("drift 1", "no drift")
    elif what == "taken out":
        del lines[1]
    elif what == "put in":
        lines.insert(1, lines[1])
    elif what == "exchanged":
        lines[0], lines[1] = lines[1], lines[0]
    elif what == "garbage":
        lines.insert(2, "[" * 5000)
    else:
        lines[2] = json.dumps({**json.loads(lines[2]), "mac": 5})
    audit.path.write_text("\n".join(lines) + "\n")
    assert audit.events()[1] is False
    AuditTrail(audit.path.parent)
    assert "changed or taken out by somebody else" in caplog.text


@pytest.mark.parametrize("digits", [0, 1, 63])
def test_a_mac_that_was_shortened_is_none(audit: AuditTrail, digits: int) -> None:
    """No digit, the first, or all but the last of a line's: the trail is no longer whole."""
    lines = audit.path.read_text().splitlines()
    last = json.loads(lines[-1])
    assert len(last["mac"]) == 64
    lines[-1] = json.dumps({**last, "mac": last["mac"][:digits]})
    audit.path.write_text("\n".join(lines) + "\n")
    assert audit.events()[1] is False


def test_a_line_is_on_the_disk_before_anything_changes(
    audit: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is forced there when it is added."""
    synced = synced_by(monkeypatch)
    audit.add("threshold", ADA)
    assert synced == [audit.path.name]


def test_a_torn_last_line_is_seen_and_added_to(audit: AuditTrail) -> None:
    """After a power cut the next line is whole all the same."""
    with audit.path.open("a") as file:
        file.write('{"at": "20')
    again = AuditTrail(audit.path.parent)
    again.add("start", THE_RUNNER)
    assert [one.action for one in again.events()[0]][-1] == "start"


def test_a_line_that_the_disk_takes_in_part_is_taken_back(
    audit: AuditTrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was changed, so nothing of it stays, and the next line goes on with those before."""
    real, before = os.fdopen, audit.path.read_bytes()

    class Full:
        """A file that takes half of what it is given."""

        def __init__(self, handle: int) -> None:
            self._file: Any = real(handle, "r+b", buffering=0)

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def write(self, data: bytes) -> int:
            return int(self._file.write(data[: len(data) // 2]))

    with monkeypatch.context() as patched:
        patched.setattr(
            os, "fdopen", lambda handle, mode, **_: Full(handle) if "+" in mode else real(handle, mode)
        )
        with pytest.raises(ResultsError, match="the disk is full"):
            audit.add("threshold", ADA)
    assert audit.path.read_bytes() == before
    audit.add("bundle", ADA)
    assert [one.action for one in audit.events()[0]] == [*["threshold"] * 3, "bundle"]
    assert audit.events()[1]


def test_two_threads_add_one_line_after_the_other(audit: AuditTrail, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each line's code is over that of the line before, so two must never be made at a time."""
    real, inside, most = audit._key.mac, threading.Semaphore(0), []

    def mac(content: bytes) -> str:
        inside.release()
        time.sleep(0.05)
        most.append(inside._value)
        inside.acquire()
        return real(content)

    monkeypatch.setattr(audit._key, "mac", mac)
    threads = [threading.Thread(target=audit.add, args=("threshold", ADA)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


@pytest.mark.parametrize("text", ["=1+1", "a\nb", "\x1b[31m", "<0>forged", "x" * 1000, 'a,b"c'])
def test_no_text_is_more_than_a_text(audit: AuditTrail, text: str) -> None:
    """No second line, no code that a terminal obeys, no formula in the table, nothing endless."""
    audit.add("threshold", Visitor(text, "operator", "10.0.0.7"), reason=text)
    assert len(audit.path.read_text().splitlines()) == 4
    events, intact = audit.events()
    assert intact
    assert len(events[3].who) <= 200
    assert events[3].who.isprintable()
    rows = list(csv.reader(io.StringIO(audit.csv().decode())))
    assert rows[0] == ["at", "action", "who", "role", "address", "old", "new", "reason"]
    assert len(rows) == 5
    assert not rows[4][2].startswith("=")


def test_a_link_in_its_place_is_not_written_to(audit: AuditTrail) -> None:
    """Somebody's link is neither followed nor read."""
    target = audit.path.with_name("elsewhere")
    target.write_text("")
    audit.path.unlink()
    audit.path.symlink_to(target)
    with pytest.raises(ResultsError, match="nothing was changed"):
        audit.add("threshold", ADA)
    assert target.read_text() == ""
    assert audit.events() == ([], False)
