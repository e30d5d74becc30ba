"""Connections that bring images: more of them than a page has, and slow ones for as long as they move."""

from __future__ import annotations

from uvicorn.protocols.http.h11_impl import RequestResponseCycle

from sranogan_edge.page.connections import BoundedHttp
from sranogan_edge.page.server import Connections

__all__ = ["UploadHttp", "upload_connections"]

CONNECTIONS = 512  # at once: those that are answered 429 too
WAITING = 512  # in the kernel
STOP_S = 60.0


class UploadHttp(BoundedHttp):
    """A connection with a request in hand lasts while its bytes move, and until it is answered.

    How slowly they may move, :mod:`sranogan_edge.uploads.reading` says; how many requests there are,
    :meth:`sranogan_edge.uploads.waiting.Uploads.place`.
    """

    most = CONNECTIONS

    @property
    def is_owed(self) -> bool:
        """Whether a request is in hand, and its answer has not begun."""
        cycle: RequestResponseCycle | None = self.cycle  # as uvicorn begins
        return cycle is not None and not cycle.response_started

    def late(self) -> None:
        """End it, but where an answer is owed."""
        if self.is_owed:
            self.wait()
        else:
            super().late()


def upload_connections() -> Connections:
    """Return how connections are bounded where images are sent."""
    return Connections(UploadHttp, WAITING, STOP_S)
