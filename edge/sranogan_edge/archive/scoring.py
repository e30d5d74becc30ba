"""From an item of an archive to its row: what a worker does, wherever it runs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, BinaryIO

import cv2

from sranogan_edge import __version__
from sranogan_edge.archive.item import Content, Item
from sranogan_edge.archive.measured import packed_measurements
from sranogan_edge.archive.open import open_source
from sranogan_edge.archive.output import HEAT, Judged, row_of
from sranogan_edge.archive.task import Task
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import Wanted
from sranogan_edge.detector.judge import Answer, Judge
from sranogan_edge.errors import BundleIntegrityError, ImageError, SettingsError, UnreadableImageError
from sranogan_edge.image.film import FilmFields
from sranogan_edge.image.frame import Frame
from sranogan_edge.results.line import ResultLine, described, error_line, not_asked_for_line
from sranogan_edge.scoring.overlay import overlay_of
from sranogan_edge.scoring.rule import Verdict
from sranogan_edge.scoring.statistics import statistics_of

__all__ = ["Scoring", "check_version"]

Row = dict[str, Any]
_CHUNK_BYTES = 2**20


class Scoring:
    """One detector and one decoder, that score shard after shard; use as a context manager."""

    def __init__(self, task: Task) -> None:
        """Read the bundle, prove it here, and open the archive.

        Raises:
            SettingsError: this is another version of the package than the run's.
            BundleError: the bundle is refused, or another one than the run's.
            SranoganError: what else opening it raises.
        """
        check_version(task)
        self._task = task
        here = read_bundle(task.bundle, task.loader.scoring.bundle_key_file).sha256
        if here != task.sha256:
            raise BundleIntegrityError(
                f"{task.bundle}: this worker finds the bundle {here[:12]}, and the run's is "
                f"{task.sha256[:12]}. Copy the run's bundle to each machine."
            )
        detector = task.loader.detector(task.bundle, sha256=task.sha256)
        self.judge: Judge = task.loader.judge(detector)
        self._bundle = detector.bundle
        self._source = open_source(task.source, named=task.named)
        self._decoder = Decoder(task.decoding)

    def __enter__(self) -> Scoring:
        return self

    def __exit__(self, *_: object) -> None:
        """End the decoder."""
        self._decoder.close()

    def rows(self, items: Sequence[Item]) -> Iterator[Row]:
        """Score one image after the other, in their order.

        Raises:
            SranoganError: the archive, the backend or the decoder failed; no image is at fault.
        """
        contents = self._source.open([item for item in items if not item.problem])
        for item in items:
            content = UnreadableImageError(item.problem) if item.problem else next(contents)
            yield self._row(item, content)

    def _row(self, item: Item, content: Content) -> Row:
        if isinstance(content, ImageError):
            line = error_line(item.name, content, self.judge.scorer)
            return row_of(line, FilmFields(), sha256=None, size=None)
        with closing(content) as file:
            sha256, size = _digest(file)
            line, film, answer, judged = self._line(item, file)
            row = row_of(line, film, sha256=sha256, size=size, judged=judged)
        if self._task.heat and answer and line.verdict == "anomalous":
            row[HEAT] = self._picture(answer.verdict)
        return row

    def _line(
        self, item: Item, file: BinaryIO
    ) -> tuple[ResultLine, FilmFields, Answer | None, Judged | None]:
        film, judge = FilmFields(), self.judge
        try:
            wanted = Wanted(item.name, self._task.films, judge.max_pixels)
            read = self._decoder.read_open(file, wanted)
            film = read.film
            taken = read.or_raise()
            if taken.refusal:
                refused = not_asked_for_line(item.name, taken.refusal, judge.scorer)
                return described(refused, film), film, None, None
            answer = judge.answer(taken.frames)
        except ImageError as error:
            return described(error_line(item.name, error, judge.scorer), film), film, None, None
        line = answer.line(item.name, judge.scorer, None, "")
        judged = self._judged(answer, taken.frames[answer.frame - 1])
        return described(line, film, taken.turned), film, answer, judged

    def _judged(self, answer: Answer, frame: Frame) -> Judged:
        """What is kept of an answer for those that calibrate by it; ``frame`` has the highest score."""
        bundle, verdict = self._bundle, answer.verdict
        statistics = answer.statistics or statistics_of(frame, verdict, bundle.density, bundle.preprocess)
        kept = None
        if self._task.measurements:
            kept = packed_measurements(answer.grid, verdict.reconstruction.measured)
        return Judged(verdict.out_of_domain, statistics, answer.judged, kept)

    def _picture(self, verdict: Verdict) -> bytes:
        assert self.judge.heat_limit is not None
        _, encoded = cv2.imencode(".png", overlay_of(verdict, self.judge.heat_limit))
        return bytes(encoded.tobytes())


def check_version(task: Task) -> None:
    """Raise SettingsError where this is another version of the package than the run's."""
    if task.version != __version__:
        raise SettingsError(
            f"this worker has sranogan-edge {__version__}, and the run is of {task.version}: their scores "
            "may differ. Install one version on each machine."
        )


def _digest(file: BinaryIO) -> tuple[str, int]:
    """Return SHA-256 and number of an open file's bytes."""
    digest, size = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size
