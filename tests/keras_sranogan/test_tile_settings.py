"""What images in tiles are judged by, where neither options nor a settings file name it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keras_sranogan.cli import train_app
from keras_sranogan.presets import preset
from keras_sranogan.run import Run
from keras_sranogan.settings import TrainSettings
from keras_sranogan.train_options import suited_to_tiles

WHOLE, TILE = ("residual", "head", "map"), ("residual", "head", "peak")


def in_tiles(**changes: Any) -> TrainSettings:
    """The demo's settings, in tiles."""
    usual = replace(preset("demo", anomalies="mixture"), **changes)
    return replace(usual, preprocess=replace(usual.preprocess, fit="tile"))


@pytest.mark.parametrize(
    ("said", "in_file", "anomalies", "parts"),
    [
        ({}, {}, "flaws", TILE),
        ({"anomalies": "auto"}, {}, "flaws", TILE),
        ({"anomalies": "auto"}, {"head": {"anomalies": "mixture"}}, "flaws", TILE),
        ({}, {"head": {"anomalies": "mixture"}}, "mixture", TILE),
        ({"anomalies": "mixture"}, {}, "mixture", TILE),
        ({}, {"detector": {"parts": ["head", "map"]}}, "flaws", WHOLE),
        ({}, {"head": {"steps": 9}, "detector": {"folds": 3}}, "flaws", TILE),
    ],
)
def test_tiles_are_judged_by_small_faults(
    said: dict[str, Any], in_file: dict[str, Any], anomalies: str, parts: tuple[str, ...]
) -> None:
    """Unless options, or a file, name other anomalies or parts; ``auto`` goes before a file."""
    chosen = suited_to_tiles(in_tiles(), said, in_file)
    assert (chosen.head.anomalies, chosen.detector.parts) == (anomalies, parts)
    assert chosen.detector.with_image
    assert chosen.detector.highest == (2 if "parts" not in in_file.get("detector", {}) else 0)
    assert replace(chosen, head=in_tiles().head, detector=in_tiles().detector) == in_tiles()


def test_the_residual_alone_where_a_file_says_so() -> None:
    """It may be left to its reconstruction, and all parts may speak."""
    chosen = suited_to_tiles(in_tiles(), {}, {"detector": {"with_image": False, "highest": 0}})
    assert (chosen.detector.parts, chosen.detector.with_image, chosen.detector.highest) == (TILE, False, 0)


@pytest.mark.parametrize("said", [{}, {"anomalies": "auto"}])
def test_a_run_goes_on_as_it_was_begun(said: dict[str, Any]) -> None:
    """One of before has neither small faults nor the image itself; what is named now is as named."""
    begun = replace(in_tiles(), detector=replace(in_tiles().detector, parts=("head",)))
    asked = replace(in_tiles(), head=replace(begun.head, anomalies="spots"))
    assert suited_to_tiles(asked, said, {}, begun) == begun
    named = suited_to_tiles(asked, {"anomalies": "spots"}, {"detector": {"parts": list(WHOLE)}}, begun)
    assert (named.head.anomalies, named.detector.parts) == ("spots", WHOLE)


def test_whole_images_are_judged_as_they_were() -> None:
    """What is taken in tiles does not reach them."""
    usual = preset("standard")
    assert suited_to_tiles(usual, {}, {}) is usual
    assert (usual.head.anomalies, usual.detector.parts) == ("spots", WHOLE)
    assert (usual.detector.with_image, usual.detector.highest) == (False, 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "data: 'x' then, 'phantom' now"),  # nothing else differs
        (["--anomalies", "spots"], "head.anomalies: 'flaws' then, 'spots' now"),
        (["--fit", "stretch"], "detector.parts"),
    ],
)
def test_the_command_takes_them(tmp_path: Path, options: list[str], message: str) -> None:
    """A run in tiles is gone on with by the same command, and by no other."""
    begun = in_tiles(precision="float32")
    head, detector = replace(begun.head, anomalies="flaws"), replace(begun.detector, parts=TILE)
    chosen = replace(begun, head=head, detector=detector)
    run = Run.create(tmp_path / "run", chosen, resume=False)
    run.begin(chosen, {"data": "x", "normals_to_train": 48, "normals_held_out": 12, "started": "now"})
    line = ["phantom?train=60&val=10&test=10", "--out", str(run.folder), "--preset", "demo", "--resume"]
    done = CliRunner().invoke(train_app, [*line, "--precision", "float32", "--fit", "tile", *options])
    assert done.exit_code == 7, done.output
    assert message in " ".join(done.output.split())
