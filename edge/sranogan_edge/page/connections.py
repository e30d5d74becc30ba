"""HTTP/1.1 with bounds on connections: those that say nothing hold up nobody. Needs the extra ``page``."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["CONNECTIONS", "BoundedHttp"]

CONNECTIONS = 64  # at once; one more closes the one that has been silent for the longest
REQUEST_S = 30.0  # in which a request has to come and its answer to be taken


class BoundedHttp(H11Protocol):
    """One connection, closed where its next request is not answered within ``REQUEST_S``.

    Attributes:
        silent_since: when it was opened, or its last answer was taken; seconds of the loop.
    """

    silent_since = 0.0
    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Take the connection; where there are too many, another one goes."""
        super().connection_made(transport)
        self._wait()
        others = [one for one in self.connections if isinstance(one, BoundedHttp) and not one.closing]
        if len(others) > CONNECTIONS:
            min(others, key=lambda one: one.silent_since).transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock that would have ended it."""
        if self._end:
            self._end.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The next request may come."""
        if not self.closing:
            self._wait()
        super().on_response_complete()

    @property
    def closing(self) -> bool:
        """Whether it is on its way out."""
        return self.transport.is_closing()

    def _wait(self) -> None:
        if self._end:
            self._end.cancel()
        self.silent_since = self.loop.time()
        self._end = self.loop.call_later(REQUEST_S, self.transport.abort)
