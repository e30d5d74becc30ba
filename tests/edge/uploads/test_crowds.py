"""Many clients at once: each has a clear answer, and nothing is lost."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.uploads.limits import UploadSettings
from tests.support.encoded_images import by_opencv
from tests.support.service_bench import wait_for
from tests.support.upload_bench import UploadBench, form_of, uploading

CLIENTS = 500


@pytest.fixture
def bench() -> Iterator[UploadBench]:
    """Give what takes four requests at once."""
    with uploading(UploadSettings(max_waiting=4)) as made:
        yield made


def png(number: int) -> bytes:
    """An image that tells its number by its score."""
    pixels = np.zeros((20, 20), np.uint8)
    pixels.flat[: number + 1] = 255
    return by_opencv(".png", pixels)


async def once(port: int, data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Ask by a connection of its own; give status, headers and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /v1/score HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nConnection: close\r\n"
    writer.write(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    said, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    lines = said.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def test_full_is_429_and_says_when_to_come_again(bench: UploadBench) -> None:
    """With all places taken the next one is refused at once; those that wait are answered."""
    bench.detector.go.clear()

    async def crowd() -> list[int]:
        first = [asyncio.create_task(once(bench.port, png(1))) for _ in range(4)]
        while bench.uploads.inside < 4:
            await asyncio.sleep(0.01)
        status, headers, body = await once(bench.port, png(1))
        assert status == 429
        assert int(headers["retry-after"]) >= 1
        assert json.loads(body)["error"]["kind"] == "TooBusyError"
        bench.detector.go.set()
        return [(await one)[0] for one in first]

    assert asyncio.run(crowd()) == [200] * 4
    assert bench.uploads.figures().refused == {429: 1}


def test_a_large_form_keeps_nobody_out(bench: UploadBench) -> None:
    """One image goes before all but two of a form that came first."""
    order: list[str] = []
    measure = bench.detector.measure

    def noted(frame: Frame, pulse: Callable[[], object] = lambda: None) -> Measurement:
        order.append(frame.source)
        return measure(frame, pulse)

    bench.detector.measure = noted  # type: ignore[method-assign]  # watched, and else as it is
    bench.detector.go.clear()
    with ThreadPoolExecutor(2) as clients:
        form = clients.submit(bench.score_form, [(f"{number}.png", png(1)) for number in range(20)])
        wait_for(lambda: (len(order), bench.uploads.waiting) == (1, 1))
        one = clients.submit(bench.score, png(2), "/v1/score?name=one")
        wait_for(lambda: bench.uploads.waiting == 2)
        bench.detector.go.set()
        assert (form.result().status, one.result().status) == (200, 200)
    assert order == ["0.png", "1.png", "one", *(f"{number}.png" for number in range(2, 20))]


@pytest.fixture
def wide() -> Iterator[UploadBench]:
    """Give what takes 100 requests at once."""
    with uploading(UploadSettings(max_waiting=100)) as made:
        yield made


def test_500_clients_at_once(wide: UploadBench) -> None:
    """Each is answered 200 or 429 and nothing else, and who comes again is scored in the end, once."""
    statuses: Counter[int] = Counter()

    async def client(number: int) -> float:
        while True:
            status, headers, body = await once(wide.port, png(number % 7))
            statuses[status] += 1
            if status == 200:
                return float(json.loads(body)["score"])
            assert int(headers["retry-after"]) >= 1
            await asyncio.sleep(1)

    async def crowd() -> list[float]:
        return await asyncio.gather(*map(client, range(CLIENTS)))

    scores = asyncio.run(crowd())
    expected = [wide.score(png(kind)).said["score"] for kind in range(7)]
    assert scores == [expected[number % 7] for number in range(CLIENTS)]
    assert set(statuses) <= {200, 429}
    assert statuses[200] == CLIENTS
    assert wide.uploads.figures().verdicts["normal"] == CLIENTS + 7
    wait_for(wide.is_empty)


def test_silent_clients_keep_nobody_out(bench: UploadBench) -> None:
    """Of more connections than may be, those that say nothing go, and none that is owed an answer."""
    bench.detector.go.clear()

    async def crowd() -> int:
        owed = asyncio.create_task(once(bench.port, png(1)))
        while not bench.detector.begun:
            await asyncio.sleep(0.01)
        silent = [await asyncio.open_connection("127.0.0.1", bench.port) for _ in range(CLIENTS + 30)]
        bench.detector.go.set()
        status = (await owed)[0]
        for _, writer in silent:
            writer.close()
        return status

    assert asyncio.run(crowd()) == 200


@pytest.mark.slow
def test_5000_images_in_one_request() -> None:
    """Where so many may be sent, each has its row; memory holds a few of them at a time."""
    names = [f"{number}.png" for number in range(5000)]
    kind, body = form_of([(name, png(number % 7)) for number, name in enumerate(names)])
    with uploading(UploadSettings(max_images=5000)) as bench:
        expected = [bench.score(png(number)).said["score"] for number in range(7)]
        before = _resident_kb()
        answer = bench.ask("POST", "/v1/score", body, {"Content-Type": kind})
        assert answer.status == 200
        rows = answer.said["results"]
        assert [row["file"] for row in rows] == names
        assert [row["score"] for row in rows] == [expected[number % 7] for number in range(5000)]
        assert _resident_kb() - before < 200_000


def _resident_kb() -> int:
    """Of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
