"""Results on their way to another machine: from the outbox, in order, as often as it takes."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Protocol

from sranogan_edge.backoff import Backoff
from sranogan_edge.errors import ResultsError
from sranogan_edge.results.line import ResultLine
from sranogan_edge.sinks.outbox import Message, Outbox
from sranogan_edge.sinks.sink import SinkHealth, SinkState, record_of

__all__ = ["Courier", "RefusedError", "Transport", "UnreachableError"]

LEAVING_S = 15.0  # a transport's own time limits end before
LAST_TRY_S = 5.0  # to send what waits when it is closed
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
        """End the connection in its own way; nothing is sent afterwards."""


class Courier:
    """A sink whose results wait in ``outbox`` and go out by ``transport`` in a thread of its own.

    Nothing that happens there reaches the feed: :meth:`write` only adds to the outbox, and what that cannot
    take stays with the caller. Results arrive in order and at least once; a receiver knows a repeat by its
    ``key``.
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
        self._arrived: int | None = None
        self._wake, self._closing = threading.Event(), threading.Event()
        self._idle = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True) if start else None
        if self._thread:
            self._thread.start()

    @property
    def health(self) -> SinkHealth:
        """How it fares; may be read from any thread."""
        state: SinkState = "closed" if self._closing.is_set() else "failing" if self._message else "ok"
        outbox = self._outbox
        return SinkHealth(
            state,
            outbox.sent,
            len(outbox),
            outbox.lost,
            outbox.refused,
            self._message,
            outbox.apart,
            outbox.refusal,
        )

    def write(self, line: ResultLine) -> None:
        """Have one result on the disk, to be sent soon; raises ResultsError where it cannot."""
        record = record_of(line)
        self._outbox.put(record["key"], json.dumps(record, allow_nan=False).encode())
        self._wake.set()

    def close(self) -> None:
        """Send what can be sent at once; the rest stays in the outbox for the next start."""
        if self._closing.is_set():
            return
        if self._thread:
            self._wake.set()
            with self._idle:
                self._idle.wait_for(lambda: not len(self._outbox) or bool(self._message), LAST_TRY_S)
        self._closing.set()
        self._wake.set()
        if self._thread:
            self._thread.join(LEAVING_S)
        self._transport.close()
        self._outbox.close()

    def pump(self) -> float:
        """Send what waits; return the seconds until there may be more to do."""
        now = self._clock()
        if now < self._next_try:
            return self._next_try - now
        while not self._closing.is_set():
            try:
                message = self._outbox.first()
                if message is None:
                    self._outbox.take_back()
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
