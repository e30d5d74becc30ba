"""What a scored feed leaves on disk: whole lines, also on a full disk, and heat maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sranogan_edge.errors import ResultsError, UnreadableImageError
from sranogan_edge.results.folder import ResultsFolder
from sranogan_edge.results.line import Scorer, error_line
from sranogan_edge.results.overlay import overlay
from sranogan_edge.results.summary import summarise, write_summary
from tests.support.cli_runs import lines_in
from tests.support.result_lines import line

SCORER = Scorer("ab", 4, "LiteRT", "the GPU hangs")


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


def test_overlay_tints_heat_and_nothing_else() -> None:
    """A quiet image stays grey as it is; heat above the normals' limit is coloured, where it is."""
    x = np.full((32, 32, 1), 0.5, np.float32)
    quiet = overlay(x, np.full((32, 32), 0.4, np.float32), heat_limit=1.0)
    assert quiet.shape == (384, 384, 3)
    assert (quiet == 127).all()
    heat = np.zeros((32, 32), np.float32)
    heat[:8, :8] = 2.0
    hot = overlay(x, heat, heat_limit=1.0)
    assert (np.ptp(hot[:72, :72].astype(int), axis=-1) > 50).all()
    assert (hot[150:] == 127).all()
