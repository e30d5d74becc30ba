"""A bundle in colour, from export to result: what it takes, what it says, what it shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_model
from sranogan_edge.bench.worker import make_frames
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import BundleFormatError
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.scoring.head import CHANNELS
from sranogan_edge.scoring.overlay import overlay
from tests.support import surfaces
from tests.support.cli_runs import lines_in, score
from tests.support.plates import plate

GREY_NOTE, COLOUR_NOTE = "a grey image, judged by", "a colour image, judged by"


def grey_of(frame: Frame) -> Frame:
    """The same picture without its colours."""
    return Frame.of(cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2GRAY))


def test_a_bundle_says_what_it_takes(colour_bundle: Path, tiny_bundle: Path) -> None:
    """In its manifest and its card; a grey one's manifest is as those of earlier versions."""
    colour, grey = read_bundle(colour_bundle), read_bundle(tiny_bundle)
    assert colour.preprocess.colour
    assert colour.preprocess.to_dict()["colour"] is True
    assert not grey.preprocess.colour
    assert "colour" not in grey.preprocess.to_dict()
    assert colour.golden_x.shape[1:] == (32, 32, 3)
    assert "in colour" in colour.model_card
    assert np.ptp(colour.golden_x[..., 1:]) > 0.1


def test_hues_change_the_head_alone(colour_bundle: Path) -> None:
    """A patch of another hue moves what the head measures; search, reconstruction and residual stay grey."""
    detector = open_detector(read_bundle(colour_bundle))
    head = detector.graphs.by_name["head"]
    assert head.inputs["image"] == (1, 32, 32, 3 * CHANNELS)
    plain, patched = (detector.measure(plate(7, patched=one)) for one in (False, True))
    moved = abs(patched.parts["head"] - plain.parts["head"])
    assert moved > 5 * abs(patched.parts["residual"] - plain.parts["residual"])
    assert plain.reconstruction.x.shape == plain.reconstruction.resolved.shape == (32, 32, 1)
    assert plain.reconstruction.shown.shape == (32, 32, 3)


def test_coloured_surfaces_are_evaluated_with_their_masks(colour_bundle: Path, tmp_path: Path) -> None:
    """Pictures and masks in colour: figures of pixels at the images' own size, by type and by size."""
    root = surfaces.mvtec(tmp_path / "plates", colour=True)
    for path in (root / "ground_truth").rglob("*.png"):
        drawn = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        assert drawn is not None
        cv2.imwrite(str(path), cv2.merge([np.zeros_like(drawn), np.zeros_like(drawn), drawn]))
    figures = evaluate_model(colour_bundle, open_source(str(root)), EvaluationOptions(low_pass=False))
    assert figures["settings"]["preprocess"]["colour"] is True
    defects = figures["defects"]
    assert {name: one["n"] for name, one in defects["by_type"].items()} == {"crack": 1, "stain": 2}
    assert defects["by_size"]["large"]["to_share"] == pytest.approx(600 / (48 * 64))
    for one in (defects["all"], *defects["by_type"].values(), *defects["by_size"].values()):
        assert 0 <= one["pixel_auroc"] <= 1
        assert 0 <= one["pixel_aupro"] <= 1


def test_other_images_are_judged_and_said(colour_bundle: Path, tiny_bundle: Path) -> None:
    """Grey into a colour bundle and colour into a grey one have a verdict, which says so; others do not."""
    colour, grey = (open_detector(read_bundle(path)) for path in (colour_bundle, tiny_bundle))
    frame = plate(3)
    assert colour.score(frame).colour == ""
    assert colour.score(grey_of(frame)).colour.startswith(GREY_NOTE)
    three = Frame.of(np.repeat(grey_of(frame).pixels[..., None], 3, axis=2))
    assert colour.score(three).colour.startswith(GREY_NOTE)
    assert colour.score(three).score == colour.score(grey_of(frame)).score
    assert grey.score(frame).colour.startswith(COLOUR_NOTE)
    assert grey.score(frame).score == grey.score(grey_of(frame)).score
    assert grey.score(three).colour == grey.score(grey_of(frame)).colour == ""


def test_the_line_says_it_once(colour_bundle: Path) -> None:
    """One field of the result line, null where the image is what the bundle takes."""
    judge = Judge.of(open_detector(read_bundle(colour_bundle)))
    said = [
        judge.answer([one]).line("a.png", judge.scorer, None, "") for one in (plate(1), grey_of(plate(1)))
    ]
    assert said[0].colour is None
    assert said[1].colour is not None
    assert said[1].colour.startswith(GREY_NOTE)
    assert said[1].reason == said[0].reason


def test_the_command_counts_them(colour_bundle: Path, tmp_path: Path) -> None:
    """sranogan-score tells in one line how many images the bundle does not take as they are."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        pixels = plate(number).pixels if number else grey_of(plate(number)).pixels
        cv2.imwrite(str(folder / f"{number}.png"), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    done = score(colour_bundle, folder, "--out", tmp_path / "out")
    assert done.exit_code == 0
    printed = " ".join(done.output.split())
    assert printed.count(GREY_NOTE) == 1
    assert f"1 image: {GREY_NOTE}" in printed
    assert [bool(line["colour"]) for line in lines_in(tmp_path / "out")] == [True, False, False]


def test_pictures_are_in_colour(colour_bundle: Path) -> None:
    """Where no heat lies over it, an orange plate is shown orange; a grey bundle's pictures stay grey."""
    shown = open_detector(read_bundle(colour_bundle)).measure(plate(2)).reconstruction.shown
    cold = np.zeros(shown.shape[:2], np.float32)
    blue, green, red = overlay(shown, cold, 1.0)[190, 190].astype(int)
    assert red > green > blue + 20
    grey = overlay(shown[..., :1], cold, 1.0)
    assert (grey == grey[..., :1]).all()


def test_benchmarks_run_on_colour_frames(colour_bundle: Path, tiny_bundle: Path) -> None:
    """The synthetic frames that times are taken of are as the bundle takes them."""
    colour, grey = read_bundle(colour_bundle), read_bundle(tiny_bundle)
    assert {one.photometric for one in make_frames(colour, 64)} == {Photometric.RGB}
    assert {one.photometric for one in make_frames(grey, 64)} == {Photometric.MONOCHROME2}


def test_graphs_of_another_kind_are_refused(colour_bundle: Path) -> None:
    """A bundle that says grey, with a head that takes colour, scores nothing."""
    bundle = read_bundle(colour_bundle)
    grey = replace(
        bundle,
        preprocess=replace(bundle.preprocess, colour=False),
        golden_x=bundle.golden_x[..., :1],
    )
    with pytest.raises(BundleFormatError, match="graph 'head' maps"):
        open_detector(grey)
