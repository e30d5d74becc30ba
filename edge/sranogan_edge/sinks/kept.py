"""A sink on this machine that fails (full disk, read-only folder) and must not stop the feed."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from sranogan_edge.backoff import Backoff
from sranogan_edge.errors import ResultsError
from sranogan_edge.pipeline import Verdict
from sranogan_edge.results import ResultLine
from sranogan_edge.sinks.sink import Sink, SinkHealth, SinkState

__all__ = ["Kept"]


class Kept:
    """Passes results on to ``sink``; what it cannot take waits in memory, in order, and is counted.

    For feeds whose objects wait in a spool, use the bare sink: its error keeps the object in the spool,
    which survives a power cut. Frames of a camera have no spool.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        limit: int = 10_000,
        retry_s: tuple[float, float] = (1.0, 60.0),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep up to ``limit`` results; pauses before trying again grow from one ``retry_s`` to the other."""
        self._sink, self._limit, self._clock = sink, limit, clock
        self._backoff = Backoff(*retry_s)
        self._waiting: deque[ResultLine] = deque()
        self._next_try = 0.0
        self._written = self._lost = 0
        self._message = ""
        self._closed = False

    @property
    def health(self) -> SinkHealth:
        """How it fares."""
        state: SinkState = "closed" if self._closed else "failing" if self._message else "ok"
        return SinkHealth(state, self._written, len(self._waiting), self._lost, message=self._message)

    def write(self, line: ResultLine, verdict: Verdict | None) -> None:
        """Take one result; never raises ResultsError. One that had to wait is written without pictures."""
        if self._message and self._clock() < self._next_try:
            return self._keep(line)
        if self._drain() and self._pass_on(line, verdict):
            return None
        self._keep(line)

    def flush(self) -> None:
        """Try everything that waits once more."""
        if self._drain():
            try:
                self._sink.flush()
            except ResultsError as error:
                self._note(error)

    def close(self) -> None:
        """Try once more, then let go; what still waits is lost and counted."""
        if self._closed:
            return
        self.flush()
        self._lost += len(self._waiting)
        self._waiting.clear()
        self._closed = True
        try:
            self._sink.close()
        except ResultsError as error:
            self._note(error)

    def _drain(self) -> bool:
        while self._waiting:
            if not self._pass_on(self._waiting[0], None):
                return False
            self._waiting.popleft()
        return True

    def _pass_on(self, line: ResultLine, verdict: Verdict | None) -> bool:
        try:
            self._sink.write(line, verdict)
        except ResultsError as error:
            self._note(error)
            return False
        self._written += 1
        self._message = ""
        self._backoff.reset()
        return True

    def _note(self, error: ResultsError) -> None:
        self._message = str(error)
        self._next_try = self._clock() + self._backoff.next_s()

    def _keep(self, line: ResultLine) -> None:
        self._waiting.append(line)
        if len(self._waiting) > self._limit:
            self._waiting.popleft()
            self._lost += 1
