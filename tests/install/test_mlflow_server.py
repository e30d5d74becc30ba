"""``--mlflow http://HOST:PORT``: a real server of MLflow, in an environment of its own."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keras_sranogan.tracking import Tracking
from sranogan_edge.errors import ResultsError
from tests.support.installs import BARE, run
from tests.support.tracked_runs import BUNDLE, check_logged, log_twice, run_to_log

mlflow = pytest.importorskip("mlflow", reason="mlflow is an extra")
pytestmark = pytest.mark.slow

START_S = 180.0


@contextmanager
def served(python: Path, folder: Path) -> Iterator[str]:
    """Run a server with a fresh database and a place for artifacts; gives its address once it answers."""
    folder.mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [python.with_name("mlflow"), "server", "--host", "127.0.0.1", "--port", port, "--workers", 1]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/runs.db",
        "--artifacts-destination",
        folder / "files",
    ]
    env = {**BARE, "PATH": f"{python.parent}:{BARE['PATH']}", "MLFLOW_DISABLE_TELEMETRY": "true"}
    said = folder / "server.log"
    with (
        said.open("w") as log,
        subprocess.Popen(
            [*map(str, command)], cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
        ) as server,
    ):
        try:
            deadline = time.monotonic() + START_S
            while not answers(f"http://127.0.0.1:{port}/health"):
                assert time.monotonic() < deadline, said.read_text()
                assert server.poll() is None, said.read_text()
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


def answers(url: str) -> bool:
    """Whether something says that it is well."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_server_holds_all_of_a_run(environment: Callable[..., Path], tmp_path: Path) -> None:
    """Parameters, curves, pictures, page and bundle arrive over HTTP; one that is gone is told as such."""
    python = environment(f"3.{sys.version_info.minor}")
    run(python, "-m", "pip", "install", "-qq", f"mlflow=={mlflow.__version__}")
    logged = run_to_log(tmp_path / "parts")
    with served(python, tmp_path / "store") as uri:
        said = log_twice(uri, logged)
        client = mlflow.MlflowClient(tracking_uri=uri)
        number = check_logged(client, logged, said)
        assert said == f"MLflow: run {number} of the experiment sranogan in {uri}"
        fetched = Path(client.download_artifacts(number, "", str(tmp_path)))
        assert (fetched / "bundle" / "parts.sranogan").read_bytes() == BUNDLE
        for name, place in (("samples.png", "pictures/gan"), ("report.html", "")):
            own = next(logged.folder.rglob(name))
            assert (fetched / place / name).read_bytes() == own.read_bytes()
    with pytest.raises(ResultsError, match=rf"MLflow at {re.escape(uri)}: cannot be .*Nothing was begun"):
        Tracking(uri)
