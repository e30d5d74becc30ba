"""The run folder: settings, provenance, the trained networks, and what the detector was fitted to.

::

    RUN/
      settings.json     the resolved settings         provenance.json   data, versions, machine
      reference.npz     what images are aligned to, where they are
      gan/ encoder/ refiner/ srgan/ head/ corrector/  checkpoints and sample pictures of each training
      models/*.keras                                  the trained networks, float32
      detector/density.npz, calibration.json          fitted on held-out normals
      detector/normals.npz                            those normals, for export
      detector/representative.npy, seen.npy           and training normals
      progress.json     finished pieces and their minutes   training.lock   held while it is trained
      images/           while it is trained: preprocessed normals (keras_sranogan.data.shards)
      logs/             TensorBoard                   report.html   what the training came to
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.anogan.corrector import build_corrector
from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.networks import build_gan
from keras_sranogan.data.rows import Images, write_rows
from keras_sranogan.detector.normals import HeldOutNormals, Normals, from_bytes, in_bytes, to_bytes
from keras_sranogan.head.network import build_head
from keras_sranogan.networks import Networks, build_judge
from keras_sranogan.refiner.network import build_refiner
from keras_sranogan.run_record import PROGRESS, PROVENANCE, SETTINGS, RunRecord
from keras_sranogan.settings import TrainSettings
from keras_sranogan.srgan.generator import build_super_resolver
from keras_sranogan.training.stage import writing
from sranogan_edge.bundle.manifest import REFERENCE
from sranogan_edge.errors import RunError
from sranogan_edge.files import write_json
from sranogan_edge.image.align import Aligner
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Density

__all__ = ["IMAGES", "Run"]


IMAGES = "images"
RECONSTRUCTION_QUALITY = "reconstruction_quality.json"
SAME_DATA = ("data", "normals_to_train", "normals_held_out", "images_sha256")  # what tells data apart
OTHER_SPLIT = ("skipped", "duplicates", "near_duplicates")  # where older versions held out other images


class Run(RunRecord):
    """A run folder on disk. What it is asked for and does not have, or has damaged, is a RunError."""

    @classmethod
    def create(cls, folder: Path, settings: TrainSettings, *, resume: bool) -> Run:
        """Make the folder, or go on with the one that is there; :meth:`begin` makes it a run.

        Raises:
            RunError: it holds a run and ``resume`` is false, or one made with other settings.
            ResultsError: it cannot be written.
        """
        run = cls(folder)
        if (folder / SETTINGS).exists():
            run.refuse_begun(resume=resume)
            then, now = run.settings.to_dict(), settings.to_dict()
            known = run._read(SETTINGS)  # a stage that did not exist then has nothing to be kept to
            now = {name: value for name, value in now.items() if name in known}
            same = f"the same options (--settings {folder / SETTINGS} has them all)"
            run._refuse_other("settings", _flat(then), _flat(now), same)
        with writing(folder):
            (folder / "models").mkdir(parents=True, exist_ok=True)
        return run

    def begin(self, settings: TrainSettings, provenance: dict[str, Any]) -> None:
        """Note the settings and what is learned from, before the first step.

        Raises:
            RunError: the run was begun with other data.
            ResultsError: the folder cannot be written.
        """
        if (self.folder / PROVENANCE).exists():
            then = self.provenance
            data = {name: provenance[name] for name in SAME_DATA if name in then}  # a run may be older
            self._refuse_other("data", then, data, "the same images")
            if "images_sha256" not in then and any(provenance.get(name) for name in OTHER_SPLIT):
                raise RunError(
                    f"{self.folder} was begun by a version that split images with copies, or that cannot be "
                    "used, otherwise. Name a new folder."
                )
            provenance = {**provenance, "started": then.get("started")}
        with writing(self.folder):
            write_json(self.folder / SETTINGS, settings.to_dict())
            write_json(self.folder / PROVENANCE, provenance)

    def _refuse_other(self, what: str, then: dict[str, Any], now: dict[str, Any], cure: str) -> None:
        changed = [name for name in now if then.get(name) != now[name]]
        if changed:
            listed = "; ".join(f"{name}: {then.get(name)!r} then, {now[name]!r} now" for name in changed)
            raise RunError(
                f"{self.folder} was made with other {what} ({listed}). "
                f"Resume with {cure}, or name a new folder."
            )

    def finish(self, piece: str, minutes: float) -> None:
        """Note that ``piece`` is done."""
        with writing(self.folder):
            write_json(self.folder / PROGRESS, {**self.progress, piece: round(minutes, 3)})

    def save_model(self, name: str, model: keras.Model) -> None:
        """Save a network under ``models/NAME.keras``, whole or not at all."""
        path = self.folder / "models" / f"{name}.keras"
        temporary = path.with_name(f"{name}.part.keras")
        with writing(path):
            model.save(temporary)
            temporary.replace(path)

    def load_into(self, model: keras.Model, name: str) -> keras.Model:
        """Give ``model`` the saved weights of ``name`` and freeze it; RunError when they do not fit."""
        saved = self._load(f"models/{name}.keras", lambda path: keras.saving.load_model(path, compile=False))
        try:
            model.set_weights(saved.get_weights())
        except ValueError as error:
            raise RunError(
                f"{self.folder}/models/{name}.keras does not fit the sizes in {SETTINGS}: {error}. "
                "The folder mixes two runs; train again."
            ) from error
        model.trainable = False
        return model

    def networks(self) -> Networks:
        """Load what inference needs."""
        settings = self.settings
        low, gan = settings.search_size, build_gan(settings)
        head = build_head(settings.head_side, settings.head, channels=settings.preprocess.channels)
        discriminator = self.load_into(gan.discriminator, "discriminator")
        judge = self.load_into(build_judge(settings), "judge")
        return Networks(
            generator=self.load_into(gan.averaged, "averaged"),
            features=feature_extractor(discriminator, settings.anogan.feature_block),
            encoder=self.load_into(gan.encoder, "encoder"),
            refiner=self.load_into(build_refiner(low, settings.refiner), "refiner"),
            resolver=self.load_into(build_super_resolver(low, settings.srgan), "resolver"),
            judge=feature_extractor(judge, settings.srgan.feature_block),
            head=self.load_into(head, "head"),
            corrector=self._corrector(settings),
        )

    def _corrector(self, settings: TrainSettings) -> keras.Model | None:
        if not (self.folder / "models" / "corrector.keras").exists():
            return None
        return self.load_into(build_corrector(settings.search_size, settings.anogan), "corrector")

    def save_normals(self, held_out: Normals, representative: NDArray[np.float32], seen: Images) -> None:
        """Keep what an export needs: held-out normals, and training normals, all in [0, 1].

        ``representative`` ``(N, S, S, C)`` are a few of these; ``seen`` ``(M, side, side, C)`` are all, and
        jittered copies, as large as the head sees them.
        """
        folder = self.folder / "detector"
        with writing(folder):
            folder.mkdir(exist_ok=True)
            held_out.save(folder / "normals.npz")
            np.save(folder / "representative.npy", to_bytes(representative))
            write_rows(folder / "seen.npy", len(seen), in_bytes(seen))

    def drop_images(self) -> None:
        """Remove the preprocessed images that lay here while the run was trained."""
        with writing(self.folder):
            if (self.folder / IMAGES).exists():
                shutil.rmtree(self.folder / IMAGES)

    def save_aligner(self, aligner: Aligner) -> None:
        """Keep what images are aligned by."""
        with writing(self.folder):
            (self.folder / REFERENCE).write_bytes(aligner.to_bytes())

    def aligner(self) -> Aligner | None:
        """Load what images are aligned by; None where they are not."""
        if not self.settings.preprocess.align:
            return None
        return self._load(REFERENCE, lambda path: Aligner.from_bytes(path.read_bytes()))

    def held_out_normals(self) -> HeldOutNormals:
        """Load the held-out normals."""
        return self._load("detector/normals.npz", HeldOutNormals.load)

    def representative(self) -> NDArray[np.float32]:
        """Load the training normals kept for quantisation, ``(N, S, S, C)`` in [0, 1]."""
        return self._load(
            "detector/representative.npy", lambda path: from_bytes(np.load(path, allow_pickle=False))
        )

    def seen(self) -> NDArray[np.float32]:
        """Load the training normals that widen the head's density, ``(M, side, side, C)`` in [0, 1]."""
        return self._load("detector/seen.npy", lambda path: from_bytes(np.load(path, allow_pickle=False)))

    def save_detector(self, density: Density, calibration: Calibration) -> None:
        """Save what was fitted on held-out normals."""
        values = {
            "scores": list(calibration.scores),
            "false_alarm_rate": calibration.false_alarm_rate,
            "threshold": calibration.threshold,
        }
        folder = self.folder / "detector"
        with writing(folder):
            folder.mkdir(exist_ok=True)
            (folder / "density.npz").write_bytes(density.to_bytes())
            write_json(folder / "calibration.json", values)

    def detector(self) -> tuple[Density, Calibration]:
        """Load what :meth:`save_detector` saved."""
        density = self._load("detector/density.npz", lambda path: Density.from_bytes(path.read_bytes()))
        return density, self.calibration


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = list(value) if isinstance(value, tuple) else value
    return flat
