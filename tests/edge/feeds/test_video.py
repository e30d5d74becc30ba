"""Video feeds: real files, and decoders that hang, crash and change their mind."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.errors import FeedError, SettingsError
from sranogan_edge.feeds.feed import Arrival
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.still import StillLimits
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.feeds.video_source import VideoSource
from sranogan_edge.image.frame import Photometric
from sranogan_edge.redact import without_credentials
from tests.support.video_fakes import PATIENCE_S, camera, take


def pixels(arrival: Arrival) -> NDArray[Any]:
    """The pixels of an arrival's frame."""
    assert arrival.frame is not None
    return arrival.frame.pixels


def film(path: Path, frames: int = 20, size: tuple[int, int] = (64, 48), code: str = "MJPG") -> Path:
    """A film whose frame ``n`` has the brightness ``10 n`` (modulo 256) on the left, red on the right."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), 30.0, size)
    assert writer.isOpened()
    for number in range(frames):
        picture = np.full((size[1], size[0], 3), 10 * number % 256, np.uint8)
        picture[:, size[0] // 2 :] = (0, 0, 250)  # B, G, R
        writer.write(picture)
    writer.release()
    return path


@pytest.mark.parametrize(("name", "code"), [("a.avi", "MJPG"), ("a.mp4", "mp4v")])
def test_a_file_gives_every_frame_in_order(tmp_path: Path, name: str, code: str) -> None:
    """Nothing is dropped however slow the scoring is, colours come as R, G, B, and the feed ends."""
    feed = feed_of(str(film(tmp_path / name, code=code))).open()
    assert isinstance(feed, VideoFeed)
    brightness = []
    for number, arrival in enumerate(feed, start=1):
        assert arrival.frame is not None
        assert arrival.frame.photometric is Photometric.RGB
        assert arrival.frame.source == arrival.frame_source == f"{tmp_path / name}#{number}"
        brightness.append(float(pixels(arrival)[:, :24].mean()))
        assert pixels(arrival)[24, 56] == pytest.approx([250, 0, 0], abs=12)
        time.sleep(0.005)
    assert brightness == pytest.approx([10 * n for n in range(20)], abs=4)
    assert (feed.counts.read, feed.counts.given, feed.counts.dropped) == (20, 20, 0)
    assert feed.health.state == "closed"
    assert feed.health.last_arrival == pytest.approx(time.time(), abs=2 * PATIENCE_S)


def test_a_file_thinned_to_a_lower_rate(tmp_path: Path) -> None:
    """Ten frames a second of thirty: every third, by the film's own time; the others are not "dropped"."""
    feed = feed_of(str(film(tmp_path / "a.avi", 30)), fps=10).open()
    assert isinstance(feed, VideoFeed)
    assert [arrival.frame_source.rpartition("#")[2] for arrival in feed] == [str(n) for n in range(1, 31, 3)]
    assert (feed.counts.thinned, feed.counts.dropped) == (20, 0)


def test_a_region_of_interest(tmp_path: Path) -> None:
    """Only the region is given; a region outside of the picture names both sizes."""
    path = film(tmp_path / "a.avi", 2)
    (first, _) = [pixels(arrival) for arrival in feed_of(str(path), region=(32, 8, 16, 24)).open()]
    assert first.shape == (24, 16, 3)
    assert first.reshape(-1, 3).mean(0) == pytest.approx([250, 0, 0], abs=12)
    with pytest.raises(FeedError, match=r"32,8,64,24 lies outside of the picture, which is 64 x 48"):
        list(feed_of(str(path), region=(32, 8, 64, 24)).open())


def test_a_film_played_in_real_time_drops_for_a_slow_runner(tmp_path: Path) -> None:
    """Frames come at the film's pace; of those that were missed each is counted, and the last one is new."""
    feed = feed_of(str(film(tmp_path / "a.avi", 24)), real_time=True).open()
    assert isinstance(feed, VideoFeed)
    numbers = []
    for arrival in feed:
        numbers.append(int(arrival.frame_source.rpartition("#")[2]))
        time.sleep(0.1)
    counts = feed.counts
    assert counts.read == 24 == counts.given + counts.dropped
    assert counts.dropped >= 6
    assert numbers == sorted(numbers)


