"""From measurements to a score: densities of held-out normals.

An image is measured in several ways (:data:`PARTS`). Each part is judged by its own density of
normals; the score is the mean of the parts, each in standard deviations of normals held out from
its density, and again in standard deviations of those normals. A bundle may go without a part, and
take the mean of the highest few alone: what tells of no fault in a tile then hides none that others see.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.arrays import arrays_from_bytes, arrays_to_bytes
from sranogan_edge.scoring.cells import FIELDS as OF_CELLS
from sranogan_edge.scoring.cells import Cells
from sranogan_edge.scoring.heat import HEAT_PLANES, HEAT_SHAPES, HEAT_WEIGHTS, enlarged, standard_heat
from sranogan_edge.scoring.usual_regions import UsualRegions

Array = NDArray[np.float32]


WHOLE_PARTS = ("residual", "head", "map")  # what a score is made of, where images are judged as wholes
TILE_PARTS = ("residual", "head", "peak")  # and in tiles, where faults are small
HIGHEST_IN_TILES = 2  # of them, of which the score of a tile is the mean
PARTS = (*WHOLE_PARTS, "peak")
_WHOLE = ("whole", "whole_unit")  # of a density of tiles beside which the whole is judged
_OF_REGIONS = ("heat_thresholds", "heat_areas")  # of a density that knows how large regions of normals are


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The density of one part of the measurements, as one whitening matrix, and its usual distances.

    Attributes:
        center: ``(D,)`` float32, the mean.
        whitening: ``(D, K)`` float32 with squared norm ``|(v - center) @ whitening|^2`` = Mahalanobis^2.
        usual: mean distance of normals, as they came, that this density was not fitted to.
        spread: its standard deviation, positive.
    """

    center: Array
    whitening: Array
    usual: float = 0.0
    spread: float = 1.0

    def distance(self, measured: Array) -> float:
        """Mahalanobis distance of ``(D,)`` over sqrt(D): about 1 for a normal.

        A single number (D = 1) keeps its sign: high is anomalous, low is not.
        """
        white = (measured - self.center) @ self.whitening
        return float(white[0]) if len(measured) == 1 else float(np.sqrt(np.dot(white, white) / len(measured)))

    def standard(self, measured: Array) -> float:
        """The distance in standard deviations: about 0, give or take 1, for a normal."""
        return (self.distance(measured) - self.usual) / self.spread

    def check(self) -> None:
        """Raise ValueError unless this can be a density."""
        if self.center.ndim != 1 or self.whitening.ndim != 2 or len(self.whitening) != len(self.center):
            raise ValueError(f"a center {self.center.shape} with a whitening {self.whitening.shape}")
        if not (np.isfinite(self.center).all() and np.isfinite(self.whitening).all()):
            raise ValueError("a density that is not finite")
        if not (math.isfinite(self.usual) and 0 < self.spread < math.inf):
            raise ValueError(f"usual distances of {self.usual} with a spread of {self.spread}")


