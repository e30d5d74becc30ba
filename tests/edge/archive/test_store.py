"""Object stores as archives: a real S3 server on this machine (moto), with and without rights."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from sranogan_edge.archive import store
from sranogan_edge.archive.open import open_source
from sranogan_edge.errors import ExitCode, FeedError, ImageError
from tests.support.archives import picture, rows_in
from tests.support.cli_runs import lines_in, score
from tests.support.dicom_archive import free_port

BUILT = Path(__file__).parents[3] / "build" / "store" / "bin"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
PATIENCE_S = 60


class S3:
    """An S3 server, and how it is called."""

    def __init__(self, program: str, **environment: str) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        host, port = self.address.split(":")
        self.process = subprocess.Popen(
            [program, "-H", host, "-p", port],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **environment},
        )
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        self.files = pafs.S3FileSystem(
            access_key="test",
            secret_key="test",
            region="us-east-1",
            scheme="http",
            endpoint_override=self.address,
            allow_bucket_creation=True,
            allow_delayed_open=True,  # one request an object
        )

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(f"http://{self.address}/moto-api/data.json", timeout=5).close()
        except OSError:
            return False
        return True

    def uri(self, place: str) -> str:
        """What a user calls a place of it."""
        return f"s3://{place}?scheme=http&endpoint_override={self.address}&region=us-east-1"

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def program() -> str:
    """Give moto's server; ``make test-scale`` fetches it."""
    found = shutil.which("moto_server", path=os.pathsep.join([str(BUILT), os.environ.get("PATH", "")]))
    return found or pytest.skip("no moto_server here: make test-scale fetches it")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put credentials where the tools of S3 look for them, and wait for nothing."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(store, "FIRST_WAIT_S", 0.01)


@pytest.fixture
def s3(program: str, keys: None) -> Iterator[S3]:
    """Give a server with a bucket."""
    server = S3(program)
    server.files.create_dir("bucket")
    yield server
    server.stop()


def put(server: S3, name: str, data: bytes) -> None:
    """Write an object."""
    with server.files.open_output_stream(f"bucket/{name}") as stream:
        stream.write(data)


def png(number: int) -> bytes:
    """An image as the bytes of its file."""
    buffer = io.BytesIO()
    picture(number).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.slow
def test_scores_are_those_of_files(
    s3: S3, tiny_bundle: Path, tmp_path: Path, make_dicom: Callable[..., bytes]
) -> None:
    """Objects are taken as files of a folder are, and have their scores, to the last bit."""
    folder = tmp_path / "films"
    film = make_dicom(np.asarray(picture(9)))
    objects = {"a.png": png(0), "a/b.png": png(1), "a/IM1": film, "z/text.png": b"none", "z/empty.png": b""}
    for name, data in {**objects, "a/notes.txt": b"x", ".hidden/c.png": b"x"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        put(s3, f"films/{name}", data)
    call = ("--engine", "local", "--workers", 1, "--out", tmp_path / "out")
    done = score(tiny_bundle, s3.uri("bucket/films"), *call)
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    score(tiny_bundle, folder, "--out", tmp_path / "lines")
    found = lines_in(tmp_path / "lines")
    lines = {f"s3://bucket/{Path(one['file']).relative_to(tmp_path)}": one["score"] for one in found}
    assert {row["source"]: row["score"] for row in rows_in(tmp_path / "out")} == lines
    assert len(lines) == len(objects)


@pytest.mark.slow
def test_lists_go_on_and_files_of_images_are_read(s3: S3) -> None:
    """From any object on the list gives the rest; Parquet in a store is read as it is on a disk."""
    for number in range(5):
        put(s3, f"many/{number}/x.png", b"x")
    listed = list(open_source(s3.uri("bucket/many")).items(None, ()))
    assert [item.name for item in listed] == [f"s3://bucket/many/{number}/x.png" for number in range(5)]
    for number, item in enumerate(listed):
        assert list(open_source(s3.uri("bucket/many")).items(item, ())) == listed[number + 1 :]
    buffer = io.BytesIO()
    pq.write_table(pa.table({"image": [b"one", b"two"]}), buffer)
    put(s3, "rows.parquet", buffer.getvalue())
    rows = open_source(s3.uri("bucket/rows.parquet"))
    assert contents(rows) == [b"one", b"two"]


def contents(source: Any) -> list[bytes]:
    """The bytes of all images of a source."""
    found = []
    for content in source.open(list(source.items(None, ()))):
        assert not isinstance(content, ImageError)
        with content as file:
            found.append(file.read())
    return found


@pytest.mark.slow
def test_what_went_is_an_error_of_its_own_and_a_server_that_went_ends_it(s3: S3) -> None:
    """An object that is gone costs a row; a store that is gone ends the run, and names what to do."""
    for name in ("a.png", "b.png"):
        put(s3, f"films/{name}", b"x")
    source = open_source(s3.uri("bucket/films"))
    listed = list(source.items(None, ()))
    s3.files.delete_file("bucket/films/a.png")
    first, second = source.open(listed)
    assert "no such file" in str(first)
    assert not isinstance(second, ImageError)
    second.close()
    with pytest.raises(FeedError, match=r"nothing is there|cannot be read"):
        open_source(s3.uri("bucket/none"))
    s3.stop()
    with pytest.raises(FeedError, match="the same command goes on"):
        next(iter(source.open(listed)))


@pytest.mark.slow
def test_wrong_credentials_are_said(program: str, keys: None) -> None:
    """A store that refuses the key ends the run at once, and says where keys belong."""
    server = S3(program, INITIAL_NO_AUTH_ACTION_COUNT="0")
    try:
        with pytest.raises(FeedError, match="Check the credentials in the environment"):
            list(open_source(server.uri("bucket/films")).items(None, ()))
    finally:
        server.stop()
