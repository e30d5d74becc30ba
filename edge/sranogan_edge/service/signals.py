"""SIGTERM, SIGINT and SIGHUP, handed to the runner by a thread of its own.

A handler runs in the middle of whatever the main thread does, and may not take a lock that this holds (an
event's, when it is being waited for): so the handler takes none, and the number of the signal comes to the
thread through a socket.
"""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

__all__ = ["Stoppable", "stopped_by_signals"]

_STOPS = (signal.SIGTERM, signal.SIGINT)


class Stoppable(Protocol):
    """What signals are for."""

    def stop(self) -> None:
        """End soon; from any thread."""

    def reload(self) -> None:
        """Look for another bundle; from any thread."""


@contextmanager
def stopped_by_signals(service: Stoppable) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop ``service`` cleanly, a second one as usual; SIGHUP looks for a new bundle.

    In a terminal SIGHUP keeps its meaning: the terminal is gone. To be used in the main thread.
    """
    calls: dict[int, Callable[[], None]] = dict.fromkeys(_STOPS, service.stop)
    if not (sys.stdin and sys.stdin.isatty()):
        calls[signal.SIGHUP] = service.reload
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        if number in _STOPS:
            signal.signal(number, before[number])

    def listen() -> None:
        while numbers := receiver.recv(64):
            for number in numbers:
                calls.get(number, _nothing)()

    thread = threading.Thread(target=listen, name="signals", daemon=True)
    thread.start()
    earlier = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    before.update({number: signal.getsignal(number) for number in calls})
    try:
        for number in calls:
            signal.signal(number, note)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(earlier)
        sender.close()
        thread.join()
        receiver.close()


def _nothing() -> None:
    pass
