"""The web server of the live page, in a thread of its own: whatever befalls it, scoring goes on."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator

from sranogan_edge.alarms import Alarms
from sranogan_edge.extras import needs_extra
from sranogan_edge.page.access import Address
from sranogan_edge.page.app import make_app
from sranogan_edge.page.board import Board

with needs_extra("page", "the live page"):
    import uvicorn

    from sranogan_edge.page.connections import BoundedHttp

__all__ = ["serving"]

RETRY_S = 5.0  # between two tries to listen
STOP_S = 5.0
PROXIES = ["127.0.0.1", "::1"]  # whose X-Forwarded-For is believed: a web server with TLS on this machine

_log = logging.getLogger(__name__)


@contextlib.contextmanager
def serving(board: Board, address: Address, alarms: Alarms | None = None) -> Iterator[str]:
    """Serve the page while the block runs; gives its URL.

    An address that cannot be listened on (in use, not there yet) is one of the ``alarms``, and is tried again
    every ``RETRY_S``.
    """
    server = _Server(board, address, alarms or Alarms())
    url = server.url
    thread = threading.Thread(target=server.run, name="page", daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.stop()
        thread.join(2 * STOP_S)


class _Server:
    """Listens from its making where it can, else as soon as it can."""

    def __init__(self, board: Board, address: Address, alarms: Alarms) -> None:
        self._app, self._address, self._alarms = make_app(board, address), address, alarms
        self._stopping = threading.Event()
        self._uvicorn: uvicorn.Server | None = None
        self._listener = self._listen()

    @property
    def url(self) -> str:
        """Of the page; the port is the system's choice only where it listens already."""
        host, port = self._address.host, self._address.port
        if self._listener:
            port = self._listener.getsockname()[1]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def run(self) -> None:
        """Serve until stopped; after a failure, anew."""
        while True:
            if self._listener:
                self._serve(self._listener)
            if self._stopping.wait(RETRY_S):
                return
            self._listener = self._listen()

    def stop(self) -> None:
        """End soon; may be called from any thread."""
        self._stopping.set()
        if self._uvicorn:
            self._uvicorn.should_exit = True

    def _serve(self, listener: socket.socket) -> None:
        config = uvicorn.Config(
            self._app, log_config=None, log_level="warning", access_log=False, server_header=False,
            lifespan="off", timeout_graceful_shutdown=int(STOP_S), http=BoundedHttp, ws="none",
            forwarded_allow_ips=PROXIES,
        )  # fmt: skip
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.should_exit = self._stopping.is_set()
        _log.info("the live page is at %s", self.url)
        with listener:
            try:
                self._uvicorn.run([listener])
            except Exception as error:
                _log.exception("the live page failed")
                self._alarms.note("page", f"the live page failed ({error}); it is started again")

    def _listen(self) -> socket.socket | None:
        """Return what listens; None, with an alarm, where that cannot be."""
        asked = self._address
        try:
            listener = _listening(asked)
        except (OSError, UnicodeError) as error:  # a name may be neither known nor well formed
            why = getattr(error, "strerror", None) or error
            self._alarms.note(
                "page",
                f"nobody can see the live page: it cannot listen on {asked.host}:{asked.port} ({why}). It is "
                f"tried again every {RETRY_S:g} s: free the address, or choose another with --serve.",
            )
            return None
        self._alarms.note("page")
        return listener


def _listening(address: Address) -> socket.socket:
    """Return a socket that listens; raises OSError."""
    family, kind, protocol, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(64)  # from now on visitors wait instead of being refused
    except OSError:
        listener.close()
        raise
    return listener
