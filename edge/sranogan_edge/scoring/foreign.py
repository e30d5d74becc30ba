"""Out of domain: "not like the training data", instead of a confident score.

A score says how far an image is from normals; a photograph is far, and so is severe illness. What tells them
apart are signs that illness moves little and a wrong image moves far: first of all the likeness to the mean
normal image (position, inversion), then brightness, contrast and sharpness. What the score itself is made of
is no sign: a gross defect would be called foreign for being gross.

The reach of a sign is its distance from the normals' median, in units of the distance that their most extreme
value has (or the conformal quantile, where there are enough for one); an image is out of domain where a sign
reaches farther than its allowance. The allowances were chosen where ill films are not
(docs/guide/calibration.md); where normals are few they are all widened by one factor, so that at most
``rate`` of normals are answered so (:mod:`sranogan_edge.scoring.extremes`, docs/method/statistics.md).

Without a site's normals, a bundle's own held-out ones set the limits, jittered copies of them included: these
stand for other takes, of another machine or another day, and reach farther than the normals as they came.
They count as many as there are originals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from sranogan_edge.errors import SettingsError
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.extremes import normals_for, rank_of, widening
from sranogan_edge.scoring.fingerprint import FEWEST, Signs
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.statistics import STATISTICS, statistics_of

if TYPE_CHECKING:
    from sranogan_edge.bundle.bundle import Bundle
    from sranogan_edge.bundle.site_calibration import SiteCalibration

__all__ = ["ALLOWANCES", "DomainAnswer", "DomainRule", "foreign_of", "own_rule", "told_by"]

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
        normals: how many independent ones set the limits.
        widened: how many times their allowances are those of :data:`ALLOWANCES`; 1 of enough normals.
    """

    limits: Mapping[tuple[str, int], tuple[float, float]]
    rate: float
    normals: int
    widened: float

    @classmethod
    def of(cls, site: SiteCalibration, rate: float = DEFAULT_RATE) -> DomainRule:
        """Set the limits by the normals of ``site``.

        The rate is kept by the conformal quantiles alone, whatever is distributed how, where there are at
        least 7 / rate - 1 normals; with fewer by the allowances, for tails that are no heavier than
        exponential.

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
    def of_signs(cls, signs: Signs, rate: float = DEFAULT_RATE, normals: int | None = None) -> DomainRule:
        """Set the limits by the ``signs`` of at least 20 normals; other statistics among them are left out.

        Args:
            signs: of normals, and of copies of them where there are any.
            rate: the share of normals that may be called out of domain.
            normals: how many of these are independent, copies not counted; None: each is.

        Raises:
            SettingsError: a rate outside (0, 1).
        """
        if not 0 < rate < 1:
            raise SettingsError(f"the share out of domain must be between 0 and 1; received {rate!r}")
        asked = {sign: allowed for sign, allowed in ALLOWANCES.items() if sign[0] in signs}
        rows = len(next(iter(signs.values())))
        count = max(FEWEST, min(rows, normals or rows))
        if not asked:
            return cls({}, rate, count, 1.0)
        above = count - rank_of(count, rate / len(asked))
        factor = widening(asked.values(), count, rate)
        limits = {
            (name, side): _limit(signs[name], side, above, factor * allowed)
            for (name, side), allowed in asked.items()
        }
        return cls(limits, rate, count, factor)

    @property
    def note(self) -> str:
        """What few normals cost, for people; empty where there are enough."""
        if self.widened == 1:
            return ""
        return (
            f'{self.normals} normals are few to call an image "not like the training data": to call at most '
            f"{self.rate:.2g} of normals so, it must be {self.widened:.2g} times as far off as with "
            f"{normals_for([ALLOWANCES[sign] for sign in self.limits], self.rate)} of them"
        )

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


def own_rule(bundle: Bundle, rate: float = DEFAULT_RATE) -> DomainRule | None:
    """Return the limits that a bundle's own held-out normals set; None where it does not know their signs."""
    if bundle.signs is None:
        return None
    return DomainRule.of_signs(bundle.signs, rate, normals=len(bundle.calibration.scores))


def told_by(bundle: Bundle, rate: float | None = DEFAULT_RATE) -> str:
    """Say by what a bundle tells foreign images, or, beginning with ``off:``, why it tells none."""
    if rate is None:
        return "off: switched off"
    rule = own_rule(bundle, rate)
    if rule is None:
        return (
            f"off: the bundle lacks its normals' signs (of fewer than {FEWEST} held-out normals, or without "
            "jittered copies); calibrate with normals of this place: sranogan-calibrate"
        )
    return f"by the bundle's {rule.normals} held-out normals{'; ' * bool(rule.note)}{rule.note}"


def foreign_of(bundle: Bundle, rate: float | None = DEFAULT_RATE) -> Foreign | None:
    """Return what says why a frame is not like a bundle's own held-out normals; empty where it is.

    None where the bundle does not know their signs, or ``rate`` (the share of them that may be called so) is
    None.
    """
    rule = None if rate is None else own_rule(bundle, rate)
    if rule is None:
        return None

    def foreign(frame: Frame, made: Measurement) -> str:
        return rule.judge(statistics_of(frame, made, bundle.density, bundle.preprocess)).message

    return foreign


def _limit(values: np.ndarray, side: int, above: int, allowance: float) -> tuple[float, float]:
    """Return the median, and what is ``allowance`` times as far as all but ``above`` of the ``values``."""
    ordered = np.sort(side * values)
    median, extreme = float(np.median(ordered)), float(ordered[len(ordered) - 1 - above])
    reach = max(extreme - median, _SMALLEST_SPREAD)
    return side * median, side * (median + allowance * reach)
