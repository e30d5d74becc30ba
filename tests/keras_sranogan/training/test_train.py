from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from keras_sranogan.data.normals import Reader, read_normals
from keras_sranogan.data.open import open_source
from keras_sranogan.detector.fit import fit_detector
from keras_sranogan.detector.reconstruct import Reconstructor, bicubic, seen_features
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.train import train
from sranogan_edge.errors import DataError, RunError
from sranogan_edge.scoring.density import WHOLE_PARTS

DATA = "phantom?train=60&val=12&test=12&size=96"  # what tiny_run is trained on
PIECES = ["gan", "encoder", "corrector", "refiner", "srgan", "head", "detector"]
MODELS = [
    "averaged",
    "corrector",
    "discriminator",
    "encoder",
    "encoder_start",
    "head",
    "judge",
    "refiner",
    "resolver",
]


class Notes(Silent):
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def models_of(run: Run) -> dict[str, list[np.ndarray]]:
    """All weights of the saved networks."""
    return {
        name: keras.saving.load_model(run.folder / f"models/{name}.keras").get_weights() for name in MODELS
    }


@pytest.fixture
def copied(tiny_run: Run, tmp_path: Path) -> Run:
    """A copy of the tiny run, to damage."""
    shutil.copytree(tiny_run.folder, tmp_path / "copy")
    return Run(tmp_path / "copy")


