"""Who changed what, when, from where and why: lines that are added and never changed.

Each line has a code (HMAC-SHA-256, by a key of the runner's own) over itself and the code of the line before,
so that a line that is changed, put in or taken out is seen by whoever reads them.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
import threading
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from sranogan_edge.errors import ResultsError
from sranogan_edge.own_key import OwnKey
from sranogan_edge.page.visitors import Visitor
from sranogan_edge.results.table import harmless

__all__ = ["THE_RUNNER", "AuditTrail", "Event"]

FILE, KEY = "audit.jsonl", "audit.key"
READ_BYTES = 256 * 2**20
_TEXT = 200  # characters of a name or reason
THE_RUNNER = Visitor("the runner", "operator", "")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """One line.

    Attributes:
        at: UTC, ISO 8601, by this machine's clock.
        action: what was done: sign-in, threshold, bundle, calibration, start ...
        who: the name that they gave; ``the runner`` where nobody asked for it.
        role: of the page.
        address: that it came from.
        old: what was before.
        new: what is now.
        reason: why, in the words of who did it.
    """

    at: str
    action: str
    who: str
    role: str
    address: str
    old: str = ""
    new: str = ""
    reason: str = ""


class AuditTrail:
    """``audit.jsonl`` in a folder; may be used from any thread."""

    def __init__(self, folder: Path) -> None:
        """Go on with what is there; what somebody else changed in it is logged, and stays."""
        self.path = folder / FILE
        self._key = OwnKey(folder / KEY)
        self._lock = threading.Lock()
        self._last = ""
        _, self._last, intact = self._read()
        if not intact:
            _log.error("%s: lines were changed or taken out by somebody else", self.path)

    def add(self, action: str, by: Visitor, *, old: object = "", new: object = "", reason: str = "") -> None:
        """Have one line on the disk before this returns.

        Raises:
            ResultsError: it cannot be written.
        """
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        texts = (by.name, by.role, by.address, str(old), str(new), reason)
        event = Event(at, action, *(_plain(text) for text in texts))
        with self._lock:
            try:
                mac = self._key.mac(_signed(asdict(event), self._last))
                line = json.dumps({**asdict(event), "mac": mac}) + "\n"
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                with os.fdopen(os.open(self.path, flags, 0o600), "r+b", buffering=0) as file:
                    end = file.seek(0, os.SEEK_END)
                    file.seek(max(0, end - 1))
                    torn = b"" if file.read(1) in (b"", b"\n") else b"\n"  # by a power cut
                    if file.write(torn + line.encode()) != len(torn) + len(line.encode()):
                        file.truncate(end)
                        raise OSError("the disk is full")
                    os.fsync(file.fileno())
            except OSError as error:
                raise ResultsError(
                    f"{self.path}: who changed what cannot be kept ({error.strerror or error}), so nothing "
                    "was changed. Free some space, or correct the permissions."
                ) from error
            self._last = mac

    def noted(self, action: str, by: Visitor, **more: Any) -> None:
        """Add a line where that can be; what it is about has happened all the same."""
        try:
            self.add(action, by, **more)
        except ResultsError as error:
            _log.error("%s", error)

    def events(self) -> tuple[list[Event], bool]:
        """Return all lines, the oldest first, and whether all of them are as the runner wrote them."""
        with self._lock:
            found, _, intact = self._read()
        return found, intact

    def csv(self) -> bytes:
        """Return all lines as a table with a header; no cell is a formula."""
        text = io.StringIO(newline="")
        table = csv.writer(text)
        table.writerow([one.name for one in fields(Event)])
        for event in self.events()[0]:
            table.writerow([harmless(value) for value in asdict(event).values()])
        return text.getvalue().encode()

    def _read(self) -> tuple[list[Event], str, bool]:
        """The lines, the last code, and whether all is as it was written."""
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                texts = file.read(READ_BYTES).splitlines()
        except FileNotFoundError:
            return [], "", True
        except OSError as error:
            _log.error("%s: cannot be read (%s)", self.path, error.strerror or error)
            return [], "", False
        found: list[Event] = []
        last, intact = "", True
        for text in texts:
            try:
                values = json.loads(text)
                mac = values.pop("mac")
                intact &= self._key.is_ours(_signed(values, last), mac)
                found.append(Event(**{name: str(value) for name, value in values.items()}))
                last = str(mac)
            except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
                intact = False
        return found, last, intact


def _signed(values: dict[str, Any], before: str) -> bytes:
    return json.dumps([before, values], sort_keys=True).encode()


def _plain(text: str) -> str:
    """Of one line, of what can be printed, and not too long."""
    return "".join(c if c.isprintable() else " " for c in text)[:_TEXT]
