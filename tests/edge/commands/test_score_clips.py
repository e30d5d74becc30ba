"""Videos on the command line: frames with number and time, every so many, torn ones, and those in folders."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import Result

from sranogan_edge.errors import ExitCode
from tests.support.cli_runs import lines_in, score

FRAMES, FPS = 20, 10.0
Run = Callable[..., tuple[Result, list[dict[str, Any]]]]


def film(path: Path, code: str = "FFV1", frames: int = FRAMES) -> Path:
    """A video of so many frames, each of noise of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*code), FPS, (64, 48))
    for number in range(frames):
        writer.write(np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    return path


@pytest.fixture
def run(tiny_bundle: Path, tmp_path: Path) -> Run:
    """Give a function that scores, and gives the lines."""

    def scored(*arguments: object) -> tuple[Result, list[dict[str, Any]]]:
        out = tmp_path / "out"
        done = score(tiny_bundle, *arguments, "--out", out)
        return done, lines_in(out) if (out / "results.jsonl").exists() else []

    return scored


def numbers(lines: Sequence[dict[str, Any]]) -> list[int | None]:
    """Of the frames."""
    return [line["frame"] for line in lines]


def test_every_frame_has_its_line(run: Run, tmp_path: Path) -> None:
    """With the frame's number in name and line, and its time in the video; no spool is left behind."""
    clip = film(tmp_path / "clip.mkv", frames=6)
    done, lines = run(clip)
    assert done.exit_code == ExitCode.OK
    assert [line["file"] for line in lines] == [f"{clip}#{number}" for number in range(1, 7)]
    assert numbers(lines) == list(range(1, 7))
    assert [line["at_s"] for line in lines] == pytest.approx([number / FPS for number in range(6)], abs=0.002)
    assert all(line["score"] is not None for line in lines)
    assert not (tmp_path / "out" / "spool").exists()


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (("--every", 7), [1, 8, 15]),
        (("--every", 10**6), [1]),
        (("--fps", 2), [1, 5, 10, 15, 20]),  # one may be early by a quarter of the pause
    ],
)
def test_so_many_frames(run: Run, tmp_path: Path, options: tuple[object, ...], taken: list[int]) -> None:
    """Each so many by their number, or so many a second by their time; the first one always."""
    _, lines = run(film(tmp_path / "clip.mkv"), *options)
    assert numbers(lines) == taken


def test_a_torn_video_gives_what_can_be_read(run: Run, tmp_path: Path) -> None:
    """A line for each frame before the cut, and one that says that there were to be more: some failed."""
    clip = film(tmp_path / "clip.avi", "MJPG")
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    done, lines = run(clip)
    assert done.exit_code == ExitCode.SOME_FAILED
    assert 1 <= len(lines) - 1 < FRAMES
    assert numbers(lines[:-1]) == list(range(1, len(lines)))
    assert lines[-1]["file"] == str(clip)
    assert (lines[-1]["verdict"], lines[-1]["frame"]) == ("error", None)
    assert "frames" in lines[-1]["error"]


@pytest.mark.parametrize("content", [b"", b"garbage" * 5000])
def test_what_is_no_video(run: Run, tmp_path: Path, content: bytes) -> None:
    """It has one line with the error; what is named beside it is scored."""
    (tmp_path / "bad.mp4").write_bytes(content)
    done, lines = run(tmp_path / "bad.mp4", film(tmp_path / "good.mkv", frames=2))
    assert done.exit_code == ExitCode.SOME_FAILED
    assert [line["verdict"] == "error" for line in lines] == [True, False, False]
    assert lines[0]["file"] == str(tmp_path / "bad.mp4")


def test_videos_in_folders(run: Run, tmp_path: Path) -> None:
    """By default they are passed over, and the rule is told; --videos takes them, after the images."""
    folder = tmp_path / "in"
    film(folder / "b" / "clip.MKV", frames=2).rename(folder / "b" / "rtsp:x.mkv")
    film(folder / "a.avi", "MJPG", 2)
    film(folder / ".hidden" / "c.avi", "MJPG", 2)
    noise = np.random.default_rng(9).integers(0, 256, (48, 64), np.uint8)
    cv2.imwrite(str(folder / "image.png"), noise)
    done, lines = run(folder)
    assert [Path(line["file"]).name for line in lines] == ["image.png"]
    told = " ".join(done.stderr.split())
    assert "passed over: 2 videos in folders (--videos scores them)" in told
    done, lines = run(folder, "--videos", "--every", 2)
    assert done.exit_code == ExitCode.OK
    assert [Path(line["file"]).name for line in lines] == ["image.png", "a.avi#1", "rtsp:x.mkv#1"]
    assert "at_s" not in lines[0]
    assert "--videos scores them" not in done.stderr


def test_figures_and_table(run: Run, tmp_path: Path) -> None:
    """Frames are in the summary and in the table as images are."""
    run(film(tmp_path / "clip.mkv", frames=3), "--json", tmp_path / "figures.json")
    assert json.loads((tmp_path / "figures.json").read_text())["images"] == 3
    with (tmp_path / "out" / "results.csv").open(newline="") as table:
        found = [float(row["at_s"]) for row in csv.DictReader(table)]
    assert found == pytest.approx([0.0, 0.1, 0.2], abs=0.002)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--every", "0"), "--every"),
        (("image.png", "--every", "2"), "for cameras, streams and videos"),
        (("nothing.mp4",), "nothing.mp4"),
        (("clip.mp4", "--videos", "--spool", "s"), "--videos"),
    ],
)
def test_what_cannot_be_asked(
    tiny_bundle: Path, tmp_path: Path, arguments: tuple[str, ...], why: str
) -> None:
    """A number that is none, an option for nothing, a file that is not there."""
    done = score(tiny_bundle, *arguments, "--out", tmp_path / "out")
    assert done.exit_code == (ExitCode.BAD_DATA if "nothing.mp4" in arguments else ExitCode.USAGE)
    assert why in " ".join((done.stderr + done.output).split())
