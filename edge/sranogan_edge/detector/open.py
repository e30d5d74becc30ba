"""From a bundle's file to a detector that is ready: the way in for people who write Python."""

from __future__ import annotations

import math
import os
from pathlib import Path

from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.bundle.site_calibration import calibration_for
from sranogan_edge.detector.backend import choose_backend
from sranogan_edge.detector.detector import Detector, check_golden
from sranogan_edge.detector.in_force import Site, with_regions
from sranogan_edge.errors import SettingsError
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_edge.scoring.foreign import foreign_of
from sranogan_edge.scoring.rule import Rule

__all__ = ["open_detector", "proven", "with_steps"]


def open_detector(
    bundle: Bundle | str | os.PathLike[str],
    *,
    backend: str = "auto",
    threads: int = 1,
    steps: int | None = None,
    key: str | os.PathLike[str] | None = None,
    calibration: str | os.PathLike[str] | None = None,
    calibration_key: str | os.PathLike[str] | None = None,
    heat_threshold: float | None = None,
) -> Detector:
    """Read a bundle, choose what runs it, and prove it: its golden inputs are scored again on this machine.

    Args:
        bundle: ``NAME.sranogan``, or what :func:`sranogan_edge.bundle.bundle.read_bundle` made of it.
        backend: one of ``sranogan_edge.runtime.backends.BACKENDS``.
        threads: of the CPU.
        steps: of the search, one of the bundle's budgets; None is what it was exported with.
        key: that must have signed the file.
        calibration: what ``sranogan-calibrate`` wrote for this site, to be judged by not by the bundle's own.
        calibration_key: that must have signed it.
        heat_threshold: of the heat map's regions, in standard deviations; None is the bundle's own.

    Raises:
        BundleError: the bundle or the calibration is refused, or its golden scores are not reproduced here.
        BackendError: the backend is missing or fails.
        SettingsError: no such backend or step budget, something that names no bundle, or a threshold of heat
            that is not above 0.
    """
    if not isinstance(bundle, (Bundle, str, os.PathLike)):
        raise SettingsError(f"name the bundle's file, or give a Bundle; received {type(bundle).__name__}")
    if threads < 1:
        raise SettingsError(f"threads must be a whole number from 1 up; received {threads!r}")
    if heat_threshold is not None and not 0 < heat_threshold < math.inf:
        raise SettingsError(f"heat_threshold must be above 0, and finite; received {heat_threshold!r}")
    opened = bundle if isinstance(bundle, Bundle) else read_bundle(Path(bundle), _path(key))
    if steps is not None:
        opened = opened.with_steps(steps)
    rule, density = Rule(opened.calibration, foreign=foreign_of(opened)), None
    if calibration is not None:
        site = calibration_for(opened, Path(calibration), _path(calibration_key))
        rule, density = Site.of(site, opened).rule, site.density
    rule = with_regions(rule, opened, heat_threshold)
    name, fallback_reason = choose_backend(opened, backend, threads)
    return proven(Detector(opened, open_graphs(opened, name, threads, fallback_reason), rule, density))


def with_steps(detector: Detector, steps: int) -> Detector:
    """Return a proven detector of another step budget on the same backend, by the bundle's own calibration.

    Raises:
        SettingsError: the bundle has no such budget.
        GoldenMismatchError: this backend does not reproduce that budget's golden scores.
    """
    bundle, graphs = detector.bundle.with_steps(steps), detector.graphs
    own = graphs.backend
    opened = open_graphs(bundle, own.name, graphs.threads, own.fallback_reason)
    rule = with_regions(Rule(bundle.calibration, foreign=foreign_of(bundle)), bundle)
    return proven(Detector(bundle, opened, rule))


def proven(detector: Detector) -> Detector:
    """Return ``detector`` where it reproduces its bundle's golden scores; else GoldenMismatchError."""
    check_golden(detector, detector.bundle.golden)
    return detector


def _path(given: str | os.PathLike[str] | None) -> Path | None:
    return None if given is None else Path(given)
