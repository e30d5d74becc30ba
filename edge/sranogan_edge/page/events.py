"""Word to browsers that something changed, as server-sent events: they ask for the rest themselves.

A stream ends by itself well before :data:`~sranogan_edge.page.connections.REQUEST_S`, by which a connection
counts as hanging, and a browser opens it again: so it needs no exception from the bounds on connections, and
who may see the page is asked anew each time. A browser that gets none asks once a second, as without it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from sranogan_edge.page.board import Board
from sranogan_edge.page.connections import REQUEST_S

__all__ = ["HEARTBEAT_S", "LISTENERS", "STREAM_S", "Events"]

LISTENERS = 16  # at once: a quarter of the connections
LOOK_S = 0.25  # between two looks at the board
LEAST_S = 1.0  # between two events: a camera has 30 results a second
HEARTBEAT_S = 5.0
STREAM_S = REQUEST_S * 2 / 3
RETRY_MS = 500  # that a browser waits before it opens the next stream
_KIND = "text/event-stream"


class Events:
    """The streams of one page.

    Attributes:
        listeners: streams that are open.
    """

    def __init__(self, board: Board) -> None:
        """Watch ``board``."""
        self._board = board
        self._closing = threading.Event()
        self.listeners = 0

    def close(self) -> None:
        """End all streams soon; may be called from any thread."""
        self._closing.set()

    async def stream(self, request: Request) -> Response:
        """Answer with a stream; with 503 where so many are open, or the page is about to end."""
        if request.method == "HEAD":
            return Response(media_type=_KIND)
        if self._closing.is_set() or self.listeners >= LISTENERS:
            told = f"{LISTENERS} browsers listen already: ask /api/state instead\n"
            return PlainTextResponse(told, 503, {"Retry-After": "30"})
        return _Stream(self)

    async def parts(self) -> AsyncIterator[str]:
        """Yield a stream's text: first what is now, then each change and, without one, a heartbeat."""
        clock = asyncio.get_running_loop().time
        began = clock()
        told, told_at = self._board.changes, began
        yield f"retry: {RETRY_MS}\n{_event(told)}"
        while not self._closing.is_set() and clock() - began < STREAM_S:
            await asyncio.sleep(LOOK_S)
            changes, quiet_s = self._board.changes, clock() - told_at
            if changes != told and quiet_s >= LEAST_S:
                told, told_at = changes, clock()
                yield _event(told)
            elif quiet_s >= HEARTBEAT_S:
                told_at = clock()
                yield ": still here\n\n"


class _Stream(StreamingResponse):
    """One stream, counted from before its first byte to its end, however it ends."""

    def __init__(self, events: Events) -> None:
        super().__init__(events.parts(), media_type=_KIND, headers={"X-Accel-Buffering": "no"})
        self._events = events
        events.listeners += 1  # here: two requests at once are one after the other

    async def __call__(self, *asgi: object) -> None:
        try:
            await super().__call__(*asgi)  # type: ignore[arg-type]  # passed on as they are
        finally:
            self._events.listeners -= 1


def _event(changes: int) -> str:
    return f"event: changed\ndata: {changes}\n\n"
