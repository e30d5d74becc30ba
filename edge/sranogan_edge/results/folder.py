"""The folder that files are scored into: its lines and heat maps, of one run at a time."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from pathlib import Path
from types import TracebackType

import cv2

from sranogan_edge.errors import ResultsError
from sranogan_edge.image.own_outputs import HEAT_MAPS, REGIONS, RESULTS, SHEET, SUMMARY, TABLE
from sranogan_edge.results.line import ResultLine
from sranogan_edge.scoring.overlay import overlay_of
from sranogan_edge.scoring.rule import Verdict
from sranogan_edge.spool.lock import lock_results

__all__ = ["ResultsFolder"]

_log = logging.getLogger(__name__)


class ResultsFolder:
    """``results.jsonl`` and ``heat_maps/`` in one folder; use as a context manager.

    While it is open no other runner writes there. What an earlier run left stays whole: its lines as
    ``results-UTC.jsonl`` (so its table, contact sheet and summary), its heat maps under their names.

    Attributes:
        folder: of the results.
        earlier: the file that holds the lines of the run before; None where there were none.
    """

    def __init__(self, folder: Path) -> None:
        """Make the folder, keep other runners out, set an earlier ``results.jsonl`` aside.

        Raises:
            SpoolInUseError: another runner writes its results there; nothing was touched.
            ResultsError: it cannot be written to.
        """
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failed(error) from error
        self._lock = lock_results(folder)
        try:
            (folder / HEAT_MAPS).mkdir(exist_ok=True)
            self.earlier = _set_aside(folder / RESULTS)
            for name in (TABLE, SHEET, SUMMARY, REGIONS):  # of the lines that were set aside
                _set_aside(folder / name)
            self._lines = (folder / RESULTS).open("wb", buffering=0)
        except OSError as error:
            self._lock.close()
            raise self._failed(error) from error
        if self.earlier:
            _log.info("the results that were in %s are kept as %s", folder / RESULTS, self.earlier)
        self._whole = 0  # bytes of whole lines in the file

    def __enter__(self) -> ResultsFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Flush to disk, close, and let other runners in."""
        try:
            with self._lines:
                os.fsync(self._lines.fileno())
        except OSError as failure:
            if error is None:
                raise self._failed(failure) from failure
        finally:
            self._lock.close()

    def write(self, line: ResultLine) -> None:
        """Append one line; it reaches the operating system before this returns, whole or not at all.

        Raises:
            ResultsError: it cannot be written; the lines before it stand.
        """
        left = memoryview((json.dumps(line.to_dict(), allow_nan=False) + "\n").encode())
        length = len(left)
        try:
            while left:
                left = left[self._lines.write(left) :]
        except BaseException as error:
            with contextlib.suppress(OSError):
                self._lines.truncate(self._whole)
            if isinstance(error, OSError):
                raise self._failed(error) from error
            raise
        self._whole += length

    def write_overlay(self, name: str, verdict: Verdict, heat_limit: float) -> str:
        """Save the image with its heat map as PNG; returns the path relative to the folder.

        An image in tiles is drawn at the size of its heat map. A file of that name with another picture is of
        an earlier run, and stays: this one gets a number.

        Raises:
            ResultsError: it cannot be written; nothing of it is left.
        """
        _, encoded = cv2.imencode(".png", overlay_of(verdict, heat_limit))
        png = encoded.tobytes()
        try:
            relative = self._place(name, png)
            path = self.folder / relative
            if path.exists():
                return relative
            try:
                path.write_bytes(png)
            except OSError:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._failed(error) from error
        return relative

    def _place(self, name: str, png: bytes) -> str:
        """Return the path of the first file of ``name`` that is not there, or holds ``png`` already."""
        relative, number = f"{HEAT_MAPS}/{name}.png", 1
        while (path := self.folder / relative).exists() and path.read_bytes() != png:
            number += 1
            relative = f"{HEAT_MAPS}/{name}-{number}.png"
        return relative

    def _failed(self, error: OSError) -> ResultsError:
        return ResultsError(
            f"cannot write results to {self.folder}: {error.strerror or error}. Results written so far are "
            "kept; free some space or name another folder with --out."
        )


def _set_aside(path: Path) -> Path | None:
    """Rename the results of an earlier run to ``results-UTC.jsonl``; raises OSError.

    A runner counts and removes files of the form ``results-NUMBER-UTC.jsonl``: these are none of them.
    """
    if not path.is_file() or not path.stat().st_size:
        return None
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    kept, number = path.with_name(f"{path.stem}-{stamp}{path.suffix}"), 1
    while kept.exists():
        number += 1
        kept = path.with_name(f"{path.stem}-{stamp}-{number}{path.suffix}")
    return path.rename(kept)
