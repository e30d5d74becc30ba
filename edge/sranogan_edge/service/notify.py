"""Word to systemd: ready, alive, stopping (the protocol of sd_notify(3): one datagram to a socket)."""

from __future__ import annotations

import contextlib
import os
import socket
import time

__all__ = ["Notifier"]

_PATIENCE_S = 0.5  # for a manager that does not listen


class Notifier:
    """Speaks to the service manager that started us; silent where there is none."""

    def __init__(self) -> None:
        """Read ``NOTIFY_SOCKET``, ``WATCHDOG_USEC`` and ``WATCHDOG_PID``."""
        address = os.environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        meant = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        interval = os.environ.get("WATCHDOG_USEC", "")
        self.watchdog_s = int(interval) / 1e6 if meant and interval.isdigit() else None
        self._last_alive = float("-inf")

    def ready(self) -> None:
        """All is set up."""
        self._send(f"READY=1\nMAINPID={os.getpid()}")

    def alive(self) -> None:
        """Nothing hangs; sent a few times in each watchdog interval, however often it is called."""
        now = time.monotonic()
        if self.watchdog_s and now - self._last_alive >= self.watchdog_s / 4:
            self._last_alive = now
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The last object is finished, then it ends."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line that ``systemctl status`` shows."""
        self._send(f"STATUS={' '.join(text.split())}")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        with (
            contextlib.suppress(OSError),  # a manager that does not listen must not stop the scoring
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
        ):
            channel.settimeout(_PATIENCE_S)
            channel.connect(self._address)
            channel.send(message.encode(errors="backslashreplace"))
