"""What is in a folder, in the order of the names, however many there are."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from sranogan_edge.errors import FeedError
from sranogan_edge.image.own_outputs import may_mark

__all__ = ["DIRECTORY", "FILE", "LINK", "OTHER", "Entries"]

FILE, DIRECTORY, LINK, OTHER = "file", "directory", "link", "other"
IN_MEMORY = 20_000  # names; more are sorted on the disk
_BATCH = 5000
_Entry = tuple[bytes, str]  # name, kind


class Entries:
    """One look at a folder; iterate over it for names (bytes) and kinds, sorted by the bytes of the names.

    Attributes:
        marks: the names in it that tell of outputs of ours.
        error: why not all of it could be read; None where all was.
    """

    def __init__(self, folder: Path) -> None:
        """Read the folder."""
        self.marks: set[str] = set()
        self.error: OSError | None = None
        read = self._read(folder)
        self._first = sorted(islice(read, IN_MEMORY))
        self._more: sqlite3.Connection | None = None
        if len(self._first) == IN_MEMORY:
            try:
                self._sort_on_disk(read)
            except sqlite3.Error as error:
                place = os.environ.get("TMPDIR", "/var/tmp")
                raise FeedError(
                    f"{folder}: its names cannot be sorted on disk ({error}). Free some space in {place}, "
                    "or name another place for temporary files with TMPDIR; the same command goes on."
                ) from error

    def _sort_on_disk(self, read: Iterator[_Entry]) -> None:
        self._more = sqlite3.connect("")  # a file without a name
        self._more.execute("CREATE TABLE entries (name BLOB PRIMARY KEY, kind TEXT) WITHOUT ROWID")
        add = "INSERT OR IGNORE INTO entries VALUES (?, ?)"  # names may come twice
        self._more.executemany(add, self._first)
        self._first.clear()
        while batch := list(islice(read, _BATCH)):
            self._more.executemany(add, batch)

    def __iter__(self) -> Iterator[_Entry]:
        """Give each entry once, and let go of what was read: to be called once."""
        if self._more is None:
            yield from self._first
            return
        with closing(self._more) as kept:
            yield from kept.execute("SELECT name, kind FROM entries ORDER BY name")

    def _read(self, folder: Path) -> Iterator[_Entry]:
        try:
            with os.scandir(folder) as reading:
                for entry in reading:
                    if may_mark(entry.name):
                        self.marks.add(entry.name)
                    yield os.fsencode(entry.name), _kind_of(entry)
        except OSError as error:
            self.error = error


def _kind_of(entry: os.DirEntry[str]) -> str:
    try:
        if entry.is_symlink():
            return LINK
        if entry.is_dir(follow_symlinks=False):
            return DIRECTORY
        return FILE if entry.is_file(follow_symlinks=False) else OTHER
    except OSError:  # it cannot be asked now: reading it will tell
        return FILE
