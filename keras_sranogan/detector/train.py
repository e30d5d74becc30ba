"""The last stage: the held-out normals, reconstructed, and the detector fitted to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import keras
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import Item
from keras_sranogan.data.load import Loaded
from keras_sranogan.data.rows import Images, each, joined, only
from keras_sranogan.detector.cells import some_cells, usual_cells
from keras_sranogan.detector.fit_whole import fit_held_out
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.detector.normals import Normals, in_8_bits, representative_step
from keras_sranogan.detector.quality import reconstruction_quality
from keras_sranogan.detector.reconstruct import SOME, Reconstructor, head_said, seen_features
from keras_sranogan.progress import Progress
from keras_sranogan.run import RECONSTRUCTION_QUALITY
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.stage import writing
from keras_sranogan.training.workshop import Training
from sranogan_edge.files import write_json
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import downscale
from sranogan_edge.scoring.cells import Cells
from sranogan_edge.scoring.head import CELLS


def train_detector(work: Training) -> None:
    """Fit the detector to the held-out normals, and keep what an export needs of them."""
    settings, networks = work.settings.detector, work.run.networks()
    copies = [_jittered(work, work.held_out, copy) for copy in range(settings.jitter_copies)]
    loaded = [work.held_out, *copies]
    _, groups = np.unique([item.group for part in loaded for item in part.items], return_inverse=True)
    x = each(joined([part.x for part in loaded]), in_8_bits)
    own = np.arange(len(x)) < len(work.held_out.x)
    told = _images(loaded), _places(work.held_out, len(x)), _wholes(loaded)
    normals = Normals(x, groups, own, *told)
    side = work.settings.head_side
    again = _jittered(work, work.fit, settings.jitter_copies)
    normals = replace(normals, seen_whole=_wholes([work.fit, again]))
    whole = joined([work.fit.x, again.x])
    seen = each(whole, lambda image: in_8_bits(downscale(image, side)))
    work.run.save_normals(normals, work.fit.x[:: representative_step(len(work.fit.x))], seen)
    cells = _cells(networks.head, seen, normals, work.settings)
    reconstructor = Reconstructor(networks, work.settings.search, work.settings.preprocess, cells)
    work.progress.start("reconstructing held-out normals", len(x))
    measured, heat = _reconstructed(work, reconstructor, x)
    of_seen = seen_features(reconstructor.networks.head, seen)
    density, calibration = fit_held_out(measured, heat, normals, settings, work.settings.seed, of_seen)
    work.run.save_detector(replace(density, cells=cells), calibration)


def _cells(head: keras.Model, seen: Images, normals: Normals, settings: TrainSettings) -> Cells | None:
    """Return the usual cells of the normals ``seen`` in training, of their tiles where there are any."""
    if not settings.detector.cells:
        return None
    x = seen if normals.seen_whole is None else only(seen, ~normals.seen_whole)
    rng = np.random.default_rng(settings.seed)
    rows = [some_cells(one, len(x), rng) for said in head_said(head, x) for one in said[CELLS]]
    return usual_cells(rows, settings.detector.cells, settings.seed)


def _reconstructed(
    work: Training, reconstructor: Reconstructor, x: Images
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
    """Return what is measured of ``x``, by part, and its heat; notes how good the reconstructions are.

    Of tiles, which are many, and of images on disk the pictures are not all in memory at a time, and the
    first few tell the quality.
    """
    own = len(work.held_out.x)
    at_a_time = SOME if work.on_disk or work.held_out.image is not None else len(x)
    parts, heat = [], np.empty(0, np.float32)
    for first in range(0, len(x), at_a_time):
        advance = partial(_advanced, work.progress, first)
        made = reconstructor(x[first : first + at_a_time], on_progress=advance)
        if first == 0:
            heat = np.empty((len(x), *made.heat.shape[1:]), np.float32)
            quality = reconstruction_quality(made.first(min(own, at_a_time)))
            with writing(work.run.folder):
                write_json(work.run.folder / RECONSTRUCTION_QUALITY, quality)
        parts.append(made.measured)
        heat[first : first + at_a_time] = made.heat
    return {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}, heat


def _advanced(progress: Progress, before: int, done: int) -> None:
    progress.advance(before + done)


def _images(loaded: Sequence[Loaded]) -> NDArray[np.int64] | None:
    """Return which image each row is a tile of, counted through; None where each is an image."""
    tiles = [part.image for part in loaded if part.image is not None]
    if not tiles:
        return None
    before = np.cumsum([0, *(one[-1] + 1 for one in tiles)])[:-1]
    return np.concatenate([number + one for number, one in zip(before, tiles, strict=True)])


def _places(held_out: Loaded, count: int) -> NDArray[np.int64] | None:
    """Return where each of ``count`` rows lies in its image, 0 of copies; None where they are images."""
    if held_out.place is None:
        return None
    return np.pad(held_out.place, ((0, count - len(held_out.place)), (0, 0)))


def _wholes(loaded: Sequence[Loaded]) -> NDArray[np.bool_] | None:
    """Return which rows are whole images beside their tiles; None where none is."""
    flags = [np.zeros(len(one.x), np.bool_) if one.whole is None else one.whole for one in loaded]
    return np.concatenate(flags) if any(one.whole is not None for one in loaded) else None


def _jittered(work: Training, normals: Loaded, copy: int) -> Loaded:
    """Load ``normals`` again, each jittered in a way that its place and ``copy`` decide."""
    images = normals.images
    place = {item.key: number for number, item in enumerate(images)}

    def distort(frame: Frame, item: Item) -> Frame:
        return jitter_frame(frame, np.random.default_rng((work.settings.seed, copy, place[item.key])))

    what = f"jittered copies {copy + 1}"
    if normals.image is None:
        return work.reader.read(images, what, distort)
    settings, copies = work.settings, work.settings.detector.jitter_copies
    reader = work.reader.tiles(images, what)
    if copy == copies:  # the same tiles as those trained on
        return reader.draw(images, settings.tiles.train, settings.seed, distort)
    count, seed = settings.tiles.held_out // copies, settings.seed + 1 + copy
    return reader.draw(images, count, seed, distort, whole_share=0)  # once each