def test_what_is_no_film(tmp_path: Path) -> None:
    """Missing, empty and garbage files are each told apart, with a cure."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "garbage.mp4").write_bytes(os.urandom(5000))
    with pytest.raises(FeedError, match="no such video file"):
        feed_of(str(tmp_path / "none.mp4")).open()
    with pytest.raises(FeedError, match="empty"):
        feed_of(str(tmp_path / "empty.mp4")).open()
    feed = feed_of(str(tmp_path / "garbage.mp4")).open()
    with pytest.raises(FeedError, match="cannot be opened"):
        list(feed)
    assert feed.health.state == "failed"


def test_a_film_that_was_cut_short(tmp_path: Path) -> None:
    """A file of which a part is missing gives what there is, and the health says that more was promised."""
    path = film(tmp_path / "a.avi", 60)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    feed = feed_of(str(path)).open()
    given = len(list(feed))
    assert 10 < given < 60
    assert f"ended after {given} frames of the 60" in feed.health.message


def test_a_stream_that_changes_its_size(tmp_path: Path) -> None:
    """Each frame has its own size, as drivers and GStreamer give it, and the health tells of the change."""
    mark = tmp_path / "mark"
    height = f"96 if os.path.exists({str(mark)!r}) else 48"
    body = f"def read(n):\n    time.sleep(0.02)\n    return True, grey(n % 250, {height})"
    feed = camera(tmp_path, body)
    shapes, messages = [], []
    for arrival in feed:
        shapes.append(pixels(arrival).shape)
        messages.append(feed.health.message)
        mark.touch()
        if shapes[-1] == (96, 64, 3):
            feed.close()
    assert shapes[0] == (48, 64, 3)
    assert messages[-1] == "the picture's size changed from 64 x 48 to 64 x 96 pixels"


def test_a_film_that_changes_its_size(tmp_path: Path) -> None:
    """OpenCV's FFmpeg scales what follows to the first size: the frames go on and show the same."""
    path = tmp_path / "two.mjpeg"
    with path.open("wb") as file:
        for size in [(48, 64)] * 5 + [(96, 80)] * 5:
            picture = np.full((*size, 3), 90, np.uint8)
            picture[:, size[1] // 2 :] = 200
            file.write(cv2.imencode(".jpg", picture)[1].tobytes())
    source = VideoSource("file", str(path), "two")
    given = [pixels(arrival) for arrival in VideoFeed(source, VideoFeedSettings("two"))]
    assert [picture.shape for picture in given] == [(48, 64, 3)] * 10
    assert [int(picture[24, 50, 0]) for picture in given] == pytest.approx([200] * 10, abs=3)


def test_the_newest_frame_wins(tmp_path: Path) -> None:
    """A camera of 100 frames a second, a runner of 10: what is given was just read, the rest is counted."""
    body = "def read(n):\n    time.sleep(0.01)\n    return True, grey(n % 250)"
    feed = camera(tmp_path, body)
    arrivals, late = [], []
    for arrival in feed:
        late.append(time.time() - arrival.received_at)
        arrivals.append(arrival)
        if len(arrivals) == 8:
            feed.close()
        time.sleep(0.1)
    counts = feed.counts
    assert counts.read == counts.given + counts.dropped
    assert counts.given == 8
    assert counts.dropped > 8
    assert feed.health.dropped == counts.dropped
    assert sorted(late)[4] < 1.0  # an old queue would be later with every frame
    assert len({arrival.frame_source for arrival in arrivals}) == 8


def test_a_limit_of_the_rate(tmp_path: Path) -> None:
    """A camera that is much faster than 20 frames a second is thinned to that; the rest is counted."""
    feed = camera(tmp_path, "def read(n):\n    time.sleep(0.001)\n    return True, grey(n % 250)", fps=20)
    started = time.monotonic()
    take(feed, 10)
    assert time.monotonic() - started > 9 / 20 - 0.05
    assert feed.counts.thinned >= 18
    assert feed.counts.read == feed.counts.given + feed.counts.thinned + feed.counts.dropped


def test_a_camera_that_comes_and_goes(tmp_path: Path) -> None:
    """Unplugged after two frames, not there for two attempts, then back: it goes on."""
    body = f"""
mark = {str(tmp_path / "mark")!r}
starts = os.path.getsize(mark) if os.path.exists(mark) else 0
with open(mark, "a") as file: file.write(".")
OPENED = starts not in (1, 2)
def read(n):
    time.sleep(0.1)
    return n < 3, grey(n)
"""
    feed = camera(tmp_path, body)
    assert len(take(feed, 4)) == 4
    assert feed.decoder_starts >= 4
    assert feed.health.reconnects == feed.decoder_starts - 3


def test_black_and_frozen_pictures_are_stalled(tmp_path: Path) -> None:
    """A covered lens and a picture that stands still are given all the same, and reported."""
    limits = StillLimits(black_s=0.2, frozen_s=0.2)
    for value, said in ((0, "black"), (90, "frozen")):
        body = f"def read(n):\n    time.sleep(0.05)\n    return True, grey({value})"
        feed = camera(tmp_path, body, still=limits)
        states = []
        for _ in feed:
            states.append((feed.health.state, feed.health.message))
            if len(states) == 10:
                feed.close()
        assert states[0] == ("running", "")
        assert states[-1][0] == "stalled"
        assert f"the picture is {said}" in states[-1][1]


def test_grey_and_deep_pictures(tmp_path: Path) -> None:
    """One channel comes as grey, 16 bits as 16 bits."""
    body = "def read(n):\n    return True, np.full((48, 64, 1), 4000 + n, np.uint16)"
    (arrival,) = take(camera(tmp_path, body), 1)
    assert arrival.frame is not None
    assert arrival.frame.photometric is Photometric.MONOCHROME2
    assert arrival.frame.bit_depth == 16
    assert pixels(arrival).shape == (48, 64)
    assert pixels(arrival).dtype == np.uint16
    assert int(pixels(arrival)[0, 0]) > 4000


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"fps": 0}, "fps must be above 0"),
        ({"region": (0, 0, 0, 5)}, "a width and a height above 0"),
        ({"region": (0, -1, 5, 5)}, "region must be 0 or more"),
        ({"size": (640, 0)}, "size must be above 0"),
        ({"stall_s": 0}, "above 0 seconds"),
        ({"retry_s": (0, 1)}, "above 0 seconds"),
        ({"retry_s": (5, 1)}, "the first and the longest"),
    ],
)
def test_options_that_cannot_work(options: dict[str, Any], said: str) -> None:
    """Each is refused before anything is opened."""
    with pytest.raises(SettingsError, match=said):
        feed_of("camera:0", **options).open()


