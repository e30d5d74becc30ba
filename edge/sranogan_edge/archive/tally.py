"""What became of the images of an archive so far, and how fast: counted, and told in one line."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sranogan_edge.errors import ResultsError

__all__ = ["Tally"]

WINDOW_S = 60.0  # that the rate is of
_MOST_KINDS = 4  # of errors in the line
_COLUMNS = ["verdict", "error_kind"]


class Tally:
    """Counts rows that are committed, and images that are scored and not committed yet.

    Attributes:
        verdicts: how many rows have which verdict.
        errors: how many have which kind of error.
        rows: how many there are.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Begin with none."""
        self.verdicts: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.rows = 0
        self._hand: Counter[int] = Counter()  # scored and not committed, by shard
        self._now, self._scored = now, 0
        self._marks = deque([(now(), 0)])

    def add_part(self, path: Path) -> None:
        """Count what an earlier run committed; raises ResultsError where it cannot be read."""
        try:
            self._add(pq.read_table(path, columns=_COLUMNS))
        except (OSError, ValueError, KeyError) as error:  # pa.ArrowInvalid is a ValueError
            raise ResultsError(
                f"{path}: it is damaged ({error}). Remove it and give the same command again: its images are "
                "scored again."
            ) from error

    def commit(self, number: int, rows: pa.Table) -> None:
        """Count the rows of a shard of this run."""
        self._hand.pop(number, None)
        self._add(rows.select(_COLUMNS))

    def moved(self, number: int) -> None:
        """Count one image that was scored."""
        self._hand[number] += 1
        self._scored += 1
        now = self._now()
        if now - self._marks[-1][0] >= 1:
            self._marks.append((now, self._scored))
            while len(self._marks) > 2 and now - self._marks[0][0] > WINDOW_S:
                self._marks.popleft()

    def lost(self, number: int) -> None:
        """Take back what was scored of a shard, and not committed."""
        self._hand.pop(number, None)

    @property
    def scored(self) -> int:
        """How many images are scored, committed or not."""
        return self.rows + sum(self._hand.values())

    @property
    def a_second(self) -> float:
        """Images a second, of late."""
        then, count = self._marks[0]
        passed = self._now() - then
        return (self._scored - count) / passed if passed > 0 else 0.0

    def line(self, listed: int, *, complete: bool) -> str:
        """Tell how far it is: so many of those ``listed``, the rate, the time left, the errors by kind."""
        rate, left = self.a_second, listed - self.scored
        of = f"{listed:,}" if complete else f"{listed:,} so far"
        parts = [f"{self.scored:,} of {of}", f"{rate:.1f} a second"]
        if rate > 0:
            more = "" if complete else " or more"
            parts.append(f"{timedelta(seconds=round(left / rate))} left{more}")
        return ", ".join([*parts, *self._told_errors()])

    def summary(self) -> str:
        """Tell what came out."""
        counted = ", ".join(f"{count:,} {name}" for name, count in self.verdicts.most_common())
        return ", ".join([f"{self.rows:,} images: {counted}", *self._told_errors()])

    def _told_errors(self) -> list[str]:
        if not self.errors:
            return []
        kinds = self.errors.most_common(_MOST_KINDS)
        rest = self.errors.total() - sum(count for _, count in kinds)
        told = [f"{count:,} {kind}" for kind, count in kinds] + ([f"{rest:,} others"] if rest else [])
        return [f"errors: {', '.join(told)}"]

    def _add(self, rows: pa.Table) -> None:
        self.rows += rows.num_rows
        self.verdicts.update(rows.column("verdict").to_pylist())
        self.errors.update(kind for kind in rows.column("error_kind").to_pylist() if kind)
