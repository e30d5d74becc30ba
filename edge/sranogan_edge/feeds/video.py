"""Frames of a camera, a stream or a video file, decoded in a process of their own.

A live source runs at its own pace: the newest frame is scored, older ones are dropped and counted. It is
opened again, with growing pauses, as often as it is lost. A file gives every frame and ends, unless it is to
be played in ``real_time``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from sranogan_edge.backoff import Backoff
from sranogan_edge.errors import FeedError, SettingsError
from sranogan_edge.feeds.feed import Arrival, FeedHealth, FeedSettings, FeedState
from sranogan_edge.feeds.still import StillLimits, StillWatch
from sranogan_edge.feeds.video_counts import VideoCounts
from sranogan_edge.feeds.video_process import WORKER, VideoProcess, WorkerGone
from sranogan_edge.feeds.video_source import LIVE_SOURCES, VideoSource, source_of
from sranogan_edge.option import option
from sranogan_edge.secret import read_secret

__all__ = ["VideoCounts", "VideoFeed", "VideoFeedSettings"]

TICK_S = 0.2  # how soon a closed feed ends, at the latest
BYTES_PER_PIXEL = 6  # 16-bit colour
GIVE_UP_OPENING = 0.75  # of open_s: after that the decoder tells why, before it counts as hanging


@dataclass(frozen=True)
class VideoFeedSettings(FeedSettings):
    """A camera, a stream, a GStreamer pipeline or a video file.

    Attributes:
        uri: camera:/dev/video0, rtsp://[USER@]HOST/PATH, gst:PIPELINE, or FILE.mp4.
        password_file: file with the password of the USER in an rtsp address.
        fps: most frames a second to take; none takes all. Those left out are thinned, not dropped.
        every: takes the first frame, and each so many after it.
        region: x, y, width, height in pixels of the source; none takes the whole picture.
        size: width, height that a camera is asked for; it may give another.
        real_time: play a file at its own speed, as a camera would give it.
        max_pixels: width x height above which a frame is refused.
        stall_s: seconds without any frame after which a decoder counts as hanging and is killed.
        open_s: the same until the first frame, which may wait for a key frame.
        retry_s: first and longest pause in seconds before a lost source is opened again.
        stable_s: a source that lasted so many seconds starts with the first pause again.
        still: when a picture counts as black or frozen.
    """

    password_file: Path | None = option(None, secret=True)
    fps: float | None = option(None, above=0, most=1000)
    every: int = option(1, least=1)
    region: tuple[int, int, int, int] | None = option(None, least=0)
    size: tuple[int, int] | None = option(None, above=0)
    real_time: bool = False
    max_pixels: int = option(16_000_000, above=0)
    stall_s: float = option(5.0, above=0)
    open_s: float = option(20.0, above=0)
    retry_s: tuple[float, float] = option((0.5, 60.0), above=0)
    stable_s: float = option(10.0, above=0)
    still: StillLimits = field(default_factory=StillLimits)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.password_file and not urlsplit(self.uri).username:
            raise SettingsError("password_file goes with rtsp://USER@HOST/PATH; name the user there")
        if self.region and 0 in self.region[2:]:
            raise SettingsError(f"region has a width and a height above 0; received {self.region}")
        if self.retry_s[0] > self.retry_s[1]:
            raise SettingsError(f"retry_s is the first and the longest pause; received {self.retry_s}")

    @property
    def path(self) -> Path | None:
        """The video file; None of a live source."""
        return None if self.scheme in LIVE_SOURCES else Path(self.uri)

    def address(self) -> str:
        """The URI with the password, not to be shown; raises SettingsError where its file is unreadable."""
        if self.password_file is None:
            return self.uri
        user, at, rest = self.uri.partition("@")
        return f"{user}:{quote(read_secret(self.password_file, ''), safe='')}{at}{rest}"

    def open(self, without: Sequence[Path] = ()) -> VideoFeed:
        """Open it: a live source with its first arrival; a file is looked for now."""
        return VideoFeed(source_of(self.address()), self)


class VideoFeed:
    """A camera, a stream or a video file as a :class:`~sranogan_edge.feeds.feed.Feed`."""

    def __init__(
        self, source: VideoSource, options: VideoFeedSettings, command: Sequence[str] = WORKER
    ) -> None:
        """Nothing is opened before the first arrival is asked for; ``command`` runs the decoder."""
        self.source, self.options, self._command = source, options, command
        self.name = source.name
        self.decoder_starts = 0
        self._closing = threading.Event()
        self._process: VideoProcess | None = None
        self._backoff = Backoff(*self.options.retry_s)
        self._still = StillWatch(self.options.still)
        self._state: FeedState = "starting"
        self._message = self._reason = ""
        self.opened: dict[str, Any] = {}  # what the source says of itself
        self._last_arrival: float | None = None
        self._opened = 0
        self._given = 0  # by the present decoder
        self._shape: tuple[int, ...] = ()
        self._past = VideoCounts()  # of the decoders before

    @property
    def counts(self) -> VideoCounts:
        """Where the frames went until now; may be read from any thread."""
        process, past = self._process, self._past
        if process is None:
            return past
        read, thinned, given = process.counters.read, process.counters.thinned, self._given
        waiting = 1  # the newest has not been asked for yet
        dropped = max(0, read - thinned - given - waiting) if self._may_drop else 0
        return VideoCounts(
            past.read + read, past.given + given, past.thinned + thinned, past.dropped + dropped
        )

    @property
    def health(self) -> FeedHealth:
        """How it fares; a black or frozen picture counts as stalled."""
        reconnects = max(0, self._opened - 1)
        health = FeedHealth(self._state, self._last_arrival, self.counts.dropped, reconnects, self._message)
        return replace(health, reason=self._reason)

    def __iter__(self) -> Iterator[Arrival]:
        """Yield frames; raises FeedError where a file cannot be read to its end."""
        try:
            while not self._closing.is_set():
                try:
                    yield from self._from_one_decoder()
                    break
                except WorkerGone as gone:
                    if self._closing.is_set():
                        break
                    self._lost(gone)
        finally:
            if self._state != "failed":
                self._state = "closed"

    def first(self) -> Arrival:
        """Open the source once and return its first frame; raises FeedError where it gives none."""
        with closing(self._from_one_decoder()) as frames:
            try:
                return next(frames)
            except StopIteration:
                raise FeedError(f"{self.name}: it has no frame") from None
            except WorkerGone as gone:
                raise FeedError(f"{self.name}: {gone}") from gone

    def close(self) -> None:
        """End the iteration soon."""
        self._closing.set()
        process = self._process
        if process:
            process.kill()

    @property
    def _may_drop(self) -> bool:
        return self.source.live or self.options.real_time

    def _from_one_decoder(self) -> Generator[Arrival, None, None]:
        self._given = 0
        process = VideoProcess(self._task(), self.options.max_pixels * BYTES_PER_PIXEL, self._command)
        self._process = process
        self.decoder_starts += 1
        try:
            self.opened = self._answer(process, self.options.open_s).get("opened", {})
            self._opened += 1
            self._still.restart()
            started = time.monotonic()
            while not self._closing.is_set():
                process.ask()
                message = self._answer(process, self.options.stall_s if self._given else self.options.open_s)
                if "frame" not in message:
                    return self._note_end(int(message.get("ended", 0)), int(message.get("reached", 0)))
                if time.monotonic() - started > self.options.stable_s:
                    self._backoff.reset()
                yield self._arrival(process, message["frame"])
        finally:
            self._book(process)

    def _task(self) -> dict[str, Any]:
        options = self.options
        return {
            "kind": self.source.kind,
            "target": self.source.target,
            "live": self.source.live,
            "real_time": options.real_time and not self.source.live,
            "fps": options.fps,
            "every": options.every,
            "region": options.region,
            "size": options.size,
            "open_by": time.monotonic() + GIVE_UP_OPENING * options.open_s,  # one clock for all processes
        }

    def _answer(self, process: VideoProcess, patience_s: float) -> dict[str, Any]:
        """Return the next message; raises WorkerGone after ``patience_s`` without one or a new frame."""
        read, progress = process.counters.read, time.monotonic()
        while not self._closing.is_set():
            message = process.answer(min(TICK_S, patience_s))
            if message is not None and "failed" in message:
                raise WorkerGone(str(message["failed"]), str(message.get("reason", "decoder")))
            if message is not None:
                return message
            now = time.monotonic()
            if process.counters.read != read:
                read, progress = process.counters.read, now
            elif now - progress >= patience_s:
                process.kill()
                raise WorkerGone(f"no frame for {patience_s:g} s, so its decoder was stopped", "silent")
        raise WorkerGone("closed")

    def _arrival(self, process: VideoProcess, stated: dict[str, Any]) -> Arrival:
        at = float(stated["read_at"])
        name = self._name_of(stated, at)
        frame = process.frame(stated, name)
        self._given += 1
        self._last_arrival = at
        finding = self._still.look(frame.pixels, time.monotonic() if self.source.live else 0.0)
        self._state, self._reason = ("stalled", "picture") if finding else ("running", "")
        self._message = (
            f"the picture is {finding}: check the lens, the light and the camera" if finding else ""
        )
        if self._shape and self._shape != frame.pixels.shape[:2] and not finding:
            old, new = (f"{s[1]} x {s[0]}" for s in (self._shape, frame.pixels.shape))
            self._message = f"the picture's size changed from {old} to {new} pixels"
        self._shape = frame.pixels.shape[:2]
        number, counters = int(stated["number"]), process.counters
        arrival = Arrival(name, at, frame=frame)
        if not self.source.live:
            arrival = replace(arrival, number=number, at_s=float(stated.get("at_s", 0.0)))
        if not self._may_drop:
            return arrival
        return replace(
            arrival,
            outdated=lambda: counters.newest > number,
            leave_out=self._left_out,
        )

    def _left_out(self) -> None:
        """A frame that was given came back: it counts as dropped."""
        self._given -= 1

    def _name_of(self, stated: dict[str, Any], at: float) -> str:
        if not self.source.live:
            return f"{self.name}#{stated['number']}"
        moment = datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
        return f"{self.name}@{moment.replace('+00:00', 'Z')}"

    def _lost(self, gone: WorkerGone) -> None:
        """Wait before the source is opened again; raises FeedError for a file."""
        reason, self._reason = str(gone), gone.reason
        if not self.source.live:
            self._state, self._message = "failed", reason
            raise FeedError(
                f"{self.name}: stopped after {self._past.read} frames: {reason}. "
                "Check the file with another player, or record it again."
            )
        pause_s = self._backoff.next_s()
        self._state = "stalled"
        self._message = f"{reason}; attempt {self._backoff.failures + 1} in {pause_s:.1f} s"
        self._closing.wait(pause_s)

    def _note_end(self, declared: int, reached: int) -> None:
        read = self._process.counters.read if self._process else 0
        if declared > max(read, reached) + 1:  # containers count one more now and then
            self._message = (
                f"ended after {read} frames of the {declared} that its header declares: cut short?"
            )

    def _book(self, process: VideoProcess) -> None:
        """End the decoder; what it read and did not give is dropped."""
        process.kill()  # before the counts are read for good
        read, thinned, past = process.counters.read, process.counters.thinned, self._past
        self._process, given, self._given = None, self._given, 0
        self._past = VideoCounts(
            past.read + read,
            past.given + given,
            past.thinned + thinned,
            past.dropped + max(0, read - thinned - given),
        )
        process.release()
