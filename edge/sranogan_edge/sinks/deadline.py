"""A longest time for all of an HTTP request: urllib3 bounds each wait for a byte, of which a server has many.

Needs the extra ``webhook``.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

__all__ = ["Deadline"]


class Deadline:
    """Ends the connection in use when the time of :meth:`within` is over; of one thread's requests.

    Attributes:
        passed: whether the last block took too long.
    """

    def __init__(self) -> None:
        self.passed = False
        self._in_use: socket.socket | None = None
        self._lock = threading.Lock()

    def watch(self, pools: urllib3.PoolManager) -> None:
        """Have all connections of ``pools`` end so."""
        own = {"deadline": self}
        plain = type("Plain", (_Watched, HTTPConnection), own)
        secure = type("Secure", (_Watched, HTTPSConnection), own)
        pools.pool_classes_by_scheme = {
            "http": type("PlainPool", (urllib3.HTTPConnectionPool,), {"ConnectionCls": plain}),
            "https": type("SecurePool", (urllib3.HTTPSConnectionPool,), {"ConnectionCls": secure}),
        }

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """End what the block waits for after so many seconds."""
        self.passed = False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def use(self, connection: socket.socket | None) -> None:
        """Note what is waited for; ended at once where the time was over before it began."""
        with self._lock:
            self._in_use = connection
            if self.passed:
                _shut(connection)

    def _end(self) -> None:
        with self._lock:
            self.passed = True
            _shut(self._in_use)


class _Watched:
    """A connection that tells its deadline which socket it uses: a second handle, which TLS leaves alone."""

    deadline: Deadline
    _second: socket.socket | None = None

    def _new_conn(self) -> Any:
        made: socket.socket = super()._new_conn()  # type: ignore[misc]  # urllib3's, which comes behind
        self._second = made.dup()
        self.deadline.use(self._second)
        return made

    def request(self, *arguments: Any, **named: Any) -> None:
        """Begin a request on a connection that is kept."""
        if self._second is not None:
            self.deadline.use(self._second)
        super().request(*arguments, **named)  # type: ignore[misc]  # as above

    def close(self) -> None:
        """Close it."""
        super().close()  # type: ignore[misc]  # as above
        if self._second is not None:
            self.deadline.use(None)
            self._second.close()
            self._second = None


def _shut(connection: socket.socket | None) -> None:
    if connection is not None:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
