"""What a decoder answers is checked: it may have been taken over by what it decoded."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.decoding import decoder, memory, messages
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import Wanted
from sranogan_edge.decoding.memory import Filled, Filler
from sranogan_edge.decoding.messages import film_of, receive, send
from sranogan_edge.errors import DecodingError, ImageError, OversizedImageError
from sranogan_edge.image.film import EVERY_FILM

FRAME = {"shape": [4, 4], "dtype": "uint8", "at": 0, "bits": 8, "photometric": "MONOCHROME2", "source": "x"}
SAID: dict[str, Any] = {
    "film": {},
    "turned": "",
    "refusal": "",
    "frames": [{**FRAME, "window": None}],
    "bytes": 64,
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"shape": [8, 9]},
        {"shape": [-4, -4]},
        {"shape": [0, 4]},
        {"shape": []},
        {"shape": [2**40, 2**40]},
        {"at": 60},
        {"at": -64},
        {"at": 1},
        {"dtype": "object"},
        {"bits": 99},
        {"photometric": "PALETTE"},
        {"window": [1]},
    ],
)
def test_frames_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    """Nothing outside of the memory is read, and no array is made of what is not there."""
    pixels = np.zeros(64, np.uint8)
    assert film_of(SAID, pixels, "x").or_raise().frames[0].pixels.shape == (4, 4)
    with pytest.raises((ValueError, KeyError, TypeError, ImageError)):
        film_of({**SAID, "frames": [{**SAID["frames"][0], **wrong}]}, pixels, "x")


def test_only_errors_of_images_are_taken_over() -> None:
    """A name from outside makes none of the errors that end the runner."""
    for name, kind in (
        ("OversizedImageError", OversizedImageError),
        ("SpoolError", DecodingError),
        ("os", DecodingError),
        ("__name__", DecodingError),
    ):
        read = film_of({"film": {}, "error": [name, "x: why"]}, np.empty(0, np.uint8), "x")
        assert type(read.error) is kind


def test_memory_that_could_shrink_is_refused() -> None:
    """A file of the disk is no memory; sealed memory keeps its size, so that reading it cannot kill us."""
    with tempfile.TemporaryFile() as file, pytest.raises(OSError, match="Invalid argument"):
        Filled().map(file.fileno())
    filler, filled = Filler(), Filled()
    descriptor = filler.fill([(0, np.arange(10, dtype=np.uint8))], 10, again=False)
    assert descriptor is not None
    filled.map(descriptor)
    with pytest.raises(PermissionError):
        os.ftruncate(descriptor, 0)
    assert list(filled.lend(10)) == list(range(10))
    with pytest.raises(ValueError, match="not there"):
        filled.lend(2**30)


def test_lines_that_are_none() -> None:
    """Garbage, endless lines and half of one are told apart from a side that is gone."""
    for sent, error in ((b"garbage\n", ValueError), (b"[1]\n", ValueError), (b"x" * 5_000_000, ValueError)):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.setblocking(False)
            ours.settimeout(0.2)
            send_all(theirs, ours, sent, error)
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b'{"a": ')
        theirs.close()
        assert receive(ours) is None


def send_all(theirs: socket.socket, ours: socket.socket, data: bytes, error: type[Exception]) -> None:
    """Send from one side while the other one receives, which raises ``error``."""
    theirs.setblocking(True)
    sender = threading.Thread(target=lambda: _quietly(theirs, data))
    sender.start()
    with pytest.raises(error):
        receive(ours)
    ours.close()
    sender.join(10)


def _quietly(channel: socket.socket, data: bytes) -> None:
    try:
        channel.sendall(data)
    except OSError:  # the other side has heard enough
        return


def test_a_line_comes_whole_with_its_file() -> None:
    """Long lines come in parts, and one open file comes along."""
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile() as file:
        line = {"text": "π" * 200_000}
        sender = threading.Thread(target=send, args=(theirs, line, file.fileno()))
        sender.start()
        found = receive(ours)
        sender.join(10)
        assert found is not None
        assert found[0] == line
        assert found[1] is not None
        assert os.fstat(found[1]).st_ino == os.fstat(file.fileno()).st_ino
        os.close(found[1])


def test_an_answer_that_is_none_is_one_refused_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a process that was taken over says, the film has an error, and the process is ended."""
    (tmp_path / "x.png").write_bytes(b"x")
    for said in (
        '{"film": []}',
        '{"film": {}, "frames": 7}',
        '{"film": {}, "log": 5}',
        "[]",
        '{"film": {"a": 1}}',
    ):
        (tmp_path / "taken_over.py").write_text(
            "import socket, sys\n"
            "channel = socket.socket(fileno=int(sys.argv[1]))\n"
            "channel.sendall(b'{}\\n')\n"
            "channel.recv(10000)\n"
            f"channel.sendall({(said + chr(10)).encode()!r})\n"
            "channel.recv(10000)\n"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(decoder, "WORKER", "taken_over")
        asked = Decoder()
        read = asked.read(tmp_path / "x.png", Wanted("x.png", EVERY_FILM, 1000))
        assert isinstance(read.error, DecodingError)
        assert str(read.error).startswith("x.png: the process that decodes it answered what is no answer")
        assert asked.pid is None


@pytest.mark.parametrize(
    ("shape", "dtype", "at"), [([8, 8], "uint8", 0), ([4, 8], "uint16", 0), ([8, 8], "uint8", 64)]
)
def test_a_frame_that_fills_the_memory_is_one(shape: list[int], dtype: str, at: int) -> None:
    """To the last byte; one byte less of it, and there is no frame."""
    filled, bits = np.arange(at + 64, dtype=np.uint8), 8 * np.dtype(dtype).itemsize
    said = {**SAID, "frames": [{**SAID["frames"][0], "shape": shape, "dtype": dtype, "at": at, "bits": bits}]}
    pixels = film_of(said, filled, "x").or_raise().frames[0].pixels
    assert pixels.tobytes() == filled[at:].tobytes()
    with pytest.raises(ValueError, match="a frame of"):
        film_of(said, filled[:-1], "x")


def test_a_line_has_a_length_and_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes on for ever is refused by its length, one that stops in its middle by time."""
    monkeypatch.setattr(messages, "MOST_BYTES", 100_000)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=lambda: _quietly(theirs, b"x" * 1_000_000))
        sender.start()
        with pytest.raises(ValueError, match="a line of more than 100,000 bytes"):
            receive(ours)
        ours.close()
        sender.join(10)
    assert messages._REST_S == 5.0
    monkeypatch.setattr(messages, "_REST_S", 0.05)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(30.0)
        theirs.sendall(b'{"a": ')
        with pytest.raises(ValueError, match="does not end"):
            receive(ours)
        assert ours.gettimeout() == 0.05


def test_a_file_that_came_with_garbage_is_closed() -> None:
    """However often: a process that was taken over cannot use up our handles."""
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile() as file:
        before = len(os.listdir("/proc/self/fd"))
        for text in (b"garbage\n", b"[1]\n"):
            socket.send_fds(theirs, [text], [file.fileno()])
            with pytest.raises(ValueError, match=r"no message|Expecting value"):
                receive(ours)
        assert len(os.listdir("/proc/self/fd")) == before


def test_memory_is_kept_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fits is filled again once nobody holds what was lent; above the size it is given back."""
    monkeypatch.setattr(memory, "KEPT_BYTES", 2**20)
    for size, kept in ((2**20, True), (2**20 + 1, False)):
        filler, filled = Filler(), Filled()
        assert not filled.again
        file = filler.fill([(0, np.zeros(size, np.uint8))], size, again=False)
        assert file is not None
        filled.map(file)
        lent = filled.lend(size)
        assert not filled.again
        assert (
            filler.fill([(0, np.ones(8, np.uint8))], 8, again=False) is not None
        )  # the first is held: another one
        assert not lent.any()
        del lent
        assert filled.again is kept
        filler.give_back()


@pytest.mark.parametrize("worn", [True, False])
def test_a_worn_process_is_another_one_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worn: bool
) -> None:
    """It said so with its answer, which is taken all the same; else it goes on."""
    (tmp_path / "x.png").write_bytes(b"x")
    said = {"film": {}, "error": ["OversizedImageError", "x.png: why"], "worn": worn}
    (tmp_path / "taken_over.py").write_text(
        "import socket, sys\n"
        "channel = socket.socket(fileno=int(sys.argv[1]))\n"
        "channel.sendall(b'{}\\n')\n"
        "channel.recv(10000)\n"
        f"channel.sendall({(json.dumps(said) + chr(10)).encode()!r})\n"
        "channel.recv(10000)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(decoder, "WORKER", "taken_over")
    asked = Decoder()
    read = asked.read(tmp_path / "x.png", Wanted("x.png", EVERY_FILM, 1000))
    assert (type(read.error), str(read.error)) == (OversizedImageError, "x.png: why")
    assert (asked.pid is None) == worn
    asked.close()
