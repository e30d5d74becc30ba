"""Whether a run's preprocessed images are in memory or on disk while it is trained."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from keras_sranogan.data.item import DataSource
from keras_sranogan.progress import Progress
from keras_sranogan.settings import TrainSettings

__all__ = ["ImagesIn", "free_bytes", "on_disk"]

ImagesIn = Literal["auto", "memory", "disk"]

TIMES = 19  # as much memory as its preprocessed float32: an image at its most, which is in the last stage
FREE_SHARE = 0.7  # of the memory that is free, which images may take
_MEMORY = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def on_disk(asked: ImagesIn, source: DataSource, settings: TrainSettings, progress: Progress) -> bool:
    """Return whether images are to be on disk; of ``auto`` that is said, with why, where they are."""
    if asked != "auto":
        return asked == "disk"
    spec = settings.preprocess
    count = sum(item.is_normal for item in source.items("train"))
    needed, free = count * TIMES * 4 * spec.size * spec.size * spec.channels, free_bytes()
    if needed <= FREE_SHARE * free:
        return False
    progress.say(
        f"{count} normals would take about {needed / 2**30:.1f} of {free / 2**30:.1f} GiB that are free: "
        "they are kept on disk, in the run folder, while it is trained (--images-in memory: they are not)"
    )
    return True


def free_bytes() -> int:
    """Return the bytes of memory that this process may still take, as far as the system tells."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError):  # other systems than Linux tell what there is, not what is free
        lines = dict(line.split(":") for line in _MEMORY.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    with suppress(OSError, ValueError):  # no control group, or one without a limit ("max")
        most = int((_GROUP / "memory.max").read_text())
        free = min(free, most - int((_GROUP / "memory.current").read_text()) + _of_files())
    return free


def _of_files() -> int:
    """Return the bytes that a group has of files that were read once, which the system takes back at need."""
    lines = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
    return int(lines["inactive_file"])
