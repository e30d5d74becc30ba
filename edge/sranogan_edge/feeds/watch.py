"""``watch:DIR``: files dropped into a folder, taken when they are complete, moved when they are scored.

A complete file is first renamed to ``DIR/.sranogan/CLAIM/...``. The rename is atomic and a claim's name is
never used again, so it is the file's key: whatever happens, the file is in one place, and the spool knows
whether it was scored. With its result it goes on to ``DIR/done`` or ``DIR/failed``, below the sub-folders
that it came from.
"""

from __future__ import annotations

import os
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from sranogan_edge.errors import FeedError, SettingsError
from sranogan_edge.feeds.feed import Arrival, FeedHealth
from sranogan_edge.film import EVERY_FILM, FilmOptions
from sranogan_edge.spool.files import sync_folder
from sranogan_edge.spool.lock import FolderLock

__all__ = ["WatchFeed", "open_watch"]

CLAIMS, DONE, FAILED = ".sranogan", "done", "failed"
_UNFINISHED = (".crdownload", ".filepart", ".part", ".partial", ".swp", ".tmp")  # to be renamed when complete
_NOT_FOR_US = ("desktop.ini", "thumbs.db")


@dataclass(frozen=True)
class _Look:
    """What a file looked like: while this changes, somebody writes."""

    size: int
    changed_ns: int
    inode: int


