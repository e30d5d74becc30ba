"""Copies of what was in use, in the spool's folder: bundles to go back to, and the calibration."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
from pathlib import Path

from sranogan_edge.bundle.archive import MAX_BUNDLE_BYTES
from sranogan_edge.errors import BundleCrashError, SpoolError, SpoolFullError
from sranogan_edge.files import sync_folder, write_whole

__all__ = ["KeptBundles", "digest_of"]

_PART_BYTES = 2**20
_MOST_ATTEMPTS = 2


class KeptBundles:
    """``bundles/NAME`` is in use, ``bundles/NAME.1`` was before it, and so on; ``calibration/NAME``.

    What is proven is the copy, so that it is what was read, whoever writes to the original meanwhile.
    """

    def __init__(self, spool: Path, bundle: Path, keep: int = 2) -> None:
        """Keep copies of what ``bundle`` names: the one in use, and ``keep`` before it."""
        self._folder, self._original, self._keep = spool / "bundles", bundle, keep
        self.in_use = self._folder / bundle.name
        self.staged = self._folder / "incoming"
        self._calibrations = spool / "calibration"
        self._void = self._folder / "calibration_void"
        self._proving = self._folder / "proving"

    def stage(self) -> Path:
        """Copy the original, to be proven; returns the copy.

        Raises:
            SpoolFullError: no room for it.
            SpoolError: it cannot be copied otherwise.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._original.open("rb") as file, self.staged.open("wb") as copy:
                left = MAX_BUNDLE_BYTES + 1  # it may grow meanwhile
                while left and (part := file.read(min(_PART_BYTES, left))):
                    copy.write(part)
                    left -= len(part)
                copy.flush()
                os.fsync(copy.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                self.staged.unlink(missing_ok=True)
            kind = SpoolFullError if error.errno in (errno.ENOSPC, errno.EDQUOT) else SpoolError
            raise kind(
                f"{self._original}: cannot be copied to {self._folder} ({error.strerror or error}). "
                "Check that the file is there, and free some space."
            ) from error
        return self.staged

    def discard(self) -> None:
        """Forget what was staged."""
        with contextlib.suppress(OSError):
            self.staged.unlink(missing_ok=True)

    def promote(self) -> None:
        """Let the staged one be in use; the one before stays as ``NAME.1``, where it is another."""
        if not self.staged.exists():
            return
        if digest_of(self.staged) != digest_of(self.in_use):
            self._shift()
        self.staged.replace(self.in_use)
        sync_folder(self._folder)

    def _shift(self) -> None:
        """Make room: NAME becomes NAME.1, that NAME.2, and the oldest goes."""
        names = [self.in_use, *(self._folder / f"{self.in_use.name}.{n + 1}" for n in range(self._keep))]
        for number in range(self._keep, 0, -1):
            if names[number - 1].exists():
                names[number - 1].replace(names[number])

    def calibration(self, original: Path) -> Path:
        """Where the copy of the calibration of that name is, if there is one."""
        return self._calibrations / original.name

    def keep_calibration(self, original: Path, digest: str) -> None:
        """Copy the calibration that is in force now; where it is another by now (SHA-256), leave it.

        Raises:
            OSError: it cannot be copied; what was kept before stays.
        """
        content, kept = original.read_bytes(), self.calibration(original)
        if hashlib.sha256(content).hexdigest() != digest or digest_of(kept) == digest:
            return
        self._calibrations.mkdir(parents=True, exist_ok=True)
        write_whole(kept, content)

    def begin_proof(self, bundle: str) -> None:
        """Remember that this bundle (its SHA-256) is being proven in this process, until :meth:`end_proof`.

        Raises:
            BundleCrashError: that was begun before, and ended the runner each time.
        """
        if bundle == digest_of(self.in_use):  # it was proven here before
            return
        attempts = self._attempts(bundle)
        if attempts >= _MOST_ATTEMPTS:
            raise BundleCrashError(
                f"{self._original}: it ended the runner {attempts} times while it was proven. Put another "
                f"bundle there; to have this one tried again, remove {self._proving}."
            )
        with contextlib.suppress(OSError):  # then a crash is not remembered
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(self._proving, json.dumps([bundle, attempts + 1]).encode())

    def end_proof(self) -> None:
        """The proof ended, well or not, and the runner is still there."""
        with contextlib.suppress(OSError):
            self._proving.unlink(missing_ok=True)

    def _attempts(self, bundle: str) -> int:
        try:
            of, attempts = json.loads(self._proving.read_text(encoding="utf-8"))
            return int(attempts) if of == bundle else 0
        except (OSError, ValueError, TypeError):
            return 0

    def note_void(self, bundle: str) -> None:
        """Remember over restarts that this bundle (its SHA-256) took over without a calibration."""
        with contextlib.suppress(OSError):  # then the next start refuses, and says why
            self._void.write_text(bundle, encoding="utf-8")

    def is_void(self, bundle: str) -> bool:
        """Whether that was noted for this bundle."""
        try:
            return self._void.read_text(encoding="utf-8") == bundle
        except OSError:
            return False


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file; empty where it cannot be read."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while part := file.read(_PART_BYTES):
                digest.update(part)
    except OSError:
        return ""
    return digest.hexdigest()
