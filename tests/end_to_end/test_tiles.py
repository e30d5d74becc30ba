"""Large boards in tiles: from a folder of images to the verdicts of an int8 bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_sranogan.comparison.judged import judged_now
from keras_sranogan.data.load import load_images
from keras_sranogan.data.normals import Reader
from keras_sranogan.data.open import open_source
from keras_sranogan.detector.train import train_detector
from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_model
from keras_sranogan.evaluation.scorers import open_scorer, score_images
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import TileSettings, TrainSettings
from keras_sranogan.training.train import train
from keras_sranogan.training.workshop import Training
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.commands.calibrate import app as calibrate_app
from sranogan_edge.commands.score import app as score_app
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.open import open_detector
from sranogan_edge.files import write_json
from sranogan_export.recipe import ExportOptions
from sranogan_export.write_bundle import export_run
from tests.support.boards import HEIGHT, WIDTH, board, spoilt, write_boards
from tests.support.surfaces import write

TILES = 15  # of 64 pixels, on a board
MadeOnce = Callable[[str, Callable[[Path], object]], Path]


def in_tiles(settings: TrainSettings) -> TrainSettings:
    """The tiny settings, for boards in tiles."""
    spec = replace(settings.preprocess, fit="tile", tile_px=64)
    return replace(
        settings, preprocess=spec, tiles=TileSettings(train=100, held_out=360), calibration_share=0.4
    )


@pytest.fixture(scope="module")
def boards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of boards."""
    return write_boards(tmp_path_factory.mktemp("data") / "boards")


@pytest.fixture(scope="module")
def run(tiny_run: Run, boards: Path, settings: TrainSettings, made_once: MadeOnce) -> Run:
    """Give the tiny run's networks with a detector that was fitted to tiles of boards."""

    def make(folder: Path) -> None:
        kept = shutil.ignore_patterns("checkpoints", "logs", "*.png")
        made = Run(Path(shutil.copytree(tiny_run.folder, folder, ignore=kept)))
        chosen = in_tiles(settings)
        write_json(folder / "settings.json", chosen.to_dict())
        work = Training(made, Reader(open_source(str(boards)), chosen, Silent(), 0.05))
        write_json(folder / "provenance.json", {**made.provenance, "normals_to_train": len(work.fit.x)})
        train_detector(work)

    return Run(made_once("tiled.run", make))


@pytest.fixture(scope="module")
def bundle(run: Run, made_once: MadeOnce) -> Path:
    """Give its int8 bundle."""
    options = ExportOptions(recipe="int8", engine="none", steps=0)
    return made_once("tiled.sranogan", lambda path: export_run(run, options, path, Silent()))


@pytest.fixture(scope="module")
def detector(bundle: Path) -> Detector:
    """Give it, opened and proven."""
    return open_detector(bundle)


def test_normals_are_kept_tile_by_tile(run: Run) -> None:
    """Held-out boards are covered, 15 tiles each; copies are others; the calibration has a score a board."""
    normals = run.held_out_normals()
    assert normals.image is not None
    original = normals.image[normals.original]
    assert np.bincount(original).tolist() == [TILES] * 24
    assert not set(original) & set(normals.image[~normals.original])
    assert len(run.detector()[1].scores) == 24
    for number in np.unique(normals.image):
        assert len(np.unique(normals.groups[normals.image == number])) == 1


def test_a_bundle_judges_boards_in_tiles(bundle: Path, detector: Detector) -> None:
    """It says how they are cut, and of boards that it never saw few are above its threshold."""
    read = read_bundle(bundle)
    assert (read.preprocess.fit, read.preprocess.tile_px) == ("tile", 64)
    assert "tiles of 64 pixels, 25% over the next" in read.model_card
    assert len(read.calibration.scores) == 24
    normal = [detector.score(board(3000 + number)) for number in range(12)]
    assert sum(verdict.anomalous for verdict in normal) <= 3
    assert abs(np.median([verdict.score for verdict in normal])) < 1.5


@pytest.mark.parametrize("shift", [-12, -6, 0, 6])
def test_a_spot_across_the_border_of_tiles_is_found(detector: Detector, shift: int) -> None:
    """A defect that two or four tiles share is anomalous, and the tile that says so has it, or some of it."""
    top, left = 48 + shift, 83 + shift
    verdict = detector.score(spoilt(board(5000), top, left))
    assert verdict.anomalous
    assert verdict.tiles is not None
    x, y, width, height = verdict.tiles.worst
    assert x < left + 12
    assert left < x + width
    assert y < top + 12
    assert top < y + height
    assert verdict.heat.shape == (HEIGHT, WIDTH)


@pytest.mark.slow
def test_the_keras_run_judges_as_its_bundle(run: Run, bundle: Path, boards: Path) -> None:
    """Evaluated, both tell spots from normals, with masks' maps of one size; their scores go together."""
    source, scores = open_source(str(boards)), {}
    for model in (run.folder, bundle):
        figures = evaluate_model(model, source)
        assert figures["auroc"] > 0.9
        assert figures["skipped"] == []
        scores[model] = figures
    assert abs(scores[run.folder]["auroc"] - scores[bundle]["auroc"]) < 0.1


