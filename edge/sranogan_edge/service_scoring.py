"""One object or frame, from its bytes to its stored result."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import cv2

from sranogan_edge.decode import decode_bytes
from sranogan_edge.errors import ImageError
from sranogan_edge.feeds import Arrival
from sranogan_edge.frame import Frame
from sranogan_edge.pipeline import Detector, Verdict
from sranogan_edge.results import HEAT_MAPS, Scorer, error_line, overlay, result_line
from sranogan_edge.spool import Entry, Spool

__all__ = ["Judge", "Result", "ScoresFrames", "Scoring"]

_log = logging.getLogger(__name__)
_STEM_CHARACTERS = 48


class ScoresFrames(Protocol):
    """What judges a frame (:class:`sranogan_edge.pipeline.Detector`)."""

    def score(self, frame: Frame) -> Verdict:
        """Judge one frame; raises ImageError when it cannot be used."""


@dataclass(frozen=True, eq=False)
class Judge:
    """A detector and what the results say of it.

    Attributes:
        detector: judges frames.
        scorer: stands in every line.
        max_pixels: above which a header is reason to refuse.
        heat_limit: scale of the heat maps; None makes none.
    """

    detector: ScoresFrames
    scorer: Scorer
    max_pixels: int
    heat_limit: float | None

    @classmethod
    def of(cls, detector: Detector) -> Judge:
        """Describe a loaded bundle."""
        bundle = detector.bundle
        return cls(detector, Scorer.of(detector), bundle.preprocess.max_pixels, bundle.density.heat_limit)


@dataclass(frozen=True, eq=False)
class Result:
    """What became of one object or frame; ``entry`` is None for a frame."""

    number: int
    verdict: Verdict | None
    entry: Entry | None
    failed: bool


class Scoring:
    """Scores what waits in the spool, one at a time, and camera frames."""

    def __init__(self, spool: Spool, judge: Judge, out: Path | None) -> None:
        """Score with ``judge``; heat maps go below ``out``."""
        self._spool, self._judge, self._out = spool, judge, out
        self._any_exhausted = True  # an earlier run may have left some

    def object(self, keep: Callable[[Callable[[], int]], int]) -> Result | None:
        """Score the next object; None where none waits.

        Args:
            keep: calls what stores the result, again while the disk is full.
        """
        if self._any_exhausted:
            for entry in self._spool.exhausted():
                return self._bury(entry, keep)
            self._any_exhausted = False
        begun = self._spool.next()
        if begun is None:
            return None
        try:
            verdict = self._judge.detector.score(self._decoded(begun))
        except ImageError as error:
            line = asdict(error_line(begun.source, error, self._judge.scorer))
            reason = str(error)
            return self._ended(begun, None, keep(lambda: self._spool.finish(begun, line, dead=reason)))
        except (Exception, MemoryError) as error:  # of the device, the runtime, or ours: tried again
            _log.exception("%s: attempt %d failed", begun.source, begun.attempts)
            failure = f"{type(error).__name__}: {error}"
            keep(lambda: self._spool.give_back(begun, failure))
            self._any_exhausted = begun.attempts >= self._spool.limits.max_attempts
            return self.object(keep)
        heat = self._heat_map(begun, verdict)
        line = asdict(result_line(begun.source, verdict, self._judge.scorer, heat))
        return self._ended(begun, verdict, keep(lambda: self._spool.finish(begun, line)))

    def frame(self, arrival: Arrival, keep: Callable[[Callable[[], int]], int]) -> Result:
        """Score a camera's frame; it is not tried again."""
        assert arrival.frame is not None
        verdict: Verdict | None = None
        try:
            verdict = self._judge.detector.score(arrival.frame)
            line = result_line(arrival.frame_source, verdict, self._judge.scorer, None)
        except ImageError as error:
            line = error_line(arrival.frame_source, error, self._judge.scorer)
        number = keep(lambda: self._spool.outbox.record(asdict(line), arrival.identity))
        return Result(number, verdict, None, line.error is not None)

    def _decoded(self, entry: Entry) -> Frame:
        assert entry.path is not None
        return decode_bytes(entry.path.read_bytes(), source=entry.source, max_pixels=self._judge.max_pixels)

    def _bury(self, entry: Entry, keep: Callable[[Callable[[], int]], int]) -> Result:
        reason = (
            f"{entry.source}: given up after {entry.attempts} attempts; each ended the runner or failed"
            f"{f' ({entry.reason})' if entry.reason else ''}. Its bytes are in the spool's dead/."
        )
        _log.error("%s", reason)
        line = asdict(error_line(entry.source, ImageError(reason), self._judge.scorer))
        return self._ended(entry, None, keep(lambda: self._spool.finish(entry, line, dead=reason)))

    def _ended(self, entry: Entry, verdict: Verdict | None, number: int) -> Result:
        return Result(number, verdict, self._spool.entry(entry.sequence), verdict is None)

    def _heat_map(self, entry: Entry, verdict: Verdict) -> str | None:
        """Save the heat map; a disk that does not take it costs the picture, not the result."""
        if self._out is None or self._judge.heat_limit is None:
            return None
        stem = re.sub(r"[^\w.-]", "_", Path(entry.source).stem)[:_STEM_CHARACTERS]
        relative = f"{HEAT_MAPS}/{entry.sequence:08d}-{stem}.png"
        picture = overlay(verdict.reconstruction.x, verdict.heat, self._judge.heat_limit)
        try:
            (self._out / HEAT_MAPS).mkdir(exist_ok=True)
            (self._out / relative).write_bytes(cv2.imencode(".png", picture)[1].tobytes())
        except OSError as error:
            _log.warning("%s: no heat map (%s)", entry.source, error.strerror or error)
            (self._out / relative).unlink(missing_ok=True)
            return None
        return relative