def test_addresses_that_cannot_work() -> None:
    """A device that is none, an address without host, a pipeline without appsink."""
    with pytest.raises(FeedError, match="not a device"):
        feed_of("camera:video0").open()
    with pytest.raises(FeedError, match="names no host"):
        feed_of("rtsp:///path").open()
    with pytest.raises(FeedError, match="not an address"):
        feed_of("rtsp://user:word@host:port/path").open()
    with pytest.raises(FeedError, match="must end in an appsink"):
        feed_of("gst:videotestsrc ! autovideosink").open()


def test_gstreamer_needs_another_opencv(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where OpenCV has no GStreamer, the error names the OpenCV that has; with it, the feed opens."""
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda backend: False)
    with pytest.raises(SettingsError, match="JetPack"):
        feed_of("gst:videotestsrc ! appsink").open()
    monkeypatch.setattr(cv2.videoio_registry, "hasBackend", lambda backend: True)
    assert feed_of("gst:rtspsrc location=x user-pw=word ! appsink").open().name == (
        "gst:rtspsrc location=x user-pw=... ! appsink"
    )


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("rtsp://host/path", "rtsp://host/path"),
        ("rtsp://user:word@host:554/path", "rtsp://host:554/path"),
        ("rtsp://host/path?user=admin&password=word", "rtsp://host/path"),
    ],
)
def test_names_hold_no_password(uri: str, shown: str) -> None:
    """What is shown in results and on the page has neither user name nor password."""
    assert without_credentials(uri) == shown
    feed = feed_of(uri).open()
    assert isinstance(feed, VideoFeed)
    assert feed.name == shown
    assert "word" not in repr(feed.source)
