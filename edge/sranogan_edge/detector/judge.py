"""What judges images: a detector, with the site's calibration that is in force."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.bundle.origin import Origin, origin_of
from sranogan_edge.bundle.site_calibration import calibration_for
from sranogan_edge.detector.detector import Detector, check_golden
from sranogan_edge.detector.in_force import Site, with_regions
from sranogan_edge.image.frame import Frame
from sranogan_edge.results.line import ResultLine, Scorer, result_line
from sranogan_edge.scoring.foreign import DEFAULT_RATE, foreign_of, told_by
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.rule import Rule, Verdict, highest
from sranogan_edge.scoring.statistics import grid_of

__all__ = ["Answer", "Judge", "MeasuresFrames", "Site", "calibrated"]


class MeasuresFrames(Protocol):
    """What measures a frame (:class:`sranogan_edge.detector.detector.Detector`)."""

    def measure(self, frame: Frame, pulse: Callable[[], object] = ...) -> Measurement:
        """Measure one frame, whatever the threshold; raises ImageError when it cannot be used.

        ``pulse`` is a sign of life, to be called on the way where that takes long.
        """


@dataclass(frozen=True, eq=False)
class Answer:
    """What is said of one object: of its frame with the highest score.

    Attributes:
        verdict: of that frame, by the threshold in force.
        statistics: of that frame; empty without a site's calibration.
        grid: of that frame at 32 x 32 pixels.
        frames: how many the object has.
        frame: number of that frame, from 1.
        note: which frames could not be judged, and whether the normals are too few for so many frames.
        judged: how many could be.
    """

    verdict: Verdict
    statistics: Mapping[str, float]
    grid: NDArray[np.float32]
    frames: int = 1
    frame: int = 1
    note: str = ""
    judged: int = 1

    @property
    def out_of_domain(self) -> str:
        """Why the score means nothing; empty where it does."""
        return self.verdict.out_of_domain

    def line(self, source: str, scorer: Scorer, heat_map: str | None, feed: str) -> ResultLine:
        """Return the result line."""
        made = result_line(source, self.verdict, scorer, heat_map, out_of_domain=self.out_of_domain)
        reasons = "; ".join(filter(None, (self.out_of_domain, self.note)))
        several = self.frame if self.frames > 1 else None
        return replace(made, reason=reasons or None, feed=feed or None, frames=self.frames, frame=several)


@dataclass(frozen=True, eq=False)
class Judge:
    """A detector, the rule that decides, and what the results say of both.

    Attributes:
        detector: measures frames.
        scorer: stands in every line.
        max_pixels: above which a header is reason to refuse.
        heat_limit: scale of the heat maps; None makes none.
        rule: p-values, threshold, and what is not like the training data.
        site: where the rule is a site's.
        prove: raises where the detector does not score the bundle's golden cases as it should.
        foreign_by: by what images that are not like the training data are told, or, beginning with ``off:``,
            why none is.
        origin: what the model learned from, and when.
    """

    detector: MeasuresFrames
    scorer: Scorer
    max_pixels: int
    heat_limit: float | None
    rule: Rule
    site: Site | None = None
    prove: Callable[[], object] = lambda: None
    foreign_by: str = ""
    origin: Origin = field(default_factory=Origin)

    @classmethod
    def of(
        cls,
        detector: Detector,
        site: Site | None = None,
        domain_rate: float | None = DEFAULT_RATE,
        heat_threshold: float | None = None,
    ) -> Judge:
        """Describe a loaded bundle.

        Args:
            detector: of the bundle.
            site: whose calibration is in force (:func:`calibrated`).
            domain_rate: without a site, the share of the bundle's own normals that may be answered "not like
                the training data"; None never does.
            heat_threshold: of the heat map's regions, and the scale of heat maps; None is the bundle's own.
        """
        bundle, used = detector.bundle, detector.backend
        digest = site.digest if site else None
        scorer = Scorer(bundle.sha256, bundle.steps, used.label, used.fallback_reason, digest)
        limit = bundle.density.heat_limit if heat_threshold is None else heat_threshold
        prove = partial(check_golden, detector, bundle.golden)
        rule = site.rule if site else Rule(bundle.calibration, foreign=foreign_of(bundle, domain_rate))
        rule = with_regions(rule, bundle, heat_threshold)
        told = site.told_by if site else told_by(bundle, domain_rate)
        origin = origin_of(bundle.details)
        return cls(detector, scorer, bundle.preprocess.max_pixels, limit, rule, site, prove, told, origin)

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
            pulse: is called after each frame and each tile, as a sign of life.

        Raises:
            ImageError: none of the frames can be judged.
        """
        number, made, failed = highest(partial(self.detector.measure, pulse=pulse), frames, pulse)
        rule = self.rule if threshold is None else replace(self.rule, override=threshold)
        judged = len(frames) - len(failed)
        notes = [f"{len(failed)} of {len(frames)} frames could not be judged: {failed[0]}"] if failed else []
        notes += filter(None, [rule.too_few(judged)])
        frame = frames[number]
        statistics = self.site.measure(frame, made) if self.site else {}
        verdict = rule.decide(made, frame, judged)
        note = "; ".join(notes)
        return Answer(verdict, statistics, grid_of(made), len(frames), number + 1, note, judged)

    @property
    def threshold(self) -> float:
        """Of the calibration in force."""
        return self.rule.threshold


def calibrated(
    detector: Detector,
    path: Path,
    key: Path | None = None,
    domain_rate: float | None = DEFAULT_RATE,
    heat_threshold: float | None = None,
) -> Judge:
    """Put the calibration at ``path`` in force.

    Args:
        detector: of the bundle and the search steps that it was made with.
        path: what ``sranogan-calibrate`` wrote.
        key: that must have signed it; None takes any.
        domain_rate: share of normals that may be answered "not like the training data"; None never does.
        heat_threshold: as of :meth:`Judge.of`.

    Raises:
        CalibrationError: damaged, not signed with the key, or of another bundle or number of steps.
    """
    site = calibration_for(detector.bundle, path, key)
    in_force = Site.of(site, detector.bundle, domain_rate)
    return Judge.of(detector.scoring_by(site.density), in_force, heat_threshold=heat_threshold)
