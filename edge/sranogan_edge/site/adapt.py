"""Which local normals a bundle's densities are adapted to, and what is said where they do not look the part.

Refused are images that are nearly the same picture, where too few others remain; images that are not like the
bundle's training data, most of them; and images most of which the bundle calls anomalous: another scanner
moves some normals above a threshold, hardly most of them. Who knows better says so (``anyway``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.errors import DataError
from sranogan_edge.image.colour import is_colourful
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.adapt import FEWEST, Adapted, adapt, reach_of
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.foreign import Foreign
from sranogan_edge.scoring.heat import BRIGHTNESS
from sranogan_edge.scoring.measurement import Measurement

__all__ = ["FEWEST", "AdaptedSite", "Local", "adapted", "told_apart"]

Array = NDArray[np.float32]
Tell = Callable[[str], None]

SAME_SHARE = 0.08  # of what two normals differ by at 32 x 32 pixels: below it is the same picture
MOST = 0.5
_ANYWAY = "if you know that they are normals of what the bundle was trained for, add --anyway"


@dataclass(frozen=True, eq=False)
class Local:
    """One image of a site.

    Attributes:
        name: of its file.
        frames: how many it has.
        measured: vectors by part, ``(D,)``, or ``(tiles, D)`` of an image in tiles.
        foreign: why the bundle says that it is not like its training data; empty where it does not.
        colourful: whether it is in colour, which a bundle may not take.
    """

    name: str
    frames: int
    measured: Mapping[str, Array]
    foreign: str
    colourful: bool

    @classmethod
    def of(
        cls,
        name: str,
        frames: Sequence[Frame],
        number: int,
        made: Measurement,
        foreign: Foreign | None,
        tiles: Sequence[Mapping[str, Array]] = (),
    ) -> Local:
        """Keep what was ``made`` of the frame of that ``number``, from 0.

        ``foreign`` is the bundle's rule; ``tiles`` what each tile measured, where it was judged so.
        """
        frame, measured = frames[number], made.reconstruction.measured
        if tiles:
            measured = {name: np.stack([one[name] for one in tiles]) for name in measured}
        why = foreign(frame, made) if foreign else ""
        return cls(name, len(frames), measured, why, is_colourful(frame))


@dataclass(frozen=True, eq=False)
class AdaptedSite:
    """What a site's normals make of a bundle's densities.

    Attributes:
        density: of the bundle, adapted.
        used: numbers of the images that threshold and units are of.
        rows: their statistics, score and parts out of fold.
        fitted: how many images the densities are fitted to.
    """

    density: Density
    used: list[int]
    rows: list[Mapping[str, float]]
    fitted: int


def told_apart(
    local: Sequence[Local], grids: Sequence[Array], bundle: Bundle, source: str, told: Tell
) -> list[int]:
    """Return the numbers of images that are not nearly the same picture as one before.

    Args:
        local: the images.
        grids: each at 32 x 32 pixels, exposure and contrast taken out.
        bundle: knows by how much two normals differ.
        source: what to call where they came from.
        told: is called with each that is not used.

    Raises:
        DataError: fewer than 20 are left, or one has several frames.
    """
    for one in local:
        if one.frames > 1:
            raise DataError(
                f"{one.name}: it has {one.frames} frames, and densities are adapted to single images. Leave "
                "it out, or calibrate without --adapt."
            )
    usual = math.sqrt(2 * float(np.mean(np.square(bundle.density.heat_scale[BRIGHTNESS]))))
    kept: list[int] = []
    flat = np.stack([grid.ravel() for grid in grids])
    for number, one in enumerate(local):
        if kept:
            apart = np.sqrt(np.square(flat[kept] - flat[number]).mean(axis=1))
            if apart.min() < SAME_SHARE * usual:
                like = local[kept[int(apart.argmin())]].name
                told(f"not used: {one.name} is nearly the same picture as {like}")
                continue
        kept.append(number)
    if len(kept) < FEWEST:
        same = f", {len(local)} with those that are nearly the same picture" if len(kept) < len(local) else ""
        raise DataError(
            f"{source}: {len(kept)} distinct images{same}, and --adapt needs at least {FEWEST}. Add "
            f"{FEWEST - len(kept)} normals of this scanner, of as many people or parts as can be, or "
            "calibrate without --adapt."
        )
    return kept


def adapted(
    local: Sequence[Local],
    rows: Sequence[Mapping[str, float]],
    bundle: Bundle,
    source: str,
    told: Tell,
    *,
    anyway: bool = False,
) -> AdaptedSite:
    """Adapt a bundle's densities to distinct images; ``rows`` are their statistics by the bundle itself.

    Raises:
        DataError: most of them do not look like normals, and ``anyway`` is false.
    """
    if why := _odd(local, rows, bundle, source):
        if not anyway:
            raise DataError(why)
        told(f"used anyway: {why}")
    takes = bundle.preprocess.colour
    if others := sum(one.colourful is not takes for one in local):
        how = "grey; the bundle is of colour images" if takes else "in colour; the bundle sees them in grey"
        told(f"{others} of {len(local)} images are {how}")
    names = bundle.density.parts
    if bundle.preprocess.tiled:
        measured = {name: np.concatenate([one.measured[name] for one in local]) for name in names}
        counts = [len(one.measured[next(iter(names))]) for one in local]
        image = np.repeat(np.arange(len(local)), counts)
        found = adapt(names, measured, reach_of(bundle.calibration.scores), image, bundle.density.highest)
    else:
        measured = {name: np.stack([one.measured[name] for one in local]) for name in names}
        found = adapt(names, measured, reach_of(bundle.calibration.scores), highest=bundle.density.highest)
    _tell(found, local, rows, bundle, told)
    used = np.flatnonzero(found.kept).tolist()
    return AdaptedSite(
        replace(bundle.density, parts=found.parts, unit=found.unit),
        used,
        [_row(rows[n], found, n) for n in used],
        int(found.fitted.sum()),
    )


def _row(row: Mapping[str, float], found: Adapted, number: int) -> dict[str, float]:
    parts = {name: float(values[number]) for name, values in found.standard.items() if name in row}
    return {**row, **parts, "score": float(found.scores[number])}


def _odd(local: Sequence[Local], rows: Sequence[Mapping[str, float]], bundle: Bundle, source: str) -> str:
    """Say why most of the images do not look like normals; empty where they do."""
    foreign = [one for one in local if one.foreign]
    if len(foreign) > MOST * len(local):
        return (
            f"{source}: {len(foreign)} of {len(local)} images are not like the bundle's training data; the "
            f"first: {foreign[0].name}: {foreign[0].foreign}. Name the folder of what the bundle was trained "
            f"for, or train with such images; {_ANYWAY}."
        )
    limit = bundle.calibration.threshold
    above = _above(rows, limit)
    if above > MOST * len(rows):
        return (
            f"{source}: {above} of {len(rows)} images score above the bundle's threshold of {limit:.2f}: as "
            f"anomalies do, and hardly as normals of another scanner. Look at some of them; {_ANYWAY}."
        )
    return ""


def _above(rows: Sequence[Mapping[str, float]], limit: float) -> int:
    return sum(row["score"] > limit for row in rows)


def _tell(
    found: Adapted, local: Sequence[Local], rows: Sequence[Mapping[str, float]], bundle: Bundle, told: Tell
) -> None:
    count = len(local)
    for number in np.flatnonzero(~found.fitted).tolist():
        also = "" if found.kept[number] else ", nor the threshold"
        told(
            f"left out: {local[number].name} scores {found.scores[number]:.2f}, beyond what normals do: the "
            f"densities are not fitted to it{also}. Look at it; take it away and run again if it is none"
        )
    if found.beyond > int((~found.kept).sum()):
        told(
            f"{found.beyond} of {count} images lie farther off than normals reach, and a tenth at most is "
            "left out: look whether they are of one kind, one scanner, and normal"
        )
    own = bundle.calibration
    if math.isfinite(own.threshold):
        told(
            f"the bundle as it is flags {_above(rows, own.threshold) / count:.0%} of these normals, where "
            f"{own.false_alarm_rate:.0%} were meant; its densities are adapted to "
            f"{int(found.fitted.sum())} of them"
        )
