"""Results as lines of JSON, on the disk line by line, in files that do not grow for ever."""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Callable
from pathlib import Path

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.results.line import ResultLine
from sranogan_edge.sinks.jsonl_files import JsonlFiles
from sranogan_edge.sinks.sink import record_of
from sranogan_edge.spool.lock import lock_results

__all__ = ["JsonlSink"]

CURRENT = "results.jsonl"


class JsonlSink:
    """``results.jsonl`` in a folder; a full or old one is renamed to ``results-NUMBER-UTC.jsonl``.

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
            ResultsError: the folder cannot be written to, or another runner writes its results there.
            SettingsError: a limit is not above 0.
        """
        if max_bytes <= 0 or max_age_s <= 0 or (keep is not None and keep < 0):
            raise SettingsError(
                "max_bytes and max_age_s must be above 0, keep at least 0; "
                f"received {max_bytes}, {max_age_s}, {keep}"
            )
        self.folder = folder
        self.path = folder / CURRENT
        self._max_bytes, self._max_age_s = max_bytes, max_age_s
        self._sync, self._now = sync, now
        try:
            self._files = JsonlFiles(self.path, keep, sync=sync, now=now)
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_results(folder, "")
        except OSError as error:
            raise self._failed(error) from error
        try:
            self._files.prepare()
            self._whole: int | None = self._files.end()
            self._begun = _first_line_at(self.path, now()) if self._whole else now()
        except OSError as error:
            self._lock.close()
            raise self._failed(error) from error

    def write(self, line: ResultLine) -> None:
        """Append one line, whole or not at all; raises ResultsError where it cannot."""
        data = (json.dumps(record_of(line), allow_nan=False) + "\n").encode()
        try:
            if self._whole is None:  # a line failed, and may have left a part of itself
                self._whole = self._files.end()
            whole, self._whole = self._whole, None
            if self._is_over(whole, len(data)):
                self._files.turn()
                whole = 0
            if not whole:
                self._begun = self._now()
            self._whole = self._files.append(data)
        except OSError as error:
            raise self._failed(error) from error

    def flush(self) -> None:
        """Nothing waits: each line is on the disk, or ``sync`` leaves that to the system."""

    def close(self) -> None:
        """Have all lines on the disk, without ``sync`` too, and let others in; raises ResultsError."""
        try:
            if not self._sync:
                self._files.flush()
        except OSError as error:
            raise self._failed(error) from error
        finally:
            self._lock.close()

    def _is_over(self, whole: int, more: int) -> bool:
        now = self._now()
        self._begun = min(self._begun, now)  # a clock set back must not keep a file open for long
        return whole > 0 and (whole + more > self._max_bytes or now - self._begun >= self._max_age_s)

    def _failed(self, error: OSError) -> ResultsError:
        return ResultsError(
            f"cannot write results to {self.folder}: {error.strerror or error}. Lines written so far are "
            "kept; free some space, or name a folder that may be written to."
        )


def _first_line_at(path: Path, otherwise: float) -> float:
    """When the file's first line was scored, in Unix seconds."""
    with path.open("rb") as file:
        try:
            stamp = json.loads(file.readline())["scored_at"]
            return float(calendar.timegm(time.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ")))
        except (ValueError, KeyError, TypeError):
            return otherwise
