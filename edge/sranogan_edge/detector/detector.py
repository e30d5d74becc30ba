"""From frame to verdict: the one path that every scored image takes on a device."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.bundle.bundle import Bundle, Golden
from sranogan_edge.detector.data_frame import FrameT, scored_frame
from sranogan_edge.detector.graph_fit import check_fit
from sranogan_edge.errors import DegenerateImageError, GoldenMismatchError, ImageError, SettingsError
from sranogan_edge.image.align import Aligner
from sranogan_edge.image.colour import colour_note
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec, enhance, preprocess
from sranogan_edge.image.reading import Image, read_frames
from sranogan_edge.image.tiles import whole
from sranogan_edge.results.line import Scorer
from sranogan_edge.runtime.graphs import BackendInUse, OpenGraphs
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.measurement import Clock, Measurement, measure
from sranogan_edge.scoring.rule import Rule, Verdict, highest
from sranogan_edge.scoring.tiled import measure_tiles
from sranogan_edge.scoring.whole import join

__all__ = ["Detector", "check_golden"]

ALIGNED_TOLERANCE = 0.02  # of a pixel of x: a hundredth of a degree is much less


class Detector:
    """A bundle and its open graphs: scores images in a fixed number of steps; not to be shared by threads.

    :func:`sranogan_edge.detector.open.open_detector` makes one that is proven.

    Attributes:
        bundle: set to the search steps that are taken.
        graphs: of these steps.
        rule: knows the threshold.
        density: by which measurements become a score.
    """

    def __init__(
        self, bundle: Bundle, graphs: OpenGraphs, rule: Rule | None = None, density: Density | None = None
    ) -> None:
        """Put together what was opened; nothing is proven yet (:func:`check_golden`).

        Args:
            bundle: set to the search steps to take.
            graphs: of the bundle and these steps (:func:`sranogan_edge.runtime.graphs.open_graphs`).
            rule: None judges by the bundle's own calibration.
            density: the bundle's, adapted to a site; None scores by the bundle's own.

        Raises:
            BundleFormatError: the graphs and densities do not fit each other.
        """
        check_fit(bundle, graphs.by_name)
        self.bundle, self.graphs = bundle, graphs
        self.rule = rule or Rule(bundle.calibration)
        self.density = density or bundle.density

    def scoring_by(self, density: Density | None) -> Detector:
        """Return one of the same graphs and rule that scores by ``density``; None is the bundle's own."""
        return Detector(self.bundle, self.graphs, self.rule, density)

    @property
    def backend(self) -> BackendInUse:
        """What runs the graphs."""
        return self.graphs.backend

    def score(self, image: Image) -> Verdict:
        """Judge one image.

        Of a DICOM object with several frames the highest score speaks, by p-value and threshold of the
        highest of so many; frames that cannot be judged are left out.

        Args:
            image: a path, the bytes of a file, an array or a frame: see
                :func:`sranogan_edge.image.reading.read_frames`.

        Raises:
            ImageError: it cannot be read, is no image, or has nothing to judge.
        """
        frames = read_frames(image, max_pixels=self.bundle.preprocess.max_pixels)
        number, made, failed = highest(self.measure, frames)
        return self.rule.decide(made, frames[number], len(frames) - len(failed))

    def score_many(self, images: Iterable[Image]) -> Iterator[Verdict | ImageError]:
        """Judge one image after the other, as they are asked for; a bad one does not end it.

        Args:
            images: any that :meth:`score` takes; of an array the first axis counts them.

        Yields:
            For each image, in their order, its verdict, or the :class:`ImageError` that :meth:`score` raises
            for it. Other errors (a backend that fails) are raised.

        Raises:
            SettingsError: a single image was given.
        """
        if isinstance(images, (str, os.PathLike, bytes, bytearray, memoryview, Frame)):
            raise SettingsError(
                f"score_many takes several images; received one {type(images).__name__}. Use score, or "
                "list the files of a folder: score_many(sorted(folder.glob('*.png')))."
            )
        return map(self._verdict_or_error, images)

    def score_frame(self, frame: FrameT, *, column: str | None = None) -> FrameT:
        """Judge the images that a ``pandas.DataFrame`` names; return it with the columns of a result.

        The column ``file`` or ``path`` has the files, or the one that ``column`` names. Index, order and
        other columns are kept; an image that cannot be scored has its reason in ``error``.

        Raises:
            MissingExtraError: pandas is not installed (the extra ``pandas``).
            SettingsError: no DataFrame, no such column, or one that a result has is there already.
        """
        used = self.backend
        scorer = Scorer(self.bundle.sha256, self.bundle.steps, used.label, used.fallback_reason)
        return scored_frame(frame, column, self.score, scorer)

    def _verdict_or_error(self, image: Image) -> Verdict | ImageError:
        try:
            return self.score(image)
        except ImageError as error:
            return error

    def score_x(self, x: NDArray[np.float32]) -> Verdict:
        """Judge ``x`` ``(S, S, C)`` float32 in [0, 1], as :func:`preprocess` gives it; of tiles, one."""
        return self.rule.decide(self.measure_x(x))

    def measure(
        self,
        frame: Frame,
        pulse: Callable[[], object] = lambda: None,
        keep: Callable[[Measurement], object] = lambda made: None,
    ) -> Measurement:
        """Measure one frame, whatever the threshold; raises ImageError when it cannot be used.

        ``pulse`` is called after each of its tiles, where it has any, and ``keep`` with what each measured.
        """
        if self.bundle.preprocess.tiled:
            spec, own = self.bundle.preprocess, self.bundle.density

            def tile(x: NDArray[np.float32]) -> Measurement:
                found = self.measure_x(x)
                keep(found)
                return found

            made = measure_tiles(frame, spec, own, tile, pulse)
            if self.density.whole:
                made = self._with_whole(frame, made)
                pulse()
        else:
            made = self._measure_whole(frame)
        if not all(map(math.isfinite, (made.score, *made.parts.values()))):
            raise DegenerateImageError(
                f"{frame.source}: its score is {made.score}: the image is beyond what the graphs can "
                "compute on. Check its exposure and its export."
            )
        return replace(made, colour=colour_note(frame, self.bundle.preprocess.colour))

    def _with_whole(self, frame: Frame, tiles: Measurement) -> Measurement:
        """Return what was measured of ``tiles``, and of the whole beside them."""
        clock, spec = Clock(), self.bundle.preprocess
        try:
            made = self.measure_x(whole(frame, spec)).reconstruction
        except DegenerateImageError:  # its detail is too fine to be seen so small
            made = None
        joined = join(tiles, made, self.density, frame.pixels.shape[:2], spec)
        clock.lap("whole")
        laps = dict(joined.milliseconds)
        total = laps.pop("total") + clock.laps["whole"]
        return replace(joined, milliseconds={**laps, **clock.laps, "total": total})

    def _measure_whole(self, frame: Frame) -> Measurement:
        clock = Clock()
        if self.bundle.aligner is not None:
            return self._measure_aligned(frame, self.bundle.aligner)
        x = preprocess(frame, self.bundle.preprocess)
        clock.lap("preprocess")
        made = self.measure_x(x)
        clock.lap("total")
        total = clock.laps["preprocess"] + clock.laps["total"]
        laps = {"preprocess": clock.laps["preprocess"], **made.milliseconds, "total": total}
        return replace(made, milliseconds=laps)

    def _measure_aligned(self, frame: Frame, aligner: Aligner) -> Measurement:
        """Measure ``frame`` as it lies in the reference; heat map and picture are of it as it came."""
        clock, spec = Clock(), self.bundle.preprocess
        alignment = aligner.align(frame)
        turned = alignment.applied(frame)
        clock.lap("align")
        x = preprocess(turned, spec)
        clock.lap("preprocess")
        made = self.measure_x(x)
        clock.lap("judged")
        picture = None
        if alignment.found:
            came = preprocess(frame, spec)
            picture = np.concatenate([enhance(came, spec), came[..., 1:]], axis=-1)
        made = replace(made, heat=alignment.laid_back(made.heat, spec), alignment=alignment, picture=picture)
        clock.lap("back")
        first = {"align": clock.laps["align"] + clock.laps["back"], "preprocess": clock.laps["preprocess"]}
        return replace(made, milliseconds={**first, **made.milliseconds, "total": sum(clock.laps.values())})

    def measure_x(self, x: NDArray[np.float32], density: Density | None = None) -> Measurement:
        """Measure ``x`` ``(S, S, C)`` float32 in [0, 1], as :func:`preprocess` gives it.

        ``density`` scores it in the place of the one in use.
        """
        bundle, density = self.bundle, density or self.density
        made = measure(x, bundle.preprocess, bundle.search_size, self.graphs.by_name, density.cells)
        clock = Clock()
        parts = density.standard(made.measured)
        score = density.score_of(parts)
        heat = density.heat_map(made.heat, bundle.size)
        clock.lap("score")
        laps = {**made.milliseconds, **clock.laps}
        return Measurement(score, parts, heat, made, laps, heat_limit=bundle.density.heat_limit)


