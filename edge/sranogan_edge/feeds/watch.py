"""``watch:DIR``: files dropped into a folder, taken when they are complete, moved when they are scored.

A complete file is first renamed to ``DIR/.sranogan/CLAIM/...``. The rename is atomic and a claim's name is
never used again, so it is the file's key: whatever happens, the file is in one place, and the spool knows
whether it was scored. With its result it goes on to ``DIR/done`` or ``DIR/failed``, below the sub-folders
that it came from.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sranogan_edge.errors import FeedError
from sranogan_edge.feeds.feed import Arrival, FeedHealth, FilmFeedSettings
from sranogan_edge.feeds.files import file_key
from sranogan_edge.feeds.watch_folder import CLAIMS, DONE, FAILED, OWN, DropFolder
from sranogan_edge.feeds.watch_keep import SettledFiles
from sranogan_edge.feeds.watch_look import Look, begins_as_dicom, look_at
from sranogan_edge.files import OURS
from sranogan_edge.image.files import list_images
from sranogan_edge.image.image_list import PassedOver, Reason, told_counts
from sranogan_edge.option import option
from sranogan_edge.spool.lock import FolderLock

__all__ = ["CLAIMS", "WatchFeed", "WatchFeedSettings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WatchFeedSettings(FilmFeedSettings):
    """A folder that files are dropped into.

    Attributes:
        uri: watch:DIR.
        settle_s: seconds without change after which a file is complete.
        poll_s: seconds between two looks at the folder.
        keep_s: seconds that files stay in done/ and failed/, by this machine's clock; none keeps all.
    """

    settle_s: float = option(2.0, above=0)
    poll_s: float = option(0.5, above=0)
    keep_s: float | None = option(None, above=0)

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.uri.partition(":")[2])

    def open(self, without: Sequence[Path] = ()) -> WatchFeed:
        """Watch the folder: see :class:`WatchFeed`."""
        return WatchFeed(self, without)


class WatchFeed:
    """Polls a folder and its sub-folders; works on local disks and network shares alike.

    A file is complete when its size and time of change stayed the same for ``settle_s``, measured by the
    monotonic clock. Writers do best to write ``NAME.part`` (or ``.NAME``) and rename: such names are left
    alone. All that :func:`~sranogan_edge.image.files.list_images` takes is taken; what it passes over stays,
    and is logged. A file that a link leads to is scored, and stays where it is.
    """

    def __init__(self, settings: WatchFeedSettings, without: Sequence[Path] = ()) -> None:
        """Watch the folder but what is below ``without``.

        Raises:
            FeedError: it is no folder, or may not be written to.
            SpoolInUseError: another runner watches it.
        """
        folder = settings.path
        if not folder.is_dir():
            raise FeedError(f"watch:{folder}: no such folder. Make it, or correct the path.")
        self.folder, self.name, self.films = folder, f"watch:{folder}", settings.films
        self.health = FeedHealth()
        self._settle_s, self._poll_s = settings.settle_s, settings.poll_s
        self._drop = DropFolder(folder)
        self._without = (*without, folder / DONE, folder / FAILED)
        self._seen: dict[Path, tuple[Look, float]] = {}  # and since when, monotonic seconds
        self._linked: frozenset[Path] = frozenset()
        self._given: dict[Path, Look] = {}  # of the linked ones, which stay
        self._passed: dict[PassedOver, float] = {}  # since when, monotonic seconds
        self._told: set[PassedOver] = set()
        self._content: dict[Path, tuple[Look, bool]] = {}  # whether it begins as DICOM files do
        self._taken = 0
        self._begun, self._settled = False, SettledFiles(self._drop, settings.keep_s)
        self._closed = threading.Event()
        cure = "two would score twice. Stop that one, or let this one watch another folder."
        try:
            self._drop.prepare()
            place = self._drop.lock_place()
        except OSError as error:
            raise FeedError(
                f"{self.name}: may not be written to ({error.strerror or error}); scored files are moved to "
                f"{DONE}/ and {FAILED}/ inside it, which are this user's own folders and no links. Give this "
                "user the right to write, or copy the files."
            ) from error
        try:
            self._lock = FolderLock(folder / CLAIMS, cure, within=place)
        finally:
            os.close(place)

    def __iter__(self) -> Iterator[Arrival]:
        """Yield what an earlier run took and did not settle, then files as they become complete."""
        self._begun = True
        try:
            while (left := self._left_claims()) is None:
                self._closed.wait(self._poll_s)
            for claim in left:
                yield from self._claimed(claim)
            while not self._closed.is_set():
                found = False
                for path in self._complete():
                    if self._closed.is_set():
                        return
                    for arrival in self._take(path):
                        found = True
                        yield arrival
                self._settled.prune()
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

    def _left_claims(self) -> list[str] | None:
        """What an earlier run took; None where the folder cannot be read now."""
        try:
            return self._drop.claims()
        except OSError as error:
            self._stalled(f"{self.folder / CLAIMS}: cannot be read ({error.strerror or error})")
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
        settled = [
            path
            for path, (look, since) in self._seen.items()
            if now - since >= self._settle_s and self._given.get(path) != look
        ]
        closed = [one for one in self._passed if one.reason is Reason.UNREADABLE]
        message = f"{len(closed)} unreadable, such as {closed[0]}" if closed else ""
        self.health = replace(self.health, state="running" if settled else "waiting", message=message)
        return sorted(settled, key=lambda path: looks[path].changed_ns)  # else in the order of the list

    def _looks(self) -> dict[Path, Look] | None:
        looks: dict[Path, Look] = {}
        try:
            os.scandir(self.folder).close()
        except OSError as error:  # an unplugged share: it may come back
            self._stalled(f"{self.folder}: cannot be read ({error.strerror or error})")
            return None
        found = list_images([self.folder], self._without, holds_dicom=self._holds_dicom)
        self._linked = found.linked
        for path in found.taken:
            if look := look_at(path):
                looks[path] = look
        self._given = {path: look for path, look in self._given.items() if path in looks}
        self._tell(found.passed_over)
        return looks

    def _holds_dicom(self, path: Path) -> bool:
        """Whether it begins as DICOM files do; read again only after a change."""
        look = look_at(path)
        known = self._content.get(path)
        if look is None or known is None or known[0] != look:
            begins = begins_as_dicom(path)
            if look is None:
                return begins
            known = self._content[path] = (look, begins)
        return known[1]

    def _tell(self, passed_over: Sequence[PassedOver]) -> None:
        """Log what is passed over, once, when it has been there as long as a file needs to be complete."""
        now, own = time.monotonic(), {self.folder / name for name in OWN}
        self._passed = {one: self._passed.get(one, now) for one in passed_over if one.path not in own}
        new = [
            one
            for one, since in self._passed.items()
            if one not in self._told and now - since >= self._settle_s
        ]
        self._told = {one for one in self._passed if one in self._told} | set(new)
        paths = {one.path for one in self._passed} | self._linked
        self._content = {path: known for path, known in self._content.items() if path in paths}
        left_out = [one for one in new if one.reason is not Reason.UNREADABLE]
        if left_out:
            _log.info("feed %s: %s; they stay", self.name, told_counts(left_out))
        for one in left_out:
            _log.debug("feed %s: passed over: %s", self.name, one)
        for one in new:
            if one.reason is Reason.UNREADABLE:
                _log.warning("feed %s: %s", self.name, one)

    def _take(self, path: Path) -> Iterator[Arrival]:
        """Rename a complete file into a folder of its own, and yield it."""
        if path in self._linked:
            yield from self._take_in_place(path)
            return
        self._taken += 1
        claim = f"{self._taken:08d}-{uuid.uuid4().hex}"
        look, _ = self._seen.pop(path)
        if look_at(path) != look:
            return
        try:
            self._drop.take(path.relative_to(self.folder), claim)
        except OSError as error:
            if path.exists():  # else another took it
                self._stalled(f"{path}: cannot be taken ({error.strerror or error})")
            return
        yield from self._claimed(claim)

    def _take_in_place(self, path: Path) -> Iterator[Arrival]:
        """Yield a file that belongs to another folder: it is not moved, and the spool knows its key."""
        self._given[path], _ = self._seen[path]
        try:
            self._drop.open_linked(path).close()
            key = file_key(path)
        except PermissionError as error:
            _log.warning("feed %s: %s: passed over: %s", self.name, path, error.strerror)
            return
        except OSError:  # it went, or nothing more can be opened now: it is looked at again
            self._given.pop(path, None)
            return
        opened = partial(self._drop.open_linked, path)
        yield replace(self._arrival(path, path, key, lambda scored: None, opened), origin=None)

    def _claimed(self, claim: str) -> Iterator[Arrival]:
        while True:
            try:
                files = self._drop.claimed(claim)
                break
            except OSError as error:
                self._stalled(f"{self.folder / CLAIMS / claim}: cannot be read ({error.strerror or error})")
                if error.errno not in OURS or self._closed.wait(self._poll_s):
                    return
        for inside in files:
            settle, opened = (
                partial(self._settle, claim, inside),
                partial(self._drop.open_claimed, claim, inside),
            )
            file = self.folder / CLAIMS / claim / inside
            yield self._arrival(self.folder / inside, file, f"{claim}/{inside}", settle, opened)

    def _arrival(
        self,
        source: Path,
        file: Path,
        key: str,
        settle: Callable[[bool], None],
        opened: Callable[[], BinaryIO],
    ) -> Arrival:
        now = time.time()
        self.health = replace(self.health, state="running", last_arrival=now)
        return Arrival(str(source), now, path=file, key=key, settle=settle, origin=file, opened=opened)

    def _settle(self, claim: str, inside: Path, scored: bool) -> None:
        """Move a file that has its result; where that fails it stays claimed until the next start."""
        try:
            self._drop.settle(claim, inside, DONE if scored else FAILED)
        except OSError as error:
            message = f"{inside}: is scored but cannot be moved ({error.strerror or error})"
            self.health = replace(self.health, message=message)
