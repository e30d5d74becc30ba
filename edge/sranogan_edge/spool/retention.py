"""How long finished objects stay in the spool: by age, by count, and by the space that is left."""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.option import Options, option
from sranogan_edge.spool.entry import Ended
from sranogan_edge.spool.spool import Spool

__all__ = ["Pruner", "Retention"]

_OBJECTS, _FRAMES = 100, 2000  # a call looks at no more of each, so that it takes milliseconds


@dataclass(frozen=True)
class Retention(Options):
    """What may stay in the spool, objects with their heat maps; none sets no limit.

    Attributes:
        max_age_s: seconds of use of the spool since the object was finished. The clock is not asked: one that
            was set forward by a year would empty the spool.
        max_count: finished objects.
        min_free_bytes: of the disk; the oldest finished objects go until so much is free.
        max_frames: results of camera frames.
        max_waiting_frames: the same while a sink lacks them; above it the oldest are lost to that sink, with
            an alarm.

    Raises:
        SettingsError: a limit below zero.
    """

    max_age_s: float | None = option(30 * 24 * 3600, least=0)
    max_count: int | None = option(100_000, least=0)
    min_free_bytes: int | None = option(256 << 20, least=0)
    max_frames: int = option(100_000, least=0)
    max_waiting_frames: int | None = option(100_000, least=0)


class Pruner:
    """Lets go what need not stay, a little a call; objects take their heat maps along.

    Never removed is what has no result yet, whose result a sink has not read (so its heat map is not sent
    yet), or whose original a feed still holds (finding that again would score it again).

    Attributes:
        unfinished: whether the last call left some of its work to the next.
        lost: results of frames that the last call let go before a sink had them.
        lost_in_all: the same of all calls.
    """

    def __init__(self, spool: Spool, retention: Retention, pictures: Path | None = None) -> None:
        """Look after ``spool``; ``pictures`` is the folder that heat maps lie below."""
        self._spool, self._retention, self._pictures = spool, retention, pictures
        self._looked_to = -1.0  # when the last object was finished whose original was looked for
        self.unfinished = False
        self.lost = self.lost_in_all = 0

    def prune(self) -> int:
        """Remove the oldest finished objects that need not stay, 100 at most; returns how many.

        Raises:
            SpoolError: the spool cannot be written.
        """
        more_originals = self._release()
        chosen = self._chosen()
        for one in chosen:
            self._remove_heat_map(one)
        if chosen:
            self._spool.finished.remove([one.sequence for one in chosen])
        frames, self.lost = self._spool.outbox.remove_frames(
            self._retention.max_frames, self._retention.max_waiting_frames, _FRAMES
        )
        self.lost_in_all += self.lost
        self.unfinished = more_originals or len(chosen) == _OBJECTS or frames == _FRAMES
        return len(chosen)

    def _release(self) -> bool:
        """Look for the originals of some objects, all in turn; returns whether there are more to look for."""
        held = self._spool.finished.held(self._looked_to, _OBJECTS)
        gone = [sequence for _, sequence, origin in held if not os.path.exists(origin)]
        if gone:
            self._spool.finished.release(gone)
        more = len(held) == _OBJECTS
        self._looked_to = held[-1][0] if more else -1.0
        return more

    def _chosen(self) -> list[Ended]:
        limits = self._retention
        chosen: list[Ended] = []
        over = 0 if limits.max_count is None else self._spool.finished.count() - limits.max_count
        short = self._short()
        for one in self._spool.finished.oldest(_OBJECTS):
            too_old = limits.max_age_s is not None and one.age_s > limits.max_age_s
            if not (too_old or len(chosen) < over or short > 0):
                break  # the others are younger
            chosen.append(one)
            short -= one.size
        return chosen

    def _short(self) -> int:
        """Bytes that are missing on the disk of the spool, or of the heat maps."""
        if self._retention.min_free_bytes is None:
            return 0
        folders = [self._spool.folder, *([self._pictures] if self._pictures else [])]
        free = min(shutil.disk_usage(folder).free for folder in folders if folder.exists())
        return self._retention.min_free_bytes - free

    def _remove_heat_map(self, one: Ended) -> None:
        if self._pictures and one.heat_map:
            with contextlib.suppress(OSError):
                (self._pictures / one.heat_map).unlink(missing_ok=True)
