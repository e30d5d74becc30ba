"""One runner a folder: a lock that the kernel lifts when its process ends, however it ends."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from sranogan_edge.errors import SpoolError, SpoolInUseError

__all__ = ["RESULTS_LOCK", "FolderLock", "holder_of", "lock_results", "refuse_held_results"]

RESULTS_LOCK = "results.lock"  # of a results folder, which may hold the spool and its lock
_MIXED = "two would mix their results. Name another folder{}."
_HELD_BY_ANOTHER = (errno.EACCES, errno.EAGAIN)  # POSIX allows either

_PLAIN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK  # neither a link nor a pipe holds up or leads astray

_HELD: set[Path] = set()  # record locks do not exclude a second lock of the same process


class FolderLock:
    """Holds ``folder/lock`` (or another ``name``), whose text is the holder's process id, until closed.

    A record lock (``lockf``) and not ``flock``: a child process that outlives a killed runner does not
    inherit it.
    """

    def __init__(
        self, folder: Path, cure: str, name: str = "lock", by: str = "runner", *, within: int | None = None
    ) -> None:
        """Take the lock; ``cure`` says what two would do, and what to do where another one holds it.

        ``within`` is the open ``folder``, where its path alone may lead elsewhere by now. A link in the place
        of the lock file is not followed.

        Raises:
            SpoolInUseError: another runner (or whatever ``by`` calls it) holds it.
            SpoolError: the lock file cannot be written, or the file system knows no locks.
        """
        self._path = folder.resolve() / name
        if self._path in _HELD:
            raise _in_use(folder, by, str(os.getpid()), cure)
        try:
            path = self._path if within is None else Path(name)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | _PLAIN, 0o644, dir_fd=within)
        except OSError as error:
            raise SpoolError(
                f"{folder}: cannot make the lock file ({error.strerror or error}). Name a folder that this "
                "user may write to."
            ) from error
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = _holder(self._file)
            os.close(self._file)
            if error.errno in _HELD_BY_ANOTHER:
                raise _in_use(folder, by, holder, cure) from error
            raise SpoolError(
                f"{folder}: its file system has no locks ({error.strerror or error}), so nothing would keep "
                "two runners apart. Name a folder on a disk of this machine."
            ) from error
        _HELD.add(self._path)
        self._is_held = True
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:  # the disk is full: the lock holds all the same, it only names nobody
            pass

    def close(self) -> None:
        """Lift the lock; may be called twice."""
        if self._is_held:
            self._is_held = False
            _HELD.discard(self._path)
            os.close(self._file)


def lock_results(folder: Path, option: str = " with --out") -> FolderLock:
    """Keep other runners from writing results to ``folder``; ``option`` says where another one is named.

    Raises:
        SpoolInUseError: another runner writes its results there.
        SpoolError: the lock file cannot be written, or the file system knows no locks.
    """
    return FolderLock(folder, _MIXED.format(option), RESULTS_LOCK)


def holder_of(folder: Path, lock: str = "lock") -> str:
    """Return the process id of the runner that holds ``folder``; empty where none does."""
    try:
        file = os.open(folder / lock, os.O_RDONLY | _PLAIN)
    except OSError:
        return ""
    try:
        fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return _holder(file) if error.errno in _HELD_BY_ANOTHER else ""
    finally:
        os.close(file)
    return ""


def refuse_held_results(folder: Path) -> None:
    """Say early what :func:`lock_results` would, and leave nothing behind; raises SpoolInUseError."""
    if holder := holder_of(folder, RESULTS_LOCK):
        raise _in_use(folder, "runner", holder, _MIXED.format(" with --out"))


def _holder(file: int) -> str:
    return os.pread(file, 20, 0).decode(errors="replace").strip() or "unknown"


def _in_use(folder: Path, by: str, holder: str, cure: str) -> SpoolInUseError:
    return SpoolInUseError(f"{folder} is in use by another {by} (process {holder}); {cure}")
