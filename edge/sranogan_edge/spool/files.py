"""The bytes of a spool's objects: written whole and forced to disk, swept, set apart."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from sranogan_edge.errors import (
    FeedError,
    ObjectTooLargeError,
    OutOfHandlesError,
    SpoolError,
    SpoolFullError,
)
from sranogan_edge.files import OURS, close_to_others, sync_folder

__all__ = ["Source", "SpoolFiles"]

Source = bytes | Path | Callable[[], BinaryIO]  # bytes, a file to copy them from, or what opens it


_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CHUNK_BYTES = 1 << 20


class SpoolFiles:
    """``incoming/`` (half written), ``objects/`` (whole) and ``dead/`` (with the reason beside it)."""

    def __init__(self, folder: Path, max_bytes: int, min_free_bytes: int) -> None:
        """Make the folders; raises SpoolError where they cannot be made."""
        self.folder, self.max_bytes, self.min_free_bytes = folder, max_bytes, min_free_bytes
        self.incoming, self.objects, self.dead = (folder / n for n in ("incoming", "objects", "dead"))
        with self._explained():
            for part in (self.incoming, self.objects, self.dead):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
            close_to_others(folder, self.incoming, self.objects, self.dead)  # those of an earlier version
            sync_folder(folder)

    def keep(self, data: Source) -> tuple[str, int]:
        """Store a copy; it is on disk, with its name, when this returns ``(name, size)``.

        Raises:
            FeedError: the file that holds it cannot be read.
            ObjectTooLargeError: it has more than ``max_bytes``.
            SpoolFullError: it would leave less than ``min_free_bytes``, or the disk is full.
        """
        name = uuid.uuid4().hex
        part = self.incoming / name
        try:
            with self._explained(), part.open("wb") as target:
                size = self._write(target, data)
                target.flush()
                os.fsync(target.fileno())
            with self._explained():
                part.rename(self.objects / name)
                sync_folder(self.objects)
        except BaseException:
            self.remove(name)
            raise
        return name, size

    def _write(self, target: BinaryIO, data: Source) -> int:
        if isinstance(data, bytes):
            self._check(len(data))
            return target.write(data)
        with _reading():
            source = data.open("rb") if isinstance(data, Path) else data()
        size = 0
        with source:
            with _reading():
                stated = os.fstat(source.fileno()).st_size
            self._check(stated)
            while True:
                with _reading():
                    chunk = source.read(_CHUNK_BYTES)
                if not chunk:
                    return size
                size += len(chunk)
                if size > stated:  # it grew meanwhile
                    self._check(size)
                target.write(chunk)

    def _check(self, size: int) -> None:
        if size > self.max_bytes:
            raise ObjectTooLargeError(
                f"it has {size:,} bytes, above the limit of {self.max_bytes:,}. Shrink it, or raise the "
                "spool's max_object_bytes."
            )
        free = shutil.disk_usage(self.folder).free
        if free - size < self.min_free_bytes:
            raise SpoolFullError(
                f"{self.folder}: {free:,} bytes are free; {size:,} more would leave less than the reserve of "
                f"{self.min_free_bytes:,}. Nothing is lost; free some space and it goes on."
            )

    def remove(self, name: str) -> None:
        """Delete an object's bytes, wherever they are; what cannot be deleted is swept at the next start."""
        for path in (self.incoming / name, self.objects / name, self.dead / name, self._note(name)):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)

    def bury(self, name: str, note: str) -> None:
        """Move an object to ``dead/`` with a note; done again at the next start where that failed."""
        with contextlib.suppress(OSError):
            self._note(name).write_text(note, encoding="utf-8", errors="backslashreplace")
            if (self.objects / name).exists():
                (self.objects / name).rename(self.dead / name)

    def sweep(self, known: set[str]) -> None:
        """Delete what no object owns: halves of a write, and objects whose writer was killed."""
        for folder in (self.incoming, self.objects, self.dead):
            for path in folder.iterdir():
                if folder == self.incoming or path.stem not in known:
                    path.unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Where an object's bytes are."""
        buried = self.dead / name
        return buried if buried.exists() else self.objects / name

    def _note(self, name: str) -> Path:
        return self.dead / f"{name}.txt"

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in OURS:
                raise _out_of_handles(error) from error
            if error.errno in _NO_ROOM:
                raise SpoolFullError(
                    f"{self.folder}: the disk is full ({error.strerror}). Nothing is lost; free some space "
                    "and it goes on."
                ) from error
            raise SpoolError(
                f"{self.folder}: cannot be written to ({error.strerror or error}). Check its permissions and "
                "the disk, or name another folder with --spool."
            ) from error


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in OURS:
            raise _out_of_handles(error) from error
        where = f"{error.filename}: " if error.filename else ""
        raise FeedError(
            f"{where}cannot be read ({error.strerror or error}). Check its permissions and the disk."
        ) from error


def _out_of_handles(error: OSError) -> OutOfHandlesError:
    return OutOfHandlesError(
        f"this process cannot open another file ({error.strerror}). Nothing is lost, and it goes on once it "
        "can; raise the service's LimitNOFILE where that stays so."
    )
