"""From the spool's outbox to the sinks: each in a thread of its own, at its own pace, from its own cursor.

A sink that fails holds up neither the scoring nor the others: its results wait in the outbox.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from sranogan_edge.errors import ResultsError
from sranogan_edge.results.line import scored_before
from sranogan_edge.service.sink_reader import SinkReader
from sranogan_edge.sinks.jsonl_files import JsonlFiles, Rotation
from sranogan_edge.sinks.sink import Sink, SinkHealth
from sranogan_edge.spool.queue import Outbox
from sranogan_edge.spool.spool import Cursor, StoredResult

__all__ = ["Delivery", "Reader", "ResultsLog", "Sink", "SinkReader"]

_log = logging.getLogger(__name__)
_BATCH = 100
_PRUNE_EVERY_S, _DAY_S = 600.0, 86_400.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0


class Reader(Protocol):
    """What reads the outbox; returns how far it came."""

    def take(self, results: Sequence[StoredResult], at: Cursor) -> tuple[Cursor, Exception | None]:
        """Take results in order; the cursor stands behind the last one that is safe."""

    def close(self) -> None:
        """Let go of what is held open; nothing is taken afterwards."""


class ResultsLog:
    """``results.jsonl``: each result exactly once, also across kills.

    The cursor holds the length of the file, so what a killed run wrote beyond it is cut off and written
    again. A step to another place (a full file is closed, somebody took the file away) is a step of its own:
    it is kept before anything is written there. A line has ``number`` and ``identity`` beside the fields of
    :class:`ResultLine`.
    """

    def __init__(
        self, path: Path, rotation: Rotation | None = None, *, must_be_writable: bool = True
    ) -> None:
        """Try that ``path`` can be written to; raises ResultsError where it must and is not."""
        self.path, self._rotation = path, rotation or Rotation()
        self._files = JsonlFiles(path, self._rotation.keep, keep_s=self._rotation.keep_s)
        self._pruned_at = float("-inf")
        try:
            if must_be_writable:
                self._files.prepare()
        except OSError as error:
            raise self._failed(error) from error

    def take(self, results: Sequence[StoredResult], at: Cursor) -> tuple[Cursor, Exception | None]:
        """Append all of them, or none; or go to another place first."""
        text = "".join(
            json.dumps({**r.line, "number": r.number, "identity": dict(r.identity)}, allow_nan=False) + "\n"
            for r in results
        ).encode()
        try:
            place = self._place(at, results[0].number)
            if place != at.offset:
                return Cursor(at.number, place), None
            return Cursor(results[-1].number, self._files.append(text, place)), None
        except OSError as error:
            return at, self._failed(error)

    def begin(self) -> Cursor:
        """Where to write in a file that this spool never wrote to: behind what is there."""
        try:
            return Cursor(0, self._files.end())
        except OSError as error:
            raise self._failed(error) from error

    def is_turn(self, at: Cursor) -> bool:
        """Whether ``at`` ends a file, or begins one: a power cut must not take us back behind it."""
        return at.offset == 0 or at.offset >= self._rotation.max_bytes

    def close(self) -> None:
        """Nothing is held open."""

    def _place(self, at: Cursor, number: int) -> int:
        if time.monotonic() - self._pruned_at >= _PRUNE_EVERY_S:
            self._pruned_at = time.monotonic()
            self._files.prune()
        place = self._files.place(at.offset, lambda line: _number_in(line) == number)
        if place < self._rotation.max_bytes and not (place and self._is_old()):
            return place
        self._files.turn()
        return 0

    def _is_old(self) -> bool:
        """Whether the first line was written more than a day ago, where closed files go after a time."""
        if self._rotation.keep_s is None:
            return False
        with self.path.open("rb") as file:
            try:
                return scored_before(json.loads(file.readline()), time.time() - _DAY_S)
            except (ValueError, AttributeError):
                return False

    def _failed(self, error: OSError) -> ResultsError:
        return ResultsError(
            f"cannot write results to {self.path}: {error.strerror or error}. They are kept in the spool; "
            "free some space, correct the permissions, or name another folder with --out."
        )


def _number_in(line: bytes) -> object:
    try:
        return json.loads(line)["number"]
    except (ValueError, TypeError, KeyError):
        return None


class Delivery:
    """Threads that carry results to readers until closed."""

    def __init__(self, outbox: Outbox, readers: Mapping[str, Reader]) -> None:
        """Register the readers (from now on retention keeps what they have not read) and begin.

        Raises:
            SpoolFullError: no room to register them; nothing has begun.
        """
        self._outbox, self._readers = outbox, dict(readers)
        self._wake = threading.Condition()
        self._closing = False
        self.failing: dict[str, str] = {}  # by reader: why it does not take results now
        self._reached: dict[str, int] = {}  # by reader: the last result that it has
        outbox.forget_sinks(_cursor_of(name, reader) for name, reader in self._readers.items())
        self._threads = [
            threading.Thread(
                target=self._carry,
                args=(name, reader, self._registered(name, reader)),
                name=f"sink {name}",
                daemon=True,
            )
            for name, reader in self._readers.items()
        ]
        for thread in self._threads:
            thread.start()

    def _registered(self, name: str, reader: Reader) -> Cursor:
        at = self._outbox.cursor(_cursor_of(name, reader))
        if at is None and isinstance(reader, ResultsLog):
            at = reader.begin()
        elif at is None:
            at = reader.begin(self._outbox) if isinstance(reader, SinkReader) else Cursor()
        self._advance(name, reader, at)
        return at

    def _advance(self, name: str, reader: Reader, to: Cursor) -> None:
        durable = isinstance(reader, ResultsLog) and reader.is_turn(to)
        self._outbox.advance(_cursor_of(name, reader), to, durable=durable)
        self._reached[name] = to.number

    @property
    def health(self) -> dict[str, SinkHealth]:
        """How each reader fares; why it takes no results now goes before its own trouble.

        What waits is what its outbox holds, and what the spool holds for it.
        """
        found = {}
        newest = self._outbox.newest()
        for name, reader in self._readers.items():
            health = reader.health if isinstance(reader, SinkReader) else SinkHealth()
            left = max(0, newest - self._reached.get(name, 0))
            health = replace(health, waiting=health.waiting + left)
            why = self.failing.get(name)
            found[name] = replace(health, state="failing", message=why) if why else health
        return found

    @property
    def behind(self) -> list[str]:
        """The readers that have the fewest results."""
        reached = dict(self._reached)
        return sorted(name for name, number in reached.items() if number == min(reached.values()))

    def announce(self) -> None:
        """There are new results."""
        with self._wake:
            self._wake.notify_all()

    def close(self, within_s: float = 30.0) -> None:
        """Deliver what can be delivered and end; what a failing sink lacks waits for the next start."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        for thread in self._threads:
            thread.join(within_s)

    def _carry(self, name: str, reader: Reader, at: Cursor) -> None:
        pause = _FIRST_PAUSE_S
        try:
            while True:
                last = self._closing  # asked before looking: what was announced before is delivered
                at, error, any_left = self._step(name, reader, at)
                if error is None:
                    pause = _FIRST_PAUSE_S
                    self.failing.pop(name, None)
                    if any_left:
                        continue
                else:
                    if name not in self.failing:
                        _log.error("%s: %s", name, error)
                    self.failing[name] = str(error)
                with self._wake:
                    if last:
                        return
                    if not self._closing:
                        self._wake.wait(1.0 if error is None else pause)
                pause = pause if error is None else min(2 * pause, _LONGEST_PAUSE_S)
        finally:
            reader.close()

    def _step(self, name: str, reader: Reader, at: Cursor) -> tuple[Cursor, Exception | None, bool]:
        try:
            results = self._outbox.results(at.number, _BATCH)
            if not results:
                return at, reader.again() if isinstance(reader, SinkReader) else None, False
            reached, error = reader.take(results, at)
            if reached != at:
                self._advance(name, reader, reached)
        except Exception as trouble:  # of the spool (a full disk): the results come again
            return at, trouble, True
        return reached, error, True


def _cursor_of(name: str, reader: Reader) -> str:
    """What the place of ``reader`` is kept under in the spool."""
    return (reader.cursor if isinstance(reader, SinkReader) else "") or name
