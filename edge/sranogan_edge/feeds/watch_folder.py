"""A folder that strangers may write to: whatever they put there, the runner goes through no link of theirs.

Each step leads from an open folder to a name in it (``dir_fd``) without following a link, so that nothing can
be exchanged between a look and the deed. What the runner keeps in there (``.sranogan``, ``done``, ``failed``)
has to be its own, and is for nobody else to write to.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

from sranogan_edge.feeds.watch_names import free_name

__all__ = ["CLAIMS", "DONE", "FAILED", "OWN", "DropFolder"]

CLAIMS, DONE, FAILED = ".sranogan", "done", "failed"
OWN = {CLAIMS: 0o700, DONE: 0o750, FAILED: 0o750}  # group: of the dropped-into folder, where that says so
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe in a file's place holds up nobody
_OF_OTHERS = 0o022
_MOST_LINKS = 40  # as the kernel


class DropFolder:
    """The steps that a watched folder needs; all of them raise OSError, and leave no handle open."""

    def __init__(self, path: Path) -> None:
        """Nothing is looked at yet; ``path`` is what a person named, and may be a link itself."""
        self.path = path

    def prepare(self) -> None:
        """Make the runner's own folders; refuses those that are another's, or links."""
        for name in OWN:
            with self._top() as top, _own(top, (name,), make=True):
                os.fsync(top)

    def lock_place(self) -> int:
        """Open the folder of claims, for who closes it."""
        with self._top() as top, _own(top, (CLAIMS,)) as claims:
            return os.dup(claims)

    def take(self, inside: Path, claim: str) -> None:
        """Rename the file ``inside`` the folder to the same place inside a new claim."""
        parents = inside.parts[:-1]
        with self._top() as top:
            try:
                with (
                    _walked(top, parents) as source,
                    _own(top, (CLAIMS, claim, *parents), make=True) as target,
                ):
                    os.rename(inside.name, inside.name, src_dir_fd=source, dst_dir_fd=target)
                    if not _is_file(inside.name, target):  # exchanged after the look
                        with suppress(OSError):
                            os.unlink(inside.name, dir_fd=target)
                        raise OSError(errno.EINVAL, "it is no file any more")
                    os.fsync(target)
            except OSError:
                self._remove_empty(top, (CLAIMS, claim, *parents))
                raise

    def claims(self) -> list[str]:
        """Return what was taken and is not settled, by claim, in the order of their taking."""
        with self._top() as top, _own(top, (CLAIMS,)) as claims:
            return sorted(one.name for one in os.scandir(claims) if one.is_dir(follow_symlinks=False))

    def claimed(self, claim: str) -> list[Path]:
        """Return the files of a claim, relative to it: one; none where the runner ended before the rename."""
        found: list[Path] = []
        with self._top() as top, _own(top, (CLAIMS, claim)) as folder:
            for here, _, names, at in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
                found += [Path(here) / name for name in names if _is_file(name, at)]
            if not found:
                for here, _, _, _ in os.fwalk(".", topdown=False, dir_fd=folder, follow_symlinks=False):
                    self._remove_empty(top, (CLAIMS, claim, *Path(here).parts))
        return sorted(found)

    def open_claimed(self, claim: str, inside: Path) -> BinaryIO:
        """Open a file of a claim."""
        with self._top() as top, _own(top, (CLAIMS, claim, *inside.parts[:-1])) as folder:
            return _opened(inside.name, folder)

    def settle(self, claim: str, inside: Path, into: str) -> None:
        """Move a file of a claim to ``done`` or ``failed``, under a name that is free there."""
        parents = inside.parts[:-1]
        with self._top() as top:
            with (
                _own(top, (CLAIMS, claim, *parents)) as source,
                _own(top, (into, *parents), make=True) as target,
            ):
                names = frozenset(os.listdir(target))
                free = free_name(Path(inside.name), lambda path: path.name in names)
                os.rename(inside.name, free.name, src_dir_fd=source, dst_dir_fd=target)
                os.fsync(target)
            self._remove_empty(top, (CLAIMS, claim, *parents))

    def settled(self, into: str) -> list[tuple[Path, float, Callable[[], BinaryIO]]]:
        """Return the files in an own folder: where, when they came there (Unix seconds), what opens them."""
        found: list[tuple[Path, float, Callable[[], BinaryIO]]] = []
        with self._top() as top, _own(top, (into,)) as folder:
            for here, _, names, at in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
                for name in names:
                    inside, seen = Path(here) / name, os.stat(name, dir_fd=at, follow_symlinks=False)
                    if stat.S_ISREG(seen.st_mode) and inside != Path("lock"):
                        found.append((inside, seen.st_ctime, partial(self._open_own, into, inside)))
        return found

    def prune(self, before_s: float) -> int:
        """Remove what came to ``done`` and ``failed`` before that (Unix seconds); returns how many files."""
        old = [
            (into, inside) for into in (DONE, FAILED) for inside, at, _ in self.settled(into) if at < before_s
        ]
        for into, inside in old:
            self.remove(into, inside)
        return len(old)

    def remove(self, into: str, inside: Path) -> None:
        """Remove a file of an own folder, and folders that are empty then."""
        parents = (into, *inside.parts[:-1])
        with self._top() as top:
            with _own(top, parents) as folder:
                os.unlink(inside.name, dir_fd=folder)
            self._remove_empty(top, parents)

    def _open_own(self, into: str, inside: Path) -> BinaryIO:
        with self._top() as top, _own(top, (into, *inside.parts[:-1])) as folder:
            return _opened(inside.name, folder)

    def open_linked(self, path: Path) -> BinaryIO:
        """Open the file that ``path``, below the folder, leads to by links.

        A stranger's link is followed to a file of the same stranger's alone: else he would read by our rights
        what he may not read himself.
        """
        with self._top() as top:
            return _followed(top, path.relative_to(self.path).parts)

    @contextmanager
    def _top(self) -> Iterator[int]:
        handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield handle
        finally:
            os.close(handle)

    @staticmethod
    def _remove_empty(top: int, parts: Sequence[str]) -> None:
        """Remove the last of the folders ``parts``, and those above it up to its claim, if they are empty."""
        with suppress(OSError):
            for depth in range(len(parts), 1, -1):
                with _own(top, parts[: depth - 1]) as above:
                    os.rmdir(parts[depth - 1], dir_fd=above)


@contextmanager
def _walked(top: int, parts: Sequence[str]) -> Iterator[int]:
    """Give the folder ``parts`` below ``top``, each of them a folder and no link."""
    handle = os.dup(top)
    try:
        for name in parts:
            handle = _step(handle, os.open(name, _FOLDER, dir_fd=handle))
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _own(top: int, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """Give the folder ``parts`` below ``top``, each of them a folder of ours."""
    handle = os.dup(top)
    try:
        for name in parts:
            if make:
                _make(name, OWN[parts[0]], handle)
            handle = _step(handle, os.open(name, _FOLDER, dir_fd=handle))
            _check_own(handle, name)
        yield handle
    finally:
        os.close(handle)


def _make(name: str, mode: int, folder: int) -> None:
    """Make a folder of this mode, with the group that ``folder`` gives to it; one that is there stays."""
    before = os.umask(0o777 & ~mode)  # a mode set afterwards would lose the group's bit, in some services
    try:
        os.mkdir(name, mode, dir_fd=folder)
    except FileExistsError:
        pass
    finally:
        os.umask(before)


def _step(before: int, after: int) -> int:
    os.close(before)
    return after


def _check_own(folder: int, name: str) -> None:
    found = os.fstat(folder)
    if found.st_uid != os.geteuid():
        cure = "give it to this user (chown), or remove it"
        why = f"{name} belongs to user {found.st_uid}, not to user {os.geteuid()}: {cure}"
        raise PermissionError(errno.EPERM, why)
    mode = stat.S_IMODE(found.st_mode)
    if mode & _OF_OTHERS:
        try:
            os.fchmod(folder, mode & ~_OF_OTHERS)
        except PermissionError:  # a service that may not set the group's bit
            os.fchmod(folder, mode & ~_OF_OTHERS & 0o777)


def _is_file(name: str, folder: int) -> bool:
    return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _opened(name: str, folder: int) -> BinaryIO:
    handle = os.open(name, _FILE, dir_fd=folder)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no file")
    return os.fdopen(handle, "rb")


def _followed(top: int, parts: Sequence[str]) -> BinaryIO:
    waiting, owners, links = list(parts), set[int](), 0
    handle = os.dup(top)
    try:
        while True:
            name = waiting.pop(0)
            if stat.S_ISLNK(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                owner, target = _read_link(name, handle)
                owners.add(owner)
                waiting[:0] = [part for part in target.split("/") if part not in ("", ".")]
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
                if target.startswith("/"):
                    handle = _step(handle, os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
            elif waiting:
                handle = _step(handle, os.open(name, os.O_PATH | _FOLDER, dir_fd=handle))
            else:
                break
        file = _opened(name, handle)
    finally:
        os.close(handle)
    owner = os.fstat(file.fileno()).st_uid
    strangers = owners - {0, os.geteuid(), owner}
    if strangers:
        file.close()
        why = f"a link of user {min(strangers)} to a file of user {owner} is not followed"
        raise PermissionError(errno.EPERM, why)
    return file


def _read_link(name: str, folder: int) -> tuple[int, str]:
    """Return who owns a link, and what it says: of one and the same link."""
    link = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        return os.fstat(link).st_uid, os.readlink("", dir_fd=link)
    finally:
        os.close(link)
