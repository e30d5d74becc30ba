"""Where images come from: one URI, one feed."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from sranogan_edge.errors import FeedError, MissingExtraError, SettingsError
from sranogan_edge.extras import how_to_install
from sranogan_edge.feeds.feed import Arrival, BringsFilms, Feed, FeedHealth, FeedState
from sranogan_edge.image.formats import IMAGE_SUFFIXES

__all__ = [
    "Arrival",
    "BringsFilms",
    "Feed",
    "FeedHealth",
    "FeedState",
    "feed_kind",
    "is_feed_uri",
    "open_feed",
]

VIDEO_SUFFIXES = frozenset(
    {  # of what FFmpeg reads; the last line: streams without a container
        *(".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".ogv", ".webm", ".wmv"),
        *(".m2ts", ".mpeg", ".mpg", ".mts", ".ts"),
        *(".264", ".265", ".h264", ".h265", ".hevc"),
    }
)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:", re.IGNORECASE)  # of two letters or more: C: is a drive


@dataclass(frozen=True)
class _Kind:
    """One kind of feed: what opens it, what it needs beyond the package itself."""

    opener: str  # module and function; called with what stands behind the scheme, and the options
    example: str
    extra: str = ""  # that brings its packages
    whole_uri: bool = False  # the opener gets the URI with its scheme


_KINDS = {
    "watch": _Kind("watch:open_watch", "watch:DIR"),
    "dicom": _Kind("dicom:open_dicom", "dicom:PORT", extra="dicom"),
    "camera": _Kind("camera:open_camera", "camera:/dev/video0"),
    "rtsp": _Kind("camera:open_rtsp", "rtsp://HOST/PATH", whole_uri=True),
    "rtsps": _Kind("camera:open_rtsp", "rtsps://HOST/PATH", whole_uri=True),
    "gst": _Kind("camera:open_gst", "gst:PIPELINE"),
    "video": _Kind("video:open_video", "FILE.mp4"),
    "files": _Kind("files:open_files", "FILE or FOLDER"),
}


def is_feed_uri(text: str) -> bool:
    """Whether ``text`` names a feed that goes on (camera, scanner, watched folder, video), not files."""
    return feed_kind(text) != "files"


def open_feed(uri: str, **options: Any) -> Feed:
    """Open the feed that ``uri`` names; ``options`` go to its opener.

    Args:
        uri: ``camera:DEVICE``, ``rtsp://...``, ``gst:PIPELINE``, ``FILE.mp4``, ``dicom:PORT``, ``watch:DIR``,
            or an image file or a folder of them. A file whose name looks like a URI: ``./watch:x``.
        options: of this kind of feed; see its opener.

    Raises:
        FeedError: the source is not there.
        MissingExtraError: a package that this kind needs is not installed.
        SettingsError: no such kind, or an option that this kind does not know.
    """
    name = feed_kind(uri)
    kind = _KINDS[name]
    rest = uri if kind.whole_uri or name in ("video", "files") else uri.partition(":")[2]
    opener = _opener(uri, kind)
    try:
        return opener(rest, **options)
    except ModuleNotFoundError as error:
        raise _missing(uri, kind, error) from error
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        raise SettingsError(f"{uri}: this feed has no such option ({error}). Leave it out.") from error


def feed_kind(uri: str) -> str:
    """Return the kind of feed that ``uri`` names: ``files`` for what has no scheme.

    A colon makes no address of what has the suffix of an image or a video, or is there.

    Raises:
        SettingsError: a scheme that no feed has and no file begins with, or nothing stands behind it.
    """
    scheme, colon, rest = uri.partition(":")
    name = scheme.lower()
    known = colon and name in _KINDS and name not in ("video", "files")
    if not (rest if known else uri):
        example = _KINDS[name if known else "files"].example
        raise SettingsError(f"{uri!r} names nothing. Write it like {example}.")
    if known:
        return name
    suffix = Path(uri).suffix.lower()
    is_file = suffix in IMAGE_SUFFIXES | VIDEO_SUFFIXES and name not in _KINDS and not rest.startswith("//")
    if _SCHEME.match(uri) and not is_file and not os.path.lexists(uri):
        examples = ", ".join(kind.example for kind in _KINDS.values())
        raise SettingsError(
            f"no feed has the scheme {scheme!r}. There are: {examples}. Nor is there a file of this name; "
            "put ./ before one"
        )
    return "video" if suffix in VIDEO_SUFFIXES else "files"


def _opener(uri: str, kind: _Kind) -> Callable[..., Feed]:
    module, _, function = kind.opener.partition(":")
    try:
        found = getattr(importlib.import_module(f"sranogan_edge.feeds.{module}"), function)
    except ModuleNotFoundError as error:
        raise _missing(uri, kind, error) from error
    return cast("Callable[..., Feed]", found)


def _missing(uri: str, kind: _Kind, error: ModuleNotFoundError) -> Exception:
    if (error.name or "").startswith("sranogan_edge"):
        return FeedError(f"{uri}: this version has no such feed yet. Install a newer sranogan-edge.")
    cure = how_to_install(kind.extra) if kind.extra else f"pip install {error.name}"
    return MissingExtraError(f"{uri}: needs the package {error.name!r}, which is not installed. Run: {cure}")