def test_all_files_are_there(tiny_run: Run, settings: TrainSettings) -> None:
    """The finished folder holds what its documentation lists, and nothing half-written."""
    expected = {"settings.json", "provenance.json", "progress.json", "reconstruction_quality.json"}
    expected |= {f"models/{name}.keras" for name in MODELS}
    expected |= {
        f"detector/{name}"
        for name in ("density.npz", "calibration.json", "normals.npz", "representative.npy", "seen.npy")
    }
    found = {
        path.relative_to(tiny_run.folder).as_posix() for path in tiny_run.folder.rglob("*") if path.is_file()
    }
    assert expected <= found
    assert not [name for name in found if ".part" in name]
    assert list(tiny_run.progress) == PIECES
    assert tiny_run.settings == settings
    assert (tiny_run.provenance["normals_to_train"], tiny_run.provenance["normals_held_out"]) == (48, 12)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("gan/samples.png", (8 * 128, 8 * 128)),
        ("encoder/reconstructions.png", (12 * 128 + 22, 2 * 128)),
        ("corrector/reconstructions.png", (12 * 128 + 22, 3 * 128)),
        ("refiner/reconstructions.png", (12 * 128 + 22, 3 * 128)),
        ("srgan/reconstructions.png", (12 * 128 + 22, 3 * 128)),
        ("head/anomalies.png", (16 * 128 + 22, 3 * 128)),
    ],
)
def test_pictures_can_be_seen(tiny_run: Run, name: str, shape: tuple[int, int]) -> None:
    """Every stage leaves a PNG with all its rows and columns, and something in it."""
    picture = cv2.imread(str(tiny_run.folder / name), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    assert picture.shape == shape
    assert picture.std() > 1


def test_quality_is_measured(tiny_run: Run) -> None:
    """The quality of reconstructions is kept beside bicubic's, and the search improves most images."""
    quality = json.loads((tiny_run.folder / "reconstruction_quality.json").read_text())
    for name in ("super_resolution", "bicubic"):
        assert set(quality[name]) == {"psnr_db", "ssim", "l1", "sharpness"}
        assert 0 < quality[name]["l1"] < 1
        assert 5 < quality[name]["psnr_db"] < 60
    assert quality["search_loss"]["end"] < quality["search_loss"]["start"]
    assert quality["search_loss"]["images_improved"] > 0.5


def test_loaded_networks_are_the_saved_ones(tiny_run: Run) -> None:
    """The networks that a run loads give to the bit what the files give, and cannot be trained on."""
    networks = tiny_run.networks()
    rng = np.random.default_rng(0)
    z, low = np.ones((2, 16), np.float32), rng.random((2, 16, 16, 1), np.float32)
    seen = rng.random((2, 32, 32, 2), np.float32)
    for name, network, given in (
        ("averaged", networks.generator, z),
        ("encoder", networks.encoder, low),
        ("refiner", networks.refiner, low),
        ("resolver", networks.resolver, low),
        ("head", networks.head, seen),
    ):
        saved = keras.saving.load_model(tiny_run.folder / f"models/{name}.keras")
        found, expected = network(given, training=False), saved(given, training=False)
        for one, other in zip(keras.tree.flatten(found), keras.tree.flatten(expected), strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
        assert not network.trainable_variables


def test_detector_can_be_computed_again(tiny_run: Run) -> None:
    """The kept normals and the loaded networks give the density and the calibration that were saved."""
    normals, settings = tiny_run.held_out_normals(), tiny_run.settings
    assert normals.original.sum() == 12
    assert len(normals.x) == 24
    reconstruct = Reconstructor(tiny_run.networks(), settings.search, settings.preprocess)
    made, also = reconstruct(normals.x), seen_features(reconstruct.networks.head, tiny_run.seen())
    density, calibration = fit_detector(
        made.measured, made.heat, normals.groups, normals.original, settings.detector, settings.seed, also
    )
    saved_density, saved = tiny_run.detector()
    np.testing.assert_allclose(calibration.scores, saved.scores, atol=1e-3)
    for name in WHOLE_PARTS:
        np.testing.assert_allclose(
            density.parts[name].center, saved_density.parts[name].center, atol=1e-4, err_msg=name
        )
    assert made.resolved.shape == normals.x.shape == bicubic(made.refined).shape
    assert tiny_run.representative().shape == (48, 32, 32, 1)
    assert tiny_run.seen().shape == (2 * 48, 32, 32, 1)


def test_finished_run_is_not_trained_again(tiny_run: Run, settings: TrainSettings) -> None:
    """Resuming a finished run changes no model and no minutes."""
    before = {path: path.stat().st_mtime_ns for path in (tiny_run.folder / "models").iterdir()}
    minutes, started = tiny_run.progress, tiny_run.provenance["started"]
    notes = Notes()
    train(open_source(DATA), tiny_run.folder, settings, notes, resume=True)
    assert {path: path.stat().st_mtime_ns for path in (tiny_run.folder / "models").iterdir()} == before
    assert (tiny_run.progress, tiny_run.provenance["started"]) == (minutes, started)
    assert notes.said[0] == "data: phantom"
    assert notes.said[2].split() == ["train", "NORMAL", "60", "normal,", "learned", "from"]
    assert notes.said[-2] == (
        "warning: 60 normal images are few; 300 or more are advised, for fewer false alarms"
    )
    assert notes.said[-1].startswith(
        "warning: 12 normals are held out, and a bundle tells images that are not"
    )
    assert "With 100 normals it would" in notes.said[-1]


def test_resuming_on_other_data_is_refused(tiny_run: Run, settings: TrainSettings) -> None:
    """A run goes on with the images that it began with, or says how they differ."""
    with pytest.raises(RunError, match=r"other data .*normals_to_train: 48 then, 64 now"):
        train(open_source("phantom?train=80&size=96"), tiny_run.folder, settings, Silent(), resume=True)


def test_resuming_on_as_many_other_images_is_refused(tiny_run: Run, settings: TrainSettings) -> None:
    """Other images of the same name and number are told by their pixels."""
    with pytest.raises(RunError, match=r"other data \(images_sha256: '\w+' then, '\w+' now\)"):
        train(open_source(f"{DATA}&seed=99"), tiny_run.folder, settings, Silent(), resume=True)


def test_a_run_of_before_there_was_a_digest_goes_on(copied: Run, settings: TrainSettings) -> None:
    """A run without the digest is held to what it noted."""
    provenance = copied.provenance
    del provenance["images_sha256"]
    (copied.folder / "provenance.json").write_text(json.dumps(provenance))
    train(open_source(DATA), copied.folder, settings, Silent(), resume=True)
    assert copied.provenance["images_sha256"]
    with pytest.raises(RunError, match="images_sha256"):
        train(open_source(f"{DATA}&seed=99"), copied.folder, settings, Silent(), resume=True)
    (copied.folder / "provenance.json").write_text(json.dumps(provenance))
    with pytest.raises(RunError, match="split images with copies, or that cannot be used, otherwise"):
        copied.begin(settings, {**provenance, "images_sha256": "0", "near_duplicates": 2})


class TrainsTwice(Notes):
    """Progress that begins a second training in the same folder once the first says something."""

    def __init__(self, folder: Path, settings: TrainSettings) -> None:
        super().__init__()
        self.folder, self.settings = folder, settings

    def say(self, text: str) -> None:
        train(open_source(DATA), self.folder, self.settings, Silent(), resume=True)


def test_two_trainings_in_one_folder_are_refused(copied: Run, settings: TrainSettings) -> None:
    """The second names the process of the first, and the folder is free again when it ended."""
    other = f"""
import sys, pathlib
from sranogan_edge.spool.lock import FolderLock
held = FolderLock(pathlib.Path({str(copied.folder)!r}), "", "training.lock", by="training")
print("held", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", other], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        for resume in (False, True):
            with pytest.raises(
                RunError, match=rf"in use by another training \(process {first.pid}\); two would"
            ):
                train(open_source(DATA), copied.folder, settings, Silent(), resume=resume)
        first.communicate("")
    train(open_source(DATA), copied.folder, settings, Silent(), resume=True)
    with pytest.raises(RunError, match=rf"in use by another training \(process {os.getpid()}\)"):
        train(open_source(DATA), copied.folder, settings, TrainsTwice(copied.folder, settings), resume=True)


def test_near_images_stand_on_one_side(tmp_path: Path, settings: TrainSettings) -> None:
    """Copies are dropped and said, near ones stay together, and a test image of the training is counted."""
    source = open_source(DATA)
    frames = [source.frame(item).pixels for item in source.items("train")]
    (tmp_path / "films").mkdir()
    for number, pixels in enumerate(frames):
        cv2.imwrite(str(tmp_path / "films" / f"{number:03d}.png"), pixels)
    for number in range(12):
        cv2.imwrite(str(tmp_path / "films" / f"copy{number:03d}.bmp"), frames[number])
        compressed = [cv2.IMWRITE_JPEG_QUALITY, 60]
        cv2.imwrite(str(tmp_path / "films" / f"z{number + 20:03d}.jpg"), frames[number + 20], compressed)
    notes = Notes()
    data = read_normals(Reader(open_source(str(tmp_path / "films")), settings, notes, 0.05))
    data.warn(notes)
    assert (len(data.fit.x) + len(data.held_out.x), data.duplicates, data.near_duplicates) == (72, 12, 24)
    sides = [{item.key.strip("z")[:3] for item in part.items} for part in (data.fit, data.held_out)]
    assert not sides[0] & sides[1]
    assert not {item.group for item in data.fit.items} & {item.group for item in data.held_out.items}
    said = "\n".join(notes.said)
    assert "12 images equal another one in every pixel; one of each is kept" in said
    assert "24 images are nearly the same as another one" in said


def test_copies_do_not_count_as_normals(tmp_path: Path, settings: TrainSettings) -> None:
    """Thirty films twice are thirty, and too few."""
    source = open_source(DATA)
    for item in source.items("train")[:30]:
        for name in ("a", "b"):
            cv2.imwrite(str(tmp_path / f"{Path(item.key).name}{name}.png"), source.frame(item).pixels)
    with pytest.raises(DataError, match=r"has 30 normal images to train on \(30 more equal one of these"):
        read_normals(Reader(open_source(str(tmp_path)), settings, Silent(), 0.05))


def test_too_few_normals_leave_no_run_behind(settings: TrainSettings, tmp_path: Path) -> None:
    """With fewer than 50 normals nothing is trained, and the folder can be used once there are more."""
    with pytest.raises(DataError, match="has 49 normal images to train on; at least 50 are needed"):
        train(open_source("phantom?train=49&size=64"), tmp_path, settings, Silent())
    assert not (tmp_path / "settings.json").exists()


@pytest.mark.slow
def test_another_seed_gives_another_model(tiny_run: Run, settings: TrainSettings, tmp_path: Path) -> None:
    """Another seed gives other weights in every network and other scores."""
    other = train(open_source(DATA), tmp_path / "run", replace(settings, seed=1), Silent())
    expected = models_of(tiny_run)
    for name, weights in models_of(other).items():
        apart = [np.abs(a - b).max() for a, b in zip(weights, expected[name], strict=True)]
        assert max(apart) > 1e-3, name
    assert other.detector()[1].scores != tiny_run.detector()[1].scores


@pytest.mark.slow
def test_same_seed_gives_the_same_model(tiny_run: Run, settings: TrainSettings, tmp_path: Path) -> None:
    """The same seed gives the same weights and the same scores, to the bit."""
    again = train(open_source(DATA), tmp_path / "run", settings, Silent())
    expected = models_of(tiny_run)
    for name, weights in models_of(again).items():
        for one, other in zip(weights, expected[name], strict=True):
            np.testing.assert_array_equal(one, other, err_msg=name)
    assert again.detector()[1] == tiny_run.detector()[1]


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("settings.json", lambda run: run.settings),
        ("progress.json", lambda run: run.progress),
        ("provenance.json", lambda run: run.provenance),
        ("models/encoder.keras", lambda run: run.networks()),
        ("models/head.keras", lambda run: run.networks()),
        ("detector/density.npz", lambda run: run.detector()),
        ("detector/calibration.json", lambda run: run.detector()),
        ("detector/normals.npz", lambda run: run.held_out_normals()),
        ("detector/representative.npy", lambda run: run.representative()),
        ("detector/seen.npy", lambda run: run.seen()),
    ],
)
def test_damaged_and_missing_files_are_named(copied: Run, name: str, use: object) -> None:
    """A file cut short, or gone, is a RunError that names it."""
    path = copied.folder / name
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(RunError, match=f"{path.name} is damaged"):
        use(copied)  # type: ignore[operator]  # parametrised
    path.unlink()
    if name == "progress.json":
        assert copied.progress == {}
        return
    with pytest.raises(RunError, match=path.name):
        use(copied)  # type: ignore[operator]  # parametrised


def test_run_of_another_size_is_refused(copied: Run) -> None:
    """Networks that do not fit the size in the settings are refused, and so is an unknown setting."""
    values = json.loads((copied.folder / "settings.json").read_text())
    values["preprocess"]["size"] = 64
    (copied.folder / "settings.json").write_text(json.dumps(values))
    with pytest.raises(RunError, match=r"does not fit the sizes in settings\.json"):
        copied.networks()
    (copied.folder / "settings.json").write_text(json.dumps({**values, "colour": "red"}))
    with pytest.raises(RunError, match="colour"):
        copied.networks()
