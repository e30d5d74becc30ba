"""A calibration by an archive's scores is that of the same images; what cannot be one is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

from sranogan_edge.archive import normals
from sranogan_edge.archive.measured import packed_measurements, unpacked_measurements
from sranogan_edge.archive.normals import calibration_of_archive
from sranogan_edge.bundle.bundle import read_bundle, write_bundle
from sranogan_edge.bundle.site_calibration import SiteCalibration, read_calibration
from sranogan_edge.commands.calibrate import app
from sranogan_edge.errors import DataError, ExitCode, SettingsError
from tests.support.archives import picture
from tests.support.calibrated_sites import small_bundle
from tests.support.cli_runs import score
from tests.support.finished_archives import BUNDLE, finished, normal_scores, row

IMAGES = 26
RATE = "0.1"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of images, one of them twice and one that is none."""
    folder = tmp_path_factory.mktemp("films") / "normals"
    for number in range(IMAGES):
        place = folder / f"{number % 3}" / f"{number:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        picture(number).save(place)
    (folder / "again.png").write_bytes((folder / "0" / "000.png").read_bytes())
    (folder / "text.png").write_text("this is no image")
    return folder


@pytest.fixture(scope="module")
def scores(tiny_bundle: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give its scores, with measurements."""
    out = tmp_path_factory.mktemp("scores")
    options = ("--engine", "local", "--workers", 1, "--part-images", 7, "--keep-measurements")
    assert score(tiny_bundle, films, *options, "--out", out).exit_code == ExitCode.SOME_FAILED
    return out


def calibrated(bundle: Path, place: Path, out: Path, *more: object) -> SiteCalibration:
    """What the command writes."""
    line = [str(one) for one in (bundle, place, "--false-alarm-rate", RATE, "--out", out, *more)]
    done = CliRunner().invoke(app, line)
    assert done.exit_code == ExitCode.OK, done.output
    return read_calibration(out)


@pytest.mark.parametrize("more", [(), ("--adapt", "--anyway")])
def test_it_is_that_of_the_same_images(
    tiny_bundle: Path, films: Path, scores: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """Threshold, scores, statistics, order and adapted densities are equal to the last bit."""
    usual = calibrated(tiny_bundle, films, tmp_path / "usual.json", *more)
    found = calibrated(tiny_bundle, scores, tmp_path / "found.json", *more)
    assert found.calibration.threshold == usual.calibration.threshold
    assert found.statistics == usual.statistics
    assert (found.successive, found.apart) == (usual.successive, usual.apart)
    assert (found.images_sha256, found.skipped, found.frames) == (
        usual.images_sha256,
        usual.skipped,
        usual.frames,
    )
    assert (found.fitted, found.steps, found.backend) == (usual.fitted, usual.steps, usual.backend)
    if more:
        assert found.density
        assert usual.density
        assert found.density.to_bytes() == usual.density.to_bytes()


def test_labels_say_which_images_are_normal(
    tiny_bundle: Path, films: Path, scores: Path, tmp_path: Path
) -> None:
    """Of a table's images those with the label are used, and no others: as of a folder of these alone."""
    chosen = sorted(path for path in films.rglob("*.png") if path.parent.name in "01")
    table = tmp_path / "labels.csv"
    lines = [
        f"{path.relative_to(films)},{'ok' if path in chosen else 'ill'}" for path in films.rglob("*.png")
    ]
    table.write_text("\n".join(["file,label", *lines]))
    found = calibrated(
        tiny_bundle, scores, tmp_path / "found.json", "--labels", table, "--normal-class", "OK"
    )
    alone = tmp_path / "alone"
    for path in chosen:
        (alone / path.parent.name).mkdir(parents=True, exist_ok=True)
        (alone / path.parent.name / path.name).write_bytes(path.read_bytes())
    assert found.statistics == calibrated(tiny_bundle, alone, tmp_path / "alone.json").statistics


def of(out: Path, rows: list[dict[str, Any]], **options: Any) -> SiteCalibration:
    """The calibration of these rows."""
    return calibration_of_archive(small_bundle(BUNDLE), finished(out, rows), false_alarm_rate=0.1, **options)


def rows_of(count: int) -> list[dict[str, Any]]:
    """So many normals."""
    return [row(number, value) for number, value in enumerate(normal_scores(count))]


def test_without_measurements_there_is_a_threshold_and_no_adapting(tmp_path: Path) -> None:
    """The scores alone give the threshold; adapting names the option that was missing."""
    told: list[str] = []
    made = of(tmp_path / "a", rows_of(40), told=told.append)
    assert made.calibration.threshold == sorted(normal_scores(40))[36]  # rank ceil(41 * 0.9) = 37
    assert made.successive == ()
    assert any("is taken for normal" in one for one in told)
    with pytest.raises(DataError, match=r"40 of 40 images lack the measurements.*--keep-measurements"):
        of(tmp_path / "b", rows_of(40), adapt=True)


def test_of_very_many_a_share_is_drawn_by_their_contents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory and file stay bounded; which images count is told, and does not hang on their order."""
    monkeypatch.setattr(normals, "MOST_NORMALS", 100)
    rows, told = rows_of(400), list[str]()
    made = of(tmp_path / "a", rows, told=told.append)
    assert 70 <= made.images <= 130
    assert any("of 400 images about 100 are used" in one for one in told)
    again = of(tmp_path / "b", rows[::-1])
    assert sorted(again.statistics["score"]) == sorted(made.statistics["score"])


def test_equal_images_count_once_and_failed_ones_are_told(tmp_path: Path) -> None:
    """As in a folder: copies are left out, failures are named, and more than a tenth of them is refused."""
    rows = [*rows_of(40), row(40, 1.0, sha256=rows_of(1)[0]["sha256"]), *(row(n, None) for n in (41, 42))]
    told: list[str] = []
    made = of(tmp_path / "a", rows, told=told.append)
    assert (made.images, made.skipped) == (40, 3)
    assert {"not used: 41: no image", "not used: /films/00040.png has the same bytes as another file"} <= set(
        told
    )
    with pytest.raises(DataError, match="5 of 45 images could not be scored"):
        of(tmp_path / "b", [*rows_of(40), *(row(n, None) for n in range(40, 45))])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("file,label\n00001.png,ill\n", "no image has the label 'NORMAL'; there are: ill"),
        ("file,kind\n00001.png,NORMAL\n", "its columns are file, kind. Give it a header"),
        ("file,label\n1.png,NORMAL\n", "labels none of the 40 images .* called /films/00000.png"),
        ("file,label\n00001.png,NORMAL\n00001.png,ill\n", "says two things of /films/00001.png"),
        ("", "Give it a header|cannot be read as a table"),
    ],
)
def test_labels_that_do_not_say_it(tmp_path: Path, text: str, why: str) -> None:
    """Each such table is refused, with what was wrong and what it should be."""
    table = tmp_path / "labels.csv"
    table.write_text(text)
    with pytest.raises(DataError, match=why):
        of(tmp_path / "scores", rows_of(40), labels=table)


def test_scores_of_another_bundle_or_by_a_site_are_refused(tmp_path: Path) -> None:
    """A threshold never rests on scores that are not the bundle's own."""
    other = finished(tmp_path / "a", rows_of(40))
    with pytest.raises(SettingsError, match=r"holds scores by the bundle one\.sranogan.*is another one"):
        calibration_of_archive(small_bundle("c" * 64), other, false_alarm_rate=0.1)
    site = [{**one, "calibration": "d" * 64} for one in rows_of(40)]
    by_site = finished(tmp_path / "b", site, calibration_sha256="d" * 64)
    with pytest.raises(
        SettingsError, match=r"by a site's calibration \(dddddddddddd\).*without --calibration"
    ):
        calibration_of_archive(small_bundle(BUNDLE), by_site, false_alarm_rate=0.1)


def test_measurements_that_are_none_are_refused() -> None:
    """What comes back is what was kept; other bytes are refused."""
    grid, vector = np.ones((32, 32), np.float32), np.arange(3, dtype=np.float32)
    kept = packed_measurements(grid, {"map": vector})
    again, parts = unpacked_measurements(kept, ["map"])
    assert np.array_equal(again, grid)
    assert np.array_equal(parts["map"], vector)
    for bad in (
        b"",
        kept[:100],
        packed_measurements(grid[:2], {"map": vector}),
        kept.replace(b"map", b"mop"),
    ):
        with pytest.raises(ValueError, match=r"."):
            unpacked_measurements(bad, ["map"])


def test_the_command_refuses_what_does_not_go_with_an_archive(
    tiny_bundle: Path, films: Path, scores: Path, tmp_path: Path
) -> None:
    """Options of scoring, labels without an archive, and two kinds of folders are usage errors."""

    def said(*line: object) -> tuple[int, str]:
        done = CliRunner().invoke(app, [str(one) for one in line])
        return done.exit_code, " ".join(done.output.split())

    code, text = said(tiny_bundle, scores, "--threads", 2, "--views", "PA")
    assert (code, "--threads, --views: an archive's images were scored already" in text) == (2, True), text
    (tmp_path / "l.csv").write_text("file,label\n")
    code, text = said(tiny_bundle, films, "--labels", tmp_path / "l.csv")
    assert (code, "--labels: for an archive's scores" in text) == (ExitCode.USAGE, True), text
    code, text = said(tiny_bundle, scores, "--usual", films)
    assert (code, "Name two folders of scores" in text) == (ExitCode.USAGE, True), text


def test_usual_images_of_an_archive_are_the_drift_monitors(tmp_path: Path) -> None:
    """Scores of images as they usually come give the drift's statistics, and no threshold."""
    usual = finished(tmp_path / "usual", rows_of(60))
    made = of(tmp_path / "a", rows_of(40), usual=usual)
    assert len(made.usual["score"]) == 60
    assert made.calibration.threshold == of(tmp_path / "b", rows_of(40)).calibration.threshold
    with pytest.raises(SettingsError, match="--usual with --adapt needs the images themselves"):
        of(tmp_path / "c", rows_of(40), usual=usual, adapt=True)


def test_measurements_of_tiles_are_refused(tiny_bundle: Path, films: Path, tmp_path: Path) -> None:
    """A row with all tiles' measurements would be too large: told before anything is scored."""
    own = read_bundle(tiny_bundle)
    spec = replace(own.preprocess, fit="tile", tile_px=64)
    write_bundle(replace(own, preprocess=spec), tmp_path / "tiles.sranogan")
    line = (tmp_path / "tiles.sranogan", films, "--engine", "local", "--keep-measurements")
    done = score(*line, "--out", tmp_path / "out")
    assert done.exit_code == ExitCode.USAGE, done.output
    assert "judges images in tiles" in " ".join(done.output.split())
