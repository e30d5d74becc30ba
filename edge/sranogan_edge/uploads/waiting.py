"""Images that wait for the one thread that scores: bounded, in the order of their coming, and counted."""

from __future__ import annotations

import math
import os
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import BinaryIO

from sranogan_edge.errors import NotReadyError, TooBusyError
from sranogan_edge.results.line import ResultLine
from sranogan_edge.uploads.limits import UploadSettings

__all__ = ["Figures", "Upload", "Uploads", "new_file"]

_FIRST_GUESS_S = 0.1  # of an image, before one was scored
_WEIGHT = 0.1  # of the newest image in that
_LONGEST_WAIT_S = 60.0  # that is ever asked for


@dataclass(frozen=True, eq=False)
class Upload:
    """One image that waits.

    Attributes:
        name: what its sender calls it, on one line; no path of ours.
        file: with its bytes; whoever takes the upload closes it.
        size: bytes.
        answer: its result line, or the error that it ended with.
    """

    name: str
    file: BinaryIO
    size: int
    answer: Future[ResultLine] = field(default_factory=Future)


@dataclass(frozen=True)
class Figures:
    """What became of uploads since the start.

    Attributes:
        verdicts: images by verdict, those that could not be scored as ``error``.
        refused: requests by status.
        inside: requests in hand, now.
        waiting: images, now.
        why_not: nothing is scored now; empty where it is.
    """

    verdicts: dict[str, int]
    refused: dict[int, int]
    inside: int
    waiting: int
    why_not: str


class Uploads:
    """Between the web server's thread, which puts images in, and the one that scores them.

    Attributes:
        settings: the bounds.
        wake: is called whenever an image is put in.
    """

    def __init__(self, settings: UploadSettings, wake: Callable[[], object] = lambda: None) -> None:
        """Begin, not ready yet (:meth:`ready`)."""
        self.settings, self.wake = settings, wake
        self._change = threading.Condition()
        self._queue: deque[Upload] = deque()
        self._why_not, self._closed = "it is starting", False
        self._places = self._held = 0
        self._mean_s, self._beat = _FIRST_GUESS_S, time.monotonic()
        self._verdicts: Counter[str] = Counter()
        self._refused: Counter[int] = Counter()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one of the places, of which ``max_waiting`` are; one request needs one.

        Raises:
            NotReadyError: nothing is scored now.
            TooBusyError: all places are taken.
        """
        with self._change:
            if self.why_not:
                raise _not_ready(self.why_not)
            if self._places >= self.settings.max_waiting:
                raise TooBusyError(
                    f"{self._places} requests wait already, and no more may. Send it again after "
                    f"{self.retry_after_s()} s, as Retry-After says."
                )
            self._places += 1
        try:
            yield
        finally:
            with self._change:
                self._places -= 1
                self._change.notify_all()

    def retry_after_s(self) -> int:
        """Whole seconds until a place may be free: what waits, by the time that an image took lately."""
        with self._change:
            wanted_s = max(1, len(self._queue)) * self._mean_s
        return max(1, math.ceil(min(wanted_s, _LONGEST_WAIT_S)))

    def hold(self, count: int) -> None:
        """Have room for ``count`` more bytes, until :meth:`let_go`; raises TooBusyError without any."""
        most = self.settings.max_held_bytes
        with self._change:
            if self._held + count > most:
                raise TooBusyError(
                    f"images of {self._held:,} bytes wait already, and no more than {most:,} may. Send it "
                    f"again after {self.retry_after_s()} s, as Retry-After says."
                )
            self._held += count

    def let_go(self, count: int) -> None:
        """Give back room."""
        with self._change:
            self._held -= count

    def put(self, upload: Upload) -> None:
        """Let it wait; raises NotReadyError, and then it is still the caller's."""
        with self._change:
            if self._why_not:
                raise _not_ready(self._why_not)
            self._queue.append(upload)
            self._change.notify_all()
        self.wake()

    def withdraw(self, upload: Upload) -> None:
        """Nobody waits for its answer any more; where it still waits, it goes."""
        upload.answer.cancel()
        with self._change:
            if upload not in self._queue:
                return
            self._queue.remove(upload)
        self.done(upload)

    def take(self, timeout_s: float = 0.0) -> Upload | None:
        """Take the one that waits longest; None where none came within ``timeout_s``, or all is over."""
        with self._change:
            self._change.wait_for(self._has_news, timeout_s)
            return self._queue.popleft() if self._queue else None

    def _has_news(self) -> bool:
        return bool(self._queue) or (self._closed and not self._places)

    def done(self, upload: Upload) -> None:
        """Close what was taken, and give back its room."""
        upload.file.close()
        self.let_go(upload.size)

    def beat(self) -> None:
        """Say that the thread which scores is alive."""
        self._beat = time.monotonic()

    @property
    def beat_age_s(self) -> float:
        """Seconds since it said so."""
        return time.monotonic() - self._beat

    def scored(self, verdict: str, taken_s: float) -> None:
        """Count one image, and how long it took."""
        with self._change:
            self._verdicts[verdict] += 1
            self._mean_s += _WEIGHT * (taken_s - self._mean_s)

    def refused(self, status: int) -> None:
        """Count a request that was answered with ``status`` and not scored."""
        with self._change:
            self._refused[status] += 1

    def ready(self) -> None:
        """Images are scored from now on."""
        with self._change:
            self._why_not = ""

    def not_ready(self, why: str) -> None:
        """Images are not scored for a while: what waits, and what comes, is answered so."""
        with self._change:
            self._why_not = why
            left = [*self._queue]
            self._queue.clear()
        for upload in left:
            if upload.answer.set_running_or_notify_cancel():
                upload.answer.set_exception(_not_ready(why))
            self.done(upload)

    def close(self) -> None:
        """No more requests come in; images of those that have a place do."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    @property
    def inside(self) -> int:
        """How many requests have a place."""
        return self._places

    @property
    def waiting(self) -> int:
        """How many images wait."""
        return len(self._queue)

    @property
    def why_not(self) -> str:
        """Why nothing is scored; empty where it is."""
        return self._why_not or ("it is stopping" if self._closed else "")

    def figures(self) -> Figures:
        """Return all counts, of one moment."""
        with self._change:
            verdicts, refused = dict(self._verdicts), dict(self._refused)
            return Figures(verdicts, refused, self._places, len(self._queue), self.why_not)


def _not_ready(why: str) -> NotReadyError:
    return NotReadyError(f"nothing is scored now: {why}. Send it again later; /readyz says when.")


def new_file() -> BinaryIO:
    """Return an empty file without a name: in memory where the system has such, else on the disk."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("upload", os.MFD_CLOEXEC), "w+b")
    return tempfile.TemporaryFile()
