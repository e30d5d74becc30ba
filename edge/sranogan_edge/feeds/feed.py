"""What every feed declares, and what it gives to the runner: arrivals, a name, its health, a way to end it.

A feed is iterated in a thread of its own. Bytes (scanner, folder) go to the spool and are never dropped;
frames (camera) are scored as they come, the newest first. The runner calls an arrival's ``acknowledge`` once
the spool holds the object on disk, and its ``settle`` once the object has its result.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, runtime_checkable

from sranogan_edge.image.film import FilmOptions
from sranogan_edge.image.frame import Frame
from sranogan_edge.place import Place

__all__ = [
    "Arrival",
    "BringsFilms",
    "Feed",
    "FeedHealth",
    "FeedSettings",
    "FeedState",
    "FilmFeedSettings",
]

FeedState = Literal["starting", "running", "waiting", "stalled", "failed", "closed"]


@dataclass(frozen=True, eq=False)
class Arrival:
    """One image that came in.

    Attributes:
        frame_source: what to call it in messages and results (a path, a URI).
        received_at: Unix time in seconds; to be shown, never to order by: clocks jump.
        path: file with its bytes, for feeds that bring bytes; the spool copies it.
        frame: decoded, for feeds that bring frames (cameras).
        identity: what the sender calls it (``study_uid``, ``series_uid``, ``instance_uid``, ...).
        acknowledge: to be called once the spool holds the object; a scanner is then answered "success".
        refuse: to be called with the reason where the spool will never take it, however often it is sent.
        outdated: whether its feed has a newer frame to give in its place; never, where every frame is wanted.
        leave_out: to be called where that was done: it will not be scored.
        key: two arrivals of one key are one object, which is scored once; empty: an object of its own.
        settle: to be called with True once it was scored, with False once it was dead-lettered.
        origin: a file that stays where it is until ``settle`` moves it; while it is there, the spool keeps
            the key, so that finding it again after a crash does not score it again.
        failure: why what is at ``path`` cannot be read; it has a result line with this error.
        data: its bytes, for feeds that have no file of them.
        opened: opens the bytes where the path alone may lead elsewhere by then: others write to its folders.
        number: of a video file's frame, from 1.
        at_s: the same, in seconds from the begin of the file.
    """

    frame_source: str
    received_at: float
    path: Path | None = None
    frame: Frame | None = None
    identity: Mapping[str, str] = field(default_factory=dict)
    acknowledge: Callable[[], None] = lambda: None
    refuse: Callable[[str], None] = lambda reason: None
    outdated: Callable[[], bool] = lambda: False
    leave_out: Callable[[], None] = lambda: None
    key: str = ""
    settle: Callable[[bool], None] = lambda scored: None
    origin: Path | None = None
    failure: str = ""
    data: bytes = b""
    opened: Callable[[], BinaryIO] | None = None
    number: int | None = None
    at_s: float | None = None


@dataclass(frozen=True)
class FeedHealth:
    """How a feed fares.

    Attributes:
        state: ``waiting`` has nothing to give now, ``stalled`` should have and has not.
        last_arrival: Unix time in seconds; None before the first.
        dropped: frames left out because newer ones were there.
        reconnects: how often the source was opened again.
        message: why the state is what it is; empty where all is well.
        refused: senders that were sent away, or had to make room, since it was opened.
        alarm: what is wrong though it goes on; empty where nothing is.
        reason: of which kind the trouble is (``REASONS`` of why_not.py); empty where all is well.
    """

    state: FeedState = "starting"
    last_arrival: float | None = None
    dropped: int = 0
    reconnects: int = 0
    message: str = ""
    refused: int = 0
    alarm: str = ""
    reason: str = ""


class Feed(Protocol):
    """A source of images; iterating blocks until the next arrival and ends when closed or exhausted."""

    @property
    def name(self) -> str:
        """The URI that it was opened with, without credentials."""

    @property
    def health(self) -> FeedHealth:
        """How it fares now; may be read from any thread."""

    def __iter__(self) -> Iterator[Arrival]:
        """Yield what comes, oldest first, until the feed ends or is closed."""

    def close(self) -> None:
        """End the iteration soon; may be called from any thread, and twice."""


@runtime_checkable
class BringsFilms(Protocol):
    """A feed that says which of its films are scored."""

    @property
    def films(self) -> FilmOptions:
        """Which, and how they are held."""


@dataclass(frozen=True)
class FeedSettings(Place):
    """One feed.

    Attributes:
        uri: see docs/guide/feeds.md; a password in it is refused.
    """

    @abstractmethod
    def open(self, without: Sequence[Path] = ()) -> Feed:
        """Open it.

        Args:
            without: folders that no image is taken from.

        Raises:
            FeedError: the source is not there.
            MissingExtraError: a package that it needs is not installed.
            SettingsError: the URI or an option cannot be.
        """


@dataclass(frozen=True)
class FilmFeedSettings(FilmOptions, FeedSettings):
    """A feed of films. What is not asked for has a result that says so, no score: docs/guide/feeds.md."""

    @property
    def films(self) -> FilmOptions:
        """Which films are scored."""
        return FilmOptions(**{one.name: getattr(self, one.name) for one in fields(FilmOptions)})
