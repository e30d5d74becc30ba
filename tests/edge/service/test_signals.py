"""Signals reach the runner by way of a thread, never in the middle of what the main thread does."""

from __future__ import annotations

import os
import queue
import signal
import threading

import pytest

from sranogan_edge.service.signals import stopped_by_signals


@pytest.fixture(autouse=True)
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service has none, whoever runs these tests."""
    monkeypatch.setattr("sys.stdin", None)


class Told:
    """Remembers what it was told, and in which thread; takes a lock that the main thread holds."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.calls: queue.Queue[tuple[str, str]] = queue.Queue()

    def stop(self) -> None:
        self._note("stop")

    def reload(self) -> None:
        self._note("reload")

    def _note(self, what: str) -> None:
        with self.lock:
            self.calls.put((what, threading.current_thread().name))


@pytest.mark.parametrize(
    ("number", "what"),
    [(signal.SIGTERM, "stop"), (signal.SIGINT, "stop"), (signal.SIGHUP, "reload")],
)
def test_a_signal_while_the_main_thread_holds_a_lock(number: int, what: str) -> None:
    """A handler that took the lock here would wait for itself for ever."""
    told = Told()
    before = signal.getsignal(number)
    with stopped_by_signals(told):
        with told.lock:
            os.kill(os.getpid(), number)
            assert told.calls.empty()
        assert told.calls.get(timeout=60) == (what, "signals")
    assert signal.getsignal(number) == before
    assert not any(thread.name == "signals" for thread in threading.enumerate())


def test_the_second_one_has_its_usual_effect() -> None:
    """Who presses Ctrl-C twice does not want to wait for the object in hand."""
    told = Told()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background ignore SIGINT
    try:
        with stopped_by_signals(told):
            os.kill(os.getpid(), signal.SIGINT)
            assert told.calls.get(timeout=60)[0] == "stop"
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_every_reload_counts_and_none_stops() -> None:
    """SIGHUP may come as often as people like."""
    told = Told()
    with stopped_by_signals(told):
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGHUP)
            assert told.calls.get(timeout=60)[0] == "reload"
