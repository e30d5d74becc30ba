"""Why a camera, a stream or a video file gives nothing: of a few kinds, each with its words.

FFmpeg tells it in what it logs while it opens a source, a device in how it refuses to be opened. What they
say of a live source is not passed on: it may hold its address, and a password.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["REASONS", "RTSP_PORTS", "WhyNot", "device_of", "why_no_device", "why_not_opened"]

REASONS = (
    "refused", "no route", "host unknown", "no answer", "silent", "closed", "password", "forbidden", "path",
    "no device", "permission", "busy", "codec", "no video", "decoder", "picture", "other",
)  # fmt: skip
RTSP_PORTS = {"rtsp": 554, "rtsps": 322}
_REACH_S = 2.0  # to find out whether anything takes a connection
_CHARACTERS = 120
_LOOKS = 64 << 10  # bytes at the end of what was logged


@dataclass(frozen=True)
class WhyNot:
    """One of ``REASONS``, and what it is for people."""

    reason: str
    text: str


_OF_NETWORK = (  # the first that fits
    (r"connection refused", "refused", "nothing listens at its address and port (connection refused)"),
    (r"no route to host|network is unreachable|host is down|host is unreachable", "no route",
     "no way leads to its address (no route)"),
    (r"failed to resolve|name or service not known|name resolution|nodename nor servname", "host unknown",
     "no machine of this name is known (host unknown)"),
    (r"\b401\b", "password", "it takes no visitor without the right user and password (401)"),
    (r"\b403\b", "forbidden", "it does not let this user in (403)"),
    (r"\b404\b", "path", "it has no stream of this path (404)"),
    (r"timeout triggered|timed out", "silent", "it takes the connection, and gives no picture"),
)  # fmt: skip
_OF_CODEC = re.compile(r"could not find decoder|unknown codec|unsupported codec|decoder not found|no decoder")
_FOUR = re.compile(r"\(([ -~]{4}) / 0x")
_CLOSED = re.compile(r"end of file|connection reset|broken pipe")
_OURS = re.compile(r"^\[OPENCV:FFMPEG:\d+\] *|^\[ *(?:WARN|ERROR|INFO):[^\]]*\] *(?:global )?\S* *", re.I)


def why_not_opened(kind: str, target: str, logged: bytes) -> WhyNot:
    """Return why OpenCV did not open a source.

    Args:
        kind: ``camera``, ``rtsp``, ``gst`` or ``file``.
        target: what was to be opened; it is not passed on.
        logged: what OpenCV and FFmpeg wrote meanwhile.
    """
    said = logged[-_LOOKS:].decode(errors="replace")
    if kind == "camera":
        return why_no_device(device_of(target)) or WhyNot("no video", "it is there, and no camera")
    if kind == "gst":
        return WhyNot("other", "GStreamer does not run the pipeline: try it with gst-launch-1.0")
    if kind == "rtsp" and (found := _of_network(target, said.lower())):
        return found
    if _OF_CODEC.search(said.lower()):
        named = _FOUR.search(said)
        which = f" ({named[1]})" if named else ""
        return WhyNot("codec", f"its codec{which} is none that this OpenCV decodes")
    if kind == "file":
        last = _last_line(said)
        return WhyNot("no video", f"no video in it that FFmpeg can read{f' ({last})' if last else ''}")
    if _CLOSED.search(said.lower()):
        return WhyNot("closed", "it closes the connection, or speaks no RTSP")
    return WhyNot("other", "what it answers is no stream")


def _of_network(target: str, said: str) -> WhyNot | None:
    for pattern, reason, text in _OF_NETWORK:
        if not re.search(pattern, said):
            continue
        if reason == "silent":
            if _OF_CODEC.search(said) and "video:" in said:
                return None  # it said what it sends, and nobody can decode that
            if not _takes_connections(target):
                return WhyNot("no answer", "nothing answers at its address")
        if reason == "password" and not urlsplit(target).username:
            return WhyNot(reason, "it asks for a user and a password (401)")
        return WhyNot(reason, text)
    return None


def _takes_connections(target: str) -> bool:
    parts = urlsplit(target)
    try:
        address = parts.hostname or "", parts.port or RTSP_PORTS[parts.scheme.lower()]
        socket.create_connection(address, _REACH_S).close()
    except (OSError, ValueError, KeyError):
        return False
    return True


def _last_line(said: str) -> str:
    """The last that was said of the file, short, in one line."""
    lines = [_OURS.sub("", line).strip() for line in said.splitlines()]
    told = [line for line in lines if line and "VIDEOIO" not in line]
    return "".join(c for c in told[-1] if c.isprintable())[:_CHARACTERS] if told else ""


def device_of(target: str) -> Path:
    """The device file of ``camera:TARGET``."""
    return Path(f"/dev/video{target}" if target.isdigit() else target)


def why_no_device(path: Path) -> WhyNot | None:
    """Return why a device cannot be opened; None where it can."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOTDIR):
            return WhyNot("no device", f"{path} is not there ({error.strerror}): plug it in")
        if error.errno in (errno.EACCES, errno.EPERM):
            return WhyNot("permission", f"{path}: {error.strerror}: give the user its group (usually video)")
        if error.errno == errno.EBUSY:
            return WhyNot("busy", f"{path}: another program has it ({error.strerror})")
        return WhyNot("other", f"{path}: {error.strerror or error}")
    return None
