"""What judges images: a detector, with the site's calibration that is in force."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.bundle import Bundle
from sranogan_edge.density import Calibration
from sranogan_edge.errors import CalibrationError, SettingsError
from sranogan_edge.frame import Frame
from sranogan_edge.pipeline import Detector, Verdict, check_golden
from sranogan_edge.results import ResultLine, Scorer, result_line
from sranogan_edge.rule import highest
from sranogan_edge.site.calibration import SiteCalibration, apply_calibration, read_calibration
from sranogan_edge.site.domain import DEFAULT_RATE, DomainRule
from sranogan_edge.site.drift_statistics import grid_of, statistics_of

__all__ = ["Answer", "Judge", "ScoresFrames", "Site", "calibrated"]

_log = logging.getLogger(__name__)


class ScoresFrames(Protocol):
    """What judges a frame (:class:`sranogan_edge.pipeline.Detector`)."""

    def score(self, frame: Frame) -> Verdict:
        """Judge one frame; raises ImageError when it cannot be used."""


@dataclass(frozen=True, eq=False)
class Site:
    """A site's calibration in force.

    Attributes:
        calibration: scores and statistics of its normals.
        digest: SHA-256 of its file.
        domain: what is not like the training data; None leaves it out.
        measure: the statistics of a judged frame, by name.
    """

    calibration: SiteCalibration
    digest: str
    domain: DomainRule | None
    measure: Callable[[Frame, Verdict], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class Answer:
    """What is said of one object: of its frame with the highest score.

    Attributes:
        verdict: of that frame, by the threshold in force.
        out_of_domain: why the score means nothing; empty where it does.
        statistics: of that frame; empty without a site's calibration.
        grid: of that frame at 32 x 32 pixels.
        frames: how many the object has.
        frame: number of that frame, from 1.
        note: which frames could not be judged, and whether the normals are too few for so many frames.
    """

    verdict: Verdict
    out_of_domain: str
    statistics: Mapping[str, float]
    grid: NDArray[np.float32]
    frames: int = 1
    frame: int = 1
    note: str = ""

    def line(self, source: str, scorer: Scorer, heat_map: str | None, feed: str) -> ResultLine:
        """Return the result line."""
        made = result_line(source, self.verdict, scorer, heat_map, out_of_domain=self.out_of_domain)
        reasons = "; ".join(filter(None, (self.out_of_domain, self.note)))
        several = self.frame if self.frames > 1 else None
        return replace(made, reason=reasons or None, feed=feed or None, frames=self.frames, frame=several)


@dataclass(frozen=True, eq=False)
class Judge:
    """A detector and what the results say of it.

    Attributes:
        detector: judges frames.
        scorer: stands in every line.
        max_pixels: above which a header is reason to refuse.
        heat_limit: scale of the heat maps; None makes none.
        calibration: p-values and threshold in force; None where the detector alone knows.
        site: where the calibration is a site's.
        foreign: says without a site why a judged frame is not like the training data; empty where it is.
        prove: raises where the detector does not score the bundle's golden cases as it should.
    """

    detector: ScoresFrames
    scorer: Scorer
    max_pixels: int
    heat_limit: float | None
    calibration: Calibration | None = None
    site: Site | None = None
    foreign: Callable[[Frame, Verdict], str] | None = None
    prove: Callable[[], object] = lambda: None

    @classmethod
    def of(
        cls, detector: Detector, site: Site | None = None, domain_rate: float | None = DEFAULT_RATE
    ) -> Judge:
        """Describe a loaded bundle.

        Args:
            detector: of the bundle.
            site: what was put into it (:func:`calibrated`).
            domain_rate: without a site, the share of the bundle's own normals that may be answered "not like
                the training data"; None never does.
        """
        bundle = detector.bundle
        scorer = Scorer.of(detector, site.digest if site else None)
        limit = bundle.density.heat_limit
        prove = partial(check_golden, detector, bundle.golden)
        foreign = None if site or domain_rate is None else _foreign(bundle, domain_rate)
        pixels, calibration = bundle.preprocess.max_pixels, bundle.calibration
        return cls(detector, scorer, pixels, limit, calibration, site, foreign, prove)

    def answer(
        self,
        frames: Sequence[Frame],
        threshold: float | None = None,
        pulse: Callable[[], None] = lambda: None,
    ) -> Answer:
        """Judge the frames of one object; the highest score speaks for it.

        P-value and threshold are those of the highest of so many (:class:`Calibration`).

        Args:
            frames: at least one.
            threshold: in force instead of the calibration's, however many frames there are.
            pulse: is called after each frame, as a sign of life.

        Raises:
            ImageError: none of the frames can be judged.
        """
        number, verdict, failed = highest(self.detector.score, frames, pulse)
        notes = [f"{len(failed)} of {len(frames)} frames could not be judged: {failed[0]}"] if failed else []
        if self.calibration and len(frames) > 1:
            verdict, too_few = _highest_of(len(frames) - len(failed), verdict, self.calibration)
            notes += [too_few] if too_few and threshold is None else []
        return self._answer(frames, number, verdict, threshold, "; ".join(notes))

    def _answer(
        self, frames: Sequence[Frame], number: int, verdict: Verdict, threshold: float | None, note: str
    ) -> Answer:
        if threshold is not None:
            verdict = replace(verdict, threshold=threshold, anomalous=verdict.score > threshold)
        statistics: Mapping[str, float] = {}
        outside = ""
        if self.site:
            statistics = self.site.measure(frames[number], verdict)
            outside = self.site.domain.judge(statistics).message if self.site.domain else ""
        elif self.foreign:
            outside = self.foreign(frames[number], verdict)
        return Answer(verdict, outside, statistics, grid_of(verdict), len(frames), number + 1, note)

    @property
    def threshold(self) -> float:
        """Of the calibration in force."""
        return self.calibration.threshold if self.calibration else math.inf


def _highest_of(frames: int, verdict: Verdict, calibration: Calibration) -> tuple[Verdict, str]:
    """Judge the highest score of so many; also say where no score could be anomalous, for lack of normals."""
    limit = calibration.threshold_of(frames)
    p_value = calibration.p_value_of(frames, verdict.score)
    made = replace(verdict, p_value=p_value, threshold=limit, anomalous=verdict.score > limit)
    if math.isfinite(limit):
        return made, ""
    rate, needed = calibration.false_alarm_rate, calibration.normals_needed(frames)
    return made, (
        f"{len(calibration.scores)} normals are too few to call the highest of {frames} frames anomalous at "
        f"a false-alarm rate of {rate:g}: calibrate with {needed}, or with normals of as many frames"
    )


def _foreign(bundle: Bundle, rate: float) -> Callable[[Frame, Verdict], str] | None:
    """Say what is not like a bundle's own held-out normals; None where it does not know their signs."""
    if bundle.signs is None:
        return None
    rule = DomainRule.of_signs(bundle.signs, rate)

    def foreign(frame: Frame, verdict: Verdict) -> str:
        return rule.judge(statistics_of(frame, verdict, bundle.density, bundle.preprocess)).message

    return foreign


def calibrated(
    detector: Detector, path: Path, key: Path | None = None, domain_rate: float | None = DEFAULT_RATE
) -> Judge:
    """Put the calibration at ``path`` in force.

    Args:
        detector: of the bundle and the search steps that it was made with.
        path: what ``sranogan-calibrate`` wrote.
        key: that must have signed it; None takes any.
        domain_rate: share of normals that may be answered "not like the training data"; None never does.

    Raises:
        CalibrationError: damaged, not signed with the key, or of another bundle or number of steps.
    """
    bundle = apply_calibration(detector.bundle, path, key)
    own, site = detector.with_calibration(bundle.calibration), read_calibration(path, key)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be read ({error.strerror or error}).") from error
    rule = None
    if domain_rate is not None:
        try:
            rule = DomainRule.of(site, domain_rate)
        except SettingsError as error:  # too few normals: the threshold holds all the same
            _log.warning('%s: nothing is answered "not like the training data": %s', path, error)
    measure = partial(statistics_of, density=bundle.density, spec=bundle.preprocess)
    return Judge.of(own, Site(site, digest, rule, measure))
