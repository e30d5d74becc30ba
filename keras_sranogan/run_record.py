"""What a run folder says of itself in JSON; reading it needs no backend, so commands look here first."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from keras_sranogan.settings import TrainSettings
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import BundleError, ResultsError, RunError, SettingsError
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS
from sranogan_edge.scoring.conformal import Calibration

__all__ = ["PROGRESS", "PROVENANCE", "SETTINGS", "RunRecord", "check_model", "max_pixels_of"]

SETTINGS, PROVENANCE, PROGRESS = "settings.json", "provenance.json", "progress.json"
FITTED = "detector/calibration.json"  # the last that a training writes
T = TypeVar("T")


def check_model(model: Path) -> None:
    """Raise RunError where ``model`` is neither a finished run folder nor a file, which may be a bundle."""
    if model.is_dir():
        RunRecord(model).check_finished()
    elif not model.is_file():
        raise RunError(
            f"{model}: no such run folder or bundle. Name the --out of sranogan-train, or a bundle."
        )


def max_pixels_of(model: Path) -> int:
    """Return the most pixels of an image that a run or a bundle takes; what is no bundle is told later."""
    if model.is_dir():
        return RunRecord(model).settings.preprocess.max_pixels
    with contextlib.suppress(BundleError):
        return read_bundle(model).preprocess.max_pixels
    return DEFAULT_MAX_PIXELS


class RunRecord:
    """Settings, provenance and progress of a run folder."""

    def __init__(self, folder: Path) -> None:
        """Name a folder; nothing is read or written yet."""
        self.folder = folder

    def refuse_begun(self, *, resume: bool) -> None:
        """Raise RunError where the folder holds a run that is not to be gone on with.

        Raises:
            RunError: see above.
            ResultsError: the folder is a file, or lies below one.
        """
        if (self.folder / SETTINGS).exists() and not resume:
            raise RunError(
                f"{self.folder} holds a run already. Add --resume to go on with it, or name a new folder."
            )
        for one in (self.folder, *self.folder.parents):
            if one.exists():
                if not one.is_dir():
                    raise ResultsError(
                        f"{self.folder}: cannot be written ({one} is a file). Name another folder."
                    )
                return

    def check_finished(self) -> None:
        """Raise RunError unless this is a run folder whose training came to its end."""
        _ = self.settings
        self._load(FITTED, lambda path: path.stat())

    @property
    def settings(self) -> TrainSettings:
        """The run's settings."""
        values = self._read(SETTINGS)
        try:
            return TrainSettings.from_dict(values)
        except (SettingsError, TypeError) as error:
            raise RunError(f"{self.folder / SETTINGS} cannot be used: {error}. Train again.") from error

    @property
    def provenance(self) -> dict[str, Any]:
        """Data, versions and machine of the training."""
        return self._read(PROVENANCE)

    @property
    def begun_on(self) -> str:
        """Keras's backend that the run was last trained on; empty where it is new or does not say."""
        there = (self.folder / PROVENANCE).exists()
        return str(self.provenance.get("machine", {}).get("backend", "")) if there else ""

    @property
    def progress(self) -> dict[str, float]:
        """Minutes taken by each finished piece, by name."""
        return self._read(PROGRESS) if (self.folder / PROGRESS).exists() else {}

    @property
    def calibration(self) -> Calibration:
        """The scores of held-out normals, and the threshold that they set."""
        return self._load(FITTED, _calibration)

    def _read(self, name: str) -> dict[str, Any]:
        if not (self.folder / name).exists():
            raise RunError(
                f"{self.folder} is not a finished run folder: it has no {name}. "
                "Name the --out of sranogan-train."
            )
        return self._load(name, lambda path: dict(json.loads(path.read_text(encoding="utf-8"))))

    def _load(self, name: str, load: Callable[[Path], T]) -> T:
        """Read one file of the folder."""
        path = self.folder / name
        if not path.exists():
            raise RunError(
                f"{self.folder} is not finished: {path.name} is missing. Go on with sranogan-train --resume."
            )
        try:
            return load(path)
        except Exception as error:  # zip, HDF5, JSON, NumPy and Keras raise their own; the cure is the same
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise RunError(f"{path} is damaged ({reason}). Train again in a new folder.") from error


def _calibration(path: Path) -> Calibration:
    values = json.loads(path.read_text(encoding="utf-8"))
    return Calibration(tuple(values["scores"]), values["false_alarm_rate"])
