"""One runner a folder: a lock that the kernel lifts when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from sranogan_edge.errors import SpoolError, SpoolInUseError

__all__ = ["RESULTS_LOCK", "FolderLock"]

RESULTS_LOCK = "results.lock"  # of a results folder, which may hold the spool and its lock

_HELD: set[Path] = set()  # record locks do not exclude a second lock of the same process


class FolderLock:
    """Holds ``folder/lock`` (or another ``name``), whose text is the holder's process id, until closed.

    A record lock (``lockf``) and not ``flock``: a child process that outlives a killed runner does not
    inherit it.
    """

    def __init__(self, folder: Path, cure: str, name: str = "lock", by: str = "runner") -> None:
        """Take the lock; ``cure`` says what two would do, and what to do where another one holds it.

        Raises:
            SpoolInUseError: another runner (or whatever ``by`` calls it) holds it.
            SpoolError: the lock file cannot be written.
        """
        self._path = folder.resolve() / name
        if self._path in _HELD:
            raise _in_use(folder, by, str(os.getpid()), cure)
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise SpoolError(
                f"{folder}: cannot make the lock file ({error.strerror or error}). Name a folder that this "
                "user may write to."
            ) from error
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._file, 20, 0).decode(errors="replace").strip()
            os.close(self._file)
            raise _in_use(folder, by, holder or "unknown", cure) from error
        _HELD.add(self._path)
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError:  # the disk is full: the lock holds all the same, it only names nobody
            pass

    def close(self) -> None:
        """Lift the lock; may be called twice."""
        if self._path in _HELD:
            _HELD.discard(self._path)
            os.close(self._file)


def _in_use(folder: Path, by: str, holder: str, cure: str) -> SpoolInUseError:
    return SpoolInUseError(f"{folder} is in use by another {by} (process {holder}); {cure}")
