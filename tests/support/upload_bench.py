"""Scoring what programs send, in this process: a stand-in for the detector, all else real."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from sranogan_edge.alarms import Alarms
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.image.frame import Frame
from sranogan_edge.page.access import Address
from sranogan_edge.page.server import serving_app
from sranogan_edge.results.line import Scorer
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.service.faults import Faults
from sranogan_edge.service.scoring import Judge
from sranogan_edge.uploads.app import endpoint_app
from sranogan_edge.uploads.connections import upload_connections
from sranogan_edge.uploads.limits import UploadSettings
from sranogan_edge.uploads.scoring import score_next
from sranogan_edge.uploads.waiting import Uploads
from tests.support.service_bench import RULE, StandIn, wait_for

PNG = {"Content-Type": "image/png"}
LOCAL = Address("127.0.0.1", 0)


class HeldStandIn(StandIn):
    """A stand-in that may be held in the middle of an image.

    Attributes:
        go: cleared, it waits.
        begun: images that it was given.
    """

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()
        self.begun = 0

    def measure(self, frame: Frame, pulse: Callable[[], object] = lambda: None) -> Measurement:
        self.begun += 1
        assert self.go.wait(120)
        return super().measure(frame, pulse)


@dataclass
class Answer:
    """Status, headers (small letters) and what the JSON says."""

    status: int
    headers: Mapping[str, str]
    said: Any


@dataclass
class UploadBench:
    """What is served, and its clients."""

    uploads: Uploads
    detector: HeldStandIn = field(default_factory=HeldStandIn)
    url: str = ""

    @property
    def port(self) -> int:
        """That it listens on."""
        return urlsplit(self.url).port or 0

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask by a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            client.request(method, path, body, dict(headers or {}))
            answer = client.getresponse()
            text = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            client.close()
        is_json = found.get("content-type") == "application/json"
        return Answer(answer.status, found, json.loads(text) if is_json else text.decode())

    def score(self, data: Any, path: str = "/v1/score", **headers: str) -> Answer:
        """Send one image; underlines in names of ``headers`` are hyphens."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ask("POST", path, data, {**PNG, **given})

    def score_form(self, parts: Sequence[tuple[str, bytes]], **headers: str) -> Answer:
        """Send several images in a form."""
        kind, body = form_of(parts)
        return self.ask("POST", "/v1/score", body, {"Content-Type": kind, **headers})

    def raw(self, head: str, *headers: str) -> socket.socket:
        """Begin a request by hand."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=120)
        client.sendall("\r\n".join([f"{head} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode())
        return client

    def is_empty(self) -> bool:
        """Whether no request has a place, and no byte is held."""
        return not self.uploads.inside and not self.uploads.waiting and not self.uploads._held


def form_of(parts: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
    """Content-Type and body of a form with a file in each part."""
    mark = uuid.uuid4().hex
    pieces = [
        f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
        + data
        + b"\r\n"
        for name, data in parts
    ]
    return f"multipart/form-data; boundary={mark}", b"".join(pieces) + f"--{mark}--\r\n".encode()


@contextmanager
def uploading(
    settings: UploadSettings | None = None,
    address: Address = LOCAL,
    decoding: DecodingSettings | None = None,
) -> Iterator[UploadBench]:
    """Serve and score while the block runs."""
    bench = UploadBench(Uploads(settings or UploadSettings()))
    detector, uploads, decoder = bench.detector, bench.uploads, Decoder(decoding)
    scorer = Scorer("0" * 64, 1, "stand-in")
    judge = Judge(detector, scorer, 1_000_000, heat_limit=1.0, rule=RULE, prove=detector.prove)
    faults, over = Faults(Alarms()), threading.Event()

    def work() -> None:
        while not over.is_set():
            uploads.beat()
            score_next(uploads, judge, decoder, faults, timeout_s=0.05)

    decoder.make_ready()
    worker = threading.Thread(target=work)
    worker.start()
    uploads.ready()
    try:
        with serving_app(
            endpoint_app(uploads, address, "chest", {"bundle": "a stand-in"}),
            address,
            connections=upload_connections(),
        ) as bench.url:
            wait_for(lambda: bench.ask("GET", "/healthz").status == 200)
            yield bench
    finally:
        detector.go.set()
        over.set()
        worker.join()
        uploads.not_ready("it is stopping")
        decoder.close()
