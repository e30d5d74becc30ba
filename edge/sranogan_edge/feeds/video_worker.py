"""The decoder's own process: what hangs or crashes in here takes nothing with it.

``python -m sranogan_edge.feeds.video_worker`` reads a task (one JSON line) and then one empty line for each
frame that is wanted. It answers on standard output, one JSON object a line: ``{"opened": ...}`` first; then
for each wish ``{"frame": ...}`` with the pixels in the shared memory, ``{"ended": FRAMES, "reached": FRAME}``
(how many the file declares, and where the last one stands among these) or ``{"failed": TEXT}``.

One thread reads the source, another the wishes, and the main one answers. A live source is read at its own
pace and only its newest frame waits, so the answer to a wish is never old; a file waits for the wish, unless
it is to be played in real time. How many frames were read stands in the shared memory too: it is right even
when this process is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import queue
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.feeds.video_counts import HEADER_BYTES, Counters
from sranogan_edge.feeds.why_not import WhyNot, why_not_opened

__all__ = ["main"]

LATE_SHARE = 0.25  # of a period that a frame may come early and still count as the one that is due
LEAST_S = 0.5  # to open a stream in, however long this process took to start
MOST_LOGGED = 64 << 10  # bytes
MOST_FPS = 100_000.0  # a stream that says more does not know
Pixels = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Picture:
    """One frame as OpenCV gave it.

    ``number`` is its own in this source, from 1; ``read_at`` when it was read (Unix s); ``at_s`` where a file
    has it, in seconds from its begin.
    """

    pixels: Pixels
    number: int
    read_at: float
    at_s: float


class Rate:
    """Lets through as many frames a second as wanted; None lets all through."""

    def __init__(self, fps: float | None) -> None:
        self._period = 1 / fps if fps else 0.0
        self._due: float | None = None

    def takes(self, at: float) -> bool:
        """Whether the frame of time ``at`` (seconds) is wanted."""
        if self._due is None:
            self._due = at
        if at < self._due - LATE_SHARE * self._period:
            return False
        self._due = max(self._due, at - self._period) + self._period  # a late one does not hurry the next
        return True


class Grabber(threading.Thread):
    """Reads a source to its end; the newest frame waits in ``take``."""

    def __init__(self, capture: cv2.VideoCapture, task: dict[str, Any], counters: Counters) -> None:
        super().__init__(daemon=True)
        self._capture, self._counters = capture, counters
        self._live, self._paced = bool(task["live"]), bool(task["real_time"])
        self._rate, self._every = Rate(task["fps"]), int(task["every"])
        self._change = threading.Condition()
        self._newest: Picture | None = None
        self._over = ""

    def run(self) -> None:
        """Read until the source ends or fails."""
        try:
            why = self._read_all()
        except Exception as error:  # cv2.error and whatever a driver's binding raises
            why = f"failed: {type(error).__name__}: {error}".replace("\n", " ")
        with self._change:
            self._over = why
            self._change.notify_all()

    def take(self) -> Picture | str:
        """Wait for a frame that was not taken yet; ``ended`` or ``failed: ...`` where none will come."""
        with self._change:
            self._change.wait_for(lambda: self._newest is not None or self._over)
            picture, self._newest = self._newest, None
            self._change.notify_all()
            return picture or self._over

    def _film_time_s(self, number: int) -> float:
        """When the frame just read is due; streams without a container have no times of their own."""
        stamp = float(self._capture.get(cv2.CAP_PROP_POS_MSEC)) / 1000
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        return stamp if stamp > 0 or rate <= 0 else (number - 1) / rate

    def _read_all(self) -> str:
        started, number = time.monotonic(), 0
        while True:
            there, pixels = self._capture.read()
            if not there or pixels is None:
                return "ended" if number and not self._live else f"failed: it gives no frame after {number}"
            number += 1
            self._counters.add_read()
            at = time.monotonic() if self._live else self._film_time_s(number)
            if self._paced:
                time.sleep(max(0.0, started + at - time.monotonic()))
            if (number - 1) % self._every or not self._rate.takes(at):
                self._counters.add_thinned()
                continue
            with self._change:
                if not self._live and not self._paced:  # a file's frames are all wanted
                    self._change.wait_for(lambda: self._newest is None)
                self._newest = Picture(pixels, number, time.time(), at)
                self._counters.set_newest(number)
                self._change.notify_all()


def _reached(capture: cv2.VideoCapture) -> int:
    """At which frame the last one would be if there were one at each beat since the file's time began.

    Containers that declare no number of frames declare how long they last, and OpenCV counts by that: with a
    pause in the middle, a late begin or a rate that is not kept, there are fewer.
    """
    stamps = [capture.get(cv2.CAP_PROP_POS_MSEC) * capture.get(cv2.CAP_PROP_FPS) / 1000]
    if hasattr(cv2, "CAP_PROP_PTS"):  # from OpenCV 4.11 on; counts from the file's time 0
        stamps.append(capture.get(cv2.CAP_PROP_PTS))
    return round(max(stamps)) + 1


def open_capture(task: dict[str, Any]) -> cv2.VideoCapture:
    """Open what the task names; whether that worked, ``isOpened`` says."""
    kind, target = task["kind"], task["target"]
    if kind == "gst":
        return cv2.VideoCapture(target, cv2.CAP_GSTREAMER)
    if kind == "camera":
        return _open_camera(target, task["size"], task["fps"])
    if kind == "rtsp":
        patience_s = max(LEAST_S, task["open_by"] - time.monotonic())
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, int(1000 * patience_s)]
        return cv2.VideoCapture(target, cv2.CAP_FFMPEG, limits)
    return cv2.VideoCapture(target)


def _open_camera(device: str, size: list[int] | None, fps: float | None) -> cv2.VideoCapture:
    backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
    capture = cv2.VideoCapture(int(device) if device.isdigit() else device, backend)
    if size:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if fps:
        capture.set(cv2.CAP_PROP_FPS, fps)
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
    return capture


def cropped(pixels: Pixels, region: list[int] | None) -> Pixels:
    """``pixels`` inside ``region`` (x, y, width, height); raises ValueError where it lies outside of them."""
    if not region:
        return pixels
    x, y, width, height = region
    rows, columns = pixels.shape[:2]
    if x + width > columns or y + height > rows:
        raise ValueError(
            f"the region of interest {x},{y},{width},{height} lies outside of the picture, which is "
            f"{columns} x {rows} pixels. Give another region, or set the camera to its former size"
        )
    return pixels[y : y + height, x : x + width]


def place(picture: Picture, region: list[int] | None, memory: mmap.mmap) -> dict[str, Any]:
    """Write the pixels (R, G, B or grey) into ``memory``; return their description."""
    pixels = cropped(picture.pixels, region)
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        raise ValueError(f"a picture of {pixels.shape[2]} channels; grey and colour (1 or 3) are supported")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"pixels of type {pixels.dtype}; uint8 and uint16 are supported")
    if pixels.nbytes > len(memory) - HEADER_BYTES:
        raise ValueError(
            f"a picture of {pixels.shape[1]} x {pixels.shape[0]} pixels is above the budget (max_pixels). "
            "Give a region of interest, set the camera smaller, or raise max_pixels"
        )
    wanted = pixels[..., 0] if pixels.ndim == 3 and pixels.shape[2] == 1 else pixels
    target = np.frombuffer(memory, wanted.dtype, wanted.size, offset=HEADER_BYTES).reshape(wanted.shape)
    np.copyto(target, wanted if wanted.ndim == 2 else wanted[..., ::-1])
    shape = [int(side) for side in wanted.shape]
    stated = {
        "shape": shape,
        "dtype": str(wanted.dtype),
        "number": picture.number,
        "read_at": picture.read_at,
        "at_s": picture.at_s,
    }
    return {"frame": stated}


class Wishes(threading.Thread):
    """Reads the wishes, and ends this process when the runner is gone, whatever the source does."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.queue: queue.SimpleQueue[str] = queue.SimpleQueue()

    def run(self) -> None:
        """Read until the runner closes its end."""
        for line in sys.stdin:
            self.queue.put(line)
        os._exit(0)


