"""One training a run folder, in a folder that TensorFlow can write checkpoints to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_sranogan.training.stage import writing
from sranogan_edge.errors import RunError, SettingsError, SpoolInUseError
from sranogan_edge.spool.lock import FolderLock

__all__ = ["check_name", "training_in"]

LOCK = "training.lock"
_PATTERN = "[]*?\\"  # what TensorFlow reads as a pattern where it looks for a checkpoint's files


def check_name(folder: Path) -> None:
    r"""Refuse a path under which TensorFlow would not find its checkpoints again, before hours are spent.

    Raises:
        SettingsError: it holds one of ``[ ] * ? \``.
    """
    wrong = sorted(set(str(folder)) & set(_PATTERN))
    if wrong:
        raise SettingsError(
            f"{folder}: TensorFlow cannot read checkpoints again from a path with {' '.join(wrong)} in it. "
            "Name another folder, or a path relative to where you are."
        )


@contextmanager
def training_in(folder: Path) -> Iterator[None]:
    """Hold ``folder``, which is made, for one training.

    Raises:
        SettingsError: like :func:`check_name`.
        RunError: another training holds it.
        ResultsError: it cannot be written.
    """
    check_name(folder)
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
