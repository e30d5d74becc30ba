"""How a picture lies and which side of the patient it shows: taken over from its image, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from sranogan_edge.dicom.text import TextReader
from sranogan_edge.image.orientation import orientation_after

__all__ = ["side_of"]

_OPPOSITES = ("LR", "AP", "HF")
_BIPED = re.compile("[LRAPHF]{1,3}")
_QUADRUPED = re.compile("[A-Z]{1,16}")
_DIRECTIONS = (("R", "L"), ("A", "P"), ("F", "H"))  # of x, y and z, below and above zero (PS3.3, C.7.6.2.1.1)
_LEAST = 1e-4  # part of a direction that counts
_TOLERANCE = 1e-3


def side_of(
    source: Dataset, read: TextReader, frame: int | None = None, turned: str = ""
) -> dict[str, str | tuple[str, ...]]:
    """Return what to state in a picture that lies as ``source`` does, by keyword.

    ``PatientOrientation`` is the image's, or follows from its ``ImageOrientationPatient``; empty where
    neither says it. ``Laterality``, ``ImageLaterality`` and ``BurnedInAnnotation`` are the image's; absent
    where it has none, ``Laterality`` empty where it has neither of both.

    Args:
        source: the image.
        read: its text.
        frame: the one that the picture shows, from 1; None where it has only one.
        turned: how the picture was turned upright; empty where it lies as the image does.
    """
    quadruped = read.ascii("AnatomicalOrientationType")[:1] == ["QUADRUPED"]
    stated = tuple(read.ascii("PatientOrientation"))
    if not _is_orientation(stated, quadruped):
        stated = () if quadruped else _derived(source, read, frame)
    lies = orientation_after(stated, turned) if not (quadruped and turned) else ()
    found: dict[str, str | tuple[str, ...]] = {"PatientOrientation": lies}
    if quadruped:
        found["AnatomicalOrientationType"] = "QUADRUPED"
    if burned_in := _one_of(read, "BurnedInAnnotation", "YES", "NO"):
        found["BurnedInAnnotation"] = burned_in  # the image is seen below the colours
    side, of_image = _one_of(read, "Laterality", "R", "L"), _one_of(read, "ImageLaterality", *"RLUB")
    if of_image:
        found["ImageLaterality"] = of_image
    if side or not of_image:
        found["Laterality"] = side
    return found


def _one_of(read: TextReader, keyword: str, *allowed: str) -> str:
    value = "\\".join(read.ascii(keyword))
    return value if value in allowed else ""


def _is_orientation(values: Sequence[str], quadruped: bool) -> bool:
    """Whether ``values`` name the directions of rows and columns."""
    if len(values) != 2:
        return False
    if quadruped:
        return all(_QUADRUPED.fullmatch(value) for value in values)
    axes = [{_axis(letter) for letter in value} for value in values if _BIPED.fullmatch(value)]
    sound = [len(found) == len(value) for found, value in zip(axes, values, strict=False)]
    return sound == [True, True] and _axis(values[0][0]) != _axis(values[1][0])


def _axis(letter: str) -> int:
    return next(number for number, pair in enumerate(_OPPOSITES) if letter in pair)


def _derived(source: Dataset, read: TextReader, frame: int | None) -> tuple[str, ...]:
    for reader in (read, *_planes(source, frame)):
        try:
            values = np.array([float(value) for value in reader.ascii("ImageOrientationPatient")])
        except ValueError:
            continue
        if values.size != 6 or not np.isfinite(values).all():
            continue
        row, column = values.reshape(2, 3)
        lengths = np.linalg.norm((row, column), axis=1)
        if np.abs(lengths - 1).max() < _TOLERANCE and abs(row @ column) < _TOLERANCE:
            return _letters(row), _letters(column)
    return ()


def _planes(source: Dataset, frame: int | None) -> Iterator[TextReader]:
    """The functional groups that may say how a frame lies."""
    places = (("PerFrameFunctionalGroupsSequence", (frame or 1) - 1), ("SharedFunctionalGroupsSequence", 0))
    for keyword, number in places:
        try:
            plane = source[keyword].value[number].PlaneOrientationSequence[0]
        except Exception:  # absent, shorter, or damaged
            continue
        yield TextReader(plane)


def _letters(direction: NDArray[np.float64]) -> str:
    """The letters of a direction, the axis that it follows most closely first."""
    axes = sorted(range(3), key=lambda axis: -abs(direction[axis]))
    return "".join(_DIRECTIONS[a][int(direction[a] > 0)] for a in axes if abs(direction[a]) > _LEAST)