@dataclass(frozen=True, eq=False)
class Density:
    """What normals measure.

    Attributes:
        parts: the density of each part in use, by name (:data:`PARTS`); at least one.
        heat_center: one of ``HEAT_SHAPES`` float32, mean heat of normals.
        heat_scale: the same, its standard deviation, positive.
        heat_limit: heat (in standard deviations) that one normal in four exceeds somewhere, as it is
            displayed; display is scaled by it.
        unit: mean and standard deviation of the mean of the parts, over held-out normals as they came.
            Bundles of earlier versions go without it.
        usual_regions: how large hot regions of held-out normals are; None where nobody looked.
        whole: of a density of tiles, what normals measure as a whole; None where tiles alone are judged.
        cells: the usual cells, by which heat is told too; None where they are not looked at, and of a whole
            beside its tiles, whose cells are told by these.
        heat_weights: of each of ``HEAT_PLANES``. Bundles of earlier versions have the usual ones.
        highest: of how many of the parts, the highest of an image, the score is the mean; 0: of all.
    """

    parts: Mapping[str, Gaussian]
    heat_center: Array
    heat_scale: Array
    heat_limit: float
    unit: tuple[float, float] = (0.0, 1.0)
    usual_regions: UsualRegions | None = None
    whole: Whole | None = None
    cells: Cells | None = None
    heat_weights: tuple[float, ...] = HEAT_WEIGHTS
    highest: int = 0

    def to_bytes(self) -> bytes:
        """Return the density as an ``.npz`` file."""
        known = PARTS if "peak" in self.parts else WHOLE_PARTS  # all that earlier versions know
        arrays: dict[str, NDArray[Any]] = {"parts": np.array([name in self.parts for name in known])}
        for name in self._names():
            part = self.parts[name]
            arrays |= {f"{name}_center": part.center, f"{name}_whitening": part.whitening}
            arrays[f"{name}_distance"] = np.array([part.usual, part.spread], np.float64)
        heat = {"heat_center": self.heat_center, "heat_scale": self.heat_scale}
        numbers = {"heat_limit": np.array(self.heat_limit), "unit": np.array(self.unit, np.float64)}
        if self.heat_weights != HEAT_WEIGHTS:
            numbers["heat_weights"] = np.array(self.heat_weights, np.float64)
        if self.highest:
            numbers["highest"] = np.array(self.highest, np.int64)
        if self.usual_regions:
            heat |= {"heat_thresholds": self.usual_regions.thresholds, "heat_areas": self.usual_regions.areas}
        if self.whole:
            arrays["whole"] = np.frombuffer(self.whole.density.to_bytes(), np.uint8)
            arrays["whole_unit"] = np.array(self.whole.unit, np.float64)
        if self.cells:
            heat |= self.cells.to_arrays()
        return arrays_to_bytes({**arrays, **heat, **numbers})

    @classmethod
    def from_bytes(cls, data: bytes) -> Density:
        """Read :meth:`to_bytes`; raises ValueError when it is not that, or cannot be a density."""
        used = arrays_from_bytes(data, ["parts"])["parts"]
        shapes = [(len(known),) for known in (PARTS, WHOLE_PARTS)]
        if used.shape not in shapes or used.dtype != np.bool_ or not used.any():
            raise ValueError(f"parts {used.dtype}{used.shape}, not one boolean each of {', '.join(PARTS)}")
        names = [name for name, present in zip(PARTS, used, strict=False) if present]
        fields = [f"{name}_{what}" for name in names for what in ("center", "whitening", "distance")]
        heat = ("heat_center", "heat_scale", "heat_limit")
        arrays = arrays_from_bytes(
            data,
            [*fields, *heat],
            optional=["unit", "heat_weights", "highest", *_OF_REGIONS, *_WHOLE, *OF_CELLS],
        )
        parts = {name: _gaussian(arrays, name) for name in names}
        unit = _unit(arrays["unit"]) if "unit" in arrays else (0.0, 1.0)
        limit, usual = float(arrays["heat_limit"]), _usual_regions(arrays)
        heat_of = arrays["heat_center"], arrays["heat_scale"]
        weights = tuple(arrays["heat_weights"].ravel().tolist()) if "heat_weights" in arrays else HEAT_WEIGHTS
        cells, highest = Cells.of_arrays(arrays), _highest(arrays)
        density = cls(parts, *heat_of, limit, unit, usual, _whole(arrays), cells, weights, highest)
        density._check()
        return density

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each part's whitening, ``(D, K)``, the heat, and the usual cells where there are any."""
        shapes = {name: self.parts[name].whitening.shape for name in self._names()}
        known = {"cells": self.cells.usual.shape} if self.cells else {}
        return {**shapes, "heat": self.heat_center.shape, **known}

    def _names(self) -> list[str]:
        """Names of the parts in use, in the order of :data:`PARTS`, whatever order they were given in."""
        return [name for name in PARTS if name in self.parts]

    def _check(self) -> None:
        for part in self.parts.values():
            part.check()
        shapes = {self.heat_center.shape, self.heat_scale.shape}
        if len(shapes) > 1 or not shapes <= set(HEAT_SHAPES):
            expected = " or ".join(map(str, HEAT_SHAPES))
            raise ValueError(
                f"heat on {self.heat_center.shape} and {self.heat_scale.shape}, not on {expected}"
            )
        if self.cells and self.heat_center.shape != HEAT_SHAPES[-1]:
            raise ValueError(f"usual cells, and a heat on {self.heat_center.shape} without them")
        if self.whole and self.whole.density.heat_center.shape != self.heat_center.shape:
            raise ValueError("a heat of the whole on other planes than that of tiles")
        if not (np.isfinite(self.heat_center).all() and np.isfinite(self.heat_scale).all()):
            raise ValueError("a heat that is not finite")
        if not 0 < self.heat_limit < math.inf or (self.heat_scale <= 0).any():
            raise ValueError("a heat scale that is not positive")
        weights = self.heat_weights
        if len(weights) != len(HEAT_PLANES) or not all(0 <= one < math.inf for one in weights):
            raise ValueError(f"heat of planes that weigh {weights}")
        if not (math.isfinite(self.unit[0]) and 0 < self.unit[1] < math.inf):
            raise ValueError(f"scores of normals at {self.unit[0]} with a spread of {self.unit[1]}")
        if self.usual_regions:
            self.usual_regions.check()

    def standard(self, measured: Mapping[str, Array]) -> dict[str, float]:
        """Return each part of an image's measurements in standard deviations off the normals.

        A density of an earlier version is of fewer numbers: the first of those that are measured today.
        """
        parts = {name: self.parts[name] for name in self._names()}
        return {name: part.standard(measured[name][: len(part.center)]) for name, part in parts.items()}

    def score(self, measured: Mapping[str, Array]) -> float:
        """The anomaly score: about 0, give or take 1, for a normal."""
        return self.score_of(self.standard(measured))

    def score_of(self, parts: Mapping[str, float]) -> float:
        """The anomaly score of what :meth:`standard` says."""
        usual, spread = self.unit
        return (float(mean_of_highest(np.array(list(parts.values())), self.highest)) - usual) / spread

    def heat_map(self, heat: Array, size: int) -> Array:
        """Return ``(size, size)`` float32, at least 0: standard deviations off the normals; usual is 1."""
        return enlarged(standard_heat(heat, self.heat_center, self.heat_scale, self.heat_weights), size)


