"""Files and folders that are there already: a feed that ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sranogan_edge.feeds.feed import Arrival, FeedHealth
from sranogan_edge.film import EVERY_FILM, FilmOptions
from sranogan_edge.image_files import check_place, images_below

__all__ = ["FilesFeed", "open_files"]


class FilesFeed:
    """One image file, or the images of a folder and its sub-folders in the order of their names.

    A file that the spool knows (same path, size and time of change) is not scored again, so an interrupted
    run goes on where it was. Files stay where they are.
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
        sequence = 0
        for file in self._files():
            if self._closed:
                break
            try:
                seen = file.stat()
            except OSError:  # it went between listing and reading
                continue
            sequence += 1
            now = time.time()
            self.health = FeedHealth("running", last_arrival=now)
            key = f"{file.resolve()}|{seen.st_size}|{seen.st_mtime_ns}"
            yield Arrival(str(file), now, sequence, path=file, key=key)
        self.health = FeedHealth("closed", last_arrival=self.health.last_arrival)

    def close(self) -> None:
        """End after the file in hand."""
        self._closed = True

    def _files(self) -> list[Path]:
        return list(images_below(self.path, self._without)) if self.path.is_dir() else [self.path]


def open_files(path: str, *, without: Sequence[Path] = (), films: FilmOptions = EVERY_FILM) -> FilesFeed:
    """Open a file or folder: see :class:`FilesFeed`; raises FeedError where it is missing."""
    return FilesFeed(Path(path), without, films)
