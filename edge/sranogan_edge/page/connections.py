"""HTTP/1.1 with bounds on connections: those that say nothing hold up nobody. Needs the extra ``page``."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from sranogan_edge.refusals import Refusals

__all__ = ["CONNECTIONS", "TAKEN_AT_ONCE", "WAITING", "BoundedHttp", "BoundedListener", "crowd"]

CONNECTIONS = 64  # at once; one more closes the one that has been silent for the longest
TAKEN_AT_ONCE = 16  # in one turn of the loop, which closes those that are too many in the turns after
WAITING = 64  # in the kernel, for their turn
REQUEST_S = 30.0  # in which a request has to come and its answer to be taken


def crowd() -> Refusals:
    """Count the connections that are closed because too many are open."""
    return Refusals("the live page", "connections to the live page are closed, too many are open")


class BoundedListener(socket.socket):
    """A listening socket: of those that came in and are no HTTP yet, ``CONNECTIONS`` stay.

    With TLS a connection is HTTP once hands were shaken; one more than that closes the oldest that has not.

    Attributes:
        crowd: is told of each that is closed for others.
        waiting: in the kernel, for their turn.
    """

    waiting = WAITING

    def __init__(self, *kind: Any) -> None:
        super().__init__(*kind)
        self.crowd = crowd()
        self._beginning: dict[Any, socket.socket] = {}  # by the peer's address, in the order of their coming

    def listen(self, backlog: int = WAITING) -> None:
        """Let ``waiting`` wait: asyncio's ``backlog`` is how many it takes at once, too."""
        super().listen(self.waiting)

    def accept(self) -> tuple[socket.socket, Any]:
        """Take the next connection."""
        client, peer = super().accept()
        self._beginning = {at: one for at, one in self._beginning.items() if one.fileno() >= 0}
        self._beginning[peer] = client
        if len(self._beginning) > CONNECTIONS:
            oldest = next(iter(self._beginning))
            self.crowd.note(str(oldest[0]), "has not begun: one of its connections was closed, others wait")
            with suppress(OSError):
                self._beginning.pop(oldest).shutdown(socket.SHUT_RDWR)
        return client, peer

    def began(self, peer: Any) -> None:
        """Note that it is HTTP by now: :class:`BoundedHttp` looks after it."""
        self._beginning.pop(peer, None)


class BoundedHttp(H11Protocol):
    """One connection, closed where its next request is not answered within ``REQUEST_S``.

    Attributes:
        most: connections at once.
        listener: that it came in by.
        silent_since: when it was opened, or its last answer was taken; seconds of the loop.
    """

    most = CONNECTIONS
    listener: BoundedListener | None = None
    silent_since = 0.0
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Take the connection; where there are too many, another one goes."""
        super().connection_made(transport)
        if self.listener is not None:
            self.listener.began(transport.get_extra_info("peername"))
        self.wait()
        others = [one for one in self.connections if isinstance(one, BoundedHttp) and not one.closing]
        if len(others) > self.most:
            silent = min(others, key=lambda one: (one.is_owed, one.silent_since))
            if self.listener is not None and silent.client:
                why = "says nothing: one of its connections was closed, others wait"
                self.listener.crowd.note(silent.client[0], why)
            silent.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock that would have ended it."""
        if self._end:
            self._end.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next request may come."""
        if not self.closing:
            self.wait()
        super().on_response_complete()

    @property
    def is_owed(self) -> bool:
        """Whether an answer is owed that may take its time: then another connection goes first."""
        return False

    @property
    def closing(self) -> bool:
        """Whether it is on its way out."""
        return self.transport.is_closing()

    def wait(self) -> None:
        """Begin to wait for the next request, and for its answer to be taken."""
        if self._end:
            self._end.cancel()
        self.silent_since = self.loop.time()
        self._end = self.loop.call_later(REQUEST_S, self.late)

    def late(self) -> None:
        """End it: its request, or who takes the answer, did not come."""
        self.transport.abort()
