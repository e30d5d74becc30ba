"""Copies of what was in use, in the spool's folder: bundles to go back to, and the calibration."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path

from sranogan_edge.errors import SpoolError, SpoolFullError
from sranogan_edge.files import sync_folder, write_whole

__all__ = ["KeptBundles", "digest_of"]


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

    def stage(self) -> Path:
        """Copy the original, to be proven; returns the copy.

        Raises:
            SpoolFullError: no room for it.
            SpoolError: it cannot be copied otherwise.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._original, self.staged)
            with self.staged.open("rb") as file:
                os.fsync(file.fileno())
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
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
