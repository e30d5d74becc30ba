"""The kinds of feed: one URI, one class of settings, which opens it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.feed import FeedSettings
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.formats import IMAGE_SUFFIXES
from sranogan_edge.text import meant

__all__ = ["FEEDS", "feed_kind", "feed_of", "is_feed_uri"]

VIDEO_SUFFIXES = frozenset(
    {  # of what FFmpeg reads; the last line: streams without a container
        *(".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".ogv", ".webm", ".wmv"),
        *(".m2ts", ".mpeg", ".mpg", ".mts", ".ts"),
        *(".264", ".265", ".h264", ".h265", ".hevc"),
    }
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # of two letters or more: C: is a drive

FEEDS: Mapping[str, type[FeedSettings]] = {  # by scheme; "files" and "video" have none
    "files": FilesFeedSettings,
    "watch": WatchFeedSettings,
    "dicom": DicomFeedSettings,
    "camera": VideoFeedSettings,
    "rtsp": VideoFeedSettings,
    "rtsps": VideoFeedSettings,
    "gst": VideoFeedSettings,
    "video": VideoFeedSettings,
}
_EXAMPLES = {
    "watch": "watch:DIR",
    "dicom": "dicom:PORT",
    "camera": "camera:/dev/video0",
    "rtsp": "rtsp://HOST/PATH",
    "rtsps": "rtsps://HOST/PATH",
    "gst": "gst:PIPELINE",
    "video": "FILE.mp4",
    "files": "FILE or FOLDER",
}


def feed_of(uri: str, **options: Any) -> FeedSettings:
    """Return the settings of the feed that ``uri`` names.

    Args:
        uri: ``camera:DEVICE``, ``rtsp://...``, ``gst:PIPELINE``, ``FILE.mp4``, ``dicom:PORT``, ``watch:DIR``,
            or an image file or a folder of them. A file whose name looks like a URI: ``./watch:x``.
        options: of this kind of feed.

    Raises:
        SettingsError: no such kind, or an option that cannot be.
    """
    return FEEDS[feed_kind(uri)](uri, **options)


def is_feed_uri(text: str) -> bool:
    """Whether ``text`` names a feed that goes on (camera, scanner, watched folder, video), not files."""
    return feed_kind(text) != "files"


def feed_kind(uri: str) -> str:
    """Return the kind of feed that ``uri`` names: ``files`` for what has no scheme.

    A colon makes no address of what has the suffix of an image or a video, or is there.

    Raises:
        SettingsError: a scheme that no feed has and no file begins with, or nothing stands behind it.
    """
    scheme, colon, rest = uri.partition(":")
    name = scheme.lower()
    known = colon and name in FEEDS and name not in ("video", "files")
    if not (rest if known else uri):
        example = _EXAMPLES[name if known else "files"]
        raise SettingsError(f"{uri!r} names nothing. Write it like {example}.")
    if known:
        return name
    suffix = Path(uri).suffix.lower()
    is_file = suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES and name not in FEEDS and not rest.startswith("//")
    if _SCHEME.match(uri) and not is_file and not os.path.lexists(uri):
        raise SettingsError(
            f"no feed has the scheme {scheme!r}{meant(name, FEEDS)}. There are: "
            f"{', '.join(_EXAMPLES.values())}. Nor is there a file of this name; put ./ before one"
        )
    return "video" if suffix in VIDEO_SUFFIXES else "files"
