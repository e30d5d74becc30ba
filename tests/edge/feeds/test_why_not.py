"""Why a camera does not open: refused, unknown, silent, locked, in a codec that nobody knows, or no video."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from sranogan_edge.errors import FeedError
from sranogan_edge.feeds.feed import FeedHealth
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.feeds.why_not import REASONS, why_no_device, why_not_opened

Answer = Callable[[bytes, bytes], bytes]  # from a request and its number
SDP = (
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n"
    b"a=rtpmap:96 %s/90000\r\na=control:trackID=1\r\n"
)


class Server:
    """What listens on loopback and answers each request of RTSP as ``answer`` does."""

    def __init__(self, answer: Answer) -> None:
        self._answer, self._listener = answer, socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        with client:
            try:
                while asked := client.recv(4096):
                    number = re.search(rb"CSeq: (\d+)", asked)
                    told = self._answer(asked, number[1] if number else b"0")
                    if told == b"bye":
                        return
                    client.sendall(told)
            except OSError:
                return


def told(status: bytes, more: bytes = b"") -> Answer:
    """Always the same answer."""
    return lambda asked, number: b"RTSP/1.0 %s\r\nCSeq: %s\r\n%s\r\n" % (status, number, more)


def stream_of(codec: bytes) -> Answer:
    """A camera that says what it sends, and sends nothing."""

    def answer(asked: bytes, number: bytes) -> bytes:
        begin, sdp = b"RTSP/1.0 200 OK\r\nCSeq: %s\r\nSession: 1\r\n" % number, SDP % codec
        if asked.startswith(b"DESCRIBE"):
            return begin + b"Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n" % len(sdp) + sdp
        if asked.startswith(b"SETUP"):
            return begin + b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n"
        return begin + b"Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n"

    return answer


LOCKED = told(b"401 Unauthorized", b'WWW-Authenticate: Basic realm="camera"\r\n')
CAMERAS: dict[str, tuple[Answer, str, str]] = {
    "locked": (LOCKED, "password", "it asks for a user and a password (401)"),
    "forbidden": (told(b"403 Forbidden"), "forbidden", "(403)"),
    "no such path": (told(b"404 Not Found"), "path", "it has no stream of this path (404)"),
    "silent": (lambda asked, number: b"", "silent", "it takes the connection, and gives no picture"),
    "closes": (lambda asked, number: b"bye", "closed", "it closes the connection"),
    "unknown codec": (stream_of(b"NOBODYS"), "codec", "its codec is none that this OpenCV decodes"),
    "no picture": (stream_of(b"H264"), "silent", "no frame for 5 s, so its decoder was stopped"),
}

SLOW = ("no picture", "unknown codec")  # they wait for their time limits


def failure(uri: str, **options: object) -> tuple[FeedHealth, str]:
    """How a live feed fares once it was tried for the first time, and why that failed."""
    feed = feed_of(uri, open_s=5.0, retry_s=(60.0, 60.0), **options).open()
    assert isinstance(feed, VideoFeed)
    reader = threading.Thread(target=lambda: list(feed))
    reader.start()
    until = time.monotonic() + 60
    while not feed.health.reason and time.monotonic() < until:
        time.sleep(0.02)
    health = feed.health
    feed.close()
    reader.join(60)
    return health, health.message


@pytest.fixture
def camera() -> Iterator[Callable[[Answer], int]]:
    """Give a function that begins a camera and tells its port."""
    begun: list[Server] = []

    def begin(answer: Answer) -> int:
        begun.append(Server(answer))
        return begun[-1].port

    yield begin
    for one in begun:
        one.close()


@pytest.mark.parametrize(
    ("answer", "reason", "text"),
    [
        pytest.param(*one, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name, one in CAMERAS.items()
    ],
)
def test_a_camera_that_answers_wrongly(
    camera: Callable[[Answer], int], answer: Answer, reason: str, text: str
) -> None:
    """The health names the kind of trouble, and the message says it for people."""
    health, message = failure(f"rtsp://127.0.0.1:{camera(answer)}/x")
    assert (health.state, health.reason) == ("stalled", reason)
    assert message.startswith("it cannot be opened: " if "no frame" not in text else "no frame")
    assert text in message
    assert reason in REASONS


def test_a_wrong_password_is_told_and_not_shown(camera: Callable[[Answer], int], tmp_path: Path) -> None:
    """It says that user and password are not taken; neither the message nor the name holds the password."""
    (tmp_path / "password").write_text("open sesame")
    (tmp_path / "password").chmod(0o600)
    port = camera(LOCKED)
    health, message = failure(f"rtsp://nurse@127.0.0.1:{port}/x", password_file=tmp_path / "password")
    assert health.reason == "password"
    assert "without the right user and password (401)" in message
    assert "sesame" not in message


def test_a_closed_port() -> None:
    """Nothing listens there."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    health, message = failure(f"rtsp://127.0.0.1:{port}/x")
    assert health.reason == "refused"
    assert "connection refused" in message


