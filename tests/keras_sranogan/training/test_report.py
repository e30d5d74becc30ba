"""What a training says at its end, and the page that it leaves in its folder."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from PIL import Image

from keras_sranogan.training.event_log import EventLog
from keras_sranogan.training.report import (
    curves_of,
    end_lines,
    learned_text,
    next_commands,
    pictures_of,
    write_report,
)
from sranogan_edge.errors import ResultsError, RunError
from tests.support.finished_runs import record


def test_what_was_learned_is_one_sentence(tmp_path: Path) -> None:
    """How many of 100 normals are flagged, by how many held out."""
    text = learned_text(record(tmp_path / "run"))
    assert text.startswith(
        "Learned from 160 normals: of 100 normals like the 40 normals held out about 5 are"
    )
    assert text.count(".") == 1


def test_tiles_are_told_as_tiles(tmp_path: Path) -> None:
    """Of a run on tiles it says how many images they are of."""
    text = learned_text(record(tmp_path / "run", images_to_train=80, images_held_out=20))
    assert "Learned from 160 tiles: " in text
    assert "40 tiles of 20 normals held out" in text


@pytest.mark.parametrize("held_out", [1, 18])
def test_too_few_for_a_threshold_is_told_with_how_many_are_enough(tmp_path: Path, held_out: int) -> None:
    """Below 19 nothing is flagged at 5 %, and that is no silent thing."""
    text = learned_text(record(tmp_path / "run", held_out))
    assert "too few for a threshold of 5 %: nothing is flagged. 19 held out are enough" in text


@pytest.mark.parametrize("folder", ["mine", "my parts", "it's; rm -rf x"])
def test_the_next_commands_can_be_typed(tmp_path: Path, folder: str) -> None:
    """Whatever the folder is called, a shell reads it, and what is exported is what is scored with."""
    run = record(tmp_path / folder)
    export, score = (shlex.split(line) for line in next_commands(run, "data"))
    assert export == ["sranogan-export", str(run.folder), "--out", f"{folder}.sranogan"]
    assert score[:2] == ["sranogan-score", f"{folder}.sranogan"]


def test_what_no_bundle_holds_is_evaluated_next(tmp_path: Path) -> None:
    """The paper's search cannot be exported, so it is not what is told to be typed."""
    run = record(tmp_path / "run", name="paper")
    (line,) = next_commands(run, "my data")
    assert shlex.split(line)[:3] == ["sranogan-evaluate", str(run.folder), "my data"]
    assert sum("next:" in one for one in end_lines(run, "my data", tmp_path)) == 1


def test_the_page_has_curves_pictures_and_what_was_left_out(tmp_path: Path) -> None:
    """Each stage's metrics and pictures, all of it embedded, and every name escaped."""
    run = record(tmp_path / "<run>")
    log = EventLog(run.folder / "logs" / "gan")
    for step, value in ((25, 0.75), (50, 0.5), (75, 0.5)):
        log.write(step, {"l1": value})
    (run.folder / "gan").mkdir()
    Image.new("L", (8, 8)).save(run.folder / "gan" / "samples.png")
    assert curves_of(run) == {"gan": {"l1": [(25, 0.75), (50, 0.5), (75, 0.5)]}}
    assert [path.name for path in pictures_of(run)] == ["samples.png"]
    page = write_report(run, "data").read_text(encoding="utf-8")
    assert "l1: 0.75 to 0.5 in 75 steps" in page
    assert 'points="106.7,0.0 213.3,90.0 320.0,90.0"' in page
    assert page.count("data:image/png;base64,") == 1
    assert "&lt;b&gt;.png: damaged" in page
    assert "<b>" not in page
    assert "&lt;run&gt;" in page
    assert "http" not in page


def test_the_page_says_how_many_normals_could_not_be_aligned(tmp_path: Path) -> None:
    """Of a run that aligns; the page of any other says nothing of it."""
    assert "aligned" not in write_report(record(tmp_path / "plain"), "data").read_text(encoding="utf-8")
    run = record(tmp_path / "aligned", alignment={"images": 200, "failed": 3})
    assert "3 of 200 normals could not be aligned" in write_report(run, "data").read_text(encoding="utf-8")


def test_an_unfinished_run_has_no_page(tmp_path: Path) -> None:
    """Without a threshold there is nothing to say: the error that all commands give."""
    run = record(tmp_path / "run")
    (run.folder / "detector" / "calibration.json").unlink()
    with pytest.raises(RunError, match="is not finished"):
        write_report(run, "data")


def test_a_page_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A folder in its place is no traceback."""
    run = record(tmp_path / "run")
    (run.folder / "report.html").mkdir()
    with pytest.raises(ResultsError, match=r"report\.html: cannot be written"):
        write_report(run, "data")
