"""Looks at one folder, port, feed or sink of the settings, and leaves nothing behind."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from sranogan_edge.errors import FeedError, SranoganError
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.feed import FeedSettings
from sranogan_edge.feeds.watch import CLAIMS, WatchFeedSettings
from sranogan_edge.option import is_secret
from sranogan_edge.secret import others_can_read
from sranogan_edge.sinks.jsonl import JsonlSinkSettings
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from sranogan_edge.sinks.sink import SinkContext, SinkSettings
from sranogan_edge.spool.entry import SpoolLimits
from sranogan_edge.spool.lock import RESULTS_LOCK, holder_of

__all__ = [
    "Finding",
    "State",
    "existing_parent",
    "folder_problem",
    "limit_problem",
    "look_at_feed",
    "look_at_sink",
    "port_problem",
    "secret_findings",
]

State = Literal["ok", "note", "warning", "error"]


@dataclass(frozen=True)
class Finding:
    """What was found of one part.

    Attributes:
        what: the part.
        value: what the settings say of it, without secrets.
        state: ``error``: the service would not start, or not do its work.
        message: more of it; with an error or a warning, the cure.
    """

    what: str
    value: str
    state: State = "ok"
    message: str = ""


def existing_parent(folder: Path) -> Path:
    """Return ``folder``, or the nearest folder above it that exists."""
    folder = folder.absolute()
    while not os.path.exists(folder):  # False, too, where we may not look
        folder = folder.parent
    return folder


def folder_problem(folder: Path) -> str:
    """Why ``folder`` cannot be made or written to by this user; empty where it can."""
    parent = existing_parent(folder)
    if not os.path.isdir(parent):
        return f"{parent} is no folder. Name another one."
    if not os.access(parent, os.W_OK | os.X_OK):
        return f"user {os.geteuid()} may not write to {parent}. Give it the right, or name another folder."
    return ""


def port_problem(host: str, port: int) -> str:
    """Why this user cannot listen on ``host:port``; empty where it can."""
    try:
        family, kind, protocol, _, target = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(target)
    except OSError as error:
        return f"port {port} cannot be had ({error.strerror or error}). Free it, or choose another."
    return ""


def look_at_feed(feed: FeedSettings, holder: str) -> Finding:
    """Open ``feed`` as far as that leaves no trace; ``holder`` is the runner that may have its port."""
    shown = str(feed)
    if isinstance(feed, WatchFeedSettings):
        return _look_at_watched(feed.path, shown)
    try:
        feed.open().close()
    except FeedError as error:
        if holder and isinstance(feed, DicomFeedSettings):
            return Finding("feed", shown, "note", f"{error} (by process {holder}, perhaps)")
        return Finding("feed", shown, "error", str(error))
    except SranoganError as error:
        return Finding("feed", shown, "error", str(error))
    return _look_at_device(feed, shown) if feed.scheme == "camera" else Finding("feed", shown)


def _look_at_watched(folder: Path, shown: str) -> Finding:
    if not os.path.isdir(folder):
        return Finding("feed", shown, "error", "no such folder. Make it, or correct the path.")
    problem = folder_problem(folder)
    if problem:
        return Finding("feed", shown, "error", f"{problem} Scored files are moved inside of it.")
    holder = holder_of(folder / CLAIMS)
    return Finding(
        "feed", shown, "note" if holder else "ok", f"process {holder} watches it" if holder else ""
    )


def limit_problem(feed: FeedSettings, spool: SpoolLimits) -> str:
    """Why ``feed`` takes objects that the spool refuses; empty where it does not."""
    if not isinstance(feed, DicomFeedSettings) or feed.max_object_bytes <= spool.max_object_bytes:
        return ""
    return (
        f"takes objects of up to {feed.max_object_bytes:,} bytes, and those above {spool.max_object_bytes:,} "
        "are then refused. Lower the feed's max_object_bytes, or raise the spool's."
    )


def _look_at_device(feed: FeedSettings, shown: str) -> Finding:
    device = feed.uri.partition(":")[2]
    path = Path(f"/dev/video{device}" if device.isdigit() else device)
    if not os.path.exists(path):
        return Finding("feed", shown, "warning", f"{path} is not there now; the service waits for it")
    if not os.access(path, os.R_OK | os.W_OK):
        cure = "Put the service's user into its group (usually video)."
        return Finding("feed", shown, "error", f"user {os.geteuid()} may not open {path}. {cure}")
    return Finding("feed", shown)


def look_at_sink(sink: SinkSettings, environ: Mapping[str, str] | None) -> Finding:
    """Set ``sink`` up in a folder that is then removed; nothing is sent."""
    shown = str(sink)
    if sink.file and (problem := folder_problem(sink.file.parent)):
        return Finding("sink", shown, "error", problem)
    if isinstance(sink, JsonlSinkSettings) and (holder := holder_of(sink.path, RESULTS_LOCK)):
        return Finding(
            "sink", shown, "note", f"process {holder} writes there; stop it before this one starts"
        )
    try:
        with tempfile.TemporaryDirectory(prefix="sranogan-check-") as folder:
            elsewhere = replace(sink, uri=f"{sink.scheme}:{folder}/sink") if sink.file else sink
            elsewhere.open(SinkContext(Path(folder), Path(folder), environ)).close()
        lacks_password = isinstance(sink, MqttSinkSettings) and sink.user and not sink.password(environ)
    except SranoganError as error:
        return Finding("sink", shown, "error", str(error))
    if isinstance(sink, MqttSinkSettings) and (why := sink.open_password(environ)):
        return Finding("sink", shown, "warning", why)
    if lacks_password:
        cure = "Name password_file, or set SRANOGAN_MQTT_PASSWORD."
        return Finding("sink", shown, "warning", f"a user without a password. {cure}")
    return Finding("sink", shown, "ok", "set up; nothing was sent")


def secret_findings(part: Any) -> Iterator[Finding]:
    """Tell which files of secrets every user of this machine may read."""
    for one in fields(part):
        file = getattr(part, one.name)
        if not is_secret(one) or file is None:
            continue
        try:
            open_to_all = others_can_read(file)
        except OSError as error:
            cure = "Correct the path."
            yield Finding(one.name, str(file), "error", f"{error.strerror or error}. {cure}")
            continue
        if open_to_all:
            cure = f"Run: chmod o-rwx {file}"
            yield Finding(one.name, str(file), "warning", f"any user of this machine may read it. {cure}")
