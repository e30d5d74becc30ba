"""A folder as an archive: its images in the order of their paths, listed as they are asked for."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sranogan_edge.archive.entries import DIRECTORY, FILE, LINK, Entries
from sranogan_edge.archive.item import Content, Item
from sranogan_edge.errors import FeedError, ImageError
from sranogan_edge.image.decode import cannot_be_read, check_file
from sranogan_edge.image.file_names import by_name
from sranogan_edge.image.files import check_place, look_at_file, unreadable_message
from sranogan_edge.image.image_list import Reason
from sranogan_edge.image.own_outputs import OwnOutputs, is_default_out, is_own_folder, own_names

__all__ = ["FolderSource"]

_Key = tuple[bytes, ...]  # the names on the way from the top: what the list is sorted by


class FolderSource:
    """Takes and passes over what ``sranogan-score`` does without an engine, in a folder of any size.

    Two things differ, so that no list of all files is held: links are followed where they are found, and a
    file outside of the folder to which two links lead is taken under both names.
    """

    def __init__(self, top: Path, without: Sequence[Path] = (), named: str = "") -> None:
        """Name the folder; ``without`` are folders that are passed over, ``named`` is how names begin.

        Raises:
            FeedError: it is not there, no folder, or may not be looked into.
        """
        check_place(top)
        if not top.is_dir():
            raise FeedError(
                f"{top}: is one file. --engine scores archives: name a folder, a .parquet or a .tar file."
            )
        self._top, self._real, self._named = top, Path(os.path.realpath(top)), Path(named or top)
        self.identity = f"folder {self._real}"
        self.passed_over: Counter[str] = Counter()
        self._own = OwnOutputs(without)
        self._linked: set[tuple[int, int]] = set()  # folders that only links led to
        self._begin: _Key | None = None

    def items(self, after: Item | None, known: Iterable[Item]) -> Iterator[Item]:
        """List the images (:class:`Source`); of a folder that changes, what is there when it is come to."""
        self._linked.clear()
        self.passed_over.clear()
        self._begin = _key(str(after.place[0])) if after else None
        for key, problem in self._folder((), self._top, by_link=False):
            if self._is_new(key):
                relative = os.fsdecode(b"/".join(key))
                yield Item(str(self._named / relative), (relative,), problem)

    def open(self, items: Sequence[Item]) -> Iterator[Content]:
        """Open files (:class:`Source`)."""
        for item in items:
            path = self._top / str(item.place[0])
            try:
                check_file(path, item.name)
                yield path.open("rb")
            except (OSError, ValueError) as error:
                yield cannot_be_read(item.name, error)
            except ImageError as error:
                yield error

    def _folder(self, here: _Key, folder: Path, *, by_link: bool) -> Iterator[tuple[_Key, str]]:
        """Yield what is below ``folder``, sorted: the key, and why it cannot be looked at."""
        try:
            found = os.stat(folder)
        except OSError as error:
            yield from self._failed(here, folder, error)
            return
        identity = found.st_dev, found.st_ino
        if identity in self._own.identities or identity in self._linked:
            self._pass_over(here, Reason.AGAIN if identity in self._linked else Reason.OWN)
            return
        if by_link:
            self._linked.add(identity)
        entries = Entries(folder)
        if entries.error:
            yield from self._failed(here, folder, entries.error)
        if is_own_folder(entries.marks) or (here and is_default_out(folder.name, entries.marks)):
            self._pass_over(here, Reason.OWN)
            return
        own = own_names(entries.marks)
        for name, kind in entries:
            key, path = (*here, name), folder / os.fsdecode(name)
            try:
                yield from self._entry(key, path, kind, own, by_link=by_link)
            except OSError as error:
                yield from self._failed(key, path, error)

    def _entry(
        self,
        key: _Key,
        path: Path,
        kind: str,
        own: frozenset[str],
        *,
        by_link: bool,
    ) -> Iterator[tuple[_Key, str]]:
        reason = Reason.OWN if path.name in own else by_name(path.name)
        if reason and not (reason is Reason.UNFINISHED and path.is_dir()):
            self._pass_over(key, reason)
        elif kind == LINK:
            yield from self._link(key, path)
        elif kind == DIRECTORY:
            yield from self._folder(key, path, by_link=by_link)
        elif self._is_new(key) and self._is_image(key, path, is_regular=kind == FILE):
            yield key, ""

    def _link(self, key: _Key, link: Path) -> Iterator[tuple[_Key, str]]:
        found, real = os.stat(link), Path(os.path.realpath(link))
        is_folder = stat.S_ISDIR(found.st_mode)
        if self._own.holds(real):
            self._pass_over(key, Reason.OWN)
        elif self._is_reached(real) or (is_folder and self._lies_in(link, real)):
            self._pass_over(key, Reason.AGAIN)
        elif is_folder:
            yield from self._folder(key, link, by_link=True)
        elif self._is_new(key) and self._is_image(key, link, is_regular=stat.S_ISREG(found.st_mode)):
            yield key, ""

    def _is_reached(self, real: Path) -> bool:
        """Whether the list has ``real`` without any link."""
        if not real.is_relative_to(self._real):
            return False
        *folders, name = real.relative_to(self._real).parts or ("",)
        above = all(by_name(one) in (None, Reason.UNFINISHED) for one in folders)
        return above and (by_name(name) is None if name else True)

    def _lies_in(self, link: Path, real: Path) -> bool:
        return self._real.is_relative_to(real) or Path(os.path.realpath(link.parent)).is_relative_to(real)

    def _is_image(self, key: _Key, path: Path, *, is_regular: bool) -> bool:
        passed = look_at_file(path, is_regular)
        if passed:
            self._pass_over(key, passed.reason)
        return passed is None

    def _is_new(self, key: _Key) -> bool:
        return self._begin is None or key > self._begin

    def _pass_over(self, key: _Key, reason: Reason) -> None:
        if self._is_new(key):
            self.passed_over[reason.value] += 1

    def _failed(self, key: _Key, path: Path, error: OSError) -> Iterator[tuple[_Key, str]]:
        if isinstance(error, FileNotFoundError) and not os.path.lexists(path):
            return  # it went while we looked
        yield key, unreadable_message(path, error)


def _key(relative: str) -> _Key:
    return tuple(os.fsencode(relative).split(b"/"))
