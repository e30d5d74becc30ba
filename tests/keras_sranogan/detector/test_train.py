"""The last stage of a training: who the held-out normals are of decides the folds."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.normals import Reader
from keras_sranogan.data.open import open_source
from keras_sranogan.detector import fit, fit_whole, train
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.training.workshop import Training

PATIENTS, IMAGES = 26, 2


@pytest.fixture
def work(tiny_run: Run, tmp_path: Path) -> Training:
    """Give a training that lacks its detector, on two noisy films of each patient, told by their names."""
    rng = np.random.default_rng(0)
    (tmp_path / "films").mkdir()
    for patient in range(PATIENTS):
        for image in range(IMAGES):
            name = f"person{patient}_virus_{patient * IMAGES + image}.png"
            cv2.imwrite(str(tmp_path / "films" / name), rng.integers(0, 256, (32, 32), np.uint8))
    kept = shutil.ignore_patterns("checkpoints", "logs", "*.png")
    run = Run(Path(shutil.copytree(tiny_run.folder, tmp_path / "run", ignore=kept)))
    return Training(run, Reader(open_source(str(tmp_path / "films")), run.settings, Silent(), 0.05))


def test_images_of_one_patient_and_their_copies_share_a_fold(
    work: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the names of files to the folds: no image is judged by a density of its own patient's."""
    owners = [item.group for item in work.held_out.items]
    assert not set(owners) & {item.group for item in work.fit.items}
    assert len(set(owners)) >= 5
    assert len(owners) == IMAGES * len(set(owners))
    given: dict[str, Any] = {}

    def fit_detector(
        measured: Mapping[str, NDArray[np.float32]], heat: object, groups: NDArray[np.int64], *more: Any
    ) -> Any:
        given.update(groups=groups, original=more[0])
        return fit.fit_detector(measured, heat, groups, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(fit_whole, "fit_detector", fit_detector)
    train.train_detector(work)
    copies = 1 + work.settings.detector.jitter_copies
    assert given["original"].tolist() == [True] * len(owners) + [False] * len(owners) * (copies - 1)
    folds: dict[str, set[int]] = {}
    for owner, fold in zip(owners * copies, fit.folds_of(given["groups"], 5, 0).tolist(), strict=True):
        folds.setdefault(owner, set()).add(fold)
    assert {len(found) for found in folds.values()} == {1}
    assert len(set.union(*folds.values())) == 5
    np.testing.assert_array_equal(work.run.held_out_normals().groups, given["groups"])
