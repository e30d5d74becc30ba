"""The normals that a run learns from: read, counted, and a part of them held out for the detector."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from keras_sranogan.data.load import LoadedImages, Skipped, load_images
from keras_sranogan.data.source import DataSource, Item
from keras_sranogan.data.split import split_by_group
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training import Progress
from sranogan_edge.errors import DataError
from sranogan_edge.frame import Frame

MIN_NORMALS = 50
ADVISED_NORMALS = 300


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads images of one source as one run preprocesses them, showing progress."""

    source: DataSource
    settings: TrainSettings
    progress: Progress
    max_bad_share: float

    def read(
        self, items: Sequence[Item], what: str, transform: Callable[[Frame, Item], Frame] | None = None
    ) -> LoadedImages:
        """Read ``items``; raises DataError when too many of them cannot be used."""
        self.progress.start(f"reading {what}", len(items))
        return load_images(
            self.source,
            items,
            self.settings.preprocess,
            transform=transform,
            max_bad_share=self.max_bad_share,
            on_progress=lambda done, _total: self.progress.advance(done),
        )


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Normals, in two parts that share no patient.

    Attributes:
        fit: what the networks are trained on.
        held_out: what the detector is fitted on; no network sees it.
        skipped: images of both parts that cannot be used.
        duplicates: images that equal another one.
    """

    fit: LoadedImages
    held_out: LoadedImages
    skipped: tuple[Skipped, ...]
    duplicates: int

    def warn(self, progress: Progress) -> None:
        """Say what a person should know of the images before hours are spent on them."""
        count = len(self.fit.x) + len(self.held_out.x)
        if self.skipped:
            progress.say(
                f"warning: {len(self.skipped)} of {count + len(self.skipped)} images cannot be used and are "
                f"skipped, such as: {self.skipped[0].reason}"
            )
        if count < ADVISED_NORMALS:
            progress.say(
                f"warning: {count} normal images are few; {ADVISED_NORMALS} or more are advised, for fewer "
                "false alarms"
            )


def read_normals(reader: Reader) -> TrainingData:
    """Read the train split's normals and hold a part of them out.

    Raises:
        DataError: there are too few, too many cannot be used, or they are all of one patient.
    """
    source, settings = reader.source, reader.settings
    normals = [item for item in source.items("train") if item.is_normal]
    _check_count(source, len(normals))
    fit, held_out = split_by_group(normals, settings.calibration_share, settings.seed)
    loaded = reader.read([*fit, *held_out], "normals")
    _check_count(source, len(loaded.items))
    cut = len({item.key for item in fit} & {item.key for item in loaded.items})
    if cut in (0, len(loaded.items)):
        raise DataError(
            f"{source.name}: no usable normal is left in one part of the split. Repair or add some."
        )
    return TrainingData(
        _part(loaded, slice(cut)), _part(loaded, slice(cut, None)), loaded.skipped, loaded.duplicates
    )


def _part(loaded: LoadedImages, rows: slice) -> LoadedImages:
    return LoadedImages(loaded.x[rows], loaded.items[rows], skipped=(), duplicates=0)


def _check_count(source: DataSource, count: int) -> None:
    if count < MIN_NORMALS:
        raise DataError(
            f"{source.name} has {count} normal images to train on; at least {MIN_NORMALS} are needed "
            f"({ADVISED_NORMALS} or more are advised)."
        )