def check_golden(detector: Detector, golden: Golden) -> list[float]:
    """Re-score every golden input, by the bundle's own density; return the milliseconds that each took.

    Raises:
        GoldenMismatchError: a score is off by more than the tolerance, or the aligner makes something else of
            its reference.
    """
    if detector.bundle.aligner is not None:
        _check_aligner(detector.bundle.aligner, detector.bundle.preprocess, golden.x[-1])
    taken = []
    for number, (x, expected) in enumerate(zip(golden.x, golden.scores, strict=True), start=1):
        clock = Clock()
        found = detector.measure_x(x, detector.bundle.density).score
        clock.lap("score")
        taken.append(clock.laps["score"])
        if not abs(found - expected) <= golden.tolerance:
            raise GoldenMismatchError(
                f"golden case {number} of {len(golden.scores)} scores {found:.4f} on "
                f"{detector.backend.label} with {detector.bundle.steps} search steps; {expected:.4f} "
                f"(within {golden.tolerance:.4f}) was exported. This runtime computes something else than "
                "the exporting machine did: choose another --backend, update the runtime, or export the "
                "bundle again. Nothing was scored."
            )
    return taken


def _check_aligner(aligner: Aligner, spec: PreprocessSpec, expected: NDArray[np.float32]) -> None:
    off = float(np.abs(aligner.golden_x(spec) - expected).max())
    if not off <= ALIGNED_TOLERANCE:
        raise GoldenMismatchError(
            f"the mean normal, turned and aligned again, is off by up to {off:.4f} of 1 "
            f"({ALIGNED_TOLERANCE} at most) from what the exporting machine made of it: OpenCV computes "
            "something else here. Update OpenCV, or export the bundle again. Nothing was scored."
        )
