"""Orange plates from folder to verdict: a green patch, as bright as the plate, is found in colour alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from typer.testing import CliRunner

from keras_sranogan.cli import train_app
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_export.cli import app as export_app
from tests.support.cli_runs import lines_in, score
from tests.support.plates import plate

NORMALS, PATCHED, OTHERS = range(160), range(2000, 2005), range(3000, 3040)


def write(folder: Path, numbers: range, *, patched: bool = False) -> Path:
    """Write plates as PNG."""
    folder.mkdir()
    for number in numbers:
        cv2.imwrite(str(folder / f"{number}.png"), plate(number, patched=patched).pixels[..., ::-1])
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("options", "least", "most"), [([], 5, 5), (["--colour", "off"], 0, 1)])
def test_a_patch_of_another_hue(tmp_path: Path, options: list[str], least: int, most: int) -> None:
    """By the commands: of five patched plates five are flagged, by brightness one at most; few normals."""
    plates, run, bundle = write(tmp_path / "plates", NORMALS), tmp_path / "run", tmp_path / "a.sranogan"
    chosen = ["--preset", "demo", "--size", "64", "--precision", "float32", *options]
    done = CliRunner().invoke(train_app, [str(plates), "--out", str(run), *chosen])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(export_app, [str(run), "--out", str(bundle), "--ptq"])
    assert done.exit_code == 0, done.output
    assert read_bundle(bundle).preprocess.colour is not bool(options)
    found = {}
    for name, numbers in (("patched", PATCHED), ("others", OTHERS)):
        folder = write(tmp_path / name, numbers, patched=name == "patched")
        done = score(bundle, folder, "--out", tmp_path / f"{name}.out")
        assert done.exit_code == 0, done.output
        lines = lines_in(tmp_path / f"{name}.out")
        assert all(bool(line["colour"]) is bool(options) for line in lines)
        found[name] = [line["verdict"] for line in lines]
    assert least <= found["patched"].count("anomalous") <= most, found
    assert found["others"].count("normal") >= 33, found
