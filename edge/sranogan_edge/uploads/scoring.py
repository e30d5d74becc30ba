"""One upload, from its bytes to its answer, in the thread that owns the detector."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import Wanted
from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import ImageError, NotReadyError
from sranogan_edge.image.film import EVERY_FILM
from sranogan_edge.results.line import ResultLine, described
from sranogan_edge.uploads.waiting import Upload, Uploads

__all__ = ["TellsFaults", "score_next"]


class TellsFaults(Protocol):
    """Whose fault it is where scoring fails, and when to try again."""

    def failed(self, what: str, error: Exception, judge: Judge) -> object:
        """Scoring failed, of an image that can be read."""

    def over(self) -> None:
        """It works."""


def score_next(
    uploads: Uploads,
    judge: Judge,
    decoder: Decoder,
    faults: TellsFaults,
    *,
    threshold: float | None = None,
    timeout_s: float = 0.0,
    pulse: Callable[[], None] = lambda: None,
) -> bool:
    """Score the upload that waits longest; False where none does, within ``timeout_s``.

    Its sender gets the result line, the :class:`ImageError`, or, where scoring itself failed, a
    :class:`NotReadyError`.

    Args:
        uploads: where it waits.
        judge: by whose detector and rule it is judged.
        decoder: that reads it, in a process of its own.
        faults: are told of what fails, and what works again.
        threshold: in force instead of the calibration's.
        timeout_s: how long to wait for one.
        pulse: is called as a sign of life.
    """
    upload = uploads.take(timeout_s)
    if upload is None:
        return False
    answers = upload.answer.set_running_or_notify_cancel()
    try:
        found = _found(upload, uploads, judge, decoder, faults, threshold, pulse) if answers else None
    finally:
        uploads.done(upload)  # before its sender goes on with the next one
    if isinstance(found, ResultLine):
        upload.answer.set_result(found)
    elif found:
        upload.answer.set_exception(found)
    return True


def _found(
    upload: Upload,
    uploads: Uploads,
    judge: Judge,
    decoder: Decoder,
    faults: TellsFaults,
    threshold: float | None,
    pulse: Callable[[], None],
) -> ResultLine | ImageError | NotReadyError:
    began = time.monotonic()
    try:
        line = _line_of(upload, judge, decoder, threshold, pulse)
    except ImageError as error:
        uploads.scored("error", time.monotonic() - began)
        return error
    except Exception as error:  # of the device, the runtime, or ours: no image is at fault
        faults.failed(upload.name, error, judge)
        return NotReadyError(f"{upload.name}: scoring failed ({type(error).__name__}). Send it again later.")
    faults.over()
    uploads.scored(line.verdict, time.monotonic() - began)
    return line


def _line_of(
    upload: Upload, judge: Judge, decoder: Decoder, threshold: float | None, pulse: Callable[[], None]
) -> ResultLine:
    read = decoder.read_open(upload.file, Wanted(upload.name, EVERY_FILM, judge.max_pixels), pulse)
    taken = read.or_raise()
    answer = judge.answer(taken.frames, threshold, pulse)
    return described(answer.line(upload.name, judge.scorer, None, ""), read.film, taken.turned)
