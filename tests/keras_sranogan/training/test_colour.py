"""``--colour``: what auto goes by, what is told, and that a run stays as it was begun."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_sranogan.cli import train_app
from keras_sranogan.data.open import open_source
from keras_sranogan.presets import preset
from keras_sranogan.training.colour import LOOKED_AT, colour_of_normals, takes_colour
from sranogan_edge.errors import SettingsError
from sranogan_edge.files import write_json
from tests.support.plates import plate


def images(folder: Path, coloured: int, grey: int = 0, equal: int = 0, broken: int = 0) -> str:
    """A folder of normals: plates in colour, in grey, in grey with three equal channels, and none at all."""
    folder.mkdir(parents=True)
    for number in range(coloured + grey + equal):
        pixels = np.ascontiguousarray(plate(number).pixels[::4, ::4, ::-1], np.uint8)
        if number >= coloured:
            pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
        if number >= coloured + grey:
            pixels = np.repeat(pixels[..., None], 3, axis=2)
        cv2.imwrite(str(folder / f"{number:03d}.png"), pixels)
    for number in range(broken):
        (folder / f"x{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return str(folder)


@pytest.mark.parametrize(
    ("kinds", "expected", "said"),
    [
        ({"coloured": 6}, True, "6 of 6 normals looked at are in colour: the head sees colours"),
        ({"coloured": 0, "grey": 4}, False, "0 of 4 normals looked at are in colour: trained on brightness"),
        ({"coloured": 0, "equal": 4}, False, "0 of 4 normals"),
        ({"coloured": 3, "grey": 2, "equal": 1}, True, "3 of 6 normals"),
        ({"coloured": 1, "equal": 3}, False, "brightness alone (--colour on: colours, too)"),
        ({"coloured": 2, "broken": 3}, True, "2 of 2 normals"),
        ({"coloured": 0, "broken": 3}, False, ""),
    ],
)
def test_auto_goes_by_the_normals(tmp_path: Path, kinds: dict[str, int], expected: bool, said: str) -> None:
    """By their actual colours, not by how they are stored: half of them decide, and a line says so."""
    takes, why = colour_of_normals(open_source(images(tmp_path / "in", **kinds)))
    assert takes is expected
    assert said in why


def test_anomalies_do_not_decide(tmp_path: Path) -> None:
    """Only the normals of the train split are looked at, and of many some from all along."""
    images(tmp_path / "in" / "train" / "NORMAL", 0, grey=2 * LOOKED_AT)
    images(tmp_path / "in" / "test" / "NORMAL", 3)
    images(tmp_path / "in" / "test" / "STAINED", 30)
    takes, why = colour_of_normals(open_source(str(tmp_path / "in")))
    assert not takes
    assert f"0 of {LOOKED_AT} normals" in why


def test_what_was_asked_for_goes_before(tmp_path: Path) -> None:
    """On and off count whatever the images are; a run that goes on stays as it was begun."""
    source = open_source(images(tmp_path / "in", 4))
    assert takes_colour("off", source, None) == (False, "")
    assert takes_colour("on", source, None) == (True, "")
    assert takes_colour("auto", source, tmp_path / "new")[0]
    (tmp_path / "run").mkdir()
    write_json(tmp_path / "run" / "settings.json", preset("demo").to_dict())
    assert takes_colour("auto", source, tmp_path / "run") == (False, "")
    with pytest.raises(SettingsError, match="--colour must be one of auto, on, off; received 'yes'"):
        takes_colour("yes", source, None)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], True),
        (["--colour", "off"], False),
        (["--color", "on"], False),
        (["--settings", "grey.toml"], False),
    ],
)
def test_the_command_says_what_it_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], told: bool
) -> None:
    """One line where the normals decide; none where an option or the file of settings does."""
    monkeypatch.chdir(tmp_path)
    Path("grey.toml").write_text("[preprocess]\ncolour = false\n", encoding="utf-8")
    arguments = [images(tmp_path / "in", 4), "--out", "run", *options]
    done = CliRunner().invoke(train_app, arguments)
    assert done.exit_code == 3, done.output
    assert "in has 4 normal images to train on" in " ".join(done.output.split())
    assert done.output.count("normals looked at are in colour") == told


def test_the_command_knows_its_words(tmp_path: Path) -> None:
    """Another word is refused with those that there are."""
    done = CliRunner().invoke(train_app, [images(tmp_path / "in", 4), "--out", "run", "--colour", "rgb"])
    assert done.exit_code == 2
    assert "--colour must be one of auto, on, off; received 'rgb'" in " ".join(done.output.split())


def test_photos_get_no_anomalies_of_radiographs(tmp_path: Path) -> None:
    """Folders of photos are taught bright and dark spots, never the opacities of films."""
    assert open_source(images(tmp_path / "in", 4)).anomalies == "spots"


def test_colour_is_part_of_the_settings() -> None:
    """It comes back from a run's file, and is off in the file of an earlier version."""
    usual = preset("standard")
    colour = replace(usual, preprocess=replace(usual.preprocess, colour=True))
    assert type(usual).from_dict(colour.to_dict()) == colour
    assert "colour" not in usual.to_dict()["preprocess"]  # as in the files of earlier versions
    assert type(usual).from_dict(usual.to_dict()) == usual