def test_a_host_that_nobody_knows() -> None:
    """A name that does not exist (RFC 6761 keeps this one free)."""
    health, message = failure("rtsp://camera.invalid/x")
    assert health.reason == "host unknown"
    assert "no machine of this name is known" in message


@pytest.mark.parametrize(
    ("logged", "reason"),
    [
        ("[OPENCV:FFMPEG:16] Connection to tcp://h:554?timeout=0 failed: No route to host", "no route"),
        ("Connection to tcp://h:554 failed: Network is unreachable", "no route"),
        ("[OPENCV:FFMPEG:16] method DESCRIBE failed: 401 Unauthorized", "password"),
        ("", "other"),
        ("\xff\x00 nothing that anybody knows", "other"),
    ],
)
def test_what_is_logged_is_of_a_kind(logged: str, reason: str) -> None:
    """Lines of FFmpeg that loopback cannot bring about, and what it never said."""
    found = why_not_opened("rtsp", "rtsp://nurse:sesame@h/x", logged.encode("latin-1"))
    assert found.reason == reason
    assert "sesame" not in found.text


def test_nothing_answers_there_at_all() -> None:
    """A time limit at an address that takes no connection is another trouble than a silent camera."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = why_not_opened("rtsp", f"rtsp://127.0.0.1:{port}/x", b"Stream timeout triggered after 3000 ms")
    assert found.reason == "no answer"


def film(path: Path, code: str) -> bytes:
    """A video of twenty frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 10.0, (64, 48))
    for number in range(20):
        writer.write(np.full((48, 64, 3), 10 * number, np.uint8))
    writer.release()
    return path.read_bytes()


@pytest.mark.parametrize("name", ["x.avi", "x.mp4", "x.mkv", "x.mjpeg.avi", "x.ts", "x.h264"])
def test_a_file_that_is_garbage(tmp_path: Path, name: str) -> None:
    """It says that there is no video in it."""
    rng = np.random.default_rng(1)
    (tmp_path / name).write_bytes(rng.integers(0, 256, 30_000, np.uint8).tobytes())
    feed = VideoFeedSettings(str(tmp_path / name)).open()
    with pytest.raises(FeedError, match=r"cannot be opened: (no video in it|its codec)|gives no frame"):
        list(feed)
    assert feed.health.reason in ("no video", "codec", "decoder")


def test_a_file_of_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    """Its four letters are told."""
    whole = film(tmp_path / "m.avi", "MJPG")
    (tmp_path / "x.avi").write_bytes(whole.replace(b"MJPG", b"XXYZ"))
    feed = VideoFeedSettings(str(tmp_path / "x.avi")).open()
    with pytest.raises(FeedError, match=r"its codec \(XXYZ\) is none that this OpenCV decodes"):
        list(feed)
    assert feed.health.reason == "codec"


def test_devices(tmp_path: Path) -> None:
    """One that is not there, one behind what is no folder, and one that can be opened."""
    missing = why_no_device(tmp_path / "video9")
    assert missing is not None
    assert missing.reason == "no device"
    assert "plug it in" in missing.text
    (tmp_path / "file").touch()
    behind = why_no_device(tmp_path / "file" / "video0")
    assert behind is not None
    assert behind.reason == "no device"
    assert why_no_device(tmp_path / "file") is None
    found = why_not_opened("camera", str(tmp_path / "file"), b"")
    assert (found.reason, found.text) == ("no video", "it is there, and no camera")


def test_a_device_that_this_user_may_not_open(as_nobody: Path) -> None:
    """It says which group is missing."""
    (as_nobody / "video0").touch(0o000)
    found = why_no_device(as_nobody / "video0")
    assert found is not None
    assert found.reason == "permission"
    assert "usually video" in found.text
