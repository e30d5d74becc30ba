"""What a scored feed leaves on disk: whole lines, also on a full disk, and heat maps."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.errors import ResultsError, UnreadableImageError
from sranogan_edge.results.folder import ResultsFolder
from sranogan_edge.results.line import Scorer, error_line, result_line, scored_at_s, scored_before
from sranogan_edge.results.summary import summarise, write_summary
from sranogan_edge.scoring.measurement import Reconstruction
from sranogan_edge.scoring.rule import Verdict
from tests.support.cli_runs import lines_in
from tests.support.result_lines import line

SCORER = Scorer("ab", 4, "LiteRT", "the GPU hangs")


OF_VERSION_1 = {
    "file",
    "score",
    "p_value",
    "verdict",
    "threshold",
    "anogan_score",
    "milliseconds",
    "heat_map",
    "error",
    "bundle",
    "steps",
    "backend",
    "backend_fallback",
    "scored_at",
    "schema_version",
    "calibration",
    "reason",
    "feed",
    "frames",
    "frame",
    "modality",
    "body_part_examined",
    "view_position",
    "presentation_intent_type",
    "patient_orientation",
    "turned",
}


def test_no_field_of_version_1_goes_away() -> None:
    """Whoever reads lines of schema version 1 finds each of its fields in those of today."""
    assert set(asdict(line(1))) >= OF_VERSION_1
    assert line(1).schema_version == 1


def test_lines_stand_as_soon_as_written(tmp_path: Path) -> None:
    """A line can be read before the feed ends, and again after."""
    with ResultsFolder(tmp_path) as results:
        results.write(line(1))
        assert [one["file"] for one in lines_in(tmp_path)] == ["1.png"]
        results.write(line(2))
    assert [one["score"] for one in lines_in(tmp_path)] == [2.0, 3.0]


def test_full_disk_keeps_whole_lines(small_disk: Path) -> None:
    """A disk that fills up ends in a results error; every line before it stands and none is cut."""
    wrote: list[int] = []

    def fill() -> None:
        with ResultsFolder(small_disk) as results:
            for number in range(10_000):
                results.write(line(number))
                wrote.append(number)

    with pytest.raises(ResultsError, match=r"No space left.*written so far are kept"):
        fill()
    assert len(wrote) > 50
    assert [one["file"] for one in lines_in(small_disk)] == [f"{number}.png" for number in wrote]


def test_short_write_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system takes only a part of a line at a time, the line still becomes whole."""
    with ResultsFolder(tmp_path) as results:
        file = results._lines
        stingy = type("Stingy", (), {"write": lambda _, data: file.write(data[:7])})
        monkeypatch.setattr(results, "_lines", stingy())
        results.write(line(3))
        monkeypatch.setattr(results, "_lines", file)
    assert [one["file"] for one in lines_in(tmp_path)] == ["3.png"]


def test_interrupt_inside_a_line_takes_it_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C between two parts of one line leaves the lines before it, and no part."""

    class Interrupted:
        def __init__(self, file: Any) -> None:
            self.file, self.truncate = file, file.truncate

        def write(self, data: memoryview) -> int:
            self.file.write(data[:20])
            raise KeyboardInterrupt

    with ResultsFolder(tmp_path) as results:
        results.write(line(1))
        file = results._lines
        monkeypatch.setattr(results, "_lines", Interrupted(file))
        with pytest.raises(KeyboardInterrupt):
            results.write(line(2))
        monkeypatch.setattr(results, "_lines", file)
    assert [one["file"] for one in lines_in(tmp_path)] == ["1.png"]


def test_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    """A place where no folder can be made is a results error with the cure."""
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="--out"):
        ResultsFolder(tmp_path / "file" / "scores")


def test_error_line_is_json_without_numbers() -> None:
    """An image that could not be judged has nulls for numbers, and the error with its kind."""
    found = error_line("a.png", UnreadableImageError("a.png: cut off"), SCORER)
    assert (found.score, found.p_value, found.threshold, found.heat_map) == (None, None, None, None)
    assert (found.bundle, found.steps, found.backend) == ("ab", 4, "LiteRT")
    assert found.backend_fallback == "the GPU hangs"
    assert (found.verdict, found.error) == ("error", "UnreadableImageError: a.png: cut off")


def test_summary_counts_and_averages(tmp_path: Path) -> None:
    """The summary counts verdicts, averages the judged images' times, and is written whole."""
    lines = [line(0), line(2, verdict="anomalous"), error_line("x.png", UnreadableImageError("bad"), SCORER)]
    summary = summarise(lines, threshold=float("inf"), scorer=SCORER, results=tmp_path)
    write_summary(summary, tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text(), parse_constant=pytest.fail)
    assert [found[name] for name in ("images", "normal", "anomalous", "failed")] == [3, 1, 1, 1]
    assert found["mean_milliseconds"] == {"search": 3.0, "total": 4.0}
    assert (found["threshold"], found["bundle"], found["steps"]) == (None, "ab", 4)
    assert (found["backend"], found["backend_fallback"]) == ("LiteRT", "the GPU hangs")
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]


