"""Images in an object store, in the order of their names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from sranogan_edge.archive.item import Content, Item
from sranogan_edge.archive.store import Store
from sranogan_edge.errors import FeedError
from sranogan_edge.image.file_names import by_name
from sranogan_edge.image.formats import IMAGE_SUFFIXES
from sranogan_edge.image.image_list import Reason
from sranogan_edge.image.own_outputs import is_own_folder
from sranogan_edge.image.sniff import HEAD_BYTES, is_dicom

__all__ = ["ObjectSource"]


class ObjectSource:
    """Takes the objects that a folder's list would take; the names of one folder are in memory at a time."""

    def __init__(self, uri: str) -> None:
        """Name the store; raises FeedError where it is out of reach, SettingsError where it is none."""
        self._store = Store.of(uri)
        if self._store.is_file(self._store.top):
            raise FeedError(f"{self._store.where}: is one object. Name a folder, a .parquet or a .tar file.")
        self.identity = f"store {self._store.where}"
        self.passed_over: Counter[str] = Counter()
        self._begin: tuple[bytes, ...] | None = None

    def items(self, after: Item | None, known: Iterable[Item]) -> Iterator[Item]:
        """List the images (:class:`sranogan_edge.archive.item.Source`)."""
        self.passed_over.clear()
        self._begin = self._key(str(after.place[0])) if after else None
        for path in self._below(self._store.top):
            yield Item(self._store.name(path), (path,))

    def open(self, items: Sequence[Item]) -> Iterator[Content]:
        """Read objects whole, one at a time (:class:`sranogan_edge.archive.item.Source`)."""
        for item in items:
            yield self._store.content(str(item.place[0]), item.name)

    def _below(self, folder: str) -> Iterator[str]:
        entries = self._store.listed(folder)
        if is_own_folder({path.rpartition("/")[2] for path, _ in entries}):
            self._pass_over(folder, Reason.OWN)
            return
        for path, is_folder in entries:
            reason = by_name(path.rpartition("/")[2])
            if reason and not (is_folder and reason is Reason.UNFINISHED):
                self._pass_over(path, reason)
            elif is_folder:
                yield from self._below(path)
            elif self._is_new(path) and self._is_image(path):
                yield path

    def _is_image(self, path: str) -> bool:
        if os.path.splitext(path)[1].lower() in IMAGE_SUFFIXES:
            return True
        if path.rpartition("/")[2].upper() != "DICOMDIR" and is_dicom(self._store.head(path, HEAD_BYTES)):
            return True
        self._pass_over(path, Reason.NOT_IMAGE)
        return False

    def _is_new(self, path: str) -> bool:
        return self._begin is None or self._key(path) > self._begin

    def _pass_over(self, path: str, reason: Reason) -> None:
        if self._is_new(path):
            self.passed_over[reason.value] += 1

    def _key(self, path: str) -> tuple[bytes, ...]:
        return tuple(os.fsencode(path).split(b"/"))