def _whole(arrays: Mapping[str, NDArray[Any]]) -> Whole | None:
    there = [arrays[name] for name in _WHOLE if name in arrays]
    if not there:
        return None
    if len(there) == 1 or there[0].dtype != np.uint8:
        raise ValueError(f"one of {' and '.join(_WHOLE)} alone, or another type")
    density = Density.from_bytes(there[0].tobytes())
    if density.whole:
        raise ValueError("a whole of a whole")
    unit = _unit(there[1])
    if not (math.isfinite(unit[0]) and 0 < unit[1] < math.inf):
        raise ValueError(f"images of tiles and whole at {unit[0]} with a spread of {unit[1]}")
    return Whole(density, unit)


@dataclass(frozen=True, eq=False)
class Whole:
    """What normals measure as a whole, where they are judged in tiles, too.

    Attributes:
        density: of whole images, each stretched to the square that is judged.
        unit: mean and standard deviation, over held-out normals, of the higher of two scores: that of the
            tiles and that of the whole, each in its own standard deviations.
    """

    density: Density
    unit: tuple[float, float]

    def score(self, tiles: float, whole: float | None) -> float:
        """The score of an image of these two; of one whose whole cannot be judged, by its tiles."""
        usual, spread = self.unit
        return ((tiles if whole is None else max(tiles, whole)) - usual) / spread


def _unit(stored: NDArray[Any]) -> tuple[float, float]:
    if stored.shape != (2,):
        raise ValueError(f"scores of normals {stored.shape}, not a mean and a spread")
    return float(stored[0]), float(stored[1])


def mean_of_highest(parts: NDArray[np.float64], highest: int) -> NDArray[np.float64]:
    """Return the mean of the ``highest`` of ``parts`` ``(P, ...)``, of all where it is 0: ``(...)``."""
    taken = np.sort(parts, axis=0)[-highest:] if highest else parts
    return np.asarray(np.mean(taken, axis=0))


def _highest(arrays: Mapping[str, NDArray[Any]]) -> int:
    stored = arrays.get("highest")
    if stored is None:
        return 0
    if stored.shape or stored.dtype != np.int64 or stored < 1:
        raise ValueError(f"a score of the highest {stored.dtype}{stored.shape} {stored} parts")
    return int(stored)


def _usual_regions(arrays: Mapping[str, NDArray[Any]]) -> UsualRegions | None:
    there = [arrays[name] for name in _OF_REGIONS if name in arrays]
    if len(there) == 1:
        raise ValueError(f"one of {' and '.join(_OF_REGIONS)} alone")
    return UsualRegions(*there) if there else None


def _gaussian(arrays: Mapping[str, NDArray[Any]], name: str) -> Gaussian:
    distance = arrays[f"{name}_distance"]
    if distance.shape != (2,):
        raise ValueError(f"{name}: distances {distance.shape}, not a mean and a spread")
    return Gaussian(
        arrays[f"{name}_center"], arrays[f"{name}_whitening"], float(distance[0]), float(distance[1])
    )
