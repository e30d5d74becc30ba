"""From x to what is measured of it: search, reconstruction, residual, head; no threshold is known here."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.image.align import Alignment
from sranogan_edge.image.preprocess import PreprocessSpec, downscale, enhance
from sranogan_edge.scoring.cells import Cells
from sranogan_edge.scoring.head import CELLS, head_input, head_measurements
from sranogan_edge.scoring.heat import heat_planes
from sranogan_edge.scoring.residual import raw_distance, residual

__all__ = ["Clock", "Measurement", "Reconstruction", "RunsGraph", "Tiles", "head_side", "measure"]

Image = NDArray[np.float32]
Array = NDArray[np.float32]


class RunsGraph(Protocol):
    """Anything that maps named float32 arrays to named float32 arrays (a loaded graph)."""

    @property
    def inputs(self) -> Mapping[str, tuple[int, ...]]:
        """Shape of each input, by name."""

    def __call__(self, inputs: Mapping[str, Image]) -> dict[str, Image]:
        """Run once."""


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """What the three stages made of one image, all float32.

    Attributes:
        x: ``(S, S, 1)`` in [0, 1], the image judged, its contrast enhanced.
        generated: g(x), ``(S/2, S/2, 1)``, where the latent search ended.
        refined: c(g(x)), the same shape.
        resolved: the super-resolved reconstruction, ``(S, S, 1)``.
        measured: the vectors whose densities are the score, by part
            (:data:`sranogan_edge.scoring.density.PARTS`).
        heat: one of ``HEAT_SHAPES``, not yet calibrated.
        anogan_score: plain AnoGAN's sum|x - g(x)| at the search size (0-255 scale).
        milliseconds: by step.
        plain: ``x`` before its contrast was enhanced, with its opponents where the bundle takes colour; None
            where nobody kept it.
    """

    x: Image
    generated: Image
    refined: Image
    resolved: Image
    measured: Mapping[str, Array]
    heat: Array
    anogan_score: float
    milliseconds: Mapping[str, float]
    plain: Image | None = None

    @property
    def shown(self) -> Image:
        """What people see of it: ``x``, with the opponents where there are any."""
        return self.x if self.plain is None else np.concatenate([self.x, self.plain[..., 1:]], axis=-1)


@dataclass(frozen=True, eq=False)
class Tiles:
    """What is measured of an image that was covered with tiles, beside its worst one.

    Attributes:
        count: how many cover it.
        blank: those of one constant brightness, in which there was nothing to judge.
        worst: left, top, width and height of the one with the highest score, in pixels of the image; of
            all of it where that is the whole.
        heat_scale: side of the heat map, in sides of the image.
        picture: ``(h, w, C)`` float32 in [0, 1], the image at the size of its heat map.
        grid: ``(32, 32)`` float32, the whole image, its exposure and contrast taken out.
        signs: means over the tiles of what tells foreign images (``fingerprint.SIGNS``).
        whole: score of the whole image, in its own standard deviations of normals; None where it was not
            judged beside them.
    """

    count: int
    blank: int
    worst: Sequence[int]
    heat_scale: float
    picture: Image
    grid: Array
    signs: Mapping[str, float]
    whole: float | None = None


@dataclass(frozen=True, eq=False)
class Measurement:
    """What is measured of one image, whatever the threshold.

    With tiles, score, parts and reconstruction are those of the worst one, and the heat map is of the image.

    Attributes:
        score: anomaly score, in standard deviations of normals; about 0 for a normal.
        parts: what each part says, in standard deviations of normals; the score is made of these.
        heat: ``(S, S)`` float32, standard deviations off the normals, at least 0; about 1 is usual. With
            tiles ``(h, w)``, of the image's own size up to 4 million pixels.
        reconstruction: what it rests on.
        milliseconds: by step.
        tiles: of the image; None where it was judged as a whole.
        colour: where the frame has colour and the bundle takes none, or the other way round; else empty.
        heat_limit: what the heat of normals hardly ever exceeds; 0 where nobody said.
        alignment: what became of it, where the bundle aligns images; the heat map is then of the image as it
            came.
        picture: ``(S, S, C)`` in [0, 1], the image as it came, its contrast enhanced, where it was judged as
            it does not lie; else None.
    """

    score: float
    parts: Mapping[str, float]
    heat: Image
    reconstruction: Reconstruction
    milliseconds: Mapping[str, float]
    tiles: Tiles | None = None
    colour: str = ""
    heat_limit: float = 0.0
    alignment: Alignment | None = None
    picture: Image | None = None


class Clock:
    """Milliseconds between laps, by name."""

    def __init__(self) -> None:
        """Start."""
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        """Book the time since the last lap under ``name``."""
        now = time.perf_counter()
        self.laps[name] = (now - self._last) * 1000
        self._last = now


def measure(
    plain: Image,
    spec: PreprocessSpec,
    search_size: int,
    graphs: Mapping[str, RunsGraph],
    cells: Cells | None = None,
) -> Reconstruction:
    """Search, refine, super-resolve, compare, ask the head; ``plain`` is ``(S, S, C)`` in [0, 1].

    ``cells`` are the usual ones of the density that the heat map is for, where it knows any.
    """
    clock = Clock()
    x = enhance(plain, spec)
    x_low = downscale(x, search_size)
    generated = graphs["search"]({"x": x_low[None]})["generated"][0]
    clock.lap("search")
    made = graphs["reconstruct"]({"generated": generated[None]})
    refined, resolved = made["refined"][0], made["resolved"][0]
    clock.lap("reconstruct")
    f_x = graphs["features"]({"image": x[None]})["features"][0]
    f_resolved = graphs["features"]({"image": resolved[None]})["features"][0]
    clock.lap("features")
    apart = residual(x, resolved, f_x, f_resolved)
    clock.lap("residual")
    answers = graphs["head"]({"image": head_input(plain, head_side(graphs["head"]))[None]})
    said = {name: answer[0] for name, answer in answers.items()}
    measured = {"residual": apart.features, **head_measurements(said)}
    clock.lap("head")
    off = None
    if cells:
        off = cells.distances(said[CELLS])
        clock.lap("cells")
    heat = heat_planes(apart.difference, plain, said["map"][..., 0], off)
    distance = raw_distance(x_low, generated)
    return Reconstruction(x, generated, refined, resolved, measured, heat, distance, clock.laps, plain)


def head_side(head: RunsGraph) -> int:
    """Side in pixels of what the head looks at."""
    return head.inputs["image"][1]