def opened_or_why(task: dict[str, Any]) -> tuple[cv2.VideoCapture, WhyNot | None]:
    """Open what the task names, or tell why that cannot be: from what is logged on the way."""
    with tempfile.TemporaryFile() as logged:
        quiet = os.dup(2)
        for stream in (1, 2):  # OpenCV prints what FFmpeg says, and logs the rest
            os.dup2(logged.fileno(), stream)
        try:
            capture = open_capture(task)
        finally:
            ctypes.CDLL(None).fflush(None)  # what was printed may be in C's own buffer
            for stream in (1, 2):  # what is said of pictures goes nowhere: there is no end to it
                os.dup2(quiet, stream)
            os.close(quiet)
        if capture.isOpened():
            return capture, None
        logged.seek(max(0, logged.seek(0, os.SEEK_END) - MOST_LOGGED))
        return capture, why_not_opened(task["kind"], task["target"], logged.read())


def what_it_is(capture: cv2.VideoCapture) -> dict[str, Any]:
    """What an open source says of itself: frames a second, codec; 0 and empty where it does not."""
    code, rate = int(capture.get(cv2.CAP_PROP_FOURCC)), float(capture.get(cv2.CAP_PROP_FPS))
    letters = code.to_bytes(4, "little").decode("ascii", "replace") if code > 0 else ""
    return {
        "backend": capture.getBackendName(),
        "codec": letters.strip("\0 ") if letters.isprintable() else "",
        "fps": rate if 0 < rate < MOST_FPS else 0.0,
        "frames": max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT))),
    }


def serve(task: dict[str, Any], memory: mmap.mmap, messages: Any) -> None:
    """Open the source and answer wishes until it ends or fails."""

    def tell(message: dict[str, Any]) -> None:
        print(json.dumps(message), file=messages, flush=True)

    wishes = Wishes()
    wishes.start()
    capture, why = opened_or_why(task)
    if why:
        return tell({"failed": f"it cannot be opened: {why.text}", "reason": why.reason})
    tell({"opened": what_it_is(capture)})
    grabber = Grabber(capture, task, Counters(memory))
    grabber.start()
    while True:
        wishes.queue.get()
        found = grabber.take()
        if found == "ended":
            return tell({"ended": int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), "reached": _reached(capture)})
        if isinstance(found, str):
            return tell({"failed": found.partition(": ")[2]})
        try:
            tell(place(found, task["region"], memory))
        except ValueError as error:
            return tell({"failed": str(error)})


def main() -> None:
    """Do the task on standard input; end without waiting for a source that hangs."""
    messages = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a driver prints is no message
    cv2.setNumThreads(1)
    task = json.loads(sys.stdin.readline())
    memory = mmap.mmap(task["memory"], task["bytes"])
    with contextlib.suppress(BrokenPipeError):  # the runner is gone
        serve(task, memory, messages)
    os._exit(0)


if __name__ == "__main__":
    main()
