"""File systems of a given size, and what is forced to disk."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def file_system(size: str) -> Iterator[Path]:
    """Give a file system of ``size``; skip the test where that is not allowed."""
    with tempfile.TemporaryDirectory() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        try:
            done = subprocess.run(mount, capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"no mount command: {error}")
        if done.returncode:
            pytest.skip(f"mounting a small tmpfs is not allowed here: {done.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)  # whatever is still open of it


def synced_by(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the name of each file or folder that is forced to disk from now on."""
    names: list[str] = []
    real = os.fsync

    def watched(handle: int) -> None:
        names.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    return names


def sizes_when_synced(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that grows by the size that each file has when it is forced to disk from now on."""
    sizes: list[int] = []
    real = os.fsync

    def watched(handle: int) -> None:
        found = os.fstat(handle)
        if stat.S_ISREG(found.st_mode):
            sizes.append(found.st_size)
        real(handle)

    monkeypatch.setattr(os, "fsync", watched)
    return sizes
