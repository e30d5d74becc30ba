"""Figures of an archive's scores are those of the same images, scored by the usual command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

pytest.importorskip("duckdb", reason="the extra archive is not installed")

from keras_sranogan.cli import evaluate_app
from keras_sranogan.data.archive_run import ScoresOf, opened_archive
from keras_sranogan.data.open import open_source
from sranogan_edge.bundle.site_calibration import read_calibration
from sranogan_edge.commands.calibrate import app as calibrate_app
from sranogan_edge.errors import DataError, ExitCode, RunError
from tests.support.cli_runs import score

SAME = (
    *("auroc", "auprc", "threshold", "sensitivity", "specificity", "f1", "accuracy", "calibration"),
    *("best_accuracy_protocol", "anogan_auroc", "per_class", "ordering", "flagged", "n_normal", "n_abnormal"),
)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give drawn films in folders of splits and classes."""
    root = tmp_path_factory.mktemp("films") / "set"
    source = open_source("phantom?train=60&val=12&test=12&size=96")
    for split in ("val", "test"):
        for number, item in enumerate(source.items(split)):
            place = root / split / item.label / f"{number:03}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            pixels = source.frame(item).pixels
            Image.fromarray(np.asarray(pixels, np.uint8) if pixels.dtype == np.uint8 else pixels).save(place)
    return root


@pytest.fixture(scope="module")
def scores(tiny_bundle: Path, films: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give all of their scores."""
    out = tmp_path_factory.mktemp("scores")
    done = score(tiny_bundle, films, "--engine", "local", "--workers", 1, "--part-images", 7, "--out", out)
    assert done.exit_code == ExitCode.OK, done.output
    return out


def evaluated(bundle: Path, data: Path, out: Path, *more: object) -> dict[str, Any]:
    """The figures of the command."""
    line = [str(one) for one in (bundle, data, "--json", out, *more)]
    done = CliRunner().invoke(evaluate_app, line)
    assert done.exit_code == ExitCode.OK, done.output
    found: dict[str, Any] = json.loads(out.read_text())
    return found


def refused(*line: object) -> tuple[int, str]:
    """Exit code and message of the command."""
    done = CliRunner().invoke(evaluate_app, [str(one) for one in line])
    return done.exit_code, " ".join(done.output.split())


@pytest.mark.parametrize("split", ["test", "val"])
def test_figures_are_those_of_the_same_images(
    tiny_bundle: Path, films: Path, scores: Path, tmp_path: Path, split: str
) -> None:
    """Scores, threshold and all that follows from them are equal to the last bit, for each split."""
    usual = evaluated(tiny_bundle, films, tmp_path / "usual.json", "--split", split, "--no-low-pass")
    page = tmp_path / "report.html"
    found = evaluated(tiny_bundle, scores, tmp_path / "found.json", "--split", split, "--report", page)
    assert {name: found[name] for name in SAME} == {name: usual[name] for name in SAME}
    assert (
        found["archive"]["left_out"] == found["archive"]["images"] - found["n_normal"] - found["n_abnormal"]
    )
    assert "SR-AnoGAN" in page.read_text()


def test_a_table_of_labels_does_as_well_and_tells_patients(
    tiny_bundle: Path, films: Path, scores: Path, tmp_path: Path
) -> None:
    """Labels by file or SHA-256 give the figures of folders; patients make the intervals wider."""
    rows = [path for path in films.rglob("*.png") if path.parts[-3] == "test"]
    lines = [
        f"{path.relative_to(films)},{path.parent.name},{number // 6}" for number, path in enumerate(rows)
    ]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["File,Label,patient", *lines]))
    by_folders = evaluated(tiny_bundle, scores, tmp_path / "folders.json")
    found = evaluated(tiny_bundle, scores, tmp_path / "table.json", "--labels", table)
    assert {name: found[name] for name in SAME} == {name: by_folders[name] for name in SAME}
    assert found["auroc_ci"] != by_folders["auroc_ci"]
    assert any("patient of its own" in note for note in by_folders["notes"])
    assert not any("patient of its own" in note for note in found["notes"])


def test_scores_by_a_site_are_judged_by_its_threshold(
    tiny_bundle: Path, films: Path, scores: Path, tmp_path: Path
) -> None:
    """A calibration by an archive's scores judges the next run, whose figures are by its threshold."""
    site, out = tmp_path / "site.json", tmp_path / "out"
    line = (tiny_bundle, scores, "--false-alarm-rate", 0.2, "--out", site)
    assert CliRunner().invoke(calibrate_app, [str(one) for one in line]).exit_code == ExitCode.OK
    options = ("--engine", "local", "--workers", 1, "--calibration", site, "--out", out)
    assert score(tiny_bundle, films, *options).exit_code == ExitCode.OK
    found = evaluated(tiny_bundle, out, tmp_path / "found.json", "--calibration", site)
    assert found["threshold"] == read_calibration(site).calibration.threshold
    assert found["calibration"]["false_alarm_rate_set"] == 0.2
    other = tmp_path / "other.json"
    CliRunner().invoke(calibrate_app, [str(one) for one in (*line[:3], 0.3, "--out", other)])
    code, text = refused(tiny_bundle, out, "--calibration", other)
    assert (code, "is not the calibration by which" in text) == (ExitCode.USAGE, True), text


def test_what_cannot_be_evaluated_is_refused(
    tiny_bundle: Path, films: Path, scores: Path, tmp_path: Path
) -> None:
    """A run folder, options that need images, an unknown split or class, and images without classes."""
    with (
        pytest.raises(RunError, match="an archive is scored by a bundle"),
        opened_archive(ScoresOf(tmp_path, scores)),
    ):
        pass
    code, text = refused(tiny_bundle, scores, "--audit", "--pictures", tmp_path)
    assert (code, "--audit, --pictures: needs the images" in text) == (ExitCode.USAGE, True), text
    code, text = refused(tiny_bundle, scores, "--split", "train")
    assert (code, "no images of the split 'train'; there are: test, val" in text) == (3, True), text
    code, text = refused(tiny_bundle, scores, "--normal-class", "fine")
    assert code == ExitCode.OK, text  # another usual name of normals
    code, text = refused(tiny_bundle, scores, "--normal-class", "lungs")
    assert (code, "no class 'lungs'; found" in text) == (ExitCode.BAD_DATA, True), text
    code, text = refused(tiny_bundle, films, "--labels", tmp_path / "none.csv")
    assert (code, "--labels: for an archive's scores" in text) == (ExitCode.USAGE, True), text


def test_images_in_no_folders_of_classes_need_labels(tiny_bundle: Path, films: Path, tmp_path: Path) -> None:
    """Where nothing says what an image shows, nothing is guessed; all may be called normal."""
    loose = tmp_path / "loose"
    loose.mkdir()
    for number, path in enumerate(sorted(films.rglob("NORMAL/*.png"))[:3]):
        (loose / f"{number}.png").write_bytes(path.read_bytes())
    out = tmp_path / "out"
    assert score(tiny_bundle, loose, "--engine", "local", "--workers", 1, "--out", out).exit_code == 0
    asked = ScoresOf(tiny_bundle, out)
    with (
        pytest.raises(DataError, match=r"they lie in no folders of classes.*--labels"),
        opened_archive(asked),
    ):
        pass
    found = evaluated(tiny_bundle, out, tmp_path / "all.json", "--normal-class", "*")
    assert (found["n_normal"], found["n_abnormal"], found["auroc"]) == (3, 0, None)
