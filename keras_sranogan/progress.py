"""Progress with time left, for people who wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress

from keras_sranogan.forecast import Forecast
from sranogan_edge.terminal import terminal

SAY_EVERY_S = 15.0  # where there is no terminal
BEAT_S = 1.0


class Terminal:
    """Progress bars and the time left on a terminal; elsewhere a line now and then. A context manager."""

    def __init__(self, console: Console | None = None) -> None:
        """Write to ``console``, or to standard error."""
        self._console = console or terminal(stderr=True)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        self._bars = RichProgress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._forecast, self._lock = Forecast(), threading.Lock()
        self._task, self._name, self._total, self._done, self._note = TaskID(0), "", 0, 0, ""
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
            self._bars.stop()

    def plan(self, expected_s: Mapping[str, float]) -> None:
        """Tell the tasks to come, with the seconds that each is expected to take."""
        with self._lock:
            self._forecast.plan(expected_s)

    def start(self, task: str, total: int, done: int = 0) -> None:
        """A piece of work begins, or goes on from ``done``."""
        with self._lock:
            self._forecast.begin(task, done / max(total, 1))
            self._task = self._bars.add_task(task, total=total, completed=done, note=self._left())
            self._name, self._total, self._done, self._note = task, total, done, ""
            self._line()

    def advance(self, done: int, note: str = "") -> None:
        """``done`` of the total is finished."""
        with self._lock:
            self._done, self._note = done, note
            self._forecast.advance(done / max(self._total, 1))
            self._bars.update(self._task, completed=done, note=f"{self._left()}  {note}")
            if time.monotonic() - self._said >= SAY_EVERY_S:
                self._line()

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _beat(self) -> None:
        """Show that the work goes on while no step ends, as when graphs are built."""
        while not self._ended.wait(BEAT_S):
            with self._lock:
                if self._bars.tasks:
                    self._bars.update(self._task, note=f"{self._left()}  {self._note}")
                if self._name and time.monotonic() - self._said >= SAY_EVERY_S:
                    self._line()

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
