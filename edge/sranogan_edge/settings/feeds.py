"""Settings of each kind of feed: a URI, and what goes to its opener."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.still import StillLimits
from sranogan_edge.image.film import FilmOptions
from sranogan_edge.settings.place import PlaceSettings
from sranogan_edge.settings.secret import read_secret

__all__ = [
    "FEED_SETTINGS",
    "DicomFeedSettings",
    "FeedSettings",
    "FilesFeedSettings",
    "FilmFeedSettings",
    "VideoFeedSettings",
    "WatchFeedSettings",
]


@dataclass(frozen=True)
class FeedSettings(PlaceSettings):
    """One feed.

    Attributes:
        uri: see docs/guide/feeds.md; a password in it is refused.
    """

    def address(self) -> str:
        """The URI to open; may hold a password, so it is not to be shown."""
        return self.uri


@dataclass(frozen=True)
class FilmFeedSettings(FeedSettings):
    """A feed of films. What is not asked for has a result that says so, no score: docs/guide/feeds.md.

    Attributes:
        modalities: such as DX, CR; empty takes every one, as with body_parts and views.
        body_parts: BodyPartExamined, such as CHEST.
        views: ViewPosition, such as PA, AP.
        sop_classes: UIDs of the kinds of object that are taken; none takes all.
        presentation_only: leaves out what is for processing.
        take_empty: which of these options take a film whose field is empty or absent.
        turn_upright: turns back films that say they are turned or mirrored.
    """

    modalities: tuple[str, ...] = ()
    body_parts: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    sop_classes: tuple[str, ...] | None = None
    presentation_only: bool = False
    take_empty: tuple[str, ...] = ("presentation_only",)
    turn_upright: bool = False

    def __post_init__(self) -> None:
        self.films()

    def films(self) -> FilmOptions:
        """Which films are scored; raises SettingsError where that cannot be."""
        values = {one.name: getattr(self, one.name) for one in fields(FilmOptions)}
        return FilmOptions(**{**values, "sop_classes": values["sop_classes"] or ()})

    def options(self) -> dict[str, Any]:
        """What the feed is opened with; which films are asked for is one :class:`FilmOptions`."""
        found = super().options()
        asked = {one.name for one in fields(FilmOptions)} & found.keys()
        for name in asked:
            del found[name]
        return {**found, "films": self.films()} if asked else found


@dataclass(frozen=True)
class FilesFeedSettings(FilmFeedSettings):
    """Images that are there: a file, or a folder with its sub-folders. The feed ends with the last one.

    Attributes:
        uri: FILE or FOLDER.
    """

    once = False


@dataclass(frozen=True)
class WatchFeedSettings(FilmFeedSettings):
    """A folder that files are dropped into.

    Attributes:
        uri: watch:DIR.
        settle_s: seconds without change after which a file is complete.
        poll_s: seconds between two looks at the folder.
    """

    settle_s: float = 2.0
    poll_s: float = 0.5


@dataclass(frozen=True)
class DicomFeedSettings(FilmFeedSettings):
    """A DICOM node that scanners send to. Name who may send with calling, or set any_caller.

    Attributes:
        uri: dicom:PORT, or dicom:HOST:PORT to listen on one address only.
        called: our AE title; an association for another is rejected.
        calling: AE titles that may send; all others are rejected.
        any_caller: lets every AE title send; then calling stays empty.
        sop_classes: UIDs of the kinds of object that are taken; none takes CR and DX.
        max_associations: at once.
        max_object_bytes: of one object, best not above the spool's; a larger one is refused for good.
        idle_s: seconds without a byte, after which an association is aborted.
        handshake_s: seconds in which a connection must ask for an association.
        pdu_s: seconds in which a PDU that has begun must be complete.
        max_association_s: seconds after which an association is aborted, idle or not.
        acknowledge_s: seconds after which an object that is not on the disk is answered "try again".
        tls_certificate: PEM file; with tls_key, only encrypted associations are taken.
        tls_key: PEM file.
        tls_client_authorities: PEM file; a sender must show a certificate that one of these signed.
    """

    called: str = "SRANOGAN"
    calling: tuple[str, ...] = ()
    any_caller: bool = False
    max_associations: int = 8
    max_object_bytes: int = 128 * 2**20
    idle_s: float = 60.0
    handshake_s: float = 10.0
    pdu_s: float = 30.0
    max_association_s: float = 3600.0
    acknowledge_s: float = 30.0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_authorities: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise SettingsError("TLS needs tls_certificate and tls_key; name both or none")
        if self.tls_client_authorities and not self.tls_certificate:
            raise SettingsError("tls_client_authorities needs tls_certificate and tls_key")
        named = PlaceSettings.options(self)
        for name, _ in parse_qsl(self.uri.partition("?")[2], keep_blank_values=True):
            if name in named:
                raise SettingsError(f"{name} stands in the URI too. Say it in one place")

    def options(self) -> dict[str, Any]:
        """Put the three TLS files together."""
        found = super().options()
        if self.sop_classes is not None:
            found["sop_classes"] = self.sop_classes
        files = [found.pop(f"tls_{name}", None) for name in ("certificate", "key", "client_authorities")]
        if self.tls_certificate and self.tls_key:
            from sranogan_edge.feeds.dicom_options import DicomTls

            found["tls"] = DicomTls(*files)
        return found


@dataclass(frozen=True)
class VideoFeedSettings(FeedSettings):
    """A camera, a stream, a GStreamer pipeline or a video file.

    Attributes:
        uri: camera:/dev/video0, rtsp://[USER@]HOST/PATH, gst:PIPELINE, or FILE.mp4.
        password_file: file with the password of the USER in an rtsp address.
        fps: most frames a second to take; none takes all.
        region: x, y, width, height in pixels of the source; none takes the whole picture.
        size: width, height that a camera is asked for; it may give another.
        real_time: play a file at its own speed, as a camera would give it.
        max_pixels: width x height above which a frame is refused.
        stall_s: seconds without any frame after which a decoder counts as hanging and is killed.
        open_s: the same until the first frame.
        retry_s: first and longest pause in seconds before a lost source is opened again.
        stable_s: a source that lasted so many seconds starts with the first pause again.
        still: when a picture counts as black or frozen.
    """

    password_file: Path | None = None
    fps: float | None = None
    region: tuple[int, int, int, int] | None = None
    size: tuple[int, int] | None = None
    real_time: bool = False
    max_pixels: int = 16_000_000
    stall_s: float = 5.0
    open_s: float = 20.0
    retry_s: tuple[float, float] = (0.5, 60.0)
    stable_s: float = 10.0
    still: StillLimits = field(default_factory=StillLimits)

    def __post_init__(self) -> None:
        if self.password_file and not urlsplit(self.uri).username:
            raise SettingsError("password_file goes with rtsp://USER@HOST/PATH; name the user there")

    def options(self) -> dict[str, Any]:
        """Without the password, which is part of the address."""
        found = super().options()
        found.pop("password_file", None)
        return found

    def address(self) -> str:
        """The URI with the password; raises SettingsError where its file cannot be read."""
        if self.password_file is None:
            return self.uri
        user, at, rest = self.uri.partition("@")
        return f"{user}:{quote(read_secret(self.password_file, ''), safe='')}{at}{rest}"


FEED_SETTINGS: Mapping[str, type[FeedSettings]] = {
    "files": FilesFeedSettings,
    "watch": WatchFeedSettings,
    "dicom": DicomFeedSettings,
    "camera": VideoFeedSettings,
    "rtsp": VideoFeedSettings,
    "rtsps": VideoFeedSettings,
    "gst": VideoFeedSettings,
    "video": VideoFeedSettings,
}
