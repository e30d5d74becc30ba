"""A site's calibration in force: by what its images are judged, and what is watched of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.errors import SettingsError
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.foreign import DEFAULT_RATE, DomainRule
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.regions import region_finder
from sranogan_edge.scoring.rule import Rule
from sranogan_edge.scoring.statistics import statistics_of

__all__ = ["Site", "with_regions"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Site:
    """A site's calibration in force.

    Attributes:
        calibration: scores and statistics of its normals.
        digest: SHA-256 of its file.
        domain: what is not like the training data; None leaves it out.
        measure: the statistics of a measured frame, by name.
        told_by: by what foreign images are told, or, beginning with ``off:``, why they are not.
    """

    calibration: SiteCalibration
    digest: str
    domain: DomainRule | None
    measure: Callable[[Frame, Measurement], Mapping[str, float]]
    told_by: str = ""

    @classmethod
    def of(cls, calibration: SiteCalibration, bundle: Bundle, rate: float | None = DEFAULT_RATE) -> Site:
        """Put ``calibration``, as it was read, in force for its bundle.

        ``rate`` is the share of normals that may be answered "not like the training data"; None never does.
        """
        domain, told_by = None, "off: switched off"
        if rate is not None:
            try:
                domain = DomainRule.of(calibration, rate)
                more = f"; {domain.note}" if domain.note else ""
                told_by = f"by the {calibration.images} normals of the calibration{more}"
                if domain.note:
                    _log.info("%s", domain.note)
            except SettingsError as error:  # too few normals: the threshold holds all the same
                _log.warning('nothing is answered "not like the training data": %s', error)
                told_by = f"off: {error}"
        measure = partial(statistics_of, density=bundle.density, spec=bundle.preprocess)
        return cls(calibration, calibration.digest, domain, measure, told_by)

    @property
    def rule(self) -> Rule:
        """By what its images are judged."""
        return Rule(self.calibration.calibration, foreign=self._foreign if self.domain else None)

    def _foreign(self, frame: Frame, made: Measurement) -> str:
        assert self.domain
        return self.domain.judge(self.measure(frame, made)).message


def with_regions(rule: Rule, bundle: Bundle, heat_threshold: float | None = None) -> Rule:
    """Return ``rule`` with what finds the regions of ``bundle``'s heat maps, at its own false-alarm rate.

    ``heat_threshold`` None is the bundle's own.
    """
    rate = rule.calibration.false_alarm_rate
    return replace(rule, regions=region_finder(bundle.density, bundle.preprocess, rate, heat_threshold))
