"""The way into a DICOM node: connections that say nothing cost a handle each, and no thread.

One that says something gets the thread that answers it, of which there are few; whoever holds most of them,
or most of the handles, gives way first. So no address, however many connections it opens, shuts out another.
"""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from sranogan_edge.refusals import Refusals

__all__ = ["BEGINNING", "Connection", "Doors", "Peer"]

BEGINNING = 32  # that have a thread and no association yet
_CHANCE_S = 1.0  # for a request to come whole, before its connection has to make room
_LOOK_S = 0.2
_SOON_S = 0.02  # the same while some wait for a thread

Peer = tuple[Any, ...]  # address and port, as the socket says


@dataclass(eq=False)
class Connection:
    """One TCP connection.

    Attributes:
        peer: address and port.
        socket: as it is now: another object once TLS is on.
        since: monotonic seconds: when it came, or got its thread.
        association: its thread, which begins soon.
        begun: whether a thread looks after it.
        granted: whether it got the association that it asked for.
        answered: whether it was refused one, and told so: it may be closed.
        closing: whether it was told to end.
        ended: whether it has no thread any more, and never got an association's.
    """

    peer: Peer
    socket: socket.socket
    since: float
    association: Any = None
    begun: bool = False
    granted: bool = False
    answered: bool = False
    closing: bool = False
    ended: bool = False

    @property
    def address(self) -> str:
        """Of the peer."""
        return str(self.peer[0])

    @property
    def is_alive(self) -> bool:
        """Whether it waits, or any thread still looks after it."""
        return not self.ended and (not self.has_thread or self.association.is_alive())

    @property
    def has_thread(self) -> bool:
        """Whether the association's thread was started."""
        return self.association is not None and self.association.ident is not None

    def close(self) -> None:
        """Have its threads end, or where it has none, let it go; from any thread."""
        self.closing = True
        if not self.begun:
            self.ended = True
            self.socket.close()
            return
        with suppress(OSError):  # not by TLS's own method: it would change the socket under its thread
            socket.socket.shutdown(self.socket, socket.SHUT_RDWR)
        if self.association is not None:
            self.association.dul.to_user_queue.put(None)  # ends the wait for a request


class Doors:
    """Connections, ``most`` at once: one more closes the oldest silent one of who has most of them."""

    def __init__(self, most: int, refusals: Refusals) -> None:
        """Begin without any; :meth:`look` is to be called again and again, by one thread."""
        self.refusals = refusals
        self._most = most
        self._inside: list[Connection] = []
        self._waiting: list[Connection] = []  # said something, and have no thread yet
        self._selector = selectors.DefaultSelector()
        self._lock = threading.RLock()

    def enter(self, peer: Peer, client: socket.socket) -> bool:
        """Let one more in, if that can be."""
        with self._lock:
            self._forget()
            if len(self._inside) >= self._most:
                silent = [one for one in self._inside if not one.begun]
                if not silent:
                    self.refusals.note(str(peer[0]), f"closed at once: {self._most} connections are open")
                    return False
                self._send_away(_of_who_has_most(silent, self._inside))
            made = Connection(peer, client, time.monotonic())
            self._inside.append(made)
            self._selector.register(client, selectors.EVENT_READ, made)
        return True

    def look(self, begin: Callable[[socket.socket, Peer], None]) -> None:
        """Wait a moment for connections that say something, and have ``begin`` start threads for them."""
        found = self._selector.select(_SOON_S if self._waiting else _LOOK_S)
        with self._lock:
            for key, _ in found:
                if key.data in self._inside:
                    self._selector.unregister(key.fileobj)
                    self._waiting.append(key.data)
            starting = self._starting()
        for one in starting:
            try:
                begin(one.socket, one.peer)
            except (RuntimeError, OSError) as error:  # no thread to be had: the others may find one
                self.refusals.note(one.address, f"closed: {error}")
                one.socket.close()
                self.left_alone(one.peer)

    def sweep(self, silent_s: float, slow_s: float) -> None:
        """Close what says nothing for ``silent_s``, and what gets no association in ``slow_s``."""
        now = time.monotonic()
        with self._lock:
            self._forget()
            for one in list(self._inside):
                if not one.granted and now - one.since > (slow_s if one.has_thread else silent_s):
                    self._close(one)

    def became(self, peer: Peer, client: socket.socket) -> None:
        """Note that TLS made another socket of it."""
        self._change(peer, socket=client)

    def associated(self, peer: Peer, association: Any) -> None:
        """Note whose thread looks after it soon."""
        self._change(peer, association=association)

    def left_alone(self, peer: Peer) -> None:
        """Note that the thread that shook hands has ended: it has an association's, or none any more."""
        with self._lock:
            for one in self._inside:
                if one.peer == peer and one.begun and not one.has_thread:
                    one.ended = True

    def granted(self, association: Any) -> None:
        """Note that it has its association: it is not closed for others."""
        with self._lock:
            for one in self._inside:
                if one.association is association:
                    one.granted = True

    def answered(self, association: Any) -> None:
        """Note that the peer has an answer; where that granted nothing, it may be closed."""
        with self._lock:
            for one in self._inside:
                if one.association is association:
                    one.answered = not one.granted

    def close(self) -> None:
        """Let those go that have no thread."""
        with self._lock:
            for one in list(self._inside):
                if not one.begun:
                    self._close(one)
            self._selector.close()

    def __len__(self) -> int:
        with self._lock:
            self._forget()
            return len(self._inside)

    def _starting(self) -> list[Connection]:
        """Those that get a thread now; one that had its chance makes room for them."""
        self._forget()
        beginning = [one for one in self._inside if one.begun and not one.granted]
        starting: list[Connection] = []
        while self._waiting and len(beginning) < BEGINNING:
            held = Counter(one.address for one in beginning)
            chosen = min(self._waiting, key=lambda one: (held[one.address], one.since))
            self._waiting.remove(chosen)
            chosen.begun, chosen.since = True, time.monotonic()
            beginning.append(chosen)
            starting.append(chosen)
        for _ in self._waiting:
            begun = time.monotonic() - _CHANCE_S
            may_go = [one for one in beginning if not one.closing and (one.answered or one.since < begun)]
            if not may_go:
                break
            one = _of_who_has_most([one for one in may_go if one.answered] or may_go, beginning)
            if one.answered:
                self._close(one)
            else:
                self._send_away(one)
        return starting

    def _send_away(self, one: Connection) -> None:
        self.refusals.note(one.address, "says nothing: one of its connections was closed, others wait")
        self._close(one)

    def _close(self, one: Connection) -> None:
        if not one.begun:
            with suppress(KeyError, ValueError):  # it said something and waits for a thread
                self._selector.unregister(one.socket)
            self._waiting = [other for other in self._waiting if other is not one]
        one.close()
        self._forget()

    def _change(self, peer: Peer, **found: Any) -> None:
        with self._lock:
            for one in self._inside:
                if one.peer == peer and one.begun:
                    for name, value in found.items():
                        setattr(one, name, value)
                    if one.closing:
                        one.close()

    def _forget(self) -> None:
        self._inside = [one for one in self._inside if one.is_alive]


def _of_who_has_most(chosen: Iterable[Connection], among: Iterable[Connection]) -> Connection:
    """Return the oldest of those whose address has most connections."""
    held = Counter(one.address for one in among)
    return min(chosen, key=lambda one: (-held[one.address], one.since))
