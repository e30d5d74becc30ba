"""From a bundle's file to what judges: read, proven, with the site's calibration put in force."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import cv2

from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.budget import largest_within, table_of
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.judge import Judge, calibrated
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import SettingsError
from sranogan_edge.option import Options, option

__all__ = ["CalibrationSettings", "DomainSettings", "Loader", "ScoringSettings"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringSettings(Options):
    """How an image is scored.

    Attributes:
        backend: what runs the graphs: auto, xnnpack, gpu, tflite-runtime, delegate:PATH, onnx.
        threads: of the CPU.
        steps: of the search, one of the bundle's budgets; none takes its default.
        budget_ms: the most milliseconds that an image may take, in 95 of 100; the largest step budget that
            keeps to it, measured at start-up, is taken.
        bundle_key_file: the key that must have signed the bundle: an Ed25519 public key in PEM, or a secret;
            none takes any.
    """

    backend: str = "auto"
    threads: int = option(1, least=1)
    steps: int | None = option(None, least=0)
    budget_ms: float | None = option(None, least=0)
    bundle_key_file: Path | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.budget_ms is not None:
            raise SettingsError(
                "steps and budget_ms both choose the number of search steps; give one of them"
            )
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

    def detector(self, bundle: Path, steps_in_use: int | None = None) -> Detector:
        """Read and prove ``bundle`` on the backend that is asked for.

        Args:
            bundle: the file.
            steps_in_use: the step budget that a ``budget_ms`` led to; kept where the bundle has it, for a
                measurement beside a runner that scores says too much.

        Raises:
            BundleError: refused.
            BackendError: the backend is missing or fails.
        """
        scoring = self.scoring
        loaded = read_bundle(bundle, scoring.bundle_key_file)
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
        return Judge.of(detector, domain_rate=self._domain_rate)

    def judge(self, detector: Detector, calibration: Path | None = None) -> Judge:
        """Put the site's calibration into ``detector``, or the copy of it at ``calibration``.

        Raises:
            CalibrationError: it is refused: damaged, unsigned, of another bundle or number of steps.
        """
        file = calibration or self.calibration.file
        if file is None:
            return self.uncalibrated(detector)
        return calibrated(detector, file, self.calibration.key_file, self._domain_rate)

    @property
    def _domain_rate(self) -> float | None:
        return self.domain.rate if self.domain else None
