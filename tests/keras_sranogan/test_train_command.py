"""``sranogan-train``: what people get wrong, and what they are told."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from keras_sranogan.cli import evaluate_app, train_app
from keras_sranogan.presets import preset
from keras_sranogan.run import Run
from keras_sranogan.settings import SEARCH_SIDES_PX, TrainSettings
from keras_sranogan.training.workshop import Training
from sranogan_edge.files import write_json

PHANTOM = "phantom?train=60&size=96"


def train(*arguments: object) -> Any:
    """Run the command in this process."""
    done = CliRunner().invoke(train_app, [str(argument) for argument in arguments])
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def write_images(folder: Path, count: int, *, black: int = 0) -> Path:
    """Write ``count`` small images of noise, the first ``black`` of them all black."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        pixels = rng.integers(0, 256, (32, 32), np.uint8) * np.uint8(number >= black)
        cv2.imwrite(str(folder / f"{number:03d}.png"), pixels)
    return folder


def nothing_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stages take no time: what stands before and after them is what is looked at."""

    def fitted(work: Training) -> None:
        (work.run.folder / "detector").mkdir()
        values = {"scores": list(range(40)), "false_alarm_rate": 0.05}
        write_json(work.run.folder / "detector" / "calibration.json", values)

    stages = "gan", "encoder", "corrector", "refiner", "srgan", "head"
    for name in (f"train_{stage}" for stage in stages):
        monkeypatch.setattr(f"keras_sranogan.training.train.{name}", lambda work: None)
    monkeypatch.setattr("keras_sranogan.training.train.train_detector", fitted)


@pytest.fixture
def small(settings: TrainSettings, monkeypatch: pytest.MonkeyPatch) -> TrainSettings:
    """Let every preset be the tests' small settings."""
    monkeypatch.setattr("keras_sranogan.presets.preset", lambda name, **options: settings)
    return settings


@pytest.mark.parametrize(("app", "extra"), [(train_app, "7 the run"), (evaluate_app, "5 the bundle")])
def test_help_shows_exit_codes(app: object, extra: str) -> None:
    """Both commands list what they can end with."""
    done = CliRunner().invoke(app, ["--help"])  # type: ignore[arg-type]  # a typer app
    assert done.exit_code == 0
    text = " ".join(done.output.split())
    for part in ("Exit codes: 0", "2 wrong usage", "3 the data cannot be used", extra, "130 interrupted"):
        assert part in text


def test_help_names_the_sizes() -> None:
    """Those that are taken, no fewer."""
    sizes = ", ".join(str(2 * side) for side in SEARCH_SIDES_PX)
    assert sizes in " ".join(CliRunner().invoke(train_app, ["--help"]).output.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "large"], "--preset must be one of demo, standard, paper; received 'large'"),
        (["--size", "100"], "--size must be one of 32, 64, 128, 256, 512; received 100"),
        (["--size", "0"], "Received: 0"),
        (["--size", "big"], "valid integer"),
        (
            ["--precision", "float16"],
            "--precision must be auto, float32 or mixed_bfloat16; received 'float16'",
        ),
        (
            ["--anomalies", "cats"],
            "--anomalies must be one of auto, opacities, defects, spots, mixture, flaws; received 'cats'",
        ),
        (["--seed", "-1"], "--seed must be from 0"),
        (["--max-bad-share", "2"], "--max-bad-share must be from 0 to 1"),
        (["--fit", "zoom"], "fit must be one of stretch, pad, letterbox, crop, tile. Received: 'zoom'"),
        (["--tile-px", "256"], "--tile-px goes with --fit tile; received no --fit"),
        (["--fit", "crop", "--tile-overlap", "0.5"], "--tile-overlap goes with --fit tile"),
        (["--fit", "auto", "--tile-px", "256"], "--tile-px goes with --fit tile; received --fit auto"),
        (["--fit", "tile", "--tile-px", "7"], "tile_px must be a whole number from 16 to 16384"),
        (["--fit", "tile", "--tile-overlap", "1"], "tile_overlap must be a number from 0.0 to 0.75"),
        (["--fit", "tile", "--region", "0,0 2,0 0,1"], "region has a corner at 2,0, outside the image"),
        (["--fit", "tile", "--region", "whole"], "region must be corners"),
        (["--region", "0,0 1,0 0,1"], "region goes with fit tile"),
        (["--tile-whole", "on"], "tile_whole goes with fit tile"),
        (["--fit", "tile", "--align"], "Choose fit stretch, letterbox or crop, or leave align out"),
        (["--fit", "crop", "--tile-whole", "auto"], "--tile-whole goes with --fit tile"),
        (["--fit", "tile", "--tile-whole", "yes"], "--tile-whole must be one of auto, on, off"),
    ],
)
def test_bad_options(options: list[str], message: str, tmp_path: Path) -> None:
    """A wrong option ends with exit code 2 and names what is allowed."""
    done = train(PHANTOM, "--out", tmp_path / "run", "--precision", "float32", *options)
    assert done.exit_code == 2
    assert message in done.output


