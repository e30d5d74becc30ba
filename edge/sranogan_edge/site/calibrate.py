"""Calibration on site: p-value and threshold refitted to a scanner's own normals, without retraining.

The bundle stays as it is. Its held-out scores are replaced by those of local normals; the threshold and
the p-values then hold for this scanner (split conformal: images that are exchangeable with the local
normals are flagged at most at the false-alarm rate, on average over such calibrations). Where its densities
are adapted too, the scores are out of fold (:mod:`sranogan_edge.site.adapt`).
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.bundle.site_calibration import (
    SiteCalibration,
    calibration_for,
    read_calibration,
    write_calibration,
)
from sranogan_edge.detector.detector import Detector
from sranogan_edge.errors import DataError, SettingsError
from sranogan_edge.image.film import EVERY_FILM, FilmOptions
from sranogan_edge.scoring.conformal import RANK_ROUNDING, Calibration
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.foreign import DomainRule
from sranogan_edge.scoring.statistics import apart, successive
from sranogan_edge.site import drift_ks
from sranogan_edge.site.adapt import adapted, told_apart
from sranogan_edge.site.drift import few_images
from sranogan_edge.site.scored import Scored, score_all

__all__ = [
    "SiteCalibration",
    "calibration_for",
    "calibration_of",
    "check_adapts",
    "difference",
    "fit",
    "normals_needed",
    "read_calibration",
    "too_few",
    "write_calibration",
]

ODD_P_VALUE = (
    0.01  # local normals whose scores are this unlikely to be like the bundle's own are worth a word
)


def normals_needed(false_alarm_rate: float) -> int:
    """The fewest normals for a finite threshold: ceil(1 / rate) - 1."""
    if not 0 < false_alarm_rate < 1:
        raise SettingsError(f"the false-alarm rate must be between 0 and 1; received {false_alarm_rate!r}")
    return math.ceil(1 / false_alarm_rate - RANK_ROUNDING) - 1


def too_few(images: int, false_alarm_rate: float, source: str) -> str:
    """Say how many normals are missing, and which rate these would do for."""
    needed, enough_for = normals_needed(false_alarm_rate), math.ceil(1000 / (images + 1)) / 1000
    counted = f"{images} image{'s' * (images != 1)} that can be used"
    return (
        f"{source}: {counted}, and a false-alarm rate of {false_alarm_rate:g} needs at least {needed}. Add "
        f"{needed - images}, or ask for a rate of {enough_for:g} or more with --false-alarm-rate."
    )


def fit(
    detector: Detector,
    files: Iterable[Path],
    *,
    false_alarm_rate: float,
    source: str,
    usual: Iterable[Path] = (),
    told: Callable[[str], None] = lambda message: None,
    unreadable: Sequence[str] = (),
    usual_unreadable: Sequence[str] = (),
    films: FilmOptions = EVERY_FILM,
    adapt: bool = False,
    anyway: bool = False,
) -> SiteCalibration:
    """Score local normals, and return the calibration that follows.

    Args:
        detector: set to the step budget that will be used.
        files: images of normals from this scanner, none of which the bundle was trained on.
        false_alarm_rate: the share of normals that may be flagged.
        source: what to call where they came from.
        usual: images as they usually come, for the drift monitor.
        told: is called with what the user should know, in plain words.
        unreadable: messages of files and folders beside ``files`` that could not be looked at: not used.
        usual_unreadable: the same beside ``usual``.
        films: which of all of these are used, and whether they are turned upright: as in scoring.
        adapt: the bundle's densities to the normals, too.
        anyway: even where these look as if they were no normals of what the bundle was trained for.

    Raises:
        SettingsError: ``adapt``, of a bundle that judges the whole beside its tiles.
        DataError: too few normals for the rate, too many images that cannot be scored, or none asked for;
            or none that densities can be adapted to (:func:`sranogan_edge.site.adapt.adapted`).
    """
    normals_needed(false_alarm_rate)  # refused before minutes are spent on scoring
    check_adapts(detector.bundle, adapt=adapt)
    scored, others = score_all(detector, files, unreadable, films, adapt=adapt), list(usual)

    def usual_by(density: Density | None) -> Scored | None:
        if not others and not usual_unreadable:
            return None
        scorer = detector.scoring_by(density) if density else detector
        return score_all(scorer, others, usual_unreadable, films)

    return calibration_of(
        detector.bundle,
        detector.backend.label,
        scored,
        false_alarm_rate=false_alarm_rate,
        source=source,
        usual=usual_by,
        told=told,
        adapt=adapt,
        anyway=anyway,
    )


def check_adapts(bundle: Bundle, *, adapt: bool) -> None:
    """Raise SettingsError where densities are to be adapted, and cannot be."""
    if adapt and bundle.preprocess.tile_whole:
        raise SettingsError(
            "this bundle judges images in tiles and as a whole, and the densities of both at once are not "
            "adapted. Calibrate without --adapt."
        )


def calibration_of(
    bundle: Bundle,
    backend: str,
    scored: Scored,
    *,
    false_alarm_rate: float,
    source: str,
    usual: Callable[[Density | None], Scored | None] = lambda density: None,
    told: Callable[[str], None] = lambda message: None,
    adapt: bool = False,
    anyway: bool = False,
) -> SiteCalibration:
    """Return the calibration that follows from normals that a bundle scored; see :func:`fit`.

    ``usual`` scores images as they usually come, by the densities that it is given, else by the bundle's own.
    """
    needed, density, fitted = normals_needed(false_alarm_rate), None, 0
    _tell_not_used(scored, told)
    if adapt:
        scored, density, fitted = _adapted(bundle, scored, source, told, anyway=anyway)
    if len(scored.rows) < needed:
        raise DataError(too_few(len(scored.rows), false_alarm_rate, source))
    if usual_scored := usual(density):
        _tell_not_used(usual_scored, told)
    as_they_come = (usual_scored or scored).grids
    site = SiteCalibration(
        bundle=bundle.sha256,
        steps=bundle.steps,
        backend=backend,
        false_alarm_rate=false_alarm_rate,
        statistics=scored.statistics,
        images_sha256=hashlib.sha256("".join(sorted(scored.digests)).encode()).hexdigest(),
        source=source,
        skipped=scored.skipped,
        usual=usual_scored.statistics if usual_scored else {},
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        successive=successive(as_they_come),
        apart=apart(as_they_come),
        frames=min(scored.frames),
        density=density,
        fitted=fitted,
    )
    unlike = None if density else difference(site, bundle.calibration)
    for message in (unlike, _few(site), few_images(site)):
        if message:
            told(message)
    return site


def _adapted(
    bundle: Bundle, scored: Scored, source: str, told: Callable[[str], None], *, anyway: bool
) -> tuple[Scored, Density, int]:
    """Return what is left of ``scored``, by densities adapted to it, these, and of how many."""
    assert scored.local is not None
    distinct = told_apart(scored.local, scored.grids, bundle, source, told)
    found = adapted(
        [scored.local[n] for n in distinct],
        [scored.rows[n] for n in distinct],
        bundle,
        source,
        told,
        anyway=anyway,
    )
    used = [distinct[n] for n in found.used]
    kept = replace(
        scored,
        rows=found.rows,
        frames=[1] * len(used),
        grids=[scored.grids[n] for n in used],
        digests=[scored.digests[n] for n in used],
        twice=[*scored.twice, *(one.name for n, one in enumerate(scored.local) if n not in distinct)],
    )
    return kept, found.density, found.fitted


def _few(site: SiteCalibration) -> str:
    """Say what so few normals cost beside the threshold; empty where there are enough."""
    try:
        return DomainRule.of(site).note
    except SettingsError as error:
        return f'nothing will be answered "not like the training data": {error}'


def _tell_not_used(scored: Scored, told: Callable[[str], None]) -> None:
    for message in scored.unreadable:
        told(f"not used: {message}")
    for name in scored.twice:
        told(f"not used: {name} has the same bytes as another file")
    for message in scored.not_asked_for:
        told(f"not asked for: {message}")
    if scored.not_asked_for:
        told(f"not asked for, and not used: {len(scored.not_asked_for)}")
    if scored.untold:
        told(f"and {scored.untold:,} more, not used for the same reasons")


def difference(site: SiteCalibration, own: Calibration) -> str | None:
    """Say in plain words how local normals score unlike the bundle's own; None where they do not."""
    local = np.asarray(site.statistics["score"])
    gap = drift_ks.distance(local, own.scores)
    if drift_ks.p_value(gap, len(local), len(own.scores)) >= ODD_P_VALUE:
        return None
    median, usual = float(np.median(local)), float(np.median(own.scores))
    flagged = float((local > own.threshold).mean())
    way = "higher" if median > usual else "lower" if median < usual else "otherwise"
    return (
        f"these normals score {way} than the normals of the training: half of them above {median:.2f}, "
        f"there above {usual:.2f}. The bundle's own threshold would flag {flagged:.0%} of them, instead of "
        f"{own.false_alarm_rate:.0%}. The new threshold allows for that, but finds less where it is far "
        "higher: look at a few of these images (exposure, export, position, is each one normal?), and adapt "
        "the densities, too (--adapt), or train on images of this scanner, if they are in order."
    )
