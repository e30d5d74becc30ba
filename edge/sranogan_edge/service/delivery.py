"""From the spool's outbox to the sinks: each in a thread of its own, at its own pace, from its own cursor.

A sink that fails holds up neither the scoring nor the others: its results wait in the outbox.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sranogan_edge.errors import ResultsError
from sranogan_edge.results import ResultLine
from sranogan_edge.sinks.sink import ObjectSink, Sink, SinkHealth
from sranogan_edge.spool.outbox import Outbox
from sranogan_edge.spool.spool import Cursor, StoredResult

__all__ = ["Delivery", "Reader", "ResultsLog", "Sink", "SinkReader"]

_log = logging.getLogger(__name__)
_BATCH = 100
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0


class Reader(Protocol):
    """What reads the outbox; returns how far it came."""

    def take(self, results: Sequence[StoredResult], at: Cursor) -> tuple[Cursor, Exception | None]:
        """Take results in order; the cursor stands behind the last one that is safe."""

    def close(self) -> None:
        """End."""


class SinkReader:
    """Hands results to a sink, each at least once; after a crash the last few may come again."""

    def __init__(self, sink: Sink) -> None:
        """Take ``sink``."""
        self._sink = sink

    @property
    def trouble(self) -> str:
        """Why what it took does not arrive where it belongs; empty where it does."""
        health = getattr(self._sink, "health", None)
        return health.message if isinstance(health, SinkHealth) and health.state == "failing" else ""

    def take(self, results: Sequence[StoredResult], at: Cursor) -> tuple[Cursor, Exception | None]:
        """Write and flush one by one."""
        for result in results:
            try:
                self._write(result)
                self._sink.flush()
            except Exception as error:  # whatever a sink raises is its own trouble
                return at, error
            at = Cursor(result.number)
        return at, None

    def _write(self, result: StoredResult) -> None:
        line = ResultLine(**result.line)
        if isinstance(self._sink, ObjectSink) and result.path is not None:
            self._sink.write_object(line, result.path)
        else:
            self._sink.write(line)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()


class ResultsLog:
    """``results.jsonl``: each result exactly once, also across kills.

    The cursor holds the length of the file, so what a killed run wrote beyond it is cut off and written
    again. A line has ``number`` and ``identity`` beside the fields of :class:`ResultLine`.
    """

    def __init__(self, path: Path, *, must_be_writable: bool = True) -> None:
        """Try that ``path`` can be written to; raises ResultsError where it must and is not."""
        self.path = path
        if not must_be_writable:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
        except OSError as error:
            raise self._failed(error) from error

    def take(self, results: Sequence[StoredResult], at: Cursor) -> tuple[Cursor, Exception | None]:
        """Append all of them, or none."""
        text = "".join(
            json.dumps({**r.line, "number": r.number, "identity": dict(r.identity)}, allow_nan=False) + "\n"
            for r in results
        ).encode()
        try:
            with self.path.open("r+b" if self.path.exists() else "w+b", buffering=0) as file:
                file.truncate(at.offset)
                file.seek(at.offset)
                left = memoryview(text)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
        except OSError as error:
            return at, self._failed(error)
        return Cursor(results[-1].number, at.offset + len(text)), None

    def start(self, at: Cursor) -> Cursor:
        """Where to write: at the cursor, or at the end of a file that somebody else began or replaced."""
        try:
            with self.path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                if at.number == 0 or size < at.offset:
                    return Cursor(at.number, size)
                file.seek(max(0, at.offset - 1))
                follows_line = at.offset == 0 or file.read(1) == b"\n"
        except OSError:
            return at
        return at if follows_line else Cursor(at.number, size)

    def close(self) -> None:
        """Nothing is held open."""

    def _failed(self, error: OSError) -> ResultsError:
        return ResultsError(
            f"cannot write results to {self.path}: {error.strerror or error}. They are kept in the spool; "
            "free some space, correct the permissions, or name another folder with --out."
        )


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
        outbox.forget_sinks(self._readers)
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
        at = self._outbox.cursor(name)
        if isinstance(reader, ResultsLog):
            at = reader.start(at)
            self._outbox.advance(name, at)
        return at

    @property
    def troubles(self) -> dict[str, str]:
        """By reader: why its results do not arrive now."""
        own = {name: r.trouble for name, r in self._readers.items() if isinstance(r, SinkReader)}
        return {**{name: why for name, why in own.items() if why}, **self.failing}

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
                return at, None, False
            reached, error = reader.take(results, at)
            if reached != at:
                self._outbox.advance(name, reached)
        except Exception as trouble:  # of the spool (a full disk): the results come again
            return at, trouble, True
        return reached, error, True
