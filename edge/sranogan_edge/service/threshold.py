"""The threshold that somebody applied on the live page: kept over restarts, void with another calibration.

It is kept with a code by a key of the runner's own: a file that others put there sets none.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.files import write_whole
from sranogan_edge.own_key import OwnKey
from sranogan_edge.results.line import Scorer
from sranogan_edge.scoring.conformal import Calibration

__all__ = ["AppliedThreshold"]

_log = logging.getLogger(__name__)
FILE, KEY = "threshold.json", "threshold.key"
MAX_BYTES = 64 * 1024


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

    def __init__(self, folder: Path, scorer: Scorer, calibration: Calibration | None = None) -> None:
        """Take up what an earlier run left, where it was chosen for the same bundle and calibration.

        Without ``calibration`` any finite number may be applied.
        """
        self._path, self._scorer, self._calibration = folder / FILE, scorer, calibration
        self._key = OwnKey(folder / KEY)
        self._lock = threading.Lock()
        self._applied = self._read()
        self.judging(scorer, calibration)
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
            SettingsError: it is out of the calibration's reach.
        """
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with self._lock:
            own = self._scorer
            if why := self._beyond(threshold):
                raise SettingsError(f"{why}. Choose one within it, or calibrate")
            applied = _Applied(threshold, by, now, own.bundle, own.steps, own.calibration)
            self._write(applied)
            before, self._applied = self._applied, applied
        _log.warning(
            "the threshold %g was applied on the page by %s; it was %s",
            threshold,
            by,
            f"{before.threshold:g}" if before else "the calibration's",
        )

    def judging(self, scorer: Scorer, calibration: Calibration | None = None) -> None:
        """Another bundle or calibration may be in force: what was chosen for the one before is void."""
        with self._lock:
            self._scorer, self._calibration = scorer, calibration
            if self._applied is None:
                return
            why = self._beyond(self._applied.threshold)
            if not self._applied.goes_with(scorer):
                why = "it was chosen for another bundle or calibration"
            if not why:
                return
            _log.warning("the threshold %g of the page is void: %s", self._applied.threshold, why)
            self._applied = None
            try:
                self._path.unlink(missing_ok=True)
            except OSError as error:
                _log.error("%s: cannot be removed (%s)", self._path, error.strerror or error)

    def _beyond(self, threshold: float) -> str:
        """Why ``threshold`` cannot be in force; empty where it can."""
        low, high = self._calibration.reach if self._calibration else (-math.inf, math.inf)
        if low <= threshold <= high and math.isfinite(threshold):
            return ""
        return f"a threshold of {threshold:g} is out of the calibration's reach, {low:.4g} to {high:.4g}"

    def _read(self) -> _Applied | None:
        try:
            handle = os.open(self._path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as file:
                kept = json.loads(file.read(MAX_BYTES))
            mac = kept.pop("mac", None)
            if not self._key.is_ours(_canonical(kept), mac):
                raise ValueError("this runner did not write it, or an earlier version did; apply it again")
            found = _Applied(**kept)
            if not math.isfinite(found.threshold):
                raise ValueError(f"a threshold of {found.threshold!r}")
        except FileNotFoundError:
            return None
        except (OSError, TypeError, ValueError, AttributeError, RecursionError) as error:
            _log.error("%s: cannot be understood (%s); the calibration's threshold holds", self._path, error)
            return None
        return found

    def _write(self, applied: _Applied) -> None:
        try:
            kept = asdict(applied)
            kept["mac"] = self._key.mac(_canonical(kept))
            write_whole(self._path, f"{json.dumps(kept, indent=1)}\n".encode())
        except OSError as error:
            raise ResultsError(
                f"{self._path}: the threshold cannot be kept ({error.strerror or error}), so it was not "
                "applied. Free some space, and apply it again."
            ) from error


def _canonical(values: dict[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True).encode()
