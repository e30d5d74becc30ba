"""Results as lines of JSON, on the disk line by line, in files that do not grow for ever."""

from __future__ import annotations

import calendar
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.errors import ResultsError
from sranogan_edge.option import option
from sranogan_edge.results.line import ResultLine
from sranogan_edge.sinks.jsonl_files import JsonlFiles
from sranogan_edge.sinks.sink import SinkContext, SinkSettings, record_of
from sranogan_edge.spool.lock import lock_results

__all__ = ["JsonlSink", "JsonlSinkSettings"]

CURRENT = "results.jsonl"
PRUNE_EVERY_S = 600.0


@dataclass(frozen=True)
class JsonlSinkSettings(SinkSettings):
    """Lines of JSON in a folder, in files that do not grow for ever.

    Attributes:
        uri: jsonl:FOLDER.
        max_bytes: a line that would make the file larger opens the next one.
        max_age_s: a file that is so many seconds old is closed at the next line.
        keep: number of closed files to keep, the newest; none keeps all.
        keep_s: seconds that a closed file stays, by this machine's clock; none sets no limit.
        sync: whether each line is on the disk before the next; false spares an SD card.
    """

    max_bytes: int = option(64 * 2**20, above=0)
    max_age_s: float = option(86_400.0, above=0)
    keep: int | None = option(None, least=0)
    keep_s: float | None = option(None, above=0)
    sync: bool = True

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self.uri.partition(":")[2])

    @property
    def file(self) -> Path:
        """The file that is written."""
        return self.path / CURRENT

    def open(self, context: SinkContext) -> JsonlSink:
        """Open the folder: see :class:`JsonlSink`."""
        return JsonlSink(self)


class JsonlSink:
    """``results.jsonl`` in a folder; a full or old one is renamed to ``results-NUMBER-UTC.jsonl``.

    A line is on the disk when :meth:`write` returns. A line that a power cut tore is cut off at the next
    start: it had not been answered for.
    """

    def __init__(self, settings: JsonlSinkSettings, now: Callable[[], float] = time.time) -> None:
        """Open the folder, made where it is missing, and go on with the file that is there.

        Args:
            settings: names the folder.
            now: Unix seconds.

        Raises:
            ResultsError: the folder cannot be written to, or another runner writes its results there.
        """
        self.folder = folder = settings.path
        self.path = settings.file
        self._max_bytes, self._max_age_s = settings.max_bytes, settings.max_age_s
        self._sync, self._now, self._pruned_at = settings.sync, now, float("-inf")
        try:
            self._files = JsonlFiles(
                self.path, settings.keep, keep_s=settings.keep_s, sync=settings.sync, now=now
            )
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = lock_results(folder, "")
        except OSError as error:
            raise self._failed(error) from error
        try:
            self._files.prepare()
            self._whole: int | None = self._files.end()
            self._begun = _first_line_at(self.path, now())
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
            self._prune()
        except OSError as error:
            raise self._failed(error) from error

    def _prune(self) -> None:
        if abs(self._now() - self._pruned_at) >= PRUNE_EVERY_S:
            self._pruned_at = self._now()
            self._files.prune()

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