def test_pixels_of_boards_are_judged_at_their_own_size(bundle: Path, tmp_path: Path) -> None:
    """With masks in MVTec's layout: maps have the boards' size, and are hotter where spots are marked."""
    root = tmp_path / "board"
    for number in range(3):
        write(root / "train" / "good" / f"{number}.png", board(number))
        write(root / "test" / "good" / f"{number}.png", board(1000 + number))
        top, left = 30 + 30 * number, 40 + 60 * number
        write(root / "test" / "spot" / f"{number}.png", spoilt(board(2000 + number), top, left))
        mask = spoilt(np.zeros((HEIGHT, WIDTH), np.uint8), top, left)
        write(root / "ground_truth" / "spot" / f"{number}_mask.png", mask)
    source, seen = open_source(str(root)), []
    figures = evaluate_model(bundle, source, EvaluationOptions(low_pass=False))
    assert figures["defects"]["by_size"]["small"]["to_share"] == pytest.approx(144 / (HEIGHT * WIDTH))
    assert figures["pixel_auroc"] > 0.7
    for path in (root / "ground_truth" / "spot").iterdir():
        marked = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert marked is not None
        write(path, np.ascontiguousarray(marked[::-1, ::-1]).astype(np.uint8))
    elsewhere = evaluate_model(bundle, source, EvaluationOptions(low_pass=False))
    for name in ("pixel_auroc", "pixel_aupro"):
        assert figures[name] > elsewhere[name] + 0.1
    scorer = open_scorer(bundle, anogan_steps=1)
    images = load_images(source, source.items("test"), scorer.preprocess)
    score_images(scorer, images, lambda done: None, lambda number, heat: seen.append((number, heat.shape)))
    assert seen == [(number, (HEIGHT, WIDTH)) for number in range(6)]


def test_boards_are_compared_by_what_their_tiles_say(bundle: Path, boards: Path) -> None:
    """sranogan-compare judges tiles, too: its scores are those of an evaluation."""
    source = open_source(str(boards))
    by_evaluation = evaluate_model(bundle, source, EvaluationOptions(low_pass=False))
    scored = judged_now(bundle, source, "test", 0.05, Silent()).score
    assert scored.tolist() == pytest.approx([one["score"] for one in by_evaluation["images"]])


def test_the_command_scores_boards(bundle: Path, tmp_path: Path) -> None:
    """sranogan-score: lines with tiles, heat maps as large as the boards, errors where no tile fits into."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    sizes = {"a": (160, 230), "b": (64, 700), "small": (40, 300), "strip": (1, 2000)}
    for name, (height, width) in sizes.items():
        cv2.imwrite(str(folder / f"{name}.png"), board(7, height, width))
    done = CliRunner().invoke(score_app, [str(bundle), str(folder), "--out", str(out)])
    assert done.exit_code == 4
    lines = {Path(line["file"]).stem: line for line in map(json.loads, (out / "results.jsonl").open())}
    assert {name: (line.get("tiles") or {}).get("count") for name, line in lines.items()} == {
        "a": TILES, "b": 15, "small": None, "strip": None,
    }  # fmt: skip
    for name in ("a", "b"):
        picture = cv2.imread(str(out / lines[name]["heat_map"]))
        assert picture is not None
        assert picture.shape == (*sizes[name], 3)
    for name in ("small", "strip"):
        assert "less than one tile of 64 x 64" in lines[name]["error"] or "too small" in lines[name]["error"]


def test_a_site_calibrates_a_bundle_of_tiles(bundle: Path, tmp_path: Path) -> None:
    """A site's boards of another contrast make a threshold of their own, by the same highest tile."""
    for number in range(25):
        path = tmp_path / "normals" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), 40 + board(8000 + number) // 2)
    out = tmp_path / "site.json"
    arguments: list[Any] = [bundle, tmp_path / "normals", "--out", out]
    done = CliRunner().invoke(calibrate_app, [str(one) for one in arguments])
    assert done.exit_code == 0, done.output
    detector = open_detector(bundle, calibration=out)
    flagged = [detector.score(40 + board(9000 + number) // 2).anomalous for number in range(20)]
    assert sum(flagged) <= 5


def test_a_site_adapts_a_bundle_of_tiles(bundle: Path, tmp_path: Path) -> None:
    """Densities follow the tiles of a site's boards: of further ones few are flagged, and spots are."""
    for number in range(30):
        path = tmp_path / "normals" / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), 40 + board(8000 + number) // 2)
    out = tmp_path / "site.json"
    arguments = [str(one) for one in (bundle, tmp_path / "normals", "--out", out, "--adapt", "--anyway")]
    done = CliRunner().invoke(calibrate_app, arguments)
    assert done.exit_code == 0, done.output
    assert "densities adapted to" in done.output
    detector = open_detector(bundle, calibration=out)
    normal = [detector.score(40 + board(9000 + number) // 2) for number in range(15)]
    assert sum(verdict.anomalous for verdict in normal) <= 4
    assert abs(np.median([verdict.score for verdict in normal])) < 1.5
    spots = [detector.score(spoilt(40 + board(9100 + number) // 2, 60, 90)) for number in range(6)]
    assert sum(verdict.anomalous for verdict in spots) >= 5


@pytest.mark.slow
def test_it_trains_on_tiles_and_is_resumed(boards: Path, settings: TrainSettings, tmp_path: Path) -> None:
    """The whole training draws tiles, tells how many images they are of, and does nothing when resumed."""
    chosen = in_tiles(settings)
    made = train(open_source(str(boards)), tmp_path / "run", chosen, Silent())
    assert made.provenance["images_to_train"] == 36
    assert made.provenance["images_held_out"] == 24
    assert made.provenance["normals_held_out"] == 24 * TILES
    again = train(open_source(str(boards)), tmp_path / "run", chosen, Silent(), resume=True)
    assert again.settings == chosen