def test_unusable_folders(tmp_path: Path) -> None:
    """A folder that is missing, empty, or holds too few images is exit code 3, with the number found."""
    (tmp_path / "empty").mkdir()
    for data, message in (
        (tmp_path / "none", "no such folder"),
        (tmp_path / "empty", "no images"),
        (write_images(tmp_path / "one", 1), "one has 1 normal images to train on; at least 50 are needed"),
        (write_images(tmp_path / "few", 49), "few has 49 normal images to train on; at least 50 are needed"),
    ):
        done = train(data, "--out", tmp_path / "run")
        assert done.exit_code == 3, done.output
        assert message in done.output


def test_auto_says_which_fit_and_why(tmp_path: Path) -> None:
    """Before anything is trained, one line has the fit, the images' size and the reason."""
    done = train(write_images(tmp_path / "few", 49), "--out", tmp_path / "run", "--fit", "auto")
    assert done.exit_code == 3
    assert re.search(r"^fit stretch: images of \d+ x \d+ pixels \(median of 32\)", done.output, re.MULTILINE)


def test_auto_says_whether_the_whole_is_judged_beside_its_tiles(tmp_path: Path) -> None:
    """Before anything is trained, one line has the answer and how alike the normals are."""
    options = ("--fit", "tile", "--tile-px", "32", "--tile-whole", "auto")
    done = train(write_images(tmp_path / "few", 49), "--out", tmp_path / "run", *options)
    assert done.exit_code == 3
    assert re.search(r"^tile-whole (on|off): 32 normals, as a whole, correlate", done.output, re.MULTILINE)


def test_misspelt_label_folder(tmp_path: Path) -> None:
    """A slip in the name of the normals' folder is met with a guess at what was meant."""
    write_images(tmp_path / "data" / "train" / "NORMLA", 3)
    write_images(tmp_path / "data" / "train" / "PNEUMONIA", 3)
    done = train(tmp_path / "data", "--out", tmp_path / "run")
    assert done.exit_code == 3
    assert "Did you mean 'NORMLA'?" in done.output


def test_black_images(tmp_path: Path) -> None:
    """Images of one brightness teach nothing: all black, or too large a share, is exit code 3."""
    for name, black, message in (("all", 60, "60 of 60 images"), ("some", 6, "6 of 60 images (10.0%)")):
        done = train(write_images(tmp_path / name, 60, black=black), "--out", tmp_path / "run")
        assert done.exit_code == 3
        assert message in done.output
        assert "one constant brightness" in done.output
    assert not (tmp_path / "run" / "settings.json").exists()


