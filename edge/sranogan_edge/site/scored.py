"""A site's images, scored: what of each a calibration takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.detector.detector import Detector
from sranogan_edge.errors import DataError, ImageError, UnreadableImageError
from sranogan_edge.image.film import EVERY_FILM, FilmOptions, fields_of_file
from sranogan_edge.image.reading import read_frames
from sranogan_edge.scoring.foreign import Foreign, foreign_of
from sranogan_edge.scoring.rule import highest
from sranogan_edge.scoring.statistics import column, grid_of, statistics_of
from sranogan_edge.site.adapt import Local

__all__ = ["Scored", "check_enough_scored", "score_all"]

MOST_UNREADABLE = 0.1
MOST_TILES = 100_000  # that densities are adapted to: all of them are in memory


@dataclass(frozen=True)
class Scored:
    """Statistics of images, and what they were.

    Attributes:
        rows: statistics, one mapping an image: of its frame with the highest score, as the runner takes it.
        frames: how many each image has.
        grids: that frame of each at 32 x 32 pixels; none where they were not kept.
        digests: SHA-256 of each scored file.
        unreadable: messages of those that could not be scored.
        twice: names of the files that have the same bytes as an earlier one.
        not_asked_for: names of those that ``films`` leave out, each with the field and its value.
        local: what densities are adapted to, one an image; None where they are not.
        untold: how many more were not used, which are counted alone.
    """

    rows: list[Mapping[str, float]]
    frames: list[int]
    grids: list[NDArray[np.float32]]
    digests: list[str]
    unreadable: list[str]
    twice: list[str]
    not_asked_for: list[str]
    local: list[Local] | None = None
    untold: int = 0

    @property
    def skipped(self) -> int:
        """How many images were not used."""
        return len(self.unreadable) + len(self.twice) + len(self.not_asked_for) + self.untold

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
    check_enough_scored(len(found.rows), len(found.unreadable), found)
    return found


def check_enough_scored(scored: int, failed: int, found: Scored) -> None:
    """Raise DataError where more than a tenth of so many images failed, or none is asked for."""
    tried = scored + failed
    if found.not_asked_for and not tried:
        count = len(found.not_asked_for)
        raise DataError(f"none of the {count} images is asked for. The first: {found.not_asked_for[0]}")
    if not scored or failed > MOST_UNREADABLE * tried:
        first = found.unreadable[0] if found.unreadable else "there were none"
        raise DataError(
            f"{failed} of {tried} images could not be scored; a calibration takes at most a "
            f"tenth. The first: {first}"
        )


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
