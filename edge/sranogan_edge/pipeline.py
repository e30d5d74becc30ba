"""From frame to verdict: the one path that every scored image takes on a device."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sranogan_edge.backend import choose_backend, in_use, open_graphs
from sranogan_edge.bundle import Bundle, Golden
from sranogan_edge.density import Calibration
from sranogan_edge.errors import BundleFormatError, DegenerateImageError, GoldenMismatchError
from sranogan_edge.frame import Frame
from sranogan_edge.head import CHANNELS, OUTPUTS, POOLED_CELLS, head_input, head_measurements
from sranogan_edge.interpreter import LoadedGraph
from sranogan_edge.preprocess import PreprocessSpec, downscale, enhance, preprocess
from sranogan_edge.score import FEATURES, FIRST_FEATURES, heat_planes, raw_distance, residual

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
        measured: the vectors whose densities are the score, by part (:data:`sranogan_edge.density.PARTS`).
        heat: ``HEAT_SHAPE``, not yet calibrated.
        anogan_score: plain AnoGAN's sum|x - g(x)| at the search size (0-255 scale).
        milliseconds: by step.
        plain: ``x`` before its contrast was enhanced; None where nobody kept it.
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


@dataclass(frozen=True, eq=False)
class Verdict:
    """The answer for one image.

    Attributes:
        score: anomaly score, in standard deviations of normals; about 0 for a normal.
        parts: what each part says, in standard deviations of normals; the score is made of these.
        p_value: share of held-out normals that look at least as anomalous, in (0, 1].
        anomalous: whether the score is above the threshold.
        threshold: the normals-only threshold in force.
        heat: ``(S, S)`` float32, standard deviations off the normals, at least 0; about 1 is usual.
        reconstruction: what it rests on.
        milliseconds: by step, with ``total``.
    """

    score: float
    parts: Mapping[str, float]
    p_value: float
    anomalous: bool
    threshold: float
    heat: Image
    reconstruction: Reconstruction
    milliseconds: Mapping[str, float]


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
    plain: Image, spec: PreprocessSpec, search_size: int, graphs: Mapping[str, RunsGraph]
) -> Reconstruction:
    """Search, refine, super-resolve, compare, ask the head; ``plain`` is ``(S, S, 1)`` in [0, 1]."""
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
    heat = heat_planes(apart.difference, plain, said["map"][..., 0])
    distance = raw_distance(x_low, generated)
    return Reconstruction(x, generated, refined, resolved, measured, heat, distance, clock.laps, plain)


def head_side(head: RunsGraph) -> int:
    """Side in pixels of what the head looks at."""
    return head.inputs["image"][1]


class Detector:
    """A loaded, proven bundle that scores frames in a fixed number of steps."""

    def __init__(
        self, bundle: Bundle, *, backend: str = "auto", threads: int = 1, prove: bool = True
    ) -> None:
        """Load the graphs and re-score the golden inputs.

        Args:
            bundle: set to the search steps to take.
            backend: one of ``sranogan_edge.interpreter.BACKENDS``.
            threads: of the CPU.
            prove: False leaves out the golden inputs, the GPU's trial, and the choice of ``auto``, which
                then is XNNPACK (export makes the golden scores that way).

        Raises:
            BackendError: a graph cannot be loaded.
            BundleFormatError: the graphs and densities do not fit each other.
            GoldenMismatchError: this backend does not reproduce the golden scores.
            SettingsError: no such backend.
        """
        name, reason = choose_backend(bundle, backend, threads, prove=prove)
        self._set_up(bundle, name, threads, reason)
        if prove:
            check_golden(self, bundle.golden)

    def _set_up(self, bundle: Bundle, backend: str, threads: int, fallback_reason: str | None) -> None:
        self.bundle = bundle
        self.threads = threads
        self._graphs = open_graphs(bundle, backend, threads)
        self.backend = in_use(backend, self._graphs, fallback_reason)
        _check_fit(bundle, self._graphs)

    def with_steps(self, steps: int) -> Detector:
        """Return a proven detector of another step budget on the same backend.

        Raises:
            SettingsError: the bundle has no such budget.
        """
        other = object.__new__(Detector)
        other._set_up(
            self.bundle.with_steps(steps), self.backend.name, self.threads, self.backend.fallback_reason
        )
        check_golden(other, other.bundle.golden)
        return other

    def with_calibration(self, calibration: Calibration) -> Detector:
        """Return a detector that shares the graphs, with other p-values and another threshold."""
        other = copy.copy(self)
        bundle = self.bundle
        budget = replace(bundle.budgets[bundle.steps], calibration=calibration)
        other.bundle = replace(bundle, budgets={**bundle.budgets, bundle.steps: budget})
        return other

    def score(self, frame: Frame) -> Verdict:
        """Judge one frame; raises ImageError when it cannot be used."""
        clock = Clock()
        x = preprocess(frame, self.bundle.preprocess)
        clock.lap("preprocess")
        verdict = self.score_x(x)
        clock.lap("total")
        total = clock.laps["preprocess"] + clock.laps["total"]
        laps = {"preprocess": clock.laps["preprocess"], **verdict.milliseconds, "total": total}
        if not all(map(math.isfinite, (verdict.score, *verdict.parts.values()))):
            raise DegenerateImageError(
                f"{frame.source}: its score is {verdict.score}: the image is beyond what the graphs can "
                "compute on. Check its exposure and its export."
            )
        return replace(verdict, milliseconds=laps)

    def score_x(self, x: Image) -> Verdict:
        """Judge ``x`` ``(S, S, 1)`` float32 in [0, 1], as :func:`preprocess` gives it."""
        made = measure(x, self.bundle.preprocess, self.bundle.search_size, self._graphs)
        clock = Clock()
        parts = self.bundle.density.standard(made.measured)
        score = self.bundle.density.score_of(parts)
        heat = self.bundle.density.heat_map(made.heat, self.bundle.size)
        clock.lap("score")
        calibration = self.bundle.calibration
        return Verdict(
            score=score,
            parts=parts,
            p_value=calibration.p_value(score),
            anomalous=score > calibration.threshold,
            threshold=calibration.threshold,
            heat=heat,
            reconstruction=made,
            milliseconds={**made.milliseconds, **clock.laps},
        )


def _check_fit(bundle: Bundle, graphs: Mapping[str, LoadedGraph]) -> None:
    low, high = (1, bundle.search_size, bundle.search_size, 1), (1, bundle.size, bundle.size, 1)
    side = _side_of_head(graphs["head"], bundle.size)
    said = graphs["head"].outputs
    expected: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, tuple[int, ...]]]] = {
        "search": ({"x": low}, {"generated": low}),
        "reconstruct": ({"generated": low}, {"refined": low, "resolved": high}),
        "features": ({"image": high}, {"features": graphs["features"].outputs.get("features", ())}),
        "head": ({"image": (1, side, side, CHANNELS)}, {name: said.get(name, ()) for name in OUTPUTS}),
    }
    for name, (inputs, outputs) in expected.items():
        found = graphs[name].inputs, graphs[name].outputs
        if found != (inputs, outputs):
            raise BundleFormatError(
                f"graph {name!r} maps {found[0]} to {found[1]}; the manifest needs {inputs} to {outputs}. "
                "Export the bundle again."
            )
    pooled = POOLED_CELLS**2 * said["features"][-1]
    made = {"residual": (FEATURES, FIRST_FEATURES), "head": (pooled,), "map": (1,)}
    for name, part in bundle.density.parts.items():
        if len(part.center) not in made[name]:
            raise BundleFormatError(
                f"the density of part {name!r} has {len(part.center)} features, this runner makes "
                f"{' or '.join(map(str, made[name]))}. Export the bundle again."
            )


def _side_of_head(head: LoadedGraph, size: int) -> int:
    """Return it, or the image's where the head looks at nothing that could be one."""
    shape = head.inputs.get("image", ())
    return shape[1] if len(shape) == 4 and shape[1] <= size else size


def check_golden(detector: Detector, golden: Golden) -> list[float]:
    """Re-score every golden input; return the milliseconds that each took.

    Raises:
        GoldenMismatchError: a score is off by more than the tolerance.
    """
    taken = []
    for number, (x, expected) in enumerate(zip(golden.x, golden.scores, strict=True), start=1):
        clock = Clock()
        found = detector.score_x(x).score
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


__all__ = ["Clock", "Detector", "Reconstruction", "Verdict", "check_golden", "measure"]
