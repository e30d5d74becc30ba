"""Each URI has its feed, and each mistake has its cure."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import cv2
import numpy as np
import pytest

from sranogan_edge.commands.score_files import find_images
from sranogan_edge.errors import FeedError, SettingsError
from sranogan_edge.feeds.kinds import feed_kind, feed_of, is_feed_uri


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("watch:/in", "watch"),
        ("dicom:11112", "dicom"),
        ("camera:/dev/video0", "camera"),
        ("camera:0", "camera"),
        ("rtsp://user:word@host:554/one", "rtsp"),
        ("gst:nvarguscamerasrc ! appsink", "gst"),
        ("/films/one.MP4", "video"),
        ("images", "files"),
        ("./watch:x.png", "files"),
        ("a:b.png", "files"),
        ("2026-01-01T10:30:00.mp4", "video"),
        ("T10:30:00.MP4", "video"),
        ("scan-10:30.png", "files"),
        ("/data/x:y.png", "files"),
        ("me@host:film.dcm", "files"),
    ],
)
def test_each_uri_has_its_kind(uri: str, kind: str) -> None:
    """The scheme decides; without one, the suffix does."""
    assert feed_kind(uri) == kind
    assert is_feed_uri(uri) == (kind != "files")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://host/x", "no feed has the scheme 'ftp'"),
        ("http://me:secret@host/x", "no feed has the scheme 'http'"),
        ("watcg:films", "no feed has the scheme 'watcg' (did you mean 'watch'?). There are: watch:DIR"),
        ("file:///films", "no feed has the scheme 'file'"),
        ("video:x.mp4", "no feed has the scheme 'video'"),
        ("watch:", "Write it like watch:DIR"),
        ("dicom:", "Write it like dicom:PORT"),
        ("rtsp:", "Write it like rtsp://HOST/PATH"),
        ("", "Write it like FILE or FOLDER"),
    ],
)
def test_what_cannot_be_opened_says_how_it_is_written(uri: str, said: str) -> None:
    """An unknown scheme names those that there are; an empty rest shows an example."""
    with pytest.raises(SettingsError) as refused:
        feed_of(uri).open()
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_looks_like_a_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a file where it exists, and with ./ before it in any case."""
    monkeypatch.chdir(tmp_path)
    assert feed_kind("./day2:b.png") == "files"
    (tmp_path / "day2:b.png").touch()
    assert feed_kind("day2:b.png") == "files"
    (tmp_path / "day3:films").mkdir()
    (tmp_path / "day4:films").symlink_to("nowhere")
    assert feed_kind("day3:films") == feed_kind("day4:films") == "files"


@pytest.mark.parametrize("name", ["2026-01-01T10:30:00.mp4", "cam:1.mp4", "scan-10:30.png", "/no/x:y.png"])
def test_a_name_with_a_colon_is_a_file_s(name: str) -> None:
    """Where it is not there, the error talks of a file and not of addresses."""
    with pytest.raises(FeedError, match=r"no such (video )?file") as refused:
        feed_of(name).open()
    assert "scheme" not in str(refused.value)


def test_a_video_with_a_colon_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg would take what stands before it for a protocol."""
    monkeypatch.chdir(tmp_path)
    name = "T10:30:00.avi"
    video = cv2.VideoWriter("plain.avi", cv2.VideoWriter.fourcc(*"MJPG"), 5, (64, 48))
    video.write(np.full((48, 64, 3), 99, np.uint8))
    video.release()
    Path("plain.avi").rename(name)
    [arrival] = feed_of(name).open()
    assert arrival.frame is not None
    assert arrival.frame.pixels.shape[:2] == (48, 64)


def test_files_come_in_order_and_once(tmp_path: Path) -> None:
    """A folder gives its images, sub-folders too; the keys tell them apart and stay the same."""
    (tmp_path / "sub").mkdir()
    for name in ("b.png", "a.jpg", "sub/c.tif", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    first, second = (list(feed_of(str(tmp_path)).open()) for _ in range(2))
    assert [Path(a.frame_source).name for a in first] == ["a.jpg", "b.png", "c.tif"]
    assert [a.key for a in first] == [a.key for a in second]
    assert len({a.key for a in first}) == 3
    assert [a.frame_source for a in feed_of(str(tmp_path / "notes.txt")).open()] == [
        str(tmp_path / "notes.txt")
    ]
    with pytest.raises(FeedError, match="no such file"):
        feed_of(str(tmp_path / "none")).open()


def test_files_without_the_runners_own(tmp_path: Path) -> None:
    """Folders that are to be left out are, whatever they are called by; others of their name are not."""
    for name in ("a.png", "out/heat_maps/a.png", "out/b.png", "heat_maps/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    feed = feed_of(str(tmp_path)).open([tmp_path / "out" / ".." / "out" / "heat_maps"])
    assert [Path(a.frame_source).name for a in feed] == ["a.png", "c.png", "b.png"]


def test_a_closed_feed_ends(tmp_path: Path) -> None:
    """Closing ends it after the file in hand."""
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(b"x")
    feed = feed_of(str(tmp_path)).open()
    seen = 0
    for seen, _ in enumerate(feed, start=1):  # noqa: B007 - counted, not used
        feed.close()
    assert seen == 1
    assert feed.health.state == "closed"


@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "device", "socket"])
def test_what_may_be_waited_for_without_an_end_is_no_feed(tmp_path: Path, kind: str) -> None:
    """A pipe that nobody writes to would hold up the runner for ever: refused before it is opened."""
    path = tmp_path / "film.png"
    if kind == "device":
        path = Path("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    else:
        os.mkfifo(tmp_path / "pipe")
        path.symlink_to("pipe")
        path = tmp_path / "pipe" if kind == "pipe" else path
    with pytest.raises(FeedError, match="is no feed: reading it might wait for ever"):
        feed_of(str(path)).open()
    with pytest.raises(FeedError, match="is no feed"):
        find_images([path, tmp_path])