def test_summary_of_failures_alone() -> None:
    """A feed of which nothing could be judged has no times, instead of a division by zero."""
    bad = [error_line("x.png", UnreadableImageError("bad"), SCORER)]
    summary = summarise(bad, threshold=1.0, scorer=SCORER, results=Path())
    assert (summary.failed, dict(summary.mean_milliseconds)) == (1, {})


def test_unwritable_summary(tmp_path: Path) -> None:
    """A summary that cannot be written is a results error that says the results stand."""
    summary = summarise([line()], threshold=1.0, scorer=SCORER, results=tmp_path)
    with pytest.raises(ResultsError, match="results themselves are complete"):
        write_summary(summary, tmp_path / "missing" / "figures.json")


def verdict_of(score: float, threshold: float, *, anomalous: bool) -> Verdict:
    """A verdict of an image of one grey."""
    flat = np.zeros((8, 8), np.float32)
    made = Reconstruction(np.zeros((8, 8, 1), np.float32), flat, flat, flat, {}, flat, 12.5, {})
    return Verdict(score, {}, 0.25, anomalous, threshold, flat, made, {"search": 1.23456, "total": 2.0})


@pytest.mark.parametrize("failing", [None, KeyError("of the run")])
def test_a_disk_that_fails_at_the_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: Exception | None
) -> None:
    """The run did not end well then; what ended it before is told instead. The next run is let in."""

    def refuse(handle: int) -> None:
        raise OSError(5, "Input/output error")

    def run() -> None:
        with ResultsFolder(tmp_path) as results:
            results.write(line(1))
            monkeypatch.setattr(os, "fsync", refuse)
            if failing:
                raise failing

    with pytest.raises(
        KeyError if failing else ResultsError, match="of the run" if failing else "Input/output"
    ):
        run()
    monkeypatch.undo()
    with ResultsFolder(tmp_path) as results:
        assert results.earlier is not None


def test_the_line_of_a_judged_image() -> None:
    """Each number of the verdict has its place; an infinite threshold, which JSON does not know, is null."""
    made = result_line("x.png", verdict_of(1.5, 2.0, anomalous=False), SCORER, "heat_maps/x.png")
    found = (
        made.file,
        made.score,
        made.p_value,
        made.threshold,
        made.anogan_score,
        made.heat_map,
        made.error,
    )
    assert found == ("x.png", 1.5, 0.25, 2.0, 12.5, "heat_maps/x.png", None)
    assert (made.verdict, made.reason, dict(made.milliseconds)) == (
        "normal",
        None,
        {"search": 1.235, "total": 2.0},
    )
    assert (made.bundle, made.steps, made.backend, made.backend_fallback) == (
        "ab",
        4,
        "LiteRT",
        "the GPU hangs",
    )
    few = result_line("x.png", verdict_of(1.5, math.inf, anomalous=False), SCORER, None)
    assert (few.threshold, few.verdict) == (None, "normal")
    json.dumps(asdict(few), allow_nan=False)
    high = verdict_of(1.5, 2.0, anomalous=True)  # by a threshold of several frames
    assert result_line("x.png", high, SCORER, None).verdict == "anomalous"
    foreign = result_line("x.png", high, SCORER, None, out_of_domain="inverted")
    assert (foreign.verdict, foreign.reason, foreign.score) == ("out of domain", "inverted", 1.5)


def test_when_a_line_was_scored() -> None:
    """In UTC, to the second; a line of that very second was not scored before it, nor one without a time."""
    noon = 1_767_268_800.0  # 2026-01-01T12:00:00Z
    assert scored_at_s(line()) == noon
    stated = asdict(line())
    assert [scored_before(stated, noon + later) for later in (-1, 0, 1)] == [False, False, True]
    assert not scored_before({}, noon)
    assert not scored_before({**stated, "scored_at": "yesterday"}, noon)


def test_a_score_of_nothing_counts() -> None:
    """An image that scores 0.0 was judged: its times are in the mean."""
    lines = [
        line(0, score=0.0),
        line(2),
        line(3, score=None, verdict="error"),
        line(4, verdict="not asked for"),
    ]
    made = summarise(lines, threshold=2.0, scorer=SCORER, results=Path("out"))
    assert made.mean_milliseconds == {"search": pytest.approx((2 + 4 + 6) / 3, abs=1e-3), "total": 4.0}
    counts = (made.images, made.normal, made.anomalous, made.failed, made.not_asked_for, made.out_of_domain)
    assert counts == (4, 2, 0, 1, 1, 0)
