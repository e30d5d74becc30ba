"""A site's calibration: what a scanner's normals score, as a file, and whether it is a bundle's."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.bundle.site_calibration_file import DENSITY, read_body, write_body
from sranogan_edge.errors import CalibrationError, SettingsError
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.statistics import STATISTICS

__all__ = ["SiteCalibration", "calibration_for", "read_calibration", "write_calibration"]


@dataclass(frozen=True)
class SiteCalibration:
    """What a scanner's normals score, and how they look.

    Attributes:
        bundle: SHA-256 of the bundle that scored them.
        steps: of the search.
        backend: runtime, version, device.
        false_alarm_rate: the share of normals that the threshold may flag.
        statistics: by name (:data:`STATISTICS`), one number an image, in the order of the images;
            ``score`` is one of them.
        images_sha256: digest of the images' own SHA-256 digests, sorted: what it was fitted on.
        source: the folder, as it was named.
        skipped: images that could not be scored, were there twice, or were not asked for.
        usual: the same statistics of images as they usually come, healthy and ill, for the drift monitor;
            empty where there were none.
        made: UTC, ISO 8601.
        successive: how alike images that follow each other are (:func:`correlation` at 32 x 32 pixels, first
            and second, third and fourth, ...), in the order of their names; of the usual images where there
            are some, else of the normals.
        apart: how alike images far apart in that order are, on average.
        frames: the fewest that one of the normals has; the statistics are of its highest-scoring one.
        density: the bundle's, adapted to these normals, in the place of the bundle's own; None: it scores by
            that. The statistics are out of fold then (:mod:`sranogan_edge.scoring.adapt`).
        fitted: how many images the adapted densities are fitted to; those that lie too far off are left out.
        digest: SHA-256 of the file that it was read from; empty where it was not.
    """

    bundle: str
    steps: int
    backend: str
    false_alarm_rate: float
    statistics: Mapping[str, tuple[float, ...]]
    images_sha256: str
    source: str
    skipped: int = 0
    usual: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    made: str = ""
    successive: tuple[float, ...] = ()
    apart: float = 0.0
    frames: int = 1
    density: Density | None = field(default=None, compare=False)
    fitted: int = 0
    digest: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        for name, values in (*self.statistics.items(), *self.usual.items()):
            if name not in STATISTICS or not values or not np.isfinite(values).all():
                raise SettingsError(
                    f"a calibration's statistics must be finite numbers of {', '.join(STATISTICS)}; "
                    f"received {len(values)} of {name!r}"
                )
        if not np.isfinite((*self.successive, self.apart)).all():
            raise SettingsError("how alike a calibration's images are must be finite numbers")
        if self.frames < 1 or self.fitted < 0:
            raise SettingsError(
                "a calibration's normals have at least 1 frame, and densities are fitted to none or more; "
                f"received {self.frames} and {self.fitted}"
            )
        if "score" not in self.statistics:
            raise SettingsError("a calibration has no scores")
        if len({len(values) for values in self.statistics.values()}) != 1:
            raise SettingsError("a calibration's statistics are of different numbers of images")

    @property
    def images(self) -> int:
        """How many normals were scored."""
        return len(self.statistics["score"])

    @property
    def calibration(self) -> Calibration:
        """The p-values and the threshold that follow."""
        return Calibration(tuple(sorted(self.statistics["score"])), self.false_alarm_rate, self.frames)


def write_calibration(site: SiteCalibration, path: Path, key: Path | None = None) -> None:
    """Write ``site`` as JSON, whole or not at all, signed where there is a ``key``.

    Raises:
        ResultsError: the file cannot be written.
        SettingsError: the key cannot sign.
    """
    body: dict[str, Any] = {
        **{name: getattr(site, name) for name in _STATED},
        "images": site.images,
        "scores_sha256": _digest(site.statistics["score"]),
        "threshold": site.calibration.threshold,
    }
    if site.density:
        body[DENSITY] = base64.b64encode(site.density.to_bytes()).decode()
        body["fitted"] = site.fitted
    write_body(body, path, key)


def read_calibration(path: Path, key: Path | None = None) -> SiteCalibration:
    """Read :func:`write_calibration`; with a ``key``, its signature must be there and right.

    Raises:
        CalibrationError: not a calibration, changed since it was written, or not signed with the key.
    """
    body, digest = read_body(path, key)
    try:
        stated = {name: read(body[name]) for name, read in _STATED.items()}
        density = _density(body[DENSITY]) if DENSITY in body else None
        site = SiteCalibration(**stated, density=density, fitted=int(body.get("fitted", 0)), digest=digest)
        if not math.isclose(float(body["threshold"]), site.calibration.threshold, rel_tol=1e-9):
            raise ValueError("the threshold does not follow from the scores")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SettingsError) as error:
        raise CalibrationError(
            f"{path}: the calibration cannot be understood ({error}). Make it again with sranogan-calibrate."
        ) from error
    return site


def calibration_for(bundle: Bundle, path: Path, key: Path | None = None) -> SiteCalibration:
    """Read the calibration at ``path`` for ``bundle``, set to the steps in use: :func:`read_calibration`.

    Raises:
        CalibrationError: it belongs to another bundle or step budget, or is no sound calibration.
    """
    site = read_calibration(path, key)
    if not bundle.sha256 or site.bundle != bundle.sha256:
        raise CalibrationError(
            f"{path}: made with the bundle {site.bundle[:12]}, not with this one "
            f"({bundle.sha256[:12] or 'not read from a file'}). Scores of two bundles do not compare: make a "
            "calibration with this one."
        )
    if site.steps != bundle.steps:
        raise CalibrationError(
            f"{path}: made with {site.steps} search steps, and {bundle.steps} are in use. Choose "
            f"--steps {site.steps}, or make a calibration with --steps {bundle.steps}."
        )
    if site.density and site.density.shapes != bundle.density.shapes:
        raise CalibrationError(
            f"{path}: its densities are of other measurements than the bundle's. Make it again with "
            "sranogan-calibrate --adapt."
        )
    return site


def _density(stated: str) -> Density:
    return Density.from_bytes(base64.b64decode(stated, validate=True))


def _digest(scores: Iterable[float]) -> str:
    return hashlib.sha256(np.asarray(sorted(scores), "<f8").tobytes()).hexdigest()


def _numbers(stated: Iterable[float]) -> tuple[float, ...]:
    return tuple(map(float, stated))


def _columns(stated: Mapping[str, Iterable[float]]) -> dict[str, tuple[float, ...]]:
    return {str(name): _numbers(values) for name, values in stated.items()}


_STATED: dict[str, Callable[[Any], Any]] = {  # what the file says, and how it is read
    "bundle": str,
    "steps": int,
    "backend": str,
    "skipped": int,
    "source": str,
    "images_sha256": str,
    "false_alarm_rate": float,
    "made": str,
    "successive": _numbers,
    "apart": float,
    "frames": int,
    "statistics": _columns,
    "usual": _columns,
}
