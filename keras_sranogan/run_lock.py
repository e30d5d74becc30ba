"""One training a run folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_sranogan.training.stage import writing
from sranogan_edge.errors import RunError, SpoolInUseError
from sranogan_edge.spool.lock import FolderLock

__all__ = ["training_in"]

LOCK = "training.lock"


@contextmanager
def training_in(folder: Path) -> Iterator[None]:
    """Hold ``folder``, which is made, for one training.

    Raises:
        RunError: another training holds it.
        ResultsError: it cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    cure = "two would overwrite each other's checkpoints. Wait for it, stop it, or name another folder."
    try:
        lock = FolderLock(folder, cure, LOCK, by="training")
    except SpoolInUseError as error:
        raise RunError(str(error)) from error
    try:
        yield
    finally:
        lock.close()
