"""Another bundle, or calibration, in place of the one in use: proven beside it, then it takes over.

The file that the runner was started with is watched. What replaces it is copied, read, its digests checked,
and its golden cases scored on the backend in use, in a process of its own first, while the other one goes
on scoring. It takes over between two objects. What is refused changes nothing, but raises an alarm.
"""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

from sranogan_edge.alarms import Alarms
from sranogan_edge.bundle.archive import MAX_BUNDLE_BYTES, too_large
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import Loader
from sranogan_edge.errors import BundleError, CalibrationError, SpoolError, SranoganError
from sranogan_edge.service.bundles import KeptBundles, digest_of
from sranogan_edge.service.same_input import refuse_other_input

__all__ = ["Swap"]

_log = logging.getLogger(__name__)
_SETTLE_S = 2.0  # a file that nobody wrote to for so long is complete
_Look = tuple[object, ...]


class Swap:
    """Judges of one bundle's file, one after the other."""

    def __init__(
        self,
        bundle: Path,
        loader: Loader,
        kept: KeptBundles,
        alarms: Alarms,
        *,
        every_s: float | None = 10.0,
        settle_s: float = _SETTLE_S,
        other_input: bool = False,
    ) -> None:
        """Watch ``bundle`` and the calibration of ``loader``; nothing is read yet.

        Args:
            bundle: the file that is replaced.
            loader: makes judges.
            kept: copies of the bundles in use.
            alarms: is told what is refused.
            every_s: seconds between two looks; None looks when :meth:`look` is called only.
            settle_s: a file that did not change for so long is complete.
            other_input: whether a bundle may take over that is for other images than the one before.
        """
        self._bundle, self._loader, self._kept, self._alarms = bundle, loader, kept, alarms
        self._every_s, self._settle_s, self._other_input = every_s, settle_s, other_input
        self._detector: Detector | None = None  # of the bundle in use, without a site's calibration
        self._known: _Look = ()
        self._asked, self._closing = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._successor: Judge | None = None
        self._thread = threading.Thread(target=self._watch, name="bundle", daemon=True)

    def first(self) -> Judge:
        """Return the judge to start with.

        Where the bundle is refused, or its calibration, the one that this spool's runner had in use last
        goes on, with an alarm.

        Raises:
            BundleError: refused, and there is none to go on with.
            BackendError: the backend is missing or fails.
        """
        self._known = self._look()
        try:
            return self._proven(at_start=True)
        except SranoganError as error:
            self._kept.discard()
            try:
                judge = self._go_on()
            except SranoganError:
                raise error from None
            self._alarms.note("bundle", f"{error} The one that was in use before goes on.")
            return judge

    def _go_on(self) -> Judge:
        detector = self._opened(self._kept.in_use)
        void = self._kept.is_void(detector.bundle.sha256)
        judge = self._judge(detector, may_be_void=void, may_be_kept=True)
        self._detector = detector
        return judge

    def start(self) -> None:
        """Start the thread that looks at the files."""
        self._thread.start()

    def look(self) -> None:
        """Look now, and read what is there even if it was refused before; from any thread."""
        self._asked.set()

    def close(self, within_s: float = 30.0) -> None:
        """End; what is being proven is left."""
        self._closing.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(within_s)

    def successor(self) -> Judge | None:
        """Return what is to take over now, once."""
        with self._lock:
            found, self._successor = self._successor, None
        return found

    def _watch(self) -> None:
        seen, since = self._known, time.monotonic()
        while not self._closing.is_set():
            pause = self._every_s if seen == self._known else self._settle_s
            asked = self._asked.wait(pause)
            self._asked.clear()
            if self._closing.is_set():
                return
            now = self._look()
            if now != seen:
                seen, since = now, time.monotonic()
            complete = time.monotonic() - since >= self._settle_s
            if asked or (seen != self._known and complete):
                self._known = seen
                self._try()

    def _try(self) -> None:
        try:
            judge = self._proven(at_start=False)
        except Exception as error:  # whatever a file can do to us: the one in use goes on
            self._kept.discard()
            told = str(error) if isinstance(error, SranoganError) else f"{type(error).__name__}: {error}"
            self._alarms.note("bundle", f"{told} The one in use goes on.")
            return
        self._alarms.note("bundle")
        with self._lock:
            self._successor = judge

    def _proven(self, *, at_start: bool) -> Judge:
        before = self._detector
        detector = self._read(before)
        sha256 = detector.bundle.sha256
        self._refuse_other_input(before.bundle if before else self._in_use_last(), detector.bundle)
        is_new = before is None or sha256 != before.bundle.sha256
        void = (is_new and not at_start) or self._kept.is_void(sha256)
        judge = self._judge(detector, may_be_void=void, may_be_kept=at_start)
        self._detector = detector
        if is_new:
            self._keep()
        return judge

    def _in_use_last(self) -> Bundle | None:
        """The bundle that this spool's runner had in use when it ended; None where it keeps none."""
        if not self._kept.in_use.is_file():
            return None
        try:
            return read_bundle(self._kept.in_use)
        except (OSError, BundleError) as error:
            _log.warning("%s: cannot be compared with the new bundle (%s)", self._kept.in_use, error)
            return None

    def _refuse_other_input(self, before: Bundle | None, after: Bundle) -> None:
        if before is not None and not self._other_input:
            refuse_other_input(before, after)

    def _judge(self, detector: Detector, *, may_be_void: bool, may_be_kept: bool) -> Judge:
        """Put the site's calibration in force.

        Args:
            detector: of the bundle.
            may_be_void: where it is refused, the bundle's own holds: it is of another bundle that was in use.
            may_be_kept: where it is refused, the one that was in force before goes on.

        Raises:
            CalibrationError: refused, and neither may be.
        """
        try:
            judge = self._loader.judge(detector)
        except CalibrationError as error:
            kept = self._judge_by_kept(detector) if may_be_kept else None
            if kept is None and not may_be_void:
                raise
            void = "the site's calibration is void, the bundle's own threshold is in force: "
            goes_on = " The one that was in use before goes on."
            self._alarms.note("calibration", f"{error}{goes_on}" if kept else f"{void}{error}")
            self._kept.note_void("" if kept else detector.bundle.sha256)
            return kept or self._loader.uncalibrated(detector)
        self._alarms.note("calibration")
        self._kept.note_void("")
        self._keep_calibration(judge)
        return judge

    def _judge_by_kept(self, detector: Detector) -> Judge | None:
        original = self._loader.calibration.file
        assert original
        try:
            return self._loader.judge(detector, self._kept.calibration(original))
        except CalibrationError:
            return None

    def _keep_calibration(self, judge: Judge) -> None:
        original = self._loader.calibration.file
        if original is None or judge.site is None:
            return
        try:
            self._kept.keep_calibration(original, judge.site.digest)
        except OSError as error:
            _log.error("%s: cannot be kept (%s)", original, error.strerror or error)

    def _read(self, before: Detector | None) -> Detector:
        """Return the proven detector of the file that is there; the one in use where it is the same."""
        path = self._bundle
        if path.is_file():
            if path.stat().st_size > MAX_BUNDLE_BYTES:
                raise too_large(path)
            try:
                path = self._kept.stage()
            except SpoolError as error:
                if before is not None:
                    raise
                _log.error("%s", error)  # it starts all the same; there is nothing to go back to
        if before is not None and digest_of(path) == before.bundle.sha256:
            self._kept.discard()
            return before
        try:
            return self._opened(path, before.bundle.steps if before else None)
        except SranoganError as error:  # people know the file by its own name
            raise type(error)(str(error).replace(str(self._kept.staged), str(self._bundle))) from error

    def _opened(self, path: Path, steps_in_use: int | None = None) -> Detector:
        """Prove a bundle in a process of its own, then in this one."""
        sha256 = self._loader.tried(path)
        self._kept.begin_proof(sha256)
        try:
            return self._loader.detector(path, steps_in_use, sha256=sha256)
        finally:
            self._kept.end_proof()

    def _keep(self) -> None:
        try:
            self._kept.promote()
        except OSError as error:
            _log.error("%s: cannot be kept (%s)", self._bundle, error.strerror or error)

    def _look(self) -> _Look:
        files = [self._bundle, self._loader.calibration.file]
        return tuple(_stat(file) if file else None for file in files)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
