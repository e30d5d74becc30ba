"""Scoring of video files that are there: a line for each frame that is taken, one where a file is torn."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rich.markup import escape
from rich.progress import Progress

from sranogan_edge.commands.options import feeds_of
from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import FeedError, ImageError, UnreadableImageError
from sranogan_edge.feeds.feed import Arrival
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.kinds import VIDEO_SUFFIXES
from sranogan_edge.feeds.video import VideoFeed, VideoFeedSettings
from sranogan_edge.image.files import check_there
from sranogan_edge.results.folder import ResultsFolder
from sranogan_edge.results.line import ResultLine, error_line, of_video
from sranogan_edge.settings.folders import not_inputs
from sranogan_edge.settings.tree import Settings
from sranogan_edge.terminal import counted, shown

__all__ = ["Clips", "clips_of", "heat_name", "score_clip"]

_STEM_CHARACTERS = 48  # of an image's name in its heat map's: 4 bytes each at most, and names end at 255


@dataclass(frozen=True)
class Clips:
    """The videos of a call.

    Attributes:
        taken: those to be scored.
        passed_over: those in folders, where they were not asked for.
    """

    taken: tuple[VideoFeedSettings, ...] = ()
    passed_over: tuple[Path, ...] = ()

    def told(self) -> Iterator[str]:
        """Say which rule left some out."""
        if self.passed_over:
            number = counted(len(self.passed_over), "video")
            yield f"passed over: {number} in folders (--videos scores them), such as {self.passed_over[0]}"


def clips_of(
    settings: Settings, *, in_folders: bool, fps: float | None, roi: str | None, every: int | None
) -> Clips:
    """Return the videos that ``settings`` name and, where they are asked for, those in their folders.

    Raises:
        FeedError: one that is named is not there.
        SettingsError: an option of theirs cannot be.
    """
    named = tuple(feed for feed in settings.feeds if isinstance(feed, VideoFeedSettings))
    for clip in named:
        check_there(Path(clip.uri))
    folders = [Path(feed.uri) for feed in settings.feeds if isinstance(feed, FilesFeedSettings)]
    known = {os.path.realpath(feed.uri) for feed in named}
    without = {os.path.realpath(one) for one in not_inputs(settings)}
    inside = tuple(one for one in _inside(folders, without) if os.path.realpath(one) not in known)
    if not in_folders:
        return Clips(named, inside)
    found = feeds_of([_as_file(one) for one in inside], fps, roi, every=every) if inside else ()
    return Clips((*named, *(one for one in found if isinstance(one, VideoFeedSettings))))


def _inside(folders: Sequence[Path], without: set[str]) -> Iterator[Path]:
    """Yield videos below ``folders`` by name, but for what is hidden, or below what is to be left out."""
    for folder in folders:
        for here, inner, names in os.walk(folder):
            inner[:] = sorted(
                one
                for one in inner
                if not one.startswith(".") and os.path.realpath(os.path.join(here, one)) not in without
            )
            videos = (one for one in sorted(names) if Path(one).suffix.lower() in VIDEO_SUFFIXES)
            yield from (Path(here, one) for one in videos if not one.startswith("."))


def _as_file(path: Path) -> str:
    """A name that is taken for nothing else: ``rtsp:x.mp4`` is a file here."""
    return str(path) if path.is_absolute() else os.path.join(".", path)


def score_clip(
    judge: Judge, clip: VideoFeedSettings, results: ResultsFolder, progress: Progress
) -> list[ResultLine]:
    """Write a line for each frame of ``clip`` that is taken, and one with the error where it is torn.

    A heat map is saved of those that are anomalous. Returns the lines.
    """
    lines: list[ResultLine] = []

    def write(line: ResultLine) -> None:
        results.write(line)
        lines.append(line)

    task = progress.add_task(f"frames of {escape(shown(Path(clip.uri).name))}", total=None)
    try:
        with closing(clip.open()) as feed:
            for arrival in feed:
                write(_line_of(judge, arrival, results))
                progress.update(task, total=_frames_of(feed, clip), advance=1)
            if feed.health.message.startswith("ended after"):  # fewer frames than its header declares
                raise UnreadableImageError(f"{clip.uri}: {feed.health.message}")
    except (FeedError, ImageError) as error:
        write(error_line(clip.uri, error, judge.scorer))
    progress.remove_task(task)
    return lines


def _frames_of(feed: VideoFeed, clip: VideoFeedSettings) -> int | None:
    """How many frames will be taken, as the file says; None where it does not, or by time."""
    declared = int(feed.opened.get("frames", 0))
    return -(-declared // clip.every) if declared and not clip.fps else None


def _line_of(judge: Judge, arrival: Arrival, results: ResultsFolder) -> ResultLine:
    assert arrival.frame is not None
    source = arrival.frame_source
    try:
        answer = judge.answer((arrival.frame,))
    except ImageError as error:
        line = error_line(source, error, judge.scorer)
    else:
        heat = None
        if answer.verdict.anomalous and judge.heat_limit is not None:
            heat = results.write_overlay(heat_name(Path(source)), answer.verdict, judge.heat_limit)
        line = answer.line(source, judge.scorer, heat, "")
    return of_video(line, arrival.number, arrival.at_s)


def heat_name(file: Path) -> str:
    """A name for the heat map that any file system takes, different for files of one name in two folders."""
    stem = re.sub(r"[^\w.-]", "_", file.stem)[:_STEM_CHARACTERS]
    return f"{stem}-{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}"
