"""A server that results are posted to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Hook(BaseHTTPRequestHandler):
    """Takes everything, and keeps it."""

    got: list[bytes]

    def do_POST(self) -> None:
        self.got.append(self.rfile.read(int(self.headers["Content-Length"])) + str(self.headers).encode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def hook() -> Iterator[tuple[str, list[bytes]]]:
    """Give a server's address, and what was posted to it."""
    kind = type("Own", (Hook,), {"got": []})
    server = HTTPServer(("127.0.0.1", 0), kind)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook", kind.got  # type: ignore[attr-defined]  # made here
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
