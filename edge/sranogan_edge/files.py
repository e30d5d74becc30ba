"""Files that have to be there after a power cut, whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from sranogan_edge.errors import SettingsError

__all__ = [
    "OURS",
    "check_named",
    "check_target",
    "close_to_others",
    "private_files",
    "sync_folder",
    "write_json",
    "write_whole",
    "writing_whole",
]

OURS = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOBUFS,
)  # what this process lacks: no file's fault
_CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP)  # file systems that know no fsync of folders


@contextlib.contextmanager
def writing_whole(path: Path, within: Path | None = None) -> Iterator[BinaryIO]:
    """Give an open file that becomes ``path`` at the end of the block, on the disk, name and content.

    Until then, and where anything is raised, ``path`` stays as it was; the file is ``path`` with ``.part``,
    in the folder ``within`` of the same file system where one is named.

    Raises:
        OSError: it cannot be written.
    """
    temporary = (within or path.parent) / f"{path.name}.part"
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextlib.contextmanager
def private_files() -> Iterator[None]:
    """Files and folders that this process makes in the block are for its user alone: 0600 and 0700."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def close_to_others(*paths: Path) -> None:
    """Take away what others than the owner may do with files or folders; what is not ours stays as it is."""
    for path in paths:
        with contextlib.suppress(OSError):
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                path.chmod(mode & 0o700)


def check_named(**files: Path | None) -> None:
    """Raise SettingsError where a file that an option of this name gave is not there, or is a folder."""
    for name, path in files.items():
        if path is not None and (path.is_dir() or not path.exists()):
            found = "is a folder" if path.is_dir() else "no such file"
            raise SettingsError(f"--{name.replace('_', '-')} {path}: {found}. Check the path.")


def check_target(path: Path) -> None:
    """Raise the OSError that writing ``path`` would, as far as can be told; nothing is left there."""
    if path.is_dir() or not path.name:
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    temporary = path.with_name(f"{path.name}.part")
    temporary.touch()
    temporary.unlink()


def write_whole(path: Path, content: bytes) -> None:
    """Write ``content`` as :func:`writing_whole` does."""
    with writing_whole(path) as file:
        file.write(content)


def write_json(path: Path, values: Any, *, allow_nan: bool = True) -> None:
    """Write ``values`` as JSON, as :func:`writing_whole` does."""
    write_whole(path, f"{json.dumps(values, indent=2, allow_nan=allow_nan)}\n".encode())


def sync_folder(folder: Path) -> None:
    """Force the names in ``folder`` to disk, where its file system can."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(handle)
