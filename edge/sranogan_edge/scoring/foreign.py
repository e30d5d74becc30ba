"""Out of domain: "not like the training data", instead of a confident score.

A score says how far an image is from normals; a photograph is far, and so is severe illness. What tells them
apart are signs that illness moves little and a wrong image moves far: first of all the likeness to the mean
normal image (position, inversion), then brightness, contrast and sharpness. What the score itself is made of
is no sign: a gross defect would be called foreign for being gross.

The reach of a sign is its distance from the normals' median, in units of the distance that their most extreme
value has (or the conformal quantile, where there are enough for one); an image is out of domain where a sign
reaches farther than its allowance. The allowances are all above 1, so that at most ``rate`` of normals are
answered so (a union of conformal tests); they were chosen where ill films are not
(docs/guide/calibration.md).

Without a site's normals, a bundle's own held-out ones set the limits, jittered copies of them included: these
stand for other takes, of another machine or another day, and reach farther than the normals as they came.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sranogan_edge.errors import SettingsError
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.conformal import RANK_ROUNDING
from sranogan_edge.scoring.fingerprint import FEWEST, Signs
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.statistics import STATISTICS, statistics_of

if TYPE_CHECKING:
    from sranogan_edge.bundle.bundle import Bundle
    from sranogan_edge.bundle.site_calibration import SiteCalibration

__all__ = ["ALLOWANCES", "DomainAnswer", "DomainRule", "foreign_of"]

Foreign: TypeAlias = Callable[[Frame, Measurement], str]
DEFAULT_RATE = 0.01
ALLOWANCES: Mapping[tuple[str, int], float] = {
    ("likeness", -1): 1.25,
    ("brightness", -1): 1.5,
    ("brightness", 1): 1.5,
    ("contrast", -1): 2.0,
    ("contrast", 1): 2.0,
    ("sharpness", -1): 2.0,
    ("sharpness", 1): 2.0,
}
_SMALLEST_SPREAD = 1e-6  # of normals that are all alike


@dataclass(frozen=True)
class DomainAnswer:
    """Whether an image is like the training data at all.

    Attributes:
        inside: whether its score means anything.
        reach: of the farthest sign, in units of its allowance: above 1 is outside.
        reasons: why it is outside, one sentence each; empty inside.
    """

    inside: bool
    reach: float
    reasons: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """For people; empty inside."""
        return "" if self.inside else f"not like the training data: {'; '.join(self.reasons)}"


@dataclass(frozen=True)
class DomainRule:
    """Limits of the signs, from a site's normals or a bundle's own.

    Attributes:
        limits: by sign and side (-1 below, 1 above): the median of normals, and where its allowance ends.
        rate: the share of normals that may be called out of domain.
    """

    limits: Mapping[tuple[str, int], tuple[float, float]]
    rate: float

    @classmethod
    def of(cls, site: SiteCalibration, rate: float = DEFAULT_RATE) -> DomainRule:
        """Set the limits by the normals of ``site``.

        The rate is kept by the conformal quantiles alone where there are at least 7 / rate - 1 normals; with
        fewer it is 7 / (n + 1) that they keep to, and the allowances are what makes it smaller.

        Raises:
            SettingsError: a rate outside (0, 1), or fewer than 20 normals.
        """
        if site.images < FEWEST:
            raise SettingsError(
                f"{site.images} normals are too few to say what is not like them; calibrate with at least "
                f"{FEWEST}"
            )
        return cls.of_signs({name: np.asarray(values) for name, values in site.statistics.items()}, rate)

    @classmethod
    def of_signs(cls, signs: Signs, rate: float = DEFAULT_RATE) -> DomainRule:
        """Set the limits by the ``signs`` of at least 20 normals; other statistics among them are left out.

        Raises:
            SettingsError: a rate outside (0, 1).
        """
        if not 0 < rate < 1:
            raise SettingsError(f"the share out of domain must be between 0 and 1; received {rate!r}")
        asked = {sign: allowed for sign, allowed in ALLOWANCES.items() if sign[0] in signs}
        limits = {
            (name, side): _limit(signs[name], side, rate / len(asked), allowed)
            for (name, side), allowed in asked.items()
        }
        return cls(limits, rate)

    def judge(self, statistics: Mapping[str, float]) -> DomainAnswer:
        """Answer for the statistics of one image."""
        reach, reasons = -math.inf, []
        for (name, side), (median, limit) in self.limits.items():
            found = (statistics[name] - median) / (limit - median)
            reach = max(reach, found)
            if not found <= 1:
                word = "below" if side < 0 else "above"
                reasons.append(
                    f"{STATISTICS[name]} {statistics[name]:.3g}, {word} {limit:.3g} (usual {median:.3g})"
                )
        return DomainAnswer(not reasons, reach, tuple(reasons))


def foreign_of(bundle: Bundle, rate: float | None = DEFAULT_RATE) -> Foreign | None:
    """Return what says why a frame is not like a bundle's own held-out normals; empty where it is.

    None where the bundle does not know their signs, or ``rate`` (the share of them that may be called so) is
    None.
    """
    if rate is None or bundle.signs is None:
        return None
    rule = DomainRule.of_signs(bundle.signs, rate)

    def foreign(frame: Frame, made: Measurement) -> str:
        return rule.judge(statistics_of(frame, made, bundle.density, bundle.preprocess)).message

    return foreign


def _limit(values: np.ndarray, side: int, rate: float, allowance: float) -> tuple[float, float]:
    """Return the median of ``values`` and the point that lies ``allowance`` times as far as their extreme."""
    ordered = np.sort(side * values)
    rank = math.ceil((len(ordered) + 1) * (1 - rate) - RANK_ROUNDING)
    median, extreme = float(np.median(ordered)), float(ordered[min(rank, len(ordered)) - 1])
    reach = max(extreme - median, _SMALLEST_SPREAD)
    return side * median, side * (median + allowance * reach)
