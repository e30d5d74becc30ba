"""The last stage: the held-out normals, reconstructed, and the detector fitted to them."""

from __future__ import annotations

import numpy as np

from keras_sranogan.data.item import Item
from keras_sranogan.data.load import LoadedImages
from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.detector.normals import HeldOutNormals, from_bytes, representative_step, to_bytes
from keras_sranogan.detector.quality import reconstruction_quality
from keras_sranogan.detector.reconstruct import Reconstructor, downscale_all, seen_features
from keras_sranogan.run import RECONSTRUCTION_QUALITY
from keras_sranogan.training.stage import writing
from keras_sranogan.training.workshop import Training
from sranogan_edge.files import write_json
from sranogan_edge.image.frame import Frame


def train_detector(work: Training) -> None:
    """Fit the detector to the held-out normals, and keep what an export needs of them."""
    settings = work.settings.detector
    reconstructor = Reconstructor(work.run.networks(), work.settings.search, work.settings.preprocess)
    copies = [_jittered(work, work.held_out, copy) for copy in range(settings.jitter_copies)]
    loaded = [work.held_out, *copies]
    _, groups = np.unique([item.group for part in loaded for item in part.items], return_inverse=True)
    x = from_bytes(to_bytes(np.concatenate([part.x for part in loaded])))
    normals = HeldOutNormals(x, groups, np.arange(len(x)) < len(work.held_out.x))
    side = work.settings.head_side
    again = _jittered(work, work.fit, settings.jitter_copies)
    seen = from_bytes(to_bytes(downscale_all(np.concatenate([work.fit.x, again.x]), side)))
    work.run.save_normals(normals, work.fit.x[:: representative_step(len(work.fit.x))], seen)
    work.progress.start("reconstructing held-out normals", len(x))
    made = reconstructor(x, on_progress=work.progress.advance)
    quality = reconstruction_quality(made.first(len(work.held_out.x)))
    with writing(work.run.folder):
        write_json(work.run.folder / RECONSTRUCTION_QUALITY, quality)
    density, calibration = fit_detector(
        made.measured,
        made.heat,
        groups,
        normals.original,
        settings,
        work.settings.seed,
        seen_features(reconstructor.networks.head, seen),
    )
    work.run.save_detector(density, calibration)


def _jittered(work: Training, normals: LoadedImages, copy: int) -> LoadedImages:
    """Load ``normals`` again, each jittered in a way that its place and ``copy`` decide."""
    place = {item.key: number for number, item in enumerate(normals.items)}

    def distort(frame: Frame, item: Item) -> Frame:
        return jitter_frame(frame, np.random.default_rng((work.settings.seed, copy, place[item.key])))

    return work.reader.read(normals.items, f"jittered copies {copy + 1}", distort)
