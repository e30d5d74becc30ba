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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.bundle.site_calibration import (
    SiteCalibration,
    calibration_for,
    read_calibration,
    write_calibration,
)
from sranogan_edge.detector.detector import Detector
from sranogan_edge.errors import DataError, ImageError, SettingsError, UnreadableImageError
from sranogan_edge.image.film import EVERY_FILM, FilmOptions, fields_of_file
from sranogan_edge.image.reading import read_frames
from sranogan_edge.scoring.conformal import RANK_ROUNDING, Calibration
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.foreign import DomainRule, Foreign, foreign_of
from sranogan_edge.scoring.rule import highest
from sranogan_edge.scoring.statistics import apart, column, grid_of, statistics_of, successive
from sranogan_edge.site import drift_ks
from sranogan_edge.site.adapt import Local, adapted, told_apart
from sranogan_edge.site.drift import few_images

__all__ = [
    "SiteCalibration",
    "calibration_for",
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
MOST_UNREADABLE = 0.1
MOST_TILES = 100_000  # that densities are adapted to: all of them are in memory


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


@dataclass(frozen=True)
class Scored:
    """Statistics of images, and what they were.

    Attributes:
        rows: statistics, one mapping an image: of its frame with the highest score, as the runner takes it.
        frames: how many each image has.
        grids: that frame of each at 32 x 32 pixels.
        digests: SHA-256 of each scored file.
        unreadable: messages of those that could not be scored.
        twice: names of the files that have the same bytes as an earlier one.
        not_asked_for: names of those that ``films`` leave out, each with the field and its value.
        local: what densities are adapted to, one an image; None where they are not.
    """

    rows: list[Mapping[str, float]]
    frames: list[int]
    grids: list[NDArray[np.float32]]
    digests: list[str]
    unreadable: list[str]
    twice: list[str]
    not_asked_for: list[str]
    local: list[Local] | None = None

    @property
    def statistics(self) -> dict[str, tuple[float, ...]]:
        """Statistic by name, each with its value of every normal."""
        return {name: column(self.rows, name) for name in self.rows[0]}


def score_all(
    detector: Detector,
    files: Iterable[Path],
    unreadable: Iterable[str] = (),
    films: FilmOptions = EVERY_FILM,
    *,
    adapt: bool = False,
) -> Scored:
    """Score those of ``files`` that ``films`` asks for, each content once; ``adapt`` keeps what that takes.

    Raises:
        DataError: more than a tenth cannot be scored (what ``unreadable`` tells of counts as that), or none
            is asked for.
    """
    found = Scored([], [], [], [], list(unreadable), [], [], [] if adapt else None)
    seen: set[str] = set()
    foreign = foreign_of(detector.bundle) if adapt else None
    for file in files:
        try:
            _score(detector, file, films, seen, found, foreign)
        except ImageError as error:
            found.unreadable.append(str(error))
    tried = len(found.rows) + len(found.unreadable)
    if found.not_asked_for and not tried:
        count = len(found.not_asked_for)
        raise DataError(f"none of the {count} images is asked for. The first: {found.not_asked_for[0]}")
    if not found.rows or len(found.unreadable) > MOST_UNREADABLE * tried:
        first = found.unreadable[0] if found.unreadable else "there were none"
        raise DataError(
            f"{len(found.unreadable)} of {tried} images could not be scored; a calibration takes at most a "
            f"tenth. The first: {first}"
        )
    return found


def _score(
    detector: Detector,
    file: Path,
    films: FilmOptions,
    seen: set[str],
    found: Scored,
    foreign: Foreign | None,
) -> None:
    """Add ``file`` to what was ``found``; raises ImageError where it cannot be scored."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UnreadableImageError(f"{file}: cannot be read ({error.strerror or error}).") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest in seen:
        found.twice.append(str(file))
        return
    seen.add(digest)
    spec = detector.bundle.preprocess
    decode = partial(read_frames, data, source=str(file), max_pixels=spec.max_pixels)
    film = films.taken(fields_of_file(file, str(file)), decode)
    if film.refusal:
        found.not_asked_for.append(f"{file}: {film.refusal}")
        return
    tiles: list[Mapping[str, NDArray[np.float32]]] = []
    measure = detector.measure
    if found.local is not None and spec.tiled:
        measure = partial(detector.measure, keep=lambda made: tiles.append(made.reconstruction.measured))
    number, made, failed = highest(measure, film.frames)
    if tiles and sum(len(one.measured["head"]) for one in found.local or ()) + len(tiles) > MOST_TILES:
        raise DataError(
            f"{file}: with it there are more than {MOST_TILES:,} tiles, and all would be in memory. Adapt to "
            "fewer images, or calibrate without --adapt."
        )
    found.rows.append(statistics_of(film.frames[number], made, detector.bundle.density, spec))
    if found.local is not None:
        found.local.append(Local.of(str(file), film.frames, number, made, foreign, tiles))
    found.frames.append(len(film.frames) - len(failed))
    found.grids.append(grid_of(made))
    found.digests.append(digest)


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
    needed = normals_needed(false_alarm_rate)
    if adapt and detector.bundle.preprocess.tile_whole:
        raise SettingsError(
            "this bundle judges images in tiles and as a whole, and the densities of both at once are not "
            "adapted. Calibrate without --adapt."
        )
    scored, density, fitted = score_all(detector, files, unreadable, films, adapt=adapt), None, 0
    _tell_not_used(scored, told)
    if adapt:
        scored, density, fitted = _adapted(detector, scored, source, told, anyway=anyway)
        detector = detector.scoring_by(density)
    if len(scored.rows) < needed:
        raise DataError(too_few(len(scored.rows), false_alarm_rate, source))
    others, usual_scored = list(usual), None
    if others or usual_unreadable:
        usual_scored = score_all(detector, others, usual_unreadable, films)
        _tell_not_used(usual_scored, told)
    as_they_come = (usual_scored or scored).grids
    site = SiteCalibration(
        bundle=detector.bundle.sha256,
        steps=detector.bundle.steps,
        backend=detector.backend.label,
        false_alarm_rate=false_alarm_rate,
        statistics=scored.statistics,
        images_sha256=hashlib.sha256("".join(sorted(scored.digests)).encode()).hexdigest(),
        source=source,
        skipped=len(scored.unreadable) + len(scored.twice) + len(scored.not_asked_for),
        usual=usual_scored.statistics if usual_scored else {},
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        successive=successive(as_they_come),
        apart=apart(as_they_come),
        frames=min(scored.frames),
        density=density,
        fitted=fitted,
    )
    unlike = None if density else difference(site, detector.bundle.calibration)
    for message in (unlike, _few(site), few_images(site)):
        if message:
            told(message)
    return site


def _adapted(
    detector: Detector, scored: Scored, source: str, told: Callable[[str], None], *, anyway: bool
) -> tuple[Scored, Density, int]:
    """Return what is left of ``scored``, by densities adapted to it, these, and of how many."""
    assert scored.local is not None
    distinct = told_apart(scored.local, scored.grids, detector.bundle, source, told)
    found = adapted(
        [scored.local[n] for n in distinct],
        [scored.rows[n] for n in distinct],
        detector.bundle,
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
