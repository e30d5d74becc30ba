"""How much of a defect has to be found: ``defects_config.json`` of MVTec LOCO (Bergmann et al. 2022)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_sranogan.data.marks import Mark, Region
from sranogan_edge.errors import DataError

__all__ = ["CONFIG", "Saturation", "read_saturations", "regions_in"]

CONFIG = "defects_config.json"
_CURE = "Take the file that came with the data set, or remove it to go without saturated overlaps."


@dataclass(frozen=True)
class Saturation:
    """When a defect of one kind is found.

    Attributes:
        threshold: pixels, or the share of the defect where it is ``relative``.
        relative: whether it is a share.
    """

    threshold: float
    relative: bool

    def enough_px(self, area_px: int) -> float:
        """How many of ``area_px`` pixels count as all of them: at least 1, at most all."""
        wanted = int(self.threshold * area_px) if self.relative else self.threshold
        return max(1.0, min(float(wanted), float(area_px)))


def read_saturations(path: Path) -> Mapping[int, Saturation] | None:
    """Read the thresholds by the value that a kind of defect has in masks; None where there is no file.

    Raises:
        DataError: it cannot be read, or is no list of defects with ``pixel_value``, ``saturation_threshold``
            and ``relative_saturation``.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). {_CURE}") from error
    if not isinstance(found, list) or not found:
        raise DataError(f"{path}: is no list of defects. {_CURE}")
    return dict(_entry(path, number, one) for number, one in enumerate(found, start=1))


def _entry(path: Path, number: int, one: Any) -> tuple[int, Saturation]:
    try:
        value, threshold = one["pixel_value"], one["saturation_threshold"]
        relative = one["relative_saturation"]
    except (TypeError, KeyError) as error:
        raise DataError(f"{path}: entry {number} lacks {error}. Received: {one!r}. {_CURE}") from error
    numbers = all(isinstance(n, (int, float)) and not isinstance(n, bool) for n in (value, threshold))
    if not numbers or not isinstance(relative, bool) or not (math.isfinite(threshold) and threshold > 0):
        raise DataError(
            f"{path}: entry {number} must have a number pixel_value, a saturation_threshold above 0 and a "
            f"relative_saturation that is true or false. Received: {one!r}. {_CURE}"
        )
    return int(value), Saturation(float(threshold), relative)


def regions_in(marks: Sequence[Mark], saturations: Mapping[int, Saturation]) -> tuple[Region, ...]:
    """The defects of one image: what has one value in one file is one defect, however many parts it has.

    Raises:
        DataError: a value that ``saturations`` does not have.
    """
    found = []
    for mark in marks:
        for value in np.unique(mark.values[mark.mask]).tolist():
            if value not in saturations:
                known = ", ".join(map(str, sorted(saturations)))
                raise DataError(
                    f"{mark.path}: has the value {value}, which {CONFIG} does not; it has {known}. Draw "
                    "the mask with one of these, or add the value there."
                )
            mask = np.asarray(mark.values == value)
            found.append(Region(mask, saturations[value].enough_px(int(mask.sum()))))
    return tuple(found)
