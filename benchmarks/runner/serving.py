r"""What scoring through HTTP costs beside scoring from Python: images a second, and how long one takes.

::

    python -m benchmarks.runner.serving chest.sranogan --out benchmarks/results/serving.json

The same films, in turn: ``Detector.score`` in this process, then ``sranogan-serve`` with one client, with
four, and with forms of 50. All are on one machine, so that clients take processor time from what scores.
Every score through HTTP has to be that of ``Detector.score``, to the bit.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from benchmarks.record import Record
from keras_sranogan.data.phantom import render_abnormal, render_normal
from sranogan_edge.detector.open import open_detector

SIDE_PX = 512
FORM = 50
CLIENTS = 4
START_S = 120.0
SEED = 11


@dataclass
class Times:
    """Of one way: seconds of each request, of all of them, of processors, and how many images they had."""

    each: list[float] = field(default_factory=list)
    total: float = 0.0
    client_cpu: float = 0.0
    server_cpu: float = 0.0
    images: int = 0

    def figures(self) -> dict[str, float]:
        """What is written down."""
        least, middle, high = np.percentile(self.each, [0, 50, 95]) * 1000
        return {
            "images_per_second": round(self.images / self.total, 1),
            "least_ms": round(float(least), 2),
            "median_ms": round(float(middle), 2),
            "p95_ms": round(float(high), 2),
            "processor_ms": round(1000 * (self.client_cpu + self.server_cpu) / self.images, 2),
            "processor_ms_of_the_server": round(1000 * self.server_cpu / self.images, 2),
            "requests": len(self.each),
            "images": self.images,
        }


def film(index: int) -> bytes:
    """A phantom as a PNG, every third of them ill."""
    ill = index % 3 == 0
    frame = render_abnormal(SEED, index, "nodule", SIDE_PX) if ill else render_normal(SEED, index, SIDE_PX)
    _, packed = cv2.imencode(".png", frame.pixels)
    return packed.tobytes()


class Client:
    """A connection that is kept for one turn: an idle one is closed after 5 seconds."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def one(self, data: bytes) -> list[float]:
        """Send one image."""
        return [self._asked(data, "image/png")["score"]]

    def form(self, films: Sequence[bytes]) -> list[float]:
        """Send several."""
        mark = "----------serving"
        head = f'--{mark}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'.encode()
        body = b"".join(head + data + b"\r\n" for data in films) + f"--{mark}--\r\n".encode()
        said = self._asked(body, f"multipart/form-data; boundary={mark}")
        return [row["score"] for row in said["results"]]

    def _asked(self, body: bytes, kind: str) -> Any:
        self._connection.request("POST", "/v1/score", body, {"Content-Type": kind})
        answer = self._connection.getresponse()
        said = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {said}")
        return said


@contextmanager
def served(bundle: Path) -> Iterator[tuple[int, int]]:
    """Run ``sranogan-serve``; gives its port and process once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sranogan_edge.commands.serve", str(bundle), "--port", str(port)]
    with subprocess.Popen(command) as child:
        try:
            deadline = time.monotonic() + START_S
            while not is_ready(port):
                if time.monotonic() > deadline or child.poll() is not None:
                    raise RuntimeError("sranogan-serve is not ready")
                time.sleep(0.1)
            yield port, child.pid
        finally:
            child.terminate()
            child.wait()


def processor_s(pid: int) -> float:
    """What a process took of processors, and the decoder below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in (pid, *children)]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def is_ready(port: int) -> bool:
    """Whether it scores."""
    try:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/readyz")
        return client.getresponse().status == 200
    except OSError:
        return False


def timed(times: Times, sent: Sequence[Any], ask: Callable[[Any], list[float]]) -> list[float]:
    """Ask one after the other."""
    scores: list[float] = []
    for one in sent:
        began = time.perf_counter()
        scores += ask(one)
        times.each.append(time.perf_counter() - began)
    return scores


def crowd(times: Times, films: Sequence[bytes], clients: Sequence[Client]) -> list[float]:
    """Several clients at once, each with its share of the films, in one order of all scores."""
    shares = [films[index :: len(clients)] for index in range(len(clients))]
    with ThreadPoolExecutor(len(clients)) as pool:
        found = [*pool.map(lambda at: timed(times, shares[at], clients[at].one), range(len(clients)))]
    return [found[index % len(clients)][index // len(clients)] for index in range(len(films))]


def main(
    bundle: Annotated[Path, typer.Argument(help="What is served.")],
    out: Annotated[Path, typer.Option(help="The result.")] = Path("benchmarks/results/serving.json"),
    films: Annotated[int, typer.Option(help="In each turn; a multiple of 50.")] = 100,
    turns: Annotated[int, typer.Option(help="Of all ways.")] = 5,
) -> None:
    """Measure, and write the result."""
    record = Record("runner.serving", SEED)
    sent = [film(index) for index in range(films)]
    detector = open_detector(bundle)
    expected = [detector.score(data).score for data in sent]
    forms = [sent[at : at + FORM] for at in range(0, films, FORM)]
    ways = {name: Times() for name in ("direct", "one client", f"{CLIENTS} clients", f"forms of {FORM}")}
    unequal = 0
    with served(bundle) as (port, pid):
        asks: list[Callable[[Times], list[float]]] = [
            lambda times: timed(times, sent, lambda data: [detector.score(data).score]),
            lambda times: timed(times, sent, Client(port).one),
            lambda times: crowd(times, sent, [Client(port) for _ in range(CLIENTS)]),
            lambda times: timed(times, forms, Client(port).form),
        ]
        for turn in range(-1, turns):
            for times, ask in zip(ways.values(), asks, strict=True):
                kept = Times() if turn < 0 else times  # the first turn warms all of them
                before = time.perf_counter(), time.process_time(), processor_s(pid)
                scores = ask(kept)
                kept.total += time.perf_counter() - before[0]
                kept.client_cpu += time.process_time() - before[1]
                kept.server_cpu += processor_s(pid) - before[2]
                kept.images += films
                unequal += sum(one != other for one, other in zip(scores, expected, strict=True))
    record.write(
        out,
        bundle=detector.bundle.sha256,
        steps=detector.bundle.steps,
        backend=detector.backend.label,
        side_px=SIDE_PX,
        film_bytes=round(sum(map(len, sent)) / films),
        unequal_scores=unequal,
        ways={name: times.figures() for name, times in ways.items()},
    )


if __name__ == "__main__":
    typer.run(main)
