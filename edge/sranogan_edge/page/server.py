"""The web server of page and uploads, in a thread of its own: whatever befalls it, scoring goes on."""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sranogan_edge.alarms import Alarms
from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.page.access import Address
from sranogan_edge.page.app import NO_MORE, More, make_app
from sranogan_edge.page.board import Board
from sranogan_edge.refusals import Refusals

with needs_extra("page", "the live page"):
    import uvicorn
    from starlette.types import ASGIApp

    from sranogan_edge.page.audit import AuditTrail
    from sranogan_edge.page.connections import TAKEN_AT_ONCE, WAITING, BoundedHttp, BoundedListener, crowd

__all__ = ["Connections", "serving", "serving_app"]

RETRY_S = 5.0  # between two tries to listen
STOP_S = 5.0
LOOK_S = 1  # between two looks for crowds

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Connections:
    """How connections are bounded.

    Attributes:
        http: each of them.
        waiting: in the kernel.
        stop_s: seconds that answers in hand have at the end.
        crowd: counts those that are closed for others.
    """

    http: type[BoundedHttp] = BoundedHttp
    waiting: int = WAITING
    stop_s: float = STOP_S
    crowd: Refusals = field(default_factory=crowd)


@contextlib.contextmanager
def serving(
    board: Board,
    address: Address,
    alarms: Alarms | None = None,
    audit: AuditTrail | None = None,
    more: More = NO_MORE,
    connections: Connections | None = None,
) -> Iterator[str]:
    """Serve the page while the block runs; gives its URL. ``audit`` keeps who came in and changed what.

    ``more`` is served beside it.
    """
    connections = connections or Connections()
    app = make_app(board, address, audit, more, connections.crowd)
    with serving_app(app, address, alarms, connections) as url:
        try:
            yield url
        finally:
            app.state.events.close()


@contextlib.contextmanager
def serving_app(
    app: ASGIApp,
    address: Address,
    alarms: Alarms | None = None,
    connections: Connections | None = None,
    *,
    name: str = "the live page",
    must_listen: bool = False,
) -> Iterator[str]:
    """Serve ``app`` while the block runs; gives its URL.

    An address that cannot be listened on (in use, not there yet) is one of the ``alarms``, and is tried again
    every ``RETRY_S``; with ``must_listen``, it is a SettingsError at the start.
    """
    connections = connections or Connections()
    if must_listen:
        _try_to_listen(address)
    server = _Server(app, address, alarms or Alarms(), connections, name)
    url = server.url
    thread = threading.Thread(target=server.run, name="page", daemon=True)
    thread.start()
    try:
        yield url
    finally:
        server.stop()
        thread.join(2 * connections.stop_s)


class _Server:
    """Listens from its making where it can, else as soon as it can."""

    def __init__(
        self, app: ASGIApp, address: Address, alarms: Alarms, connections: Connections, name: str
    ) -> None:
        self._app, self._address, self._alarms = app, address, alarms
        self._connections, self._name = connections, name
        self._stopping = threading.Event()
        self._uvicorn: uvicorn.Server | None = None
        self._listener: BoundedListener | None = self._listen()

    @property
    def url(self) -> str:
        """Of the page; the port is the system's choice only where it listens already."""
        host, port = self._address.host, self._address.port
        if self._listener:
            port = self._listener.getsockname()[1]
        scheme = "https" if self._address.certificate else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/"

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

    def _serve(self, listener: BoundedListener) -> None:
        own = self._address.certificate
        tls: dict[str, Any] = {"ssl_certfile": own.file, "ssl_keyfile": own.key} if own else {}
        listener.crowd = self._connections.crowd
        http = type("Http", (self._connections.http,), {"listener": listener})
        config = uvicorn.Config(
            self._app, log_config=None, log_level="warning", access_log=False, server_header=False,
            lifespan="off", timeout_graceful_shutdown=int(self._connections.stop_s), http=http, ws="none",
            backlog=TAKEN_AT_ONCE, proxy_headers=False,
            callback_notify=self._look, timeout_notify=LOOK_S, **tls,
        )  # fmt: skip
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.should_exit = self._stopping.is_set()
        _log.info("%s is at %s", self._name, self.url)
        with listener:
            try:
                self._uvicorn.run([listener])
            except Exception as error:
                _log.exception("%s failed", self._name)
                self._alarms.note("page", f"{self._name} failed ({error}); it is started again")

    async def _look(self) -> None:
        """Renew the alarm of the crowds."""
        self._alarms.note("page crowd", *filter(None, [self._connections.crowd.alarm]))

    def _listen(self) -> BoundedListener | None:
        """Return what listens; None, with an alarm, where that cannot be."""
        asked = self._address
        try:
            listener = _listening(asked)
            listener.waiting = self._connections.waiting  # from when the server begins to listen
        except (OSError, UnicodeError) as error:  # a name may be neither known nor well formed
            self._alarms.note(
                "page",
                f"nobody can see {self._name}: it {_cannot_listen(asked, error)}. It is "
                f"tried again every {RETRY_S:g} s: free the address, or choose another with --serve.",
            )
            return None
        self._alarms.note("page")
        return listener


def _try_to_listen(address: Address) -> None:
    """Raise SettingsError where that cannot be."""
    try:
        _listening(address).close()
    except (OSError, UnicodeError) as error:
        cure = "Free the address, or choose another."
        raise SettingsError(f"scoring {_cannot_listen(address, error)}. {cure}") from error


def _cannot_listen(address: Address, error: Exception) -> str:
    why = getattr(error, "strerror", None) or error
    return f"cannot listen on {address.host}:{address.port} ({why})"


def _listening(address: Address) -> BoundedListener:
    """Return a socket that listens; raises OSError."""
    family, kind, protocol, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = BoundedListener(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen()  # from now on visitors wait instead of being refused
    except OSError:
        listener.close()
        raise
    return listener
