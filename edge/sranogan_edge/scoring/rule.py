"""From what was measured to the answer: the one place that knows the threshold."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from sranogan_edge.errors import ImageError
from sranogan_edge.image.align import Alignment
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.measurement import Image, Measurement, Reconstruction, Tiles
from sranogan_edge.scoring.notebook import verdict_html, verdict_png
from sranogan_edge.scoring.regions import Finder, Regions

__all__ = ["Rule", "Verdict", "highest"]


class _Scored(Protocol):
    @property
    def score(self) -> float:
        """By which the highest is told."""


ScoredT = TypeVar("ScoredT", bound=_Scored)


@dataclass(frozen=True, eq=False)
class Verdict:
    """The answer for one image.

    Attributes:
        score: anomaly score, in standard deviations of normals; about 0 for a normal.
        parts: what each part says, in standard deviations of normals; the score is made of these.
        p_value: share of held-out normals that look at least as anomalous, in (0, 1].
        anomalous: whether the score is above the threshold.
        threshold: the normals-only threshold in force.
        heat: ``(S, S)`` float32, standard deviations off the normals, at least 0; about 1 is usual. With
            tiles ``(h, w)``, of the image's own size up to 4 million pixels.
        reconstruction: what it rests on.
        milliseconds: by step, with ``total``.
        out_of_domain: why the score means nothing, the image being unlike the training data; empty where it
            does.
        tiles: of the image; None where it was judged as a whole.
        colour: where the frame has colour and the bundle takes none, or the other way round; else empty.
        regions: where the heat is above its own threshold; None where nobody looked.
        heat_limit: what the heat of normals hardly ever exceeds, which pictures are scaled by; 0 where nobody
            said, and no picture is drawn.
        alignment: what became of it, where the bundle aligns images; else None.
        as_it_came: ``(S, S, C)``, what the heat map is laid over where the image was aligned before it was
            judged; else None.

    In a notebook it shows itself: the image with its heat, and what was found.
    """

    score: float
    parts: Mapping[str, float]
    p_value: float
    anomalous: bool
    threshold: float
    heat: Image
    reconstruction: Reconstruction
    milliseconds: Mapping[str, float]
    out_of_domain: str = ""
    colour: str = ""
    tiles: Tiles | None = None
    regions: Regions | None = None
    heat_limit: float = 0.0
    alignment: Alignment | None = None
    as_it_came: Image | None = None

    def _repr_html_(self) -> str:
        return verdict_html(self)

    def _repr_png_(self) -> bytes | None:
        return verdict_png(self)

    @property
    def picture(self) -> Image:
        """What the heat map is laid over: ``(S, S, C)`` as it was judged; of tiles all, ``(h, w, C)``.

        An image that was aligned is shown as it came.
        """
        if self.as_it_came is not None:
            return self.as_it_came
        return self.tiles.picture if self.tiles else self.reconstruction.shown


@dataclass(frozen=True, eq=False)
class Rule:
    """Decides; replaced where a site calibrates, or somebody applies a threshold on the page.

    Attributes:
        calibration: p-values, and the threshold where there is no override.
        override: the threshold in force instead of the calibration's, however many frames an image has.
        foreign: says of a measured frame why it is not like the training data; empty where it is.
        regions: finds the hot regions of a measured frame.
    """

    calibration: Calibration
    override: float | None = None
    foreign: Callable[[Frame, Measurement], str] | None = None
    regions: Finder | None = None

    @property
    def threshold(self) -> float:
        """In force for one frame; infinite where too few normals were held out for the rate."""
        return self.threshold_of(1)

    def threshold_of(self, frames: int) -> float:
        """In force for the highest score of so many ``frames``."""
        return self.calibration.threshold_of(frames) if self.override is None else self.override

    def decide(self, made: Measurement, frame: Frame | None = None, frames: int = 1) -> Verdict:
        """Judge what was measured.

        Args:
            made: of one image.
            frame: that it was measured of; without it nothing is called foreign, and no region is found.
            frames: how many it is the highest score of; p-value and threshold are of so many.
        """
        own, limit = self.calibration, self.threshold_of(frames)
        return Verdict(
            score=made.score,
            parts=made.parts,
            p_value=own.p_value(made.score) if frames == 1 else own.p_value_of(frames, made.score),
            anomalous=made.score > limit,
            threshold=limit,
            heat=made.heat,
            reconstruction=made.reconstruction,
            milliseconds=made.milliseconds,
            out_of_domain=self.foreign(frame, made) if self.foreign and frame is not None else "",
            tiles=made.tiles,
            colour=made.colour,
            regions=self.regions(frame, made) if self.regions and frame is not None else None,
            heat_limit=made.heat_limit,
            alignment=made.alignment,
            as_it_came=made.picture,
        )

    def again(self, verdict: Verdict) -> Verdict:
        """Return ``verdict``, of one frame, by the threshold in force now."""
        return replace(verdict, threshold=self.threshold, anomalous=verdict.score > self.threshold)

    def too_few(self, frames: int) -> str:
        """Say where no score of so many ``frames`` could be anomalous, for lack of normals; else nothing."""
        if frames == 1 or math.isfinite(self.threshold_of(frames)):
            return ""
        calibration = self.calibration
        rate, needed = calibration.false_alarm_rate, calibration.normals_needed(frames)
        return (
            f"{len(calibration.scores)} normals are too few to call the highest of {frames} frames anomalous "
            f"at a false-alarm rate of {rate:g}: calibrate with {needed}, or with normals of as many frames"
        )


def highest(
    measure: Callable[[Frame], ScoredT], frames: Sequence[Frame], pulse: Callable[[], None] = lambda: None
) -> tuple[int, ScoredT, list[ImageError]]:
    """Return number (from 0) and measurement of the frame with the highest score, and why others have none.

    ``pulse`` is called after each frame, as a sign of life.

    Raises:
        ImageError: none of the frames can be judged.
    """
    best: tuple[int, ScoredT] | None = None
    failed: list[ImageError] = []
    for number, frame in enumerate(frames):
        try:
            made = measure(frame)
        except ImageError as error:
            failed.append(error)
            continue
        finally:
            pulse()
        if best is None or made.score > best[1].score:
            best = number, made
    if best is None:
        raise failed[0]
    return *best, failed
