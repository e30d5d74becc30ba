"""Uploads beside the feeds: one at a time, between two of their images."""

from __future__ import annotations

from collections.abc import Callable

from sranogan_edge.service.scoring import Scoring
from sranogan_edge.uploads.scoring import score_next
from sranogan_edge.uploads.waiting import Uploads

__all__ = ["Uploading"]

STOPPING = "it is stopping"


class Uploading:
    """Scores by what the feeds are scored by: the judge, the threshold and the decoder in force."""

    def __init__(self, uploads: Uploads | None, scoring: Scoring, pulse: Callable[[], None]) -> None:
        """Take turns with ``scoring``; without ``uploads`` there are none. ``pulse`` is a sign of life."""
        self._uploads, self._scoring, self._pulse = uploads, scoring, pulse

    def turn(self) -> bool:
        """Score the upload that waits longest; False where none does, or the device fails."""
        if self._uploads is None:
            return False
        faults = self._scoring.faults
        if faults.pause_s:
            if faults.device:
                self.stand_still(faults.device)
            return False
        self._uploads.ready()
        scoring = self._scoring
        return score_next(
            self._uploads,
            scoring.judge,
            scoring.decoder,
            faults,
            threshold=scoring.threshold,
            pulse=self._pulse,
        )

    def stand_still(self, why: str) -> None:
        """Answer all that waits, and what comes, that nothing is scored for a while."""
        if self._uploads:
            self._uploads.not_ready(why)

    def close(self) -> None:
        """No more uploads are scored."""
        if self._uploads:
            self._uploads.close()
        self.stand_still(STOPPING)
