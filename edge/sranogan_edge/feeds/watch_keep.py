"""How long scored files stay in a watched folder's ``done`` and ``failed``."""

from __future__ import annotations

import logging
import time

from sranogan_edge.feeds.watch_folder import DropFolder

__all__ = ["SettledFiles"]

LOOK_EVERY_S = 600.0

_log = logging.getLogger(__name__)


class SettledFiles:
    """Removes them after ``keep_s`` seconds; None keeps them for ever."""

    def __init__(self, drop: DropFolder, keep_s: float | None) -> None:
        """Nothing is looked at yet."""
        self._drop, self._keep_s, self._looked_at = drop, keep_s, float("-inf")

    def prune(self) -> None:
        """Remove what is old, now and then; to be called often."""
        if self._keep_s is None or time.monotonic() - self._looked_at < min(LOOK_EVERY_S, self._keep_s):
            return
        self._looked_at = time.monotonic()
        where = f"watch:{self._drop.path}"
        try:
            removed = self._drop.prune(time.time() - self._keep_s)
        except OSError as error:
            _log.error("feed %s: old files stay (%s)", where, error.strerror or error)
            return
        if removed:
            _log.info("feed %s: %d old files were removed from done/ and failed/", where, removed)
