"""Files and folders that are there already: a feed that ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.feeds.feed import Arrival, FeedHealth, FilmFeedSettings
from sranogan_edge.image.files import check_place, list_images
from sranogan_edge.image.film import EVERY_FILM, FilmOptions
from sranogan_edge.image.image_list import told_counts

__all__ = ["FilesFeed", "FilesFeedSettings", "file_key"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FilesFeedSettings(FilmFeedSettings):
    """Images that are there: a file, or a folder with its sub-folders. The feed ends with the last one.

    Attributes:
        uri: FILE or FOLDER.
    """

    once = False

    @property
    def path(self) -> Path:
        """The file or folder."""
        return Path(self.uri)

    def open(self, without: Sequence[Path] = ()) -> FilesFeed:
        """Open it; raises FeedError where it is missing."""
        return FilesFeed(self.path, without, self.films)


class FilesFeed:
    """One image file, or the images of a folder and its sub-folders in the order of their names.

    A file that the spool knows (same path, size and time of change) is not scored again, so an interrupted
    run goes on where it was. Files stay where they are. What is passed over is logged: counts, and at the
    level "debug" each; what is unreadable arrives as a failure.
    """

    def __init__(self, path: Path, without: Sequence[Path] = (), films: FilmOptions = EVERY_FILM) -> None:
        """Take ``path`` but what is below ``without``; FeedError where it is missing or closed to us."""
        check_place(path)
        self.path, self._without, self.films = path, without, films
        self.name = str(path)
        self.health = FeedHealth()
        self._closed = False

    def __iter__(self) -> Iterator[Arrival]:
        """Yield each file once."""
        for file, failure in self._files():
            if self._closed:
                break
            key = ""
            if not failure:
                try:
                    key = file_key(file)
                except FileNotFoundError:  # it went between listing and reading
                    continue
                except OSError as error:
                    failure = f"{file}: cannot be read ({error.strerror or error}). Check the disk or share."
            now = time.time()
            self.health = FeedHealth("running", last_arrival=now)
            yield Arrival(str(file), now, path=file, key=key, failure=failure)
        self.health = FeedHealth("closed", last_arrival=self.health.last_arrival)

    def close(self) -> None:
        """End after the file in hand."""
        self._closed = True

    def _files(self) -> list[tuple[Path, str]]:
        """Each file with an empty text, and what is unreadable with the reason."""
        found = list_images([self.path], self._without)
        if found.left_out:
            _log.info("feed %s: %s", self.name, told_counts(found.left_out))
        for one in found.left_out:
            _log.debug("feed %s: passed over: %s", self.name, one)
        return [*((file, "") for file in found.taken), *((one.path, one.detail) for one in found.unreadable)]


def file_key(file: Path) -> str:
    """What makes a file that stays where it is one object: path, size, time of change; raises OSError."""
    seen = file.stat()
    return f"{file.resolve()}|{seen.st_size}|{seen.st_mtime_ns}"
