"""Results as lines of JSON, on the disk line by line, in files that do not grow for ever."""

from __future__ import annotations

import calendar
import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.results import ResultLine
from sranogan_edge.sinks.sink import record_of

__all__ = ["JsonlSink"]

CURRENT = "results.jsonl"
TAIL_BYTES = 65536  # read at a time while looking for the end of the last whole line


class JsonlSink:
    """``results.jsonl`` in a folder; a full or old one is renamed to ``results-UTC.jsonl``.

    A line is on the disk when :meth:`write` returns. A line that a power cut tore is cut off at the next
    start: it had not been answered for.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_bytes: int = 64 * 2**20,
        max_age_s: float = 86_400.0,
        keep: int | None = None,
        sync: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Open the folder, and go on with the file that is there.

        Args:
            folder: made where it is missing.
            max_bytes: a line that would make the file larger opens the next one.
            max_age_s: so old, counted from its first line, a file is closed at the next line.
            keep: number of closed files to keep, the newest; None keeps all.
            sync: False leaves it to the system when lines reach the disk (a camera on an SD card).
            now: Unix seconds.

        Raises:
            ResultsError: the folder cannot be written to.
            SettingsError: a limit is not above 0.
        """
        if max_bytes <= 0 or max_age_s <= 0 or (keep is not None and keep < 0):
            raise SettingsError(
                "max_bytes and max_age_s must be above 0, keep at least 0; "
                f"received {max_bytes}, {max_age_s}, {keep}"
            )
        self.folder = folder
        self.path = folder / CURRENT
        self._limits = max_bytes, max_age_s, keep
        self._sync, self._now = sync, now
        self._file: BinaryIO | None = None
        self._whole, self._begun = 0, 0.0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._open()
        except OSError as error:
            raise self._failed(error) from error

    def write(self, line: ResultLine) -> None:
        """Append one line, whole or not at all; raises ResultsError where it cannot."""
        data = (json.dumps(record_of(line), allow_nan=False) + "\n").encode()
        try:
            self._rotate_for(len(data))
            self._append(data)
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Have all lines on the disk; raises ResultsError where that fails."""
        try:
            if self._file:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._failed(error) from error

    def close(self) -> None:
        """Flush and close."""
        if self._file:
            with self._file:
                self.flush()
            self._file = None

    def _open(self) -> None:
        self._file = self.path.open("ab", buffering=0)
        self._whole = _cut_torn_line(self.path)
        self._begun = _first_line_at(self.path, self._now()) if self._whole else self._now()
        _sync_folder(self.folder)

    def _append(self, data: bytes) -> None:
        if self._file is None:  # a rotation failed half way, or the sink was closed
            self._open()
        file = self._file
        assert file
        left = memoryview(data)
        try:
            while left:
                left = left[file.write(left) :]
            if self._sync:
                os.fsync(file.fileno())
        except BaseException:
            self._file = None  # the next line opens it again, and cuts what this one left if that fails here
            with file, contextlib.suppress(OSError):
                file.truncate(self._whole)
            raise
        self._whole += len(data)

    def _rotate_for(self, more: int) -> None:
        max_bytes, max_age_s, keep = self._limits
        now = self._now()
        self._begun = min(self._begun, now)  # a clock set back must not keep a file open for long
        if not self._whole or (self._whole + more <= max_bytes and now - self._begun < max_age_s):
            if not self._whole:
                self._begun = now
            return
        self.close()
        self.path.rename(self._free_name(now))
        self._open()
        if keep is not None:
            closed = sorted(self.folder.glob("results-*.jsonl"))
            for old in closed[: max(0, len(closed) - keep)]:
                old.unlink(missing_ok=True)

    def _free_name(self, now: float) -> Path:
        stem = f"results-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(now))}"
        number = 0
        while (path := self.folder / f"{stem}-{number:04}.jsonl").exists():
            number += 1
        return path

    def _failed(self, error: OSError) -> ResultsError:
        return ResultsError(
            f"cannot write results to {self.folder}: {error.strerror or error}. Lines written so far are "
            "kept; free some space, or name a folder that may be written to."
        )


def _cut_torn_line(path: Path) -> int:
    """Cut what stands behind the last line break; return the bytes of whole lines."""
    with path.open("r+b") as file:
        end = file.seek(0, os.SEEK_END)
        whole = at = end
        while at > 0:
            start = max(0, at - TAIL_BYTES)
            file.seek(start)
            found = file.read(at - start).rfind(b"\n")
            if found >= 0:
                whole = start + found + 1
                break
            at = whole = start
        if whole < end:
            file.truncate(whole)
            os.fsync(file.fileno())
        return whole


def _first_line_at(path: Path, otherwise: float) -> float:
    """When the file's first line was scored, in Unix seconds."""
    with path.open("rb") as file:
        try:
            stamp = json.loads(file.readline())["scored_at"]
            return float(calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")))
        except (ValueError, KeyError, TypeError):
            return otherwise


def _sync_folder(folder: Path) -> None:
    """Have the folder's names on the disk, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
