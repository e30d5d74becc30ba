from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from typer.testing import CliRunner

from keras_sranogan.data.open import open_source
from keras_sranogan.data.phantom import LESIONS
from keras_sranogan.data.phantom.__main__ import app


def test_writes_normals_and_lesions(tmp_path: Path) -> None:
    """Half are normals, half go round the lesions; each file is the test split's image of that name."""
    done = CliRunner().invoke(
        app, [str(tmp_path / "new" / "out"), "--count", "13", "--size", "64", "--seed", "3"]
    )
    assert done.exit_code == 0, done.output
    found = {path.name for path in (tmp_path / "new" / "out").iterdir()}
    lesions = {f"{LESIONS[number % len(LESIONS)]}-{number:02d}.png" for number in range(6)}
    assert found == {f"normal-{number:02d}.png" for number in range(7)} | lesions
    source = open_source("phantom?test=7&size=64&seed=3")
    pixels = cv2.imread(str(tmp_path / "new" / "out" / "normal-02.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(pixels, source.frame(source.items("test")[2]).pixels)


def test_exit_codes(tmp_path: Path) -> None:
    """A folder that cannot be made is exit code 6, a wrong option 2, and neither shows a traceback."""
    (tmp_path / "file").write_text("")
    for arguments, code in (
        ([str(tmp_path / "file" / "out")], 6),
        ([str(tmp_path), "--count", "0"], 2),
        ([str(tmp_path), "--size", "63"], 2),
        ([str(tmp_path), "--seed", "-1"], 2),
    ):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == code, done.output
        assert "Traceback" not in done.output
    assert "6 the folder cannot be written" in CliRunner().invoke(app, ["--help"]).output
