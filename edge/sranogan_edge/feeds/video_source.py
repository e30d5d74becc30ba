"""What a video feed's URI means: which device, stream or file, and how OpenCV is to open it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import cv2

from sranogan_edge.errors import FeedError, SettingsError
from sranogan_edge.redact import without_credentials

__all__ = ["LIVE_SOURCES", "VideoSource", "source_of"]

Kind = Literal["camera", "rtsp", "gst", "file"]


@dataclass(frozen=True)
class VideoSource:
    """Where frames come from.

    Attributes:
        kind: ``camera``, ``rtsp``, ``gst`` or ``file``.
        target: what OpenCV opens; may hold a password, so it is not part of the repr.
        name: what to call it in messages and results, without credentials.
    """

    kind: Kind
    target: str
    name: str

    def __repr__(self) -> str:
        return f"VideoSource({self.kind}, {self.name!r})"

    @property
    def live(self) -> bool:
        """Whether it goes on by itself: what is not taken is gone, and a lost source comes back."""
        return self.kind != "file"


def _camera(uri: str) -> VideoSource:
    """``camera:/dev/video0`` or a number; whether it is there shows later: cameras come and go."""
    device = uri.partition(":")[2]
    if not device.isdigit() and not device.startswith("/"):
        raise FeedError(
            f"camera:{device}: not a device. Write camera:/dev/video0, or a number as in camera:0."
        )
    return VideoSource("camera", device, f"camera:{device}")


def _rtsp(uri: str) -> VideoSource:
    """``rtsp://[USER:PASSWORD@]HOST[:PORT]/PATH``; raises FeedError where there is no host."""
    name = without_credentials(uri)
    try:
        parts = urlsplit(uri)
        whole = parts.scheme.lower() in ("rtsp", "rtsps") and bool(parts.hostname)
        _ = parts.port  # raises where it is no number
    except ValueError as error:
        raise FeedError(f"{name}: not an address ({error}). Write it like rtsp://HOST:554/PATH.") from error
    if not whole:
        raise FeedError(f"{name}: names no host. Write it like rtsp://HOST:554/PATH.")
    return VideoSource("rtsp", uri, name)


def _gst(uri: str) -> VideoSource:
    """A GStreamer pipeline that ends in ``appsink``; raises SettingsError where OpenCV has no GStreamer."""
    pipeline, name = uri.partition(":")[2], without_credentials(uri)
    if not pipeline.rstrip().rsplit("!", 1)[-1].strip().startswith("appsink"):
        raise FeedError(
            f"{name}: the pipeline must end in an appsink. "
            "Add '! videoconvert ! video/x-raw,format=BGR ! appsink'."
        )
    if not cv2.videoio_registry.hasBackend(cv2.CAP_GSTREAMER):
        raise SettingsError(
            f"{name}: this OpenCV ({cv2.__version__}) was built without GStreamer, as every wheel of "
            "opencv-python is. Use the OpenCV of JetPack (or Debian's python3-opencv): uninstall "
            "opencv-python-headless and make the environment with --system-site-packages. See "
            "docs/guide/feeds.md."
        )
    return VideoSource("gst", pipeline, name)


def _file(path: str) -> VideoSource:
    """A video file; raises FeedError where it is missing or empty."""
    file = Path(path)
    if not file.is_file():
        raise FeedError(f"{path}: no such video file. Check the path.")
    if not file.stat().st_size:
        raise FeedError(f"{path}: the video file is empty (0 bytes). Copy or record it again.")
    return VideoSource("file", os.path.abspath(file), str(file))  # FFmpeg takes "10:30.mp4" for an address


LIVE_SOURCES: Mapping[str, Callable[[str], VideoSource]] = {
    "camera": _camera,
    "rtsp": _rtsp,
    "rtsps": _rtsp,
    "gst": _gst,
}


def source_of(uri: str) -> VideoSource:
    """Return what ``uri`` means, by its scheme; without one of a live source it is a file.

    Raises:
        FeedError: the file is missing or empty, or the address cannot be.
        SettingsError: OpenCV has no GStreamer.
    """
    return LIVE_SOURCES.get(uri.partition(":")[0].lower(), _file)(uri)
