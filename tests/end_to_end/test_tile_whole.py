"""A part that is larger than a tile and missing: seen in the whole, beside the tiles."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.choose_whole import whole_tells
from keras_sranogan.data.normals import Reader
from keras_sranogan.data.open import open_source
from keras_sranogan.detector.train import train_detector
from keras_sranogan.evaluation.evaluate import evaluate_model
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import TileSettings, TrainSettings
from keras_sranogan.training.workshop import Training
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.open import open_detector
from sranogan_edge.files import write_json
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.tiled import measure_tiles
from sranogan_export.recipe import ExportOptions
from sranogan_export.write_bundle import export_run
from tests.support.boards import board

HEIGHT, WIDTH, RADIUS = (
    160,
    400,
    45,
)  # two discs that no tile of 64 pixels holds, and more than a tile between
TILES = 24
MadeOnce = Callable[[str, Callable[[Path], object]], Path]


def assembly(seed: int, *, missing: bool = False) -> NDArray[np.uint8]:
    """Draw a board with a disc on the left and one on the right, which may be missing."""
    rng, pixels = np.random.default_rng(seed), 80 + board(seed, HEIGHT, WIDTH) // np.uint8(8)
    for left in (70,) if missing else (70, 330):
        middle = (left + int(rng.integers(-3, 4)), 80 + int(rng.integers(-3, 4)))
        disc = cv2.circle(np.zeros((HEIGHT, WIDTH), np.float32), middle, RADIUS, 1.0, -1)
        pixels = np.asarray(np.where(disc > 0, 120 + pixels, pixels), np.uint8)
    return pixels


@pytest.fixture(scope="module")
def assemblies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of assemblies, and of such without the right disc."""
    folder = tmp_path_factory.mktemp("data") / "assemblies"
    for split, label, seeds in (
        ("train", "NORMAL", range(60)),
        ("test", "NORMAL", range(1000, 1008)),
        ("test", "MISSING", range(2000, 2008)),
    ):
        for seed in seeds:
            path = folder / split / label / f"{seed}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), assembly(seed, missing=label == "MISSING"))
    return folder


@pytest.fixture(scope="module")
def run(tiny_run: Run, assemblies: Path, settings: TrainSettings, made_once: MadeOnce) -> Run:
    """Give the tiny run's networks with a detector of tiles and wholes."""

    def make(folder: Path) -> None:
        kept = shutil.ignore_patterns("checkpoints", "logs", "*.png")
        made = Run(Path(shutil.copytree(tiny_run.folder, folder, ignore=kept)))
        spec = replace(settings.preprocess, fit="tile", tile_px=64, tile_whole=True)
        tiles = TileSettings(train=120, held_out=24 * (TILES + 1))
        chosen = replace(settings, preprocess=spec, tiles=tiles, calibration_share=0.4)
        write_json(folder / "settings.json", chosen.to_dict())
        work = Training(made, Reader(open_source(str(assemblies)), chosen, Silent(), 0.05))
        write_json(folder / "provenance.json", {**made.provenance, "normals_to_train": len(work.fit.x)})
        train_detector(work)

    return Run(made_once("whole.run", make))


@pytest.fixture(scope="module")
def bundle(run: Run, made_once: MadeOnce) -> Path:
    """Give its int8 bundle."""
    options = ExportOptions(recipe="int8", engine="none", steps=0)
    return made_once("whole.sranogan", lambda path: export_run(run, options, path, Silent()))


@pytest.fixture(scope="module")
def detector(bundle: Path) -> Detector:
    """Give it, opened and proven."""
    return open_detector(bundle)


@pytest.mark.slow
def test_held_out_images_are_kept_with_their_wholes(run: Run) -> None:
    """Each has its tiles and one whole, copies too; one in five of what networks learn from is a whole."""
    normals = run.held_out_normals()
    assert normals.whole is not None
    assert normals.image is not None
    assert normals.seen_whole is not None
    for own in (normals.original, ~normals.original):
        assert (np.bincount(normals.image[own & normals.whole])[np.unique(normals.image[own])] == 1).all()
    assert len(normals.seen_whole) == len(run.seen())
    assert 0.15 < normals.seen_whole.mean() < 0.35
    assert len(run.detector()[1].scores) == 24


@pytest.mark.slow
def test_a_missing_part_is_seen_in_the_whole(bundle: Path, detector: Detector) -> None:
    """An int8 bundle flags it by the whole, whose box it tells; of normals few; spots, too."""
    assert read_bundle(bundle).preprocess.tile_whole
    assert "and of the whole" in read_bundle(bundle).model_card
    normal = [detector.score(assembly(3000 + number)) for number in range(8)]
    assert sum(verdict.anomalous for verdict in normal) <= 2
    missing = [detector.score(assembly(4000 + number, missing=True)) for number in range(6)]
    assert sum(verdict.anomalous for verdict in missing) >= 5
    for verdict in missing:
        assert verdict.tiles is not None
        if verdict.anomalous:
            assert list(verdict.tiles.worst) == [0, 0, WIDTH, HEIGHT]
    pixels = assembly(5000)
    pixels[60:76, 190:206] = 0
    assert detector.score(pixels).anomalous


@pytest.mark.slow
def test_tiles_alone_do_not_tell_it(detector: Detector) -> None:
    """Each of its tiles looks like some tile of a normal: their highest is no higher than normals' are."""
    spec, own = detector.bundle.preprocess, detector.bundle.density

    def highest(missing: bool) -> float:
        frames = (Frame.of(assembly(6000 + number, missing=missing)) for number in range(6))
        return float(np.median([measure_tiles(one, spec, own, detector.measure_x).score for one in frames]))

    assert highest(missing=True) < highest(missing=False) + 1


@pytest.mark.slow
def test_the_run_and_its_bundle_say_the_same(run: Run, bundle: Path, assemblies: Path) -> None:
    """Evaluated, both tell missing parts from normals."""
    source = open_source(str(assemblies))
    for model in (run.folder, bundle):
        assert evaluate_model(model, source)["auroc"] > 0.9


def test_auto_takes_the_whole_where_normals_look_alike(
    assemblies: Path, settings: TrainSettings, tmp_path: Path
) -> None:
    """Parts that lie as ever are judged as a whole, too; cloth is not; the reason is said."""
    spec = replace(settings.preprocess, fit="tile", tile_px=64)
    takes, why = whole_tells(open_source(str(assemblies)), spec)
    assert takes
    assert "missing or moved" in why
    for number in range(20):
        path = tmp_path / "train" / "NORMAL" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), board(number))
    takes, why = whole_tells(open_source(str(tmp_path)), spec)
    assert not takes
    assert "off" in why
