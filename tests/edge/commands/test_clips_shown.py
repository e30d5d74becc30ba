"""Progress of a video whose frames are scored."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn

from sranogan_edge.commands.score_clips import score_clip
from sranogan_edge.detector.load import Loader
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.results.folder import ResultsFolder

FRAMES, FPS = 20, 10.0


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Give a video of 20 frames whose name is markup to what shows it."""
    path = tmp_path / "clip [1].avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), FPS, (64, 48))
    for number in range(FRAMES):
        writer.write(np.random.default_rng(number).integers(0, 256, (48, 64, 3), np.uint8))
    writer.release()
    return path


class Seen(Progress):
    """Remembers what could be read after each step."""

    def __init__(self) -> None:
        console = Console(file=io.StringIO(), width=100)
        super().__init__(TextColumn("{task.description}"), MofNCompleteColumn(), console=console)
        self.steps: list[str] = []

    def update(self, *arguments: Any, **changes: Any) -> None:
        super().update(*arguments, **changes)
        self.steps.append(" ".join(self.text().split()))

    def text(self) -> str:
        with self.console.capture() as captured:
            self.console.print(self)
        return captured.get()


@pytest.mark.parametrize(
    ("how", "counts"),
    [
        ({"every": 7}, ["1/3", "2/3", "3/3"]),
        ({"every": 10}, ["1/2", "2/2"]),
        ({"fps": 2.0}, ["1/?", "2/?", "3/?", "4/?", "5/?"]),  # by time: nobody knows how many
    ],
)
def test_frames_are_counted_against_those_that_are_taken(
    tiny_bundle: Path, clip: Path, tmp_path: Path, how: dict[str, Any], counts: list[str]
) -> None:
    """Of the frames that --every leaves, how many are scored, beside the name; afterwards it is gone."""
    loader = Loader()
    judge = loader.judge(loader.detector(tiny_bundle))
    progress = Seen()
    with ResultsFolder(tmp_path / "out") as results:
        lines = score_clip(judge, VideoFeedSettings(str(clip), **how), results, progress)
    assert progress.steps == [f"frames of clip [1].avi {count}" for count in counts]
    assert len(lines) == len(counts)
    assert not progress.text().strip()


def test_a_terminal_shows_the_video_in_hand(tiny_bundle: Path, clip: Path, tmp_path: Path) -> None:
    """``sranogan-score clip.avi --every 7`` on a terminal: its name is there, and a line for each frame."""
    here, there = pty.openpty()
    command = [sys.executable, "-m", "sranogan_edge.commands.score", str(tiny_bundle), str(clip)]
    command += ["--every", "7", "--out", str(tmp_path / "out")]
    shown: list[bytes] = []

    def read() -> None:
        while True:
            try:
                shown.append(os.read(here, 65536))
            except OSError:  # the command has closed its end
                return

    with subprocess.Popen(
        command, stderr=there, stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"}
    ):
        os.close(there)
        reader = threading.Thread(target=read)
        reader.start()
    reader.join()
    os.close(here)
    assert b"frames of clip [1].avi" in b"".join(shown)
    assert len((tmp_path / "out" / "results.jsonl").read_text().splitlines()) == 3
