"""Lines in a file that does not grow for ever, written at a place that the writer knows."""

from __future__ import annotations

import calendar
import contextlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.files import close_to_others, sync_folder
from sranogan_edge.option import Options, option

__all__ = ["JsonlFiles", "Rotation"]

TAIL_BYTES = 65536  # read at a time while looking for the end of the last whole line


@dataclass(frozen=True)
class Rotation(Options):
    """How much of results.jsonl is kept.

    Attributes:
        max_bytes: a file so large is closed, and the next one begun.
        keep: number of closed files to keep, the newest; none keeps all.
        keep_s: seconds that a closed file stays, by this machine's clock; none sets no limit. With one, a
            file is closed a day after its first line, too.
    """

    max_bytes: int = option(64 * 2**20, above=0)
    keep: int | None = option(15, least=0)
    keep_s: float | None = option(None, above=0)


class JsonlFiles:
    """``NAME.jsonl``, and those before it: ``NAME-000001-UTC.jsonl``, ``NAME-000002-UTC.jsonl`` ...

    The number tells their order, whatever the clock said. Whoever writes knows the place in the file that
    it answers for; what stands behind it, after a kill or a power cut, is written over. All methods raise
    OSError.
    """

    def __init__(
        self,
        path: Path,
        keep: int | None,
        *,
        keep_s: float | None = None,
        sync: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Nothing is looked at yet.

        Args:
            path: of the file that is written.
            keep: number of closed files that stay, the newest; None keeps all.
            keep_s: seconds that they stay after they were closed.
            sync: False leaves it to the system when lines reach the disk.
            now: Unix seconds, for names.
        """
        self.path = path
        self._keep, self._keep_s, self._sync, self._now = keep, keep_s, sync, now

    def prepare(self) -> None:
        """Make the folder and the file, so that a place that cannot be written to is known now."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.open("ab").close()
        close_to_others(self.path, *self.closed())  # those of an earlier version
        sync_folder(self.path.parent)

    def end(self) -> int:
        """Return the bytes of whole lines; what stands behind the last line break is cut off."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
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
            with self.path.open("r+b") as file:
                file.truncate(whole)
                os.fsync(file.fileno())
        return whole

    def place(self, at: int, is_ours: Callable[[bytes], bool]) -> int:
        """Return ``at`` where we can go on there; else the end: somebody else replaced or shortened the file.

        Args:
            at: where the last line ends that was answered for.
            is_ours: whether a whole line that follows is one that we are about to write again.
        """
        with contextlib.suppress(FileNotFoundError), self.path.open("rb") as file:
            file.seek(max(0, at - 1))
            if at == 0 or file.read(1) == b"\n":
                line = file.readline()
                if not line.endswith(b"\n") or is_ours(line):
                    return at
        return self.end()

    def append(self, data: bytes, at: int | None = None) -> int:
        """Write whole lines, all of them or none; returns where they end.

        Args:
            data: on the disk when this returns.
            at: a place; what follows it is cut off. None is the end of the file.
        """
        with self.path.open("ab", buffering=0) as file:
            start = file.seek(0, os.SEEK_END) if at is None else at
            left = memoryview(data)
            try:
                if at is not None:
                    file.truncate(at)
                while left:
                    left = left[file.write(left) :]
                if self._sync:
                    os.fsync(file.fileno())
            except BaseException:
                with contextlib.suppress(OSError):
                    file.truncate(start)
                raise
        if start == 0:
            sync_folder(self.path.parent)
        return start + len(data)

    def turn(self) -> None:
        """Close the file that is there under its number, and let the oldest closed ones go."""
        closed = self.closed()
        last = _number(closed[-1]) if closed else 0
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self._now()))
        name = f"{self.path.stem}-{last + 1:06}-{stamp}{self.path.suffix}"
        with contextlib.suppress(FileNotFoundError):
            closed.append(self.path.rename(self.path.with_name(name)))
        sync_folder(self.path.parent)
        for old in closed[: max(0, len(closed) - self._keep)] if self._keep is not None else ():
            old.unlink(missing_ok=True)

    def prune(self) -> None:
        """Let go what was closed too long ago."""
        if self._keep_s is None:
            return
        for old in self.closed():
            stamp = old.stem.rsplit("-", 1)[1]
            if calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) < self._now() - self._keep_s:
                old.unlink(missing_ok=True)

    def closed(self) -> list[Path]:
        """Return the closed files, oldest first."""
        return sorted(
            (path for path in self.path.parent.glob(f"*{self.path.suffix}") if self._is_closed(path)),
            key=_number,
        )

    def flush(self) -> None:
        """Have all lines on the disk."""
        with self.path.open("ab") as file:
            os.fsync(file.fileno())

    def _is_closed(self, path: Path) -> bool:
        return bool(re.fullmatch(re.escape(self.path.stem) + r"-\d+-\d+T\d+Z", path.stem))


def _number(closed: Path) -> int:
    return int(closed.stem.split("-")[-2])
