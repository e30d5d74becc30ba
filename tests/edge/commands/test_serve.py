"""``sranogan-serve``: the command, its bundle and its end."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("prometheus_client", reason="the extra page is not installed")

from keras_sranogan.data.phantom import render_abnormal, render_normal
from sranogan_edge.commands.serve import app
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import ExitCode
from tests.support.cli_runs import lines_in, score
from tests.support.encoded_images import by_opencv
from tests.support.schema import answer_misfits, operation
from tests.support.upload_bench import form_of

OF_THE_RUN = ("file", "milliseconds", "heat_map", "scored_at")  # what the same image does not have twice


def films(folder: Path, number: int) -> list[Path]:
    """Write phantoms, every third of them ill."""
    folder.mkdir()
    for index in range(number):
        ill = index % 3 == 0
        frame = render_abnormal(3, index, "nodule", 96) if ill else render_normal(3, index, 96)
        (folder / f"{index:04}.png").write_bytes(by_opencv(".png", frame.pixels))
    return sorted(folder.iterdir())


class Client:
    """A client made from ``/openapi.json`` alone: it knows no path of its own."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.document = self._asked("GET", "/openapi.json")[1]

    def score(self, body: bytes, kind: str) -> tuple[int, Any]:
        """Call the operation ``score``, as the document describes it."""
        method, path, described = operation(self.document, "score")
        assert kind.partition(";")[0] in described["requestBody"]["content"]
        status, said = self._asked(method, path, body, {"Content-Type": kind})
        assert answer_misfits(self.document, "score", status, said) == []
        return status, said

    def _asked(self, *request: Any) -> tuple[int, Any]:
        self.connection.request(*request)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


@contextmanager
def served(bundle: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run the command; give its process and port once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sranogan_edge.commands.serve", str(bundle), "--port", str(port)]
    with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as child:
        try:
            deadline = time.monotonic() + 120
            while ready(port) != 200:
                assert child.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield child, port
        finally:
            child.kill()


def ready(port: int) -> int:
    """What /readyz answers; 0 where nobody does."""
    try:
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        client.request("GET", "/readyz")
        return client.getresponse().status
    except OSError:
        return 0


def check_equal(bundle: Path, folder: Path, number: int) -> None:
    """Score ``number`` films through HTTP, from Python and by sranogan-score: all say the same."""
    files = films(folder / "films", number)
    with served(bundle) as (_, port):
        client = Client(port)
        found = [client.score(file.read_bytes(), "application/octet-stream")[1] for file in files]
        kind, form = form_of([(file.name, file.read_bytes()) for file in files])
        status, said = client.score(form, kind)
    assert status == 200
    assert [row["file"] for row in said["results"]] == [file.name for file in files]
    detector = open_detector(bundle)
    direct = [detector.score(file) for file in files]
    assert [one["score"] for one in found] == [verdict.score for verdict in direct]
    assert [one["p_value"] for one in found] == [verdict.p_value for verdict in direct]
    assert score(bundle, folder / "films", "--out", folder / "out").exit_code == ExitCode.OK
    lines = lines_in(folder / "out")
    assert [Path(line["file"]).name for line in lines] == [file.name for file in files]
    assert [bare(row) for row in said["results"]] == [bare(line) for line in lines] == [*map(bare, found)]


def bare(line: dict[str, Any]) -> dict[str, Any]:
    """A line without what is of its run alone."""
    return {name: value for name, value in line.items() if name not in OF_THE_RUN}


def test_scores_are_those_of_the_command_line(tiny_bundle: Path, tmp_path: Path) -> None:
    """30 films have the same scores, p-values, verdicts and other fields as by sranogan-score, to the bit."""
    check_equal(tiny_bundle, tmp_path, 30)


@pytest.mark.slow
def test_1000_scores_are_those_of_the_command_line(tiny_bundle: Path, tmp_path: Path) -> None:
    """1,000 films, the same."""
    check_equal(tiny_bundle, tmp_path, 1000)


def test_what_is_in_hand_is_answered_at_the_end(tiny_bundle: Path, tmp_path: Path) -> None:
    """SIGTERM in the middle of a request: its answer comes, then the command ends with 0."""
    (film,) = films(tmp_path / "films", 1)
    data = film.read_bytes()
    with served(tiny_bundle) as (child, port):
        with socket.create_connection(("127.0.0.1", port), timeout=120) as client:
            head = "POST /v1/score HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
            client.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data[:100])
            while "sranogan_uploads_requests 1.0" not in metrics(port):
                time.sleep(0.02)
            child.send_signal(signal.SIGTERM)
            while ready(port) == 200:
                time.sleep(0.02)
            client.sendall(data[100:])
            assert client.recv(12) == b"HTTP/1.1 200"
        assert child.wait(60) == ExitCode.OK


def metrics(port: int) -> str:
    """What /metrics says."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    client.request("GET", "/metrics")
    return client.getresponse().read().decode()


def serve(*arguments: object, **environ: str) -> Result:
    """Run the command inside this process."""
    return CliRunner(env=environ).invoke(app, [str(argument) for argument in arguments])


def test_help_tells_the_exit_codes() -> None:
    """--help names each exit code that the command can end with."""
    said = serve("--help").output
    assert re.findall(r"(\d+) [a-z]", said.partition("Exit codes:")[2]) == ["0", "1", "2", "5", "8", "130"]


def test_a_bundle_that_is_refused(tmp_path: Path) -> None:
    """Exit code 5, and why."""
    bad = tmp_path / "bad.sranogan"
    bad.write_bytes(b"no bundle")
    done = serve(bad, "--port", 0)
    assert done.exit_code == ExitCode.BUNDLE_REFUSED
    assert "bad.sranogan" in done.stderr


def test_an_address_in_use(tmp_path: Path) -> None:
    """It ends at once: nobody would come to another port."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        done = serve(tmp_path / "a.sranogan", "--port", port)
    assert done.exit_code == ExitCode.USAGE
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use)" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--host", "0.0.0.0"), "needs a token"),
        (("--max-held-bytes", "2048"), "max_image_bytes is 67,108,864"),
        (("--tls-cert", "a.pem"), "TLS needs"),
        (("--steps", "1", "--budget-ms", "5"), "give one of them"),
    ],
)
def test_settings_that_cannot_work(tmp_path: Path, options: tuple[str, ...], said: str) -> None:
    """Exit code 2, before anything is loaded."""
    done = serve(tmp_path / "a.sranogan", *options)
    assert done.exit_code == ExitCode.USAGE
    assert said in " ".join(done.stderr.split())
