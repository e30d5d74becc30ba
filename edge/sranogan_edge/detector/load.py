"""From a bundle's file to what judges: read, proven, with the site's calibration put in force."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2

from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.budget import largest_within, table_of
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.judge import Judge, calibrated
from sranogan_edge.detector.open import open_detector
from sranogan_edge.detector.trial import Trial, tried
from sranogan_edge.errors import BundleIntegrityError, SettingsError
from sranogan_edge.image.guard import MOST_PIXELS
from sranogan_edge.option import Options, option
from sranogan_edge.runtime.backends import check_backend

__all__ = ["CalibrationSettings", "DomainSettings", "Loader", "ScoringSettings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringSettings(Options):
    """How an image is scored.

    Attributes:
        backend: what runs the graphs: auto, xnnpack, gpu, tflite-runtime, delegate:PATH, onnx, onnx:PROVIDER,
            tensorrt.
        threads: of the CPU.
        steps: of the search, one of the bundle's budgets; none takes its default.
        budget_ms: the most milliseconds that an image may take, in 95 of 100; the largest step budget that
            keeps to it, measured at start-up, is taken.
        bundle_key_file: the key that must have signed the bundle: an Ed25519 public key in PEM, or a secret;
            none takes any.
        max_pixels: width x height, of all frames together, above which an image is refused unread; none takes
            the bundle's own limit.
        heat_threshold: heat above which a place is a region of its image, in standard deviations; none takes
            the bundle's own.
    """

    backend: str = "auto"
    threads: int = option(1, least=1)
    steps: int | None = option(None, least=0)
    budget_ms: float | None = option(None, least=0)
    bundle_key_file: Path | None = None
    max_pixels: int | None = option(None, least=1, most=MOST_PIXELS)
    heat_threshold: float | None = option(None, above=0, below=1e6)

    def __post_init__(self) -> None:
        if self.steps is not None and self.budget_ms is not None:
            raise SettingsError(
                "steps and budget_ms both choose the number of search steps; give one of them"
            )
        check_backend(self.backend)
        super().__post_init__()


@dataclass(frozen=True)
class CalibrationSettings:
    """This site's calibration, which replaces the bundle's p-values and threshold.

    Attributes:
        file: what sranogan-calibrate wrote; none takes the bundle's own, and does not watch for drift.
        key_file: the key that must have signed it: an Ed25519 public key in PEM, or a secret; none takes any.
    """

    file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if self.key_file and not self.file:
            raise SettingsError("key_file verifies a calibration, and no file is named; name both or none")


@dataclass(frozen=True)
class DomainSettings(Options):
    """What is answered "not like the training data": by the calibration's normals, else by the bundle's own.

    Attributes:
        rate: share of normals that may be answered so.
    """

    rate: float = option(0.01, above=0, below=1)


@dataclass(frozen=True)
class Loader:
    """Makes judges, at the start and when a bundle is swapped.

    Attributes:
        scoring: backend, threads, steps or budget.
        calibration: of the site.
        domain: what is not like the training data; None leaves it out.
    """

    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    calibration: CalibrationSettings = field(default_factory=CalibrationSettings)
    domain: DomainSettings | None = field(default_factory=DomainSettings)

    def tried(self, bundle: Path) -> str:
        """Prove ``bundle`` in a process of its own, which it may crash; return its SHA-256.

        Raises:
            BundleError: refused.
            BackendError: the backend is missing or fails, or no process can be had.
        """
        scoring = self.scoring
        key, every = scoring.bundle_key_file, scoring.budget_ms is not None
        return tried(Trial(bundle, key, scoring.backend, scoring.threads, scoring.steps, every))

    def proven(self, bundle: Path) -> Detector:
        """Prove ``bundle`` in a process of its own, then read and prove it here; raises as both do."""
        return self.detector(bundle, sha256=self.tried(bundle))

    def detector(self, bundle: Path, steps_in_use: int | None = None, *, sha256: str = "") -> Detector:
        """Read and prove ``bundle`` on the backend that is asked for.

        Args:
            bundle: the file.
            steps_in_use: the step budget that a ``budget_ms`` led to; kept where the bundle has it, for a
                measurement beside a runner that scores says too much.
            sha256: that it has to have, as :meth:`tried` gave it; empty takes any.

        Raises:
            BundleError: refused.
            BackendError: the backend is missing or fails.
        """
        scoring = self.scoring
        loaded = read_bundle(bundle, scoring.bundle_key_file)
        if sha256 and loaded.sha256 != sha256:
            raise BundleIntegrityError(f"{bundle}: it was changed while it was proven. Copy it again.")
        if scoring.max_pixels is not None:
            loaded = replace(loaded, preprocess=replace(loaded.preprocess, max_pixels=scoring.max_pixels))
        if scoring.steps is not None:
            loaded = loaded.with_steps(scoring.steps)
        keeps = scoring.budget_ms is not None and steps_in_use in loaded.budgets
        if keeps and steps_in_use is not None:
            loaded = loaded.with_steps(steps_in_use)
        cv2.setNumThreads(scoring.threads)  # OpenCV would take every core
        detector = open_detector(loaded, backend=scoring.backend, threads=scoring.threads)
        if scoring.budget_ms is None or keeps:
            return detector
        detector, taken = largest_within(detector, scoring.budget_ms)
        _log.info("%d search steps: %s", detector.bundle.steps, table_of(taken))
        return detector

    def uncalibrated(self, detector: Detector) -> Judge:
        """Return what judges by the bundle's own calibration, and by its own normals what is foreign."""
        limit = self.scoring.heat_threshold
        return Judge.of(detector, domain_rate=self._domain_rate, heat_threshold=limit)

    def judge(self, detector: Detector, calibration: Path | None = None) -> Judge:
        """Put the site's calibration into ``detector``, or the copy of it at ``calibration``.

        Raises:
            CalibrationError: it is refused: damaged, unsigned, of another bundle or number of steps.
        """
        file = calibration or self.calibration.file
        if file is None:
            return self.uncalibrated(detector)
        key, limit = self.calibration.key_file, self.scoring.heat_threshold
        return calibrated(detector, file, key, self._domain_rate, limit)

    @property
    def _domain_rate(self) -> float | None:
        return self.domain.rate if self.domain else None
