"""A run with its images on disk learns what one with its images in memory learns, killed or not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.data import normals
from keras_sranogan.data.open import open_source
from keras_sranogan.networks import Networks
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.train import train
from tests.support.tiny import TINY_DATA


class Killed(Silent):
    """Progress that ends the process, as Ctrl-C does, in the middle of a stage."""

    def __init__(self, stage: str, step: int) -> None:
        self.at, self.stage = (stage, step), ""

    def start(self, task: str, total: int, done: int = 0) -> None:
        self.stage = task

    def advance(self, done: int, note: str = "") -> None:
        if (self.stage, done) == self.at:
            raise KeyboardInterrupt


def weights(networks: Networks) -> dict[str, list[np.ndarray]]:
    """All weights of a run's networks."""
    return {name: model.get_weights() for name, model in vars(networks).items() if model is not None}


@pytest.mark.slow
def test_the_same_model_from_disk(
    tiny_run: Run, settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in two stages, gone on with in memory for a while, it ends with the same bits, and no images."""
    monkeypatch.setattr(normals, "SHARD_BYTES", 7 * 4 * 32 * 32)
    source = open_source(TINY_DATA)
    for number, (killed, images_in) in enumerate(
        ((Killed("gan", 8), "disk"), (Killed("refiner", 7), "memory"), (Killed("head", 12), "disk"))
    ):
        with pytest.raises(KeyboardInterrupt):
            train(source, tmp_path, settings, killed, resume=number > 0, images_in=images_in)  # type: ignore[arg-type]
        assert (tmp_path / "images").exists()
    run = train(source, tmp_path, settings, Silent(), resume=True, images_in="disk")
    expected = weights(tiny_run.networks())
    for name, found in weights(run.networks()).items():
        for one, other in zip(found, expected[name], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
    assert run.detector()[1] == tiny_run.detector()[1]
    np.testing.assert_array_equal(run.held_out_normals().x, tiny_run.held_out_normals().x)
    np.testing.assert_array_equal(run.seen(), tiny_run.seen())
    for name in ("reconstruction_quality.json", "detector/density.npz"):
        assert (run.folder / name).read_bytes() == (tiny_run.folder / name).read_bytes(), name
    assert not (tmp_path / "images").exists()
