"""Kinds of video files: each that FFmpeg reads is one, and only what is cut short is said to be."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from sranogan_edge.feeds.kinds import feed_kind, feed_of
from sranogan_edge.feeds.video import VideoFeed

FRAMES, RATE = 60, 5.0
CLUSTER, DURATION = b"\x1f\x43\xb6\x75", b"\x44\x89\x88"  # elements of Matroska


def film(path: Path, code: str = "MJPG") -> Path:
    """Sixty frames in twelve seconds."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), RATE, (64, 48))
    assert writer.isOpened()
    for number in range(FRAMES):
        writer.write(np.full((48, 64, 3), 4 * number, np.uint8))
    writer.release()
    return path


def delayed(data: bytes, first: int, pause_ms: int) -> bytes:
    """A Matroska file whose clusters (a second or more of frames each) from ``first`` on come later."""
    found = data
    starts = [at for at in range(len(data)) if data.startswith(CLUSTER, at)]
    assert len(starts) > 2
    for at in starts[first:]:
        stamp = found.index(b"\xe7", at + 12)  # behind the checksum
        size = found[stamp + 1] - 0x80
        old = int.from_bytes(found[stamp + 2 : stamp + 2 + size], "big")
        new = (old + pause_ms).to_bytes(size, "big")
        found = found[: stamp + 2] + new + found[stamp + 2 + size :]
    lasts = found.index(DURATION) + len(DURATION)
    (duration,) = struct.unpack_from(">d", found, lasts)
    return found[:lasts] + struct.pack(">d", duration + pause_ms) + found[lasts + 8 :]


def test_a_pause_in_a_film_is_no_missing_part(tmp_path: Path) -> None:
    """A file that declares how long it lasts, not how many frames: all are given, and nothing is said."""
    path = film(tmp_path / "a.mkv")
    path.write_bytes(delayed(path.read_bytes(), -1, 30_000))
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FRAME_COUNT) > 200
    feed = feed_of(str(path)).open()
    assert len(list(feed)) == FRAMES
    assert feed.health.message == ""


def test_a_film_with_a_pause_that_was_cut_short(tmp_path: Path) -> None:
    """The pause does not hide that the end is missing."""
    path = film(tmp_path / "a.mkv")
    data = delayed(path.read_bytes(), 1, 30_000)
    path.write_bytes(data[: len(data) * 2 // 3])
    feed = feed_of(str(path)).open()
    given = len(list(feed))
    assert 20 < given < FRAMES
    assert f"ended after {given} frames of the 210" in feed.health.message


@pytest.mark.parametrize(
    ("name", "code"),
    [("a.webm", "VP80"), ("a.ts", "mp4v"), ("a.flv", "FLV1"), ("A.WMV", "WMV2")],
)
def test_other_kinds_of_video(tmp_path: Path, name: str, code: str) -> None:
    """What FFmpeg reads is a video by its suffix: every frame is given, and nothing is missing."""
    path = tmp_path / name
    try:
        film(path, code)
    except AssertionError:
        pytest.skip(f"this OpenCV writes no {code}")
    feed = feed_of(str(path)).open()
    assert isinstance(feed, VideoFeed)
    assert len(list(feed)) == pytest.approx(FRAMES, abs=1)  # some encoders keep their last frame
    assert feed.health.message == ""


@pytest.mark.parametrize("name", ["a.h264", "a.264", "a.hevc", "a.mts", "a.M2TS", "a.3gp", "10:30.webm"])
def test_a_suffix_of_video_makes_a_video(name: str) -> None:
    """Streams without a container, and those of cameras and phones, too."""
    assert feed_kind(name) == "video"
