"""Results on their way to another machine: from the outbox, in order, as often as it takes."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from sranogan_edge.backoff import Backoff
from sranogan_edge.errors import ResultsError
from sranogan_edge.results import ResultLine
from sranogan_edge.sinks.outbox import Message, Outbox
from sranogan_edge.sinks.sink import SinkHealth, SinkState, record_of

__all__ = ["Courier", "RefusedError", "Transport", "UnreachableError"]

IN_MEMORY = 1000  # results held while even the outbox cannot be written
LEAVING_S = 15.0  # a transport's own time limits end before
IDLE_S = 60.0


class UnreachableError(ResultsError):
    """The other side cannot be reached, or cannot take results now; they wait."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RefusedError(ResultsError):
    """The other side will never take this result; it is set apart."""


class Transport(Protocol):
    """One way to another machine, used from one thread."""

    def send(self, key: str, body: bytes) -> None:
        """Return once the other side has it.

        Raises:
            RefusedError: it will never take it.
            UnreachableError: try again later.
        """

    def close(self) -> None:
        """Take leave."""


class Courier:
    """A sink whose results wait in ``outbox`` and go out by ``transport`` in a thread of its own.

    Nothing that happens there reaches the feed: :meth:`write` only adds to the outbox. Results arrive in
    order and at least once; a receiver knows a repeat by its ``key``.
    """

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        *,
        retry_s: tuple[float, float] = (1.0, 300.0),
        clock: Callable[[], float] = time.monotonic,
        start: bool = True,
    ) -> None:
        """Begin to send; with ``start`` False, call :meth:`pump` yourself."""
        self._transport, self._outbox, self._clock = transport, outbox, clock
        self._backoff = Backoff(*retry_s)
        self._next_try = 0.0
        self._message = ""
        self._unstored: deque[tuple[str, bytes]] = deque()
        self._lost = 0
        self._arrived: int | None = None
        self._lock = threading.Lock()  # of what could not be stored
        self._wake, self._closing = threading.Event(), threading.Event()
        self._idle = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True) if start else None
        if self._thread:
            self._thread.start()

    @property
    def health(self) -> SinkHealth:
        """How it fares; may be read from any thread until it is closed."""
        outbox = self._outbox
        state: SinkState = "closed" if self._closing.is_set() else "failing" if self._message else "ok"
        if state == "closed":
            return SinkHealth(state, waiting=len(outbox), lost=self._lost, message=self._message)
        waiting = len(outbox) + len(self._unstored)
        lost = outbox.lost + self._lost
        return SinkHealth(state, outbox.sent, waiting, lost, outbox.refused, self._message)

    def write(self, line: ResultLine) -> None:
        """Have one result on the disk, to be sent soon; never raises ResultsError."""
        record = record_of(line)
        with self._lock:
            self._unstored.append((record["key"], json.dumps(record, allow_nan=False).encode()))
        self._store()
        self._wake.set()

    def flush(self, patience_s: float = 5.0) -> None:
        """Wait until all is sent, while that works and no longer than ``patience_s``."""
        self._store()
        self._wake.set()
        with self._idle:
            self._idle.wait_for(lambda: not len(self._outbox) or bool(self._message), patience_s)

    def close(self) -> None:
        """Send what can be sent at once; the rest stays in the outbox for the next start."""
        if self._closing.is_set():
            return
        if self._thread:
            self.flush()
        self._closing.set()
        self._wake.set()
        if self._thread:
            self._thread.join(LEAVING_S)
        self._transport.close()
        self._store()
        self._outbox.close()

    def pump(self) -> float:
        """Send what waits; return the seconds until there may be more to do."""
        now = self._clock()
        if now < self._next_try:
            return self._next_try - now
        while not self._closing.is_set():
            try:
                self._store()
                message = self._outbox.first()
                if message is None:
                    self._succeeded()
                    return IDLE_S
                self._send(message)
                self._succeeded()
            except Exception as error:  # whatever a library raises: results wait, the thread goes on
                return self._failed(error)
        return 0.0

    def _send(self, message: Message) -> None:
        try:
            if message.id != self._arrived:  # else only the note failed that it had arrived
                self._transport.send(message.key, message.body)
        except RefusedError as error:
            self._outbox.refuse(message, str(error))
        else:
            self._arrived = message.id
            self._outbox.done(message)

    def _succeeded(self) -> None:
        self._message = ""
        self._backoff.reset()

    def _failed(self, error: Exception) -> float:
        self._message = str(error) if isinstance(error, ResultsError) else f"{type(error).__name__}: {error}"
        pause_s = self._backoff.next_s()
        if isinstance(error, UnreachableError) and error.retry_after_s is not None:
            pause_s = max(pause_s, error.retry_after_s)
        self._next_try = self._clock() + pause_s
        return pause_s

    def _run(self) -> None:
        while not self._closing.is_set():
            self._wake.clear()
            pause_s = self.pump()
            with self._idle:
                self._idle.notify_all()
            if self._message:
                self._closing.wait(pause_s)  # new results must not hurry a broken line
            else:
                self._wake.wait(pause_s)

    def _store(self) -> None:
        """Move what came in to the disk; where that fails, it stays in memory, the newest of it."""
        with self._lock:
            try:
                while self._unstored:
                    self._outbox.put(*self._unstored[0])
                    self._unstored.popleft()
            except ResultsError as error:
                self._message = str(error)
                while len(self._unstored) > IN_MEMORY:
                    self._unstored.popleft()
                    self._lost += 1