def test_few_black_images_are_skipped_and_counted(
    small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A black image among many is left out, said and noted; so is that there are few, and what comes next."""
    nothing_is_trained(monkeypatch)
    done = train(
        write_images(tmp_path / "data", 70, black=2), "--out", tmp_path / "run", "--precision", "float32"
    )
    assert done.exit_code == 0, done.output
    output = " ".join(done.output.split())
    assert "warning: 2 of 70 images cannot be used and are skipped, such as:" in output
    assert "warning: 68 normal images are few; 300 or more are advised" in output
    provenance = Run(tmp_path / "run").provenance
    assert provenance["normals_to_train"] + provenance["normals_held_out"] == 68
    assert len(provenance["skipped"]) == 2
    told = done.output.splitlines()
    run = tmp_path / "run"
    assert told[-4].startswith("Learned from ")
    assert "of 100 normals like the " in told[-4]
    assert told[-3] == f"report: {run / 'report.html'}"
    assert told[-2] == f"next: sranogan-export {run} --out run.sranogan"
    assert told[-1].split()[:2] == ["sranogan-score", "run.sranogan"]
    assert told[-4] in (run / "report.html").read_text()


def test_what_is_passed_over_is_told_and_what_is_unreadable_is_skipped(
    small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link to nowhere counts among the images that cannot be used; the rest is named and noted."""
    nothing_is_trained(monkeypatch)
    data = write_images(tmp_path / "data", 60)
    (data / "broken.png").symlink_to("nowhere.png")
    (data / ".hidden.png").touch()
    (data / "notes.txt").touch()
    done = train(data, "--out", tmp_path / "run", "--precision", "float32", "--verbose")
    assert done.exit_code == 0, done.output
    output = " ".join(done.output.split())
    assert "warning: 1 of 61 images cannot be used and are skipped, such as:" in output
    assert "leads nowhere: its target nowhere.png is not there" in output
    assert "passed over: 1 hidden, 1 not an image, 1 unreadable" in output
    assert "notes.txt: not an image" in output
    assert "cannot be used: 1 image of train, such as:" in output
    assert "32 x 32" in output
    provenance = Run(tmp_path / "run").provenance
    assert [one.partition(":")[0] for one in provenance["skipped"]] == ["broken.png"]
    assert len(provenance["passed_over"]) == 3


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A folder that a run of the demo preset at seed 0 was begun in."""
    settings = preset("demo", anomalies="mixture")
    settings = TrainSettings.from_dict({**settings.to_dict(), "precision": "float32"})
    run = Run.create(tmp_path / "begun", settings, resume=False)
    run.begin(settings, {"data": "x", "normals_to_train": 48, "normals_held_out": 12, "started": "now"})
    return run.folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "holds a run already. Add --resume"),
        (["--resume", "--size", "64"], "preprocess.size: 128 then, 64 now"),
        (["--resume", "--seed", "5"], "seed: 0 then, 5 now"),
        (["--resume", "--precision", "mixed_bfloat16"], "precision: 'float32' then, 'mixed_bfloat16' now"),
        (["--resume"], "data: 'x' then, 'phantom' now"),
    ],
)
def test_another_run_is_in_the_folder(begun: Path, options: list[str], message: str) -> None:
    """A folder with another run is exit code 7, and what differs is named."""
    done = train(PHANTOM, "--out", begun, "--preset", "demo", "--precision", "float32", *options)
    assert done.exit_code == 7
    assert message in " ".join(done.output.split())


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """An --out that cannot be made is exit code 6, before any image is read."""
    (tmp_path / "file").write_text("")
    done = train(PHANTOM, "--out", tmp_path / "file" / "run", "--precision", "float32")
    assert done.exit_code == 6
    assert "cannot be written" in done.output
    assert "reading" not in done.output


@pytest.fixture(params=["300k", "1m", "3m"])
def tiny_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A disk that is soon full."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a tmpfs")
    folder = tmp_path / "disk"
    folder.mkdir()
    size = f"size={request.param}"
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", folder], capture_output=True, text=True
    )
    if made.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_full_disk(small: TrainSettings, tiny_disk: Path) -> None:
    """A disk that fills up, at whatever point, is exit code 6 with the cure, and no traceback."""
    done = train(PHANTOM, "--out", tiny_disk / "run", "--precision", "float32")
    assert done.exit_code == 6, done.output
    text = " ".join(done.output.split())
    assert "cannot be written" in text
    assert "(No space left on device). Free some space" in text


@pytest.mark.slow
def test_full_disk_that_is_cleared(small: TrainSettings, tiny_disk: Path) -> None:
    """Once there is space again, --resume finishes the run."""
    options = (PHANTOM, "--out", tiny_disk / "run", "--precision", "float32")
    assert train(*options).exit_code == 6
    subprocess.run(["mount", "-o", "remount,size=32m", tiny_disk], check=True)
    done = train(*options, "--resume")
    assert done.exit_code == 0, done.output
    assert Run(tiny_disk / "run").networks().generator.output_shape == (None, 16, 16, 1)


def test_settings_from_a_file_below_those_of_the_line(
    settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of a run's settings is what is trained with; an option of the line goes before it."""
    nothing_is_trained(monkeypatch)
    values = replace(settings, seed=4, detector=replace(settings.detector, contamination=0.2))
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(values.to_dict()), encoding="utf-8")
    for place, options, expected in (
        ("as it says", (), values),
        ("line first", ("--seed", "9", "--anomalies", "defects"), replace(values, seed=9)),
    ):
        done = train(PHANTOM, "--out", tmp_path / place, "--settings", file, *options)
        assert done.exit_code == 0, done.output
        head = replace(values.head, anomalies="defects") if options else values.head
        assert Run(tmp_path / place).settings == replace(expected, head=head)


def test_unknown_settings_of_a_file_are_refused(tmp_path: Path) -> None:
    """A slip in a name ends the command before the data is read, with the name that was meant."""
    file = tmp_path / "settings.toml"
    file.write_text("[srgan]\nadverserial_weight = 0.1\n", encoding="utf-8")
    done = train("nowhere", "--out", tmp_path / "run", "--settings", file)
    assert done.exit_code == 2
    output = " ".join(done.output.split())
    assert "srgan.adverserial_weight (did you mean srgan.adversarial_weight?)" in output


def test_the_limit_of_pixels_holds_for_reading(tmp_path: Path) -> None:
    """``preprocess.max_pixels`` of a file of settings is the limit of the images that are read."""
    data, file = write_images(tmp_path / "data", 60), tmp_path / "s.json"
    file.write_text(json.dumps({"preprocess": {"max_pixels": 100}}))
    done = train(data, "--out", tmp_path / "run", "--precision", "float32", "--settings", file)
    assert done.exit_code == 3
    output = " ".join(done.output.split())
    assert "above the budget of 100. Shrink the image, or raise max_pixels" in output
    assert "preprocess.max_pixels" in output


def test_a_training_is_logged_with_mlflow(
    small: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has the run when the command has ended, and says its number; the page is in it."""
    client = pytest.importorskip("mlflow", reason="mlflow is an extra").MlflowClient
    nothing_is_trained(monkeypatch)
    uri = (tmp_path / "store").as_uri()
    data = write_images(tmp_path / "data", 60)
    done = train(data, "--out", tmp_path / "run", "--precision", "float32", "--mlflow", uri)
    assert done.exit_code == 0, done.output
    store = client(tracking_uri=uri)
    (found,) = store.search_runs([store.get_experiment_by_name("sranogan").experiment_id])
    assert found.info.run_id in done.output.splitlines()[-1]
    assert "report.html" in {one.path for one in store.list_artifacts(found.info.run_id)}
    assert found.data.params["seed"] == str(small.seed)
