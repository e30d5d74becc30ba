"""Progress with time left, for people who wait at a terminal."""

from __future__ import annotations

from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as RichProgress

from sranogan_edge.cli_common import terminal

PLAIN_EVERY_SHARE = 0.1  # without a terminal, a line is printed this often


class Terminal:
    """Progress bars on a terminal; plain lines in a log file. Use as a context manager."""

    def __init__(self) -> None:
        """Write to standard error."""
        self._console = terminal(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._bars = RichProgress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = TaskID(0)
        self._name, self._total, self._said = "", 0, 0.0

    def __enter__(self) -> Terminal:
        """Show."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._bars.stop()

    def start(self, task: str, total: int, done: int = 0) -> None:
        """A piece of work begins, or goes on from ``done``."""
        self._task = self._bars.add_task(task, total=total, completed=done, note="")
        self._name, self._total, self._said = task, total, done / max(total, 1)
        if self._bars.disable:
            self._console.print(f"{task}: {done} of {total}", highlight=False)

    def advance(self, done: int, note: str = "") -> None:
        """``done`` of the total is finished."""
        self._bars.update(self._task, completed=done, note=note)
        share = done / max(self._total, 1)
        if self._bars.disable and (share - self._said >= PLAIN_EVERY_SHARE or done == self._total):
            self._said = share
            self._console.print(f"{self._name}: {done} of {self._total}  {note}", highlight=False)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
