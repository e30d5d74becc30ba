"""One object or frame, from its bytes to its stored result."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2

from sranogan_edge.alarms import Alarms
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import Wanted
from sranogan_edge.detector.judge import Answer, Judge, MeasuresFrames
from sranogan_edge.errors import DecoderMissingError, ImageError
from sranogan_edge.feeds.feed import Arrival
from sranogan_edge.image.film import EVERY_FILM, FilmFields, FilmOptions
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.own_outputs import HEAT_MAPS
from sranogan_edge.redact import words_of
from sranogan_edge.results.line import ResultLine, described, error_line, not_asked_for_line, of_video
from sranogan_edge.scoring.overlay import overlay_of
from sranogan_edge.scoring.rule import Verdict
from sranogan_edge.service.faults import Faults
from sranogan_edge.service.threshold import AppliedThreshold
from sranogan_edge.spool.spool import Entry, Spool

__all__ = ["Judge", "MeasuresFrames", "Result", "Scoring"]

_log = logging.getLogger(__name__)
_STEM_CHARACTERS = 48


@dataclass(frozen=True, eq=False)
class Result:
    """What became of one object or frame.

    Attributes:
        number: of the stored result.
        line: the result.
        answer: None where it was not judged.
        entry: the object; None for a camera's frame.
    """

    number: int
    line: ResultLine
    answer: Answer | None
    entry: Entry | None

    @property
    def failed(self) -> bool:
        """Whether it could not be judged; one that is not asked for need not be."""
        return self.line.verdict == "error"


class Scoring:
    """Scores what waits in the spool, one at a time, and camera frames.

    Attributes:
        judge: may be replaced between two objects.
        faults: of the device, or of an object that it cannot bear.
        decoder: reads the objects, in another process.
    """

    def __init__(
        self,
        spool: Spool,
        judge: Judge,
        out: Path | None,
        threshold: AppliedThreshold,
        alarms: Alarms,
        pulse: Callable[[], None] = lambda: None,
        films: Mapping[str, FilmOptions] | None = None,
        decoder: Decoder | None = None,
    ) -> None:
        """Score with ``judge`` by ``threshold``; heat maps go below ``out``; ``pulse`` is a sign of life.

        ``films`` says by the name of a feed which of its films are scored; of other feeds all are.
        ``decoder`` None is one of the default bounds.
        """
        self.decoder = decoder or Decoder()
        self.judge = judge
        self._spool, self._out, self._films = spool, out, films or {}
        self._threshold, self._alarms, self._pulse = threshold, alarms, pulse
        self.faults = Faults(alarms)
        self._any_exhausted = True  # an earlier run may have left some

    def object(self, keep: Callable[[Callable[[], int]], int]) -> Result | None:
        """Score the next object; None where none waits, or all are to wait after a fault.

        Args:
            keep: calls what stores the result, again while the disk is full.
        """
        if self._any_exhausted:
            for entry in self._spool.exhausted():
                return self._bury(entry, keep)
            self._any_exhausted = False
        if self.faults.pause_s or not self._decoder_is_ready():
            return None
        begun = self._spool.next()
        if begun is None:
            return None
        assert begun.path is not None
        film, options = FilmFields(), self._films.get(begun.feed, EVERY_FILM)
        try:
            wanted = Wanted(begun.source, options, self.judge.max_pixels)
            read = self.decoder.read(begun.path, wanted, self._pulse)
            film = read.film
            taken = read.or_raise()
            answer = None if taken.refusal else self._answer(taken.frames)
        except ImageError as error:
            _log.warning("not scored, its bytes are in the spool's dead/: %s", error)
            line = described(self._error_line(begun.source, error, begun.feed), film)
            return self._ended(begun, line, None, keep, film.numbers, dead=str(error))
        except Exception as error:  # of the device, the runtime, or ours: tried again
            failure = words_of(error)
            counts = self.faults.failed(begun.source, error, self.judge)
            keep(lambda: self._spool.give_back(begun, failure, counts=counts))
            self._any_exhausted = counts and begun.attempts >= self._spool.limits.max_attempts
            return self.object(keep) if self._any_exhausted else None
        if answer is None:
            return self._left_out(begun, film, taken.refusal, keep)
        self.faults.over()
        heat = self._heat_map(begun, answer.verdict)
        line = answer.line(begun.source, self.judge.scorer, heat, begun.feed)
        return self._ended(begun, described(line, film, taken.turned), answer, keep, film.numbers)

    def frame(self, feed: str, arrival: Arrival, keep: Callable[[Callable[[], int]], int]) -> Result:
        """Score a camera's frame; it is not tried again. During a pause after a fault, let it go instead."""
        assert arrival.frame is not None
        answer: Answer | None = None
        try:
            answer = self._answer((arrival.frame,))
            line = answer.line(arrival.frame_source, self.judge.scorer, None, feed)
            self.faults.over()
        except ImageError as error:
            line = self._error_line(arrival.frame_source, error, feed)
        except Exception as error:  # as with objects, but the next frame is as good
            self.faults.failed(arrival.frame_source, error, self.judge)
            line = self._error_line(arrival.frame_source, error, feed)
        line = of_video(line, arrival.number, arrival.at_s)
        number = keep(lambda: self._spool.outbox.record(line.to_dict(), arrival.identity))
        return Result(number, line, answer, None)

    @property
    def threshold(self) -> float | None:
        """In force instead of the calibration's; None where that is."""
        return self._threshold.value

    def _decoder_is_ready(self) -> bool:
        """Have the decoder ready before an object is in hand, whose attempt counts if the runner ends."""
        if self.decoder.is_ready or not self._spool.waiting():
            return True
        try:
            self.decoder.make_ready(self._pulse)
        except DecoderMissingError as error:
            self.faults.failed("the next film", error, self.judge)
            return False
        return True

    def _answer(self, frames: tuple[Frame, ...]) -> Answer:
        return self.judge.answer(frames, self._threshold.value, self._pulse)

    def _left_out(
        self, entry: Entry, film: FilmFields, refusal: str, keep: Callable[[Callable[[], int]], int]
    ) -> Result:
        """End an object that the options of its feed do not ask for."""
        _log.info("%s: not asked for: %s", entry.source, refusal)
        made = not_asked_for_line(entry.source, refusal, self.judge.scorer)
        line = described(replace(made, feed=entry.feed or None), film)
        return self._ended(entry, line, None, keep, film.numbers)

    def _bury(self, entry: Entry, keep: Callable[[Callable[[], int]], int]) -> Result:
        reason = (
            f"{entry.source}: given up after {entry.attempts} attempts; each ended the runner or failed"
            f"{f' ({entry.reason})' if entry.reason else ''}. Its bytes are in the spool's dead/."
        )
        _log.error("%s", reason)
        self.faults.over()
        line = self._error_line(entry.source, ImageError(reason), entry.feed)
        return self._ended(entry, line, None, keep, {}, dead=reason)

    def _error_line(self, source: str, error: Exception, feed: str) -> ResultLine:
        return replace(error_line(source, error, self.judge.scorer), feed=feed or None)

    def _ended(
        self,
        entry: Entry,
        line: ResultLine,
        answer: Answer | None,
        keep: Callable[[Callable[[], int]], int],
        numbers: Mapping[str, str],
        dead: str | None = None,
    ) -> Result:
        number = keep(lambda: self._spool.finish(entry, line.to_dict(), dead=dead, numbers=numbers))
        return Result(number, line, answer, self._spool.entry(entry.sequence))

    def _heat_map(self, entry: Entry, verdict: Verdict) -> str | None:
        """Save the heat map; a disk that does not take it costs the picture, not the result: an alarm."""
        if self._out is None or self.judge.heat_limit is None:
            return None
        stem = re.sub(r"[^\w.-]", "_", Path(entry.source).stem)[:_STEM_CHARACTERS]
        relative = f"{HEAT_MAPS}/{entry.sequence:08d}-{stem}.png"
        picture = overlay_of(verdict, self.judge.heat_limit)
        try:
            (self._out / HEAT_MAPS).mkdir(exist_ok=True)
            (self._out / relative).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        except OSError as error:
            with contextlib.suppress(OSError):  # what is left of it is named by no result
                (self._out / relative).unlink(missing_ok=True)
            _log.warning("%s: no heat map (%s)", entry.source, error.strerror or error)
            why = f"{self._out}: heat maps are missing ({error.strerror or error}); scoring goes on"
            self._alarms.note("heat maps", f"{why}. Free some space, or correct the permissions.")
            return None
        self._alarms.note("heat maps")
        return relative