class WatchFeed:
    """Polls a folder and its sub-folders; works on local disks and network shares alike.

    A file is complete when its size and time of change stayed the same for ``settle_s``, measured by the
    monotonic clock. Writers do best to write ``NAME.part`` (or ``.NAME``) and rename: such names are left
    alone. Every other file is taken: one that is no image ends in ``failed/``. Links are not followed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        settle_s: float = 2.0,
        poll_s: float = 0.5,
        films: FilmOptions = EVERY_FILM,
    ) -> None:
        """Watch ``folder``.

        Raises:
            FeedError: it is no folder, or may not be written to.
            SettingsError: a time is not above zero.
            SpoolInUseError: another runner watches it.
        """
        if settle_s <= 0 or poll_s <= 0:
            raise SettingsError(
                f"watch: settle_s and poll_s must be above 0 seconds. Received: {settle_s}, {poll_s}."
            )
        if not folder.is_dir():
            raise FeedError(f"watch:{folder}: no such folder. Make it, or correct the path.")
        self.folder, self.name, self.films = folder, f"watch:{folder}", films
        self.health = FeedHealth()
        self._settle_s, self._poll_s = settle_s, poll_s
        self._claims = folder / CLAIMS
        self._seen: dict[Path, tuple[_Look, float]] = {}  # and since when, monotonic seconds
        self._sequence = 0
        self._taken = 0
        self._begun = False
        self._closed = threading.Event()
        try:
            self._claims.mkdir(exist_ok=True)
            for name in (DONE, FAILED):
                (folder / name).mkdir(exist_ok=True)
            sync_folder(folder)
        except OSError as error:
            raise FeedError(
                f"{self.name}: may not be written to ({error.strerror or error}); scored files are moved to "
                f"{DONE}/ and {FAILED}/ inside it. Give this user the right to write, or copy the files."
            ) from error
        cure = "two would score twice. Stop that one, or let this one watch another folder."
        self._lock = FolderLock(self._claims, cure)

    def __iter__(self) -> Iterator[Arrival]:
        """Yield what an earlier run took and did not settle, then files as they become complete."""
        self._begun = True
        try:
            while (left := self._left_claims()) is None:
                self._closed.wait(self._poll_s)
            for claim in left:
                yield from self._claimed(claim)
            while not self._closed.is_set():
                found = 0
                for path in self._complete():
                    if self._closed.is_set():
                        break
                    for arrival in self._take(path):
                        found += 1
                        yield arrival
                if not found:
                    self._closed.wait(self._poll_s)
        finally:
            self.health = replace(self.health, state="closed")
            self._lock.close()

    def close(self) -> None:
        """End the iteration; files that were not taken stay."""
        self._closed.set()
        if not self._begun:
            self._lock.close()

    def _left_claims(self) -> list[Path] | None:
        """What an earlier run took; None where the folder cannot be read now."""
        try:
            return sorted(path for path in self._claims.iterdir() if path.is_dir())
        except OSError as error:
            self._stalled(f"{self._claims}: cannot be read ({error.strerror or error})")
            return [] if self._closed.is_set() else None

    def _stalled(self, message: str) -> None:
        self.health = replace(self.health, state="stalled", message=message)

    def _complete(self) -> list[Path]:
        """Files that did not change for long enough, those that changed first in front."""
        looks = self._looks()
        if looks is None:
            return []
        now = time.monotonic()
        self._seen = {
            path: self._seen[path] if path in self._seen and self._seen[path][0] == look else (look, now)
            for path, look in looks.items()
        }
        settled = [path for path, (_, since) in self._seen.items() if now - since >= self._settle_s]
        self.health = replace(self.health, state="running" if settled else "waiting", message="")
        return sorted(settled, key=lambda path: (looks[path].changed_ns, str(path)))

    def _looks(self) -> dict[Path, _Look] | None:
        looks: dict[Path, _Look] = {}
        try:
            os.scandir(self.folder).close()
        except OSError as error:  # an unplugged share: it may come back
            self._stalled(f"{self.folder}: cannot be read ({error.strerror or error})")
            return None
        for folder, names, files in os.walk(self.folder):
            top = Path(folder) == self.folder
            names[:] = [n for n in names if not n.startswith(".") and not (top and n in (DONE, FAILED))]
            for name in files:
                path = Path(folder, name)
                if _is_ours(name) and (look := _look(path)):
                    looks[path] = look
        return looks

    def _take(self, path: Path) -> Iterator[Arrival]:
        """Rename a complete file into a folder of its own, and yield it."""
        self._taken += 1
        claim = self._claims / f"{self._taken:08d}-{uuid.uuid4().hex}"
        target = claim / path.relative_to(self.folder)
        look, _ = self._seen.pop(path)
        if _look(path) != look:
            return
        try:
            target.parent.mkdir(parents=True)
            path.rename(target)
            sync_folder(target.parent)
        except OSError as error:
            _remove_empty(target.parent, self._claims)
            if path.exists():  # else another took it
                self._stalled(f"{path}: cannot be taken ({error.strerror or error})")
            return
        yield from self._claimed(claim)

    def _claimed(self, claim: Path) -> Iterator[Arrival]:
        files = [path for path in claim.rglob("*") if path.is_file()]
        if not files:
            _remove_empty_tree(claim)
        for file in files:  # one, unless somebody put more there
            self._sequence += 1
            now = time.time()
            self.health = replace(self.health, state="running", last_arrival=now)
            inside = file.relative_to(claim)
            yield Arrival(
                frame_source=str(self.folder / inside),
                received_at=now,
                sequence=self._sequence,
                path=file,
                key=f"{claim.name}/{inside}",
                settle=partial(self._settle, claim, inside),
                origin=file,
            )

    def _settle(self, claim: Path, inside: Path, scored: bool) -> None:
        """Move a file that has its result; where that fails it stays claimed until the next start."""
        try:
            target = _free_name(self.folder / (DONE if scored else FAILED) / inside)
            target.parent.mkdir(parents=True, exist_ok=True)
            (claim / inside).rename(target)
            sync_folder(target.parent)
        except OSError as error:
            message = f"{inside}: is scored but cannot be moved ({error.strerror or error})"
            self.health = replace(self.health, message=message)
            return
        _remove_empty((claim / inside).parent, self._claims)


def open_watch(
    folder: str, *, settle_s: float = 2.0, poll_s: float = 0.5, films: FilmOptions = EVERY_FILM
) -> WatchFeed:
    """Watch a folder: see :class:`WatchFeed`."""
    return WatchFeed(Path(folder), settle_s=settle_s, poll_s=poll_s, films=films)


def _is_ours(name: str) -> bool:
    lower = name.lower()
    return not (name.startswith((".", "~")) or lower.endswith(_UNFINISHED) or lower in _NOT_FOR_US)


def _look(path: Path) -> _Look | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return _Look(found.st_size, found.st_mtime_ns, found.st_ino)


def _free_name(path: Path) -> Path:
    """``path``, or with a number before its suffix where an earlier file has that name."""
    if not path.exists():
        return path
    return next(
        free
        for number in range(2, 1 << 31)
        if not (free := path.with_name(f"{path.stem}-{number}{path.suffix}")).exists()
    )


def _remove_empty(folder: Path, stop: Path) -> None:
    """Remove ``folder`` and those above it, up to ``stop``, as far as they are empty."""
    with suppress(OSError):
        while folder != stop:
            folder.rmdir()
            folder = folder.parent


def _remove_empty_tree(folder: Path) -> None:
    with suppress(OSError):
        for inner, _, _ in os.walk(folder, topdown=False):
            os.rmdir(inner)
