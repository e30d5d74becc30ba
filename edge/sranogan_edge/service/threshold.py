"""The threshold that somebody applied on the live page: kept over restarts, void with another calibration."""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from sranogan_edge.errors import ResultsError
from sranogan_edge.files import write_whole
from sranogan_edge.results.line import Scorer

__all__ = ["AppliedThreshold"]

_log = logging.getLogger(__name__)
FILE = "threshold.json"


@dataclass(frozen=True)
class _Applied:
    """What was applied, by whom, and what it was chosen for."""

    threshold: float
    by: str
    at: str
    bundle: str
    steps: int
    calibration: str | None

    def goes_with(self, scorer: Scorer) -> bool:
        """Whether scores still mean the same."""
        return (self.bundle, self.steps, self.calibration) == (
            scorer.bundle,
            scorer.steps,
            scorer.calibration,
        )


class AppliedThreshold:
    """One number in one file of the spool's folder; may be used from any thread."""

    def __init__(self, folder: Path, scorer: Scorer) -> None:
        """Take up what an earlier run left, where it was chosen for the same bundle and calibration."""
        self._path, self._scorer = folder / FILE, scorer
        self._lock = threading.Lock()
        self._applied = self._read()
        self.judging(scorer)
        if self._applied:
            _log.info(
                "the threshold %g is in force, applied on the page %s by %s",
                self._applied.threshold,
                self._applied.at,
                self._applied.by,
            )

    @property
    def value(self) -> float | None:
        """In force instead of the calibration's; None where nobody applied one."""
        with self._lock:
            return self._applied.threshold if self._applied else None

    def apply(self, threshold: float, by: str) -> None:
        """Put ``threshold`` in force, on the disk before this returns.

        Raises:
            ResultsError: the disk does not take it; the one before stays in force.
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self._lock:
            own = self._scorer
            applied = _Applied(threshold, by, now, own.bundle, own.steps, own.calibration)
            self._write(applied)
            before, self._applied = self._applied, applied
        _log.warning(
            "the threshold %g was applied on the page by %s; it was %s",
            threshold,
            by,
            f"{before.threshold:g}" if before else "the calibration's",
        )

    def judging(self, scorer: Scorer) -> None:
        """Another bundle or calibration may be in force: what was chosen for the one before is void."""
        with self._lock:
            self._scorer = scorer
            if self._applied is None or self._applied.goes_with(scorer):
                return
            _log.warning(
                "the threshold %g of the page was chosen for another bundle or calibration: it is void",
                self._applied.threshold,
            )
            self._applied = None
            try:
                self._path.unlink(missing_ok=True)
            except OSError as error:
                _log.error("%s: cannot be removed (%s)", self._path, error.strerror or error)

    def _read(self) -> _Applied | None:
        try:
            found = _Applied(**json.loads(self._path.read_bytes()))
            if not math.isfinite(found.threshold):
                raise ValueError(f"a threshold of {found.threshold!r}")
        except FileNotFoundError:
            return None
        except (OSError, TypeError, ValueError) as error:
            _log.error("%s: cannot be understood (%s); the calibration's threshold holds", self._path, error)
            return None
        return found

    def _write(self, applied: _Applied) -> None:
        try:
            write_whole(self._path, f"{json.dumps(asdict(applied), indent=1)}\n".encode())
        except OSError as error:
            raise ResultsError(
                f"{self._path}: the threshold cannot be kept ({error.strerror or error}), so it was not "
                "applied. Free some space, and apply it again."
            ) from error
