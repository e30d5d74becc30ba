"""How long finished objects stay in the spool: by age, by count, and by the space that is left."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.errors import SettingsError
from sranogan_edge.spool.spool import Spool

__all__ = ["Retention", "prune"]


@dataclass(frozen=True)
class Retention:
    """What may stay; None sets no limit.

    Attributes:
        max_age_s: seconds of use of the spool since the object was finished. The clock is not asked: one that
            was set forward by a year would empty the spool.
        max_count: finished objects.
        min_free_bytes: of the disk; the oldest finished objects go until so much is free.
        max_frames: results of camera frames.

    Raises:
        SettingsError: a limit below zero.
    """

    max_age_s: float | None = 30 * 24 * 3600
    max_count: int | None = 100_000
    min_free_bytes: int | None = 256 << 20
    max_frames: int = 100_000

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value < 0:
                raise SettingsError(f"{name} must be 0 or more; received {value!r}")


def prune(spool: Spool, retention: Retention) -> int:
    """Remove finished objects that need not stay; returns how many.

    Never removed is what has no result yet, whose result a sink has not read, or whose original a feed
    still holds (finding that again would score it again).

    Raises:
        SpoolError: the spool cannot be written.
    """
    ended = [found for found in spool.ended() if not (found[3] and Path(found[3]).exists())]
    chosen: list[int] = []
    over = 0 if retention.max_count is None else len(ended) - retention.max_count
    short = 0
    if retention.min_free_bytes is not None:
        short = retention.min_free_bytes - shutil.disk_usage(spool.folder).free
    for position, (sequence, age, size, _) in enumerate(ended):
        too_old = retention.max_age_s is not None and age > retention.max_age_s
        if not (too_old or position < over or short > 0):
            break  # the others are younger
        chosen.append(sequence)
        short -= size
    if chosen:
        spool.remove(chosen)
    spool.outbox.remove_frames(retention.max_frames)
    return len(chosen)
