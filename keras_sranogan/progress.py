"""Progress with time left, for people who wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from keras_sranogan.forecast import Forecast
from sranogan_edge.terminal import terminal

SAY_EVERY_S = 15.0  # where there is no terminal
BEAT_S = 1.0


class Terminal:
    """One bar of all that is planned with the time left, one of the task at hand; what has ended is a line.

    Where there is no terminal, a line now and then. A context manager.
    """

    def __init__(self, console: Console | None = None) -> None:
        """Write to ``console``, or to standard error."""
        self._console = console or terminal(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[count]}", justify="right"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._bars = RichProgress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._forecast, self._lock = Forecast(), threading.Lock()
        self._all: TaskID | None = None
        self._task: TaskID | None = None
        self._name, self._total, self._done, self._note = "", 0, 0, ""
        self._task_since = time.monotonic()
        self._said = time.monotonic()
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Terminal:
        if not self._bars.disable:
            self._bars.start()
        self._beats.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._beats.join()
        if not self._bars.disable:  # older versions of Rich end even what is not shown with an empty line
            if error is None and self._all is not None:
                self._bars.update(self._all, completed=1.0, count="100 %", note="")
                self._bars.refresh()
            self._bars.stop()

    def plan(self, expected_s: Mapping[str, float]) -> None:
        """Tell the tasks to come, with the seconds that each is expected to take."""
        with self._lock:
            self._forecast.plan(expected_s)
            if self._all is None and expected_s:
                self._all = self._bars.add_task("in all", total=1.0, count="", note="")
            self._show_all()

    def start(self, task: str, total: int, done: int = 0) -> None:
        """A piece of work begins, or goes on from ``done``."""
        with self._lock:
            self._forecast.begin(task, done / max(total, 1))
            self._end_task()
            count = f"{done}/{total}"
            self._task = self._bars.add_task(task, total=total, completed=done, count=count, note="")
            self._name, self._total, self._done, self._note = task, total, done, ""
            self._task_since = time.monotonic()
            self._show_all()
            self._line()

    def advance(self, done: int, note: str = "") -> None:
        """``done`` of the total is finished."""
        with self._lock:
            self._done, self._note = done, note
            self._forecast.advance(done / max(self._total, 1))
            if self._task is not None:
                self._bars.update(self._task, completed=done, count=f"{done}/{self._total}", note=note)
            self._show_all()
            if time.monotonic() - self._said >= SAY_EVERY_S:
                self._line()

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _beat(self) -> None:
        """Show that the work goes on while no step ends, as when graphs are built."""
        while not self._ended.wait(BEAT_S):
            with self._lock:
                self._show_all()
                if self._name and time.monotonic() - self._said >= SAY_EVERY_S:
                    self._line()

    def _show_all(self) -> None:
        """Bring the bar of all that is planned up to date; it never goes back."""
        if self._all is None or self._bars.disable:
            return
        before = next(task.completed for task in self._bars.tasks if task.id == self._all)
        share = max(before, min(self._forecast.share(), 1.0))
        self._bars.update(self._all, completed=share, count=f"{100 * share:.0f} %", note=self._left())

    def _end_task(self) -> None:
        """Make a line of the task that has ended, above the bars."""
        if self._task is None:
            return
        self._bars.remove_task(self._task)
        if not self._bars.disable:
            took = time_text(time.monotonic() - self._task_since)
            ended = f"{self._name}: {self._done} of {self._total}, {took}"
            self.say("  ".join(filter(None, [ended, self._note])))

    def _line(self) -> None:
        """Say how far it is, where no bars do."""
        if not self._bars.disable:
            return
        self._said = time.monotonic()
        parts = (f"{self._name}: {self._done} of {self._total}", self._left(), self._note)
        self._console.print("  ".join(filter(None, parts)), highlight=False, soft_wrap=True)

    def _left(self) -> str:
        left_s = self._forecast.left_s()
        return "" if left_s is None else f"about {time_text(left_s)} left in all"


def time_text(seconds: float) -> str:
    """Write a time for people: ``45 s``, ``4 min 10 s``, ``1 h 05 min``."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Progress(Protocol):
    """What shows a person how far the work is."""

    def plan(self, expected_s: Mapping[str, float]) -> None:
        """These tasks are to come, each expected to take so many seconds."""

    def start(self, task: str, total: int, done: int = 0) -> None:
        """A piece of work begins (or goes on from ``done``)."""

    def advance(self, done: int, note: str = "") -> None:
        """``done`` of the total is finished."""

    def say(self, text: str) -> None:
        """Something that a person should know, such as a warning."""


class Silent:
    """Progress for tests and for callers that want none."""

    def plan(self, expected_s: Mapping[str, float]) -> None:
        """Say nothing."""

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Say nothing."""

    def advance(self, done: int, note: str = "") -> None:
        """Say nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""
