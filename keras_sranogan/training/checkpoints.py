"""Checkpoints of a training: all variables as NumPy arrays, the same on every backend.

::

    checkpoints/ckpt-STEP.npz    `step`, and STATE.PLACE for each variable of a model or optimiser
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from sranogan_edge.errors import RunError
from sranogan_edge.files import writing_whole

__all__ = ["Checkpoints"]

KEPT = 2
_FILE = re.compile(r"ckpt-(\d+)\.npz")


class Checkpoints:
    """The checkpoints in a folder, which is made with the first of them."""

    def __init__(self, folder: Path, state: Mapping[str, Any]) -> None:
        """Name the folder, and by name the models and optimisers that are saved."""
        self.folder = folder
        self._variables: dict[str, keras.Variable] = {
            f"{name}.{place:04d}": variable
            for name, holder in state.items()
            for place, variable in enumerate(holder.variables)
        }

    def save(self, step: int) -> None:
        """Write the checkpoint after ``step`` steps, whole or not at all; the last two are kept.

        Raises:
            OSError: it cannot be written.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {name: np.asarray(variable.value) for name, variable in self._variables.items()}
        with writing_whole(self.folder / f"ckpt-{step}.npz") as file:
            np.savez(file, step=np.int64(step), **arrays)  # type: ignore[arg-type]  # none is named allow_pickle
        for old in sorted(self._steps())[:-KEPT]:
            (self.folder / f"ckpt-{old}.npz").unlink()

    def restore(self) -> int:
        """Give the variables the values of the last checkpoint and return its step; 0 where there is none.

        Raises:
            RunError: it is damaged, of other networks, or of a version that wrote another form.
        """
        last = max(self._steps(), default=0)
        if not last:
            self._refuse_older()
            return 0
        path = self.folder / f"ckpt-{last}.npz"
        try:
            step, arrays = self._read(path)
        except Exception as error:  # zip, NumPy and the file system raise their own; the cure is the same
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise RunError(
                f"{path}: the checkpoint is damaged or of other networks ({reason}). Remove {self.folder} to "
                "train this stage anew."
            ) from error
        for name, variable in self._variables.items():
            variable.assign(arrays[name].astype(keras.backend.standardize_dtype(variable.dtype)))
        return step

    def _read(self, path: Path) -> tuple[int, dict[str, NDArray[Any]]]:
        with np.load(path, allow_pickle=False) as file:
            other = set(file.files) ^ {"step", *self._variables}
            if other:
                raise ValueError(f"{len(other)} arrays too many or missing, such as {min(other)}")
            arrays = {name: file[name] for name in self._variables}
            step = int(file["step"])
        for name, variable in self._variables.items():
            if arrays[name].shape != tuple(variable.shape):
                raise ValueError(f"{name} is {arrays[name].shape}, and should be {tuple(variable.shape)}")
        return step, arrays

    def _steps(self) -> Iterator[int]:
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if match := _FILE.fullmatch(path.name):
                    yield int(match[1])

    def _refuse_older(self) -> None:
        if (self.folder / "checkpoint").exists():
            raise RunError(
                f"{self.folder} holds checkpoints in the form of an earlier version, which this one cannot "
                "read. Remove it to train this stage anew; finished stages are kept."
            )
