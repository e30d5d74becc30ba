"""The normals that a run learns from: read, counted, each once; a part of them held out for the detector."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from keras_sranogan.data.copies import find_copies
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import (
    Loaded,
    LoadedImages,
    Skipped,
    check_request,
    check_share,
    in_order,
    load_images,
    read_images,
)
from keras_sranogan.data.reference import ROUNDS, learn_reference
from keras_sranogan.data.rows import only
from keras_sranogan.data.shards import Shards
from keras_sranogan.data.split import split_by_group
from keras_sranogan.data.tiles import TileReader
from keras_sranogan.progress import Progress
from keras_sranogan.settings import TrainSettings
from sranogan_edge.errors import DataError
from sranogan_edge.image.align import Aligner, view_of
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.fingerprint import FEWEST

MIN_NORMALS = 50
ADVISED_NORMALS = 300
SHARD_BYTES = 64 * 2**20  # of float32, which are in memory while a shard is made
MANY_FAILED = 0.1  # share of normals that could not be aligned


@dataclass(frozen=True, eq=False)
class Reader:
    """Reads images of one source as one run preprocesses them, showing progress.

    ``aligner`` is the run's, once it is known; until then images are read as they came. They are in memory
    where there are no ``shards`` to keep them in.
    """

    source: DataSource
    settings: TrainSettings
    progress: Progress
    max_bad_share: float
    aligner: Aligner | None = None
    shards: Shards | None = None

    def read(
        self, items: Sequence[Item], what: str, transform: Callable[[Frame, Item], Frame] | None = None
    ) -> Loaded:
        """Read ``items``; raises DataError when too many of them cannot be used."""
        self.progress.start(f"reading {what}", len(items))
        spec = replace(self.settings.preprocess, align=self.aligner is not None)
        if self.shards is not None:
            return self._read_into(self.shards, items, what, spec, transform)
        return load_images(
            self.source,
            items,
            spec,
            aligner=self.aligner,
            transform=transform,
            max_bad_share=self.max_bad_share,
            on_progress=self.progress.advance,
        )

    def _read_into(
        self,
        shards: Shards,
        items: Sequence[Item],
        what: str,
        spec: PreprocessSpec,
        transform: Callable[[Frame, Item], Frame] | None,
    ) -> Loaded:
        check_request(self.source.name, len(items), self.max_bad_share)

        def read(these: Sequence[Item], start: int) -> LoadedImages:
            return read_images(
                self.source,
                these,
                spec,
                aligner=self.aligner,
                transform=transform,
                on_progress=lambda done: self.progress.advance(start + done),
            )

        aligned_by = self.aligner.to_bytes() if self.aligner else b""
        how = (spec.to_dict(), hashlib.sha256(aligned_by).hexdigest())
        each = max(1, SHARD_BYTES // (4 * spec.size * spec.size * spec.channels))
        loaded = shards.load(items, what, how, read, each)
        check_share(self.source.name, len(items), loaded.skipped, self.max_bad_share)
        return loaded

    def tiles(self, items: Sequence[Item], what: str) -> TileReader:
        """Return what reads tiles of ``items``, its progress shown as ``what``."""
        self.progress.start(f"reading {what}", len(items))
        return TileReader(self.source, self.settings.preprocess, self.max_bad_share, self.progress.advance)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Normals, in two parts that share no patient and no image.

    Attributes:
        fit: what the networks are trained on; of images in tiles, tiles drawn from them.
        held_out: what the detector is fitted on, no network sees it; of images in tiles, all that cover them.
        skipped: images of both parts that cannot be used.
        duplicates: images that were left out, for they equal another one in every pixel.
        near_duplicates: images that are nearly another one; both stand in the same part.
        aligner: what both parts were aligned by; None where they were not.
    """

    fit: Loaded
    held_out: Loaded
    skipped: tuple[Skipped, ...]
    duplicates: int
    near_duplicates: int
    aligner: Aligner | None = None

    @property
    def alignment(self) -> dict[str, int]:
        """How many normals were to be aligned, and how many could not be; nothing where none was."""
        tried = [one for part in (self.fit, self.held_out) for one in part.alignments or ()]
        return {"images": len(tried), "failed": sum(not one.found for one in tried)} if tried else {}

    @property
    def sha256(self) -> str:
        """Of the keys and pixels of both parts: what tells these images from others."""
        digest = hashlib.sha256()
        for part in (self.fit, self.held_out):
            for item, image in zip(part.items, part.x, strict=True):
                digest.update(f"{item.key}\0".encode(errors="surrogateescape"))
                digest.update(image.tobytes())
            digest.update(b"\0")
        return digest.hexdigest()

    def warn(self, progress: Progress) -> None:
        """Say what a person should know of the images before hours are spent on them."""
        count = len(self.fit.images) + len(self.held_out.images)
        if self.skipped:
            progress.say(
                f"warning: {len(self.skipped)} of {count + len(self.skipped)} images cannot be used and are "
                f"skipped, such as: {self.skipped[0].reason}"
            )
        if self.duplicates:
            progress.say(
                f"warning: {self.duplicates} images equal another one in every pixel; one of each is kept"
            )
        if self.near_duplicates:
            progress.say(
                f"warning: {self.near_duplicates} images are nearly the same as another one; such images, "
                "and all of their patients, stay on one side of the split"
            )
        if tried := self.alignment:
            progress.say(_alignment_text(tried["images"], tried["failed"]))
        if count < ADVISED_NORMALS:
            progress.say(
                f"warning: {count} normal images are few; {ADVISED_NORMALS} or more are advised, for fewer "
                "false alarms"
            )
        held_out = len(self.held_out.images)
        if held_out < FEWEST:
            needed = -(-FEWEST * count // held_out)
            progress.say(
                f"warning: {held_out} normals are held out, and a bundle tells images that are not like the "
                f"training data from {FEWEST} on: one of this run will not. With {needed} normals it would, "
                "with a calibration at the place of use it does"
            )


def read_normals(reader: Reader) -> TrainingData:
    """Read the train split's normals, keep one of those that are equal, and hold a part of them out.

    Raises:
        DataError: there are too few, too many cannot be used, or they are all of one patient.
    """
    source, settings = reader.source, reader.settings
    normals = [item for item in source.items("train") if item.is_normal]
    _check_count(source, len(normals))
    loaded = reader.read(normals, "normals")
    _check_count(source, len(loaded.items), f"{len(loaded.skipped)} more cannot be used")
    reader.progress.start("looking for copies", len(loaded.x))
    copies = find_copies(loaded.x, [item.group for item in loaded.items], reader.progress.advance)
    duplicates = len(loaded.items) - len(copies.kept)
    _check_count(source, len(copies.kept), f"{duplicates} more equal one of these in every pixel")
    row = {loaded.items[place].key: place for place in copies.kept}
    items = [replace(loaded.items[place], group=copies.groups[place]) for place in copies.kept]
    parts = split_by_group(items, settings.calibration_share, settings.seed)
    fit: Loaded
    held_out: Loaded
    if settings.preprocess.tiled:
        fit, held_out = _in_tiles(reader, *parts)
        unused = (*loaded.skipped, *fit.skipped, *held_out.skipped)
        return TrainingData(fit, held_out, unused, duplicates, copies.near)
    if settings.preprocess.align:
        aligner = _reference(reader, parts[0])
        fit, held_out = (
            replace(reader, aligner=aligner).read(part, f"{what}, aligned")
            for part, what in zip(parts, ("normals to train on", "normals held out"), strict=True)
        )
        return TrainingData(fit, held_out, loaded.skipped, duplicates, copies.near, aligner)
    fit, held_out = (
        Loaded(only(loaded.x, np.array([row[item.key] for item in part])), tuple(part), (), 0)
        for part in parts
    )
    return TrainingData(fit, held_out, loaded.skipped, duplicates, copies.near)


def _reference(reader: Reader, items: Sequence[Item]) -> Aligner:
    """Learn what to align to from the normals ``items``, which the networks are trained on."""
    source = reader.source
    reader.progress.start("looking how normals lie", len(items))
    views = []
    for view in in_order(lambda item: view_of(source.frame(item)), items):
        views.append(view)
        reader.progress.advance(len(views))
    reader.progress.start("learning what to align to", (ROUNDS + 1) * len(items))
    return learn_reference(views, reader.progress.advance)


def _alignment_text(images: int, failed: int) -> str:
    """Say how many normals could not be aligned, and what to do where these are many."""
    if failed <= MANY_FAILED * images:
        return f"{images - failed} of {images} normals could be aligned; {failed} are taken as they came"
    return (
        f"warning: {failed} of {images} normals could not be aligned and are taken as they came: they "
        "are too unlike each other, or lie too differently. Train without --align"
    )


def _in_tiles(
    reader: Reader, fit: Sequence[Item], held_out: Sequence[Item]
) -> tuple[LoadedImages, LoadedImages]:
    """Draw tiles of the images to train on; cover held-out ones with tiles, as many as a threshold needs."""
    settings = reader.settings
    drawn = reader.tiles(fit, "tiles to train on").draw(fit, settings.tiles.train, settings.seed)
    fewest = Calibration((0.0,), settings.detector.false_alarm_rate).normals_needed(1)
    covering = reader.tiles(held_out, "tiles held out")
    return drawn, covering.cover(held_out, settings.tiles.held_out, fewest, settings.seed)


def _check_count(source: DataSource, count: int, but: str = "") -> None:
    if count < MIN_NORMALS:
        raise DataError(
            f"{source.name} has {count} normal images to train on{f' ({but})' * bool(but)}; at least "
            f"{MIN_NORMALS} are needed ({ADVISED_NORMALS} or more are advised)."
        )
