"""A calibration takes only the films that are asked for, by the options of scoring, and tells the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("pydicom", reason="the extra dicom is not installed")

from sranogan_edge.bundle.site_calibration import SiteCalibration, read_calibration
from sranogan_edge.commands.calibrate import app

Make = Callable[..., bytes]
PA = {"BodyPartExamined": "CHEST", "ViewPosition": "PA", "PatientOrientation": ["L", "F"]}
LATERAL = {**PA, "ViewPosition": "LL", "PatientOrientation": ["P", "F"]}
HAND = {**PA, "BodyPartExamined": "HAND"}
ASKED = ("--modalities", "DX", "--body-parts", "chest", "--views", "PA,AP")


def film(number: int) -> np.ndarray:
    """A picture of its own."""
    rng = np.random.default_rng(number)
    steps = np.linspace(0, 3000, 64)[:, None] * np.linspace(0.2, 1, 64)[None, :]
    return np.asarray(steps + rng.integers(0, 900, (64, 64)), np.uint16)


def put(make: Make, folder: Path, films: dict[str, tuple[np.ndarray, dict[str, Any]]]) -> Path:
    """A folder with these films, by name: pixels, and what they say of themselves."""
    folder.mkdir()
    for name, (pixels, said) in films.items():
        (folder / name).write_bytes(make(pixels, **said))
    return folder


def calibrated(bundle: Path, normals: Path, *more: str) -> tuple[SiteCalibration | None, str, int]:
    """What the command wrote, what it said in one line, and its exit code."""
    out = normals.with_suffix(".json")
    command = [str(bundle), str(normals), "--false-alarm-rate", "0.2", "--out", str(out), *more]
    done = CliRunner().invoke(app, command)
    found = read_calibration(out) if out.exists() else None
    return found, done.output, done.exit_code


def normals(count: int) -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """So many frontal films."""
    return {f"{number}.dcm": (film(number), PA) for number in range(count)}


def test_what_is_not_asked_for_moves_no_threshold(
    tmp_path: Path, make_dicom: Make, tiny_bundle: Path
) -> None:
    """Lateral films and hands between the normals: named with their field, counted, and not used."""
    alone = put(make_dicom, tmp_path / "alone", normals(6))
    others = {"l.dcm": (film(20) // 3, LATERAL), "h.dcm": (film(21) * 2, HAND)}
    mixed = put(make_dicom, tmp_path / "mixed", {**normals(6), **others})
    Image.fromarray(film(22).astype(np.uint8)).save(mixed / "p.png")
    expected, _, _ = calibrated(tiny_bundle, alone)
    found, told, code = calibrated(tiny_bundle, mixed, *ASKED, "--usual", str(mixed))
    assert expected is not None
    assert found is not None
    assert code == 0
    assert found.statistics == found.usual == expected.statistics
    assert (found.images, found.skipped) == (6, 3)
    for name, field in (
        ("l.dcm", "ViewPosition is 'LL'; asked for: PA, AP"),
        ("h.dcm", "BodyPartExamined is 'HAND'; asked for: chest"),
        ("p.png", "Modality is empty; asked for: DX (take_empty: modalities takes it)"),
    ):
        assert told.count(f"not asked for: {mixed / name}: {field}") == 2  # of the normals, and of the usual
    assert "not asked for, and not used: 3" in told
    assert "6 normals, 3 not used" in told


def test_turned_films_are_turned_as_in_scoring(tmp_path: Path, make_dicom: Make, tiny_bundle: Path) -> None:
    """Films that say they are mirrored have the statistics of upright ones, on request alone."""
    upright = put(make_dicom, tmp_path / "upright", normals(4))
    mirrored = {**PA, "PatientOrientation": ["R", "F"]}
    turned = {
        name: (np.ascontiguousarray(pixels[:, ::-1]), mirrored) for name, (pixels, _) in normals(4).items()
    }
    lying = put(make_dicom, tmp_path / "lying", turned)
    expected, as_it_is = calibrated(tiny_bundle, upright)[0], calibrated(tiny_bundle, lying)[0]
    found = calibrated(tiny_bundle, lying, "--turn-upright")[0]
    assert expected is not None
    assert as_it_is is not None
    assert found is not None
    assert found.statistics == expected.statistics
    assert as_it_is.statistics != expected.statistics


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("--modalities", "CR"), "none of the 5 images is asked for. The first: "),
        (
            ("--views", "PA"),
            "3 images that can be used, and a false-alarm rate of 0.2 needs at least 4. Add 1,",
        ),
    ],
)
def test_too_few_that_are_asked_for(
    tmp_path: Path, make_dicom: Make, tiny_bundle: Path, asked: tuple[str, ...], told: str
) -> None:
    """The command ends with 3 and says how many it would have used; nothing is written."""
    films = {**normals(3), "l.dcm": (film(20), LATERAL), "m.dcm": (film(21), LATERAL)}
    found, said, code = calibrated(tiny_bundle, put(make_dicom, tmp_path / "films", films), *asked)
    assert (found, code) == (None, 3)
    assert told in said
    assert said.count("not asked for: ") == (2 if "PA" in asked else 0)


def test_a_small_folder_counts_what_is_asked_for(tmp_path: Path, make_dicom: Make, tiny_bundle: Path) -> None:
    """Where there are too few files anyhow, those that are not asked for are no part of the count."""
    films = {**normals(2), "l.dcm": (film(20), LATERAL)}
    _, said, code = calibrated(tiny_bundle, put(make_dicom, tmp_path / "films", films), "--views", "PA")
    assert code == 3
    assert "2 images that can be used" in said
    assert f"not asked for: {tmp_path / 'films' / 'l.dcm'}: ViewPosition is 'LL'" in said


def test_options_that_cannot_be_end_with_2(tmp_path: Path, make_dicom: Make, tiny_bundle: Path) -> None:
    """A wrong option is told before anything is scored."""
    folder = put(make_dicom, tmp_path / "films", normals(1))
    _, said, code = calibrated(tiny_bundle, folder, "--take-empty", "view")
    assert code == 2
    assert "take_empty names options with a field" in said
