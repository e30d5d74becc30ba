"""A DICOMweb server on this machine: as much of QIDO-RS and WADO-RS as lists and fetches, and failures."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Key = tuple[str, str, str]  # study, series, instance
_TAGS = ("0020000D", "0020000E", "00080018")


class DicomWebServer:
    """Serves objects by their UIDs; use as a context manager.

    Attributes:
        objects: that it has, in the order in which it lists them.
        asked: how many requests came.
    """

    def __init__(self, objects: Mapping[Key, bytes], *, fails_every: int = 0, token: str = "") -> None:
        """Every ``fails_every``-th request is answered with 500; a ``token`` lets nobody else in."""
        self.objects, self.asked = dict(objects), 0
        self._fails_every, self._token = fails_every, token
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"

    def __enter__(self) -> DicomWebServer:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - self is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(*server.answer(self.path, self.headers.get("Authorization", "")))

            def log_message(self, *_: Any) -> None:
                pass

            def _send(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        return Handler

    def answer(self, path: str, authorization: str) -> tuple[int, str, bytes]:
        """Return status, type and body."""
        with self._lock:
            self.asked += 1
            number = self.asked
        if self._token and authorization != f"Bearer {self._token}":
            return 401, "text/plain", b"who are you?"
        if self._fails_every and number % self._fails_every == 0:
            return 500, "text/plain", b"out of order"
        split = urlsplit(path)
        parts = split.path.removeprefix("/dicom-web/").split("/")
        query = {
            name: int(values[0])
            for name, values in parse_qs(split.query).items()
            if name in ("limit", "offset")
        }
        if parts == ["studies"]:
            return self._page([(key[0],) for key in self.objects], query)
        if parts[2:] == ["instances"]:
            return self._page([key for key in self.objects if key[0] == parts[1]], query)
        data = self.objects.get((parts[1], parts[3], parts[5])) if len(parts) == 6 else None
        if data is None:
            return 404, "text/plain", b"none"
        body = b"--edge\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--edge--\r\n"
        return 200, 'multipart/related; type="application/dicom"; boundary="edge"', body

    def _page(self, keys: list[Any], query: Mapping[str, int]) -> tuple[int, str, bytes]:
        begin = query.get("offset", 0)
        page = itertools.islice(dict.fromkeys(keys), begin, begin + query.get("limit", 1000))
        found = [
            {tag: {"vr": "UI", "Value": [uid]} for tag, uid in zip(_TAGS, key, strict=False)} for key in page
        ]
        return (
            (200, "application/dicom+json", json.dumps(found).encode()) if found else (204, "text/plain", b"")
        )
