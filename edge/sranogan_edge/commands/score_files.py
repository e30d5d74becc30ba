"""Scoring of files that are there: lines, heat maps, table, contact sheet, figures, a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sranogan_edge.commands.score_clips import heat_name, score_clip
from sranogan_edge.commands.score_tables import print_run
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import Wanted
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import (
    DataError,
    ExitCode,
    ImageError,
    ResultsError,
    SettingsError,
    UnreadableImageError,
)
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.files import check_target
from sranogan_edge.image.files import check_place, check_there, list_images
from sranogan_edge.image.film import EVERY_FILM, FilmFields, FilmOptions
from sranogan_edge.image.formats import NAMED_FORMATS
from sranogan_edge.image.image_list import ImageList, PassedOver, told, told_counts
from sranogan_edge.results.beside import write_beside, write_regions, write_report
from sranogan_edge.results.coco import CocoRegions
from sranogan_edge.results.folder import ResultsFolder
from sranogan_edge.results.kept_apart import KeptApart
from sranogan_edge.results.line import ResultLine, described, error_line, not_asked_for_line
from sranogan_edge.results.summary import summarise, write_summary
from sranogan_edge.terminal import say, shown, terminal

__all__ = ["TilesShown", "check_places", "find_images", "refuse_of_files", "score_files"]

NOTHING_APART = KeptApart()
_SHOWN_FROM = 50  # tiles of one image: below, it is done before anybody could read it


def check_places(out: Path, **files: Path | None) -> None:
    """Raise ResultsError where one of the ``files`` cannot be written, by name: before images are scored.

    ``out`` need not be there: it is made for the results.
    """
    for name, path in files.items():
        try:
            if path and (path.parent.exists() or path.parent.absolute() != out.absolute()):
                check_target(path)
        except OSError as error:
            raise ResultsError(
                f"cannot write {path}: {error.strerror or error}. Name another place with --{name}."
            ) from error


def refuse_of_files(**asked: Path | str | None) -> None:
    """What sums up files that end, or is kept of each, is nothing for a service."""
    if named := [f"--{name}" for name, path in asked.items() if path]:
        raise SettingsError(
            f"{' and '.join(named)} sums up files that end; it does not go with --spool, --sink, --serve, "
            "--config or a feed that goes on"
        )


def find_images(paths: list[Path], without: Sequence[Path] = (), *, beside: bool = False) -> ImageList:
    """Find files as named, and the images inside folders (sub-folders too), sorted by folder.

    What is below the folders ``without`` is passed over, and so are outputs of earlier calls. There need be
    none ``beside`` videos.

    Raises:
        FeedError: a path is not there, or the only one may not be looked into.
        DataError: nothing was found, and nothing that might be an image was unreadable.
    """
    for path in paths:
        (check_place if len(paths) == 1 else check_there)(path)
    found = list_images(paths, without)
    if not found.taken and not found.unreadable and not beside:
        raise _none_in(paths, found)
    return found


def _none_in(paths: list[Path], found: ImageList) -> DataError:
    named = ", ".join(str(path) for path in paths)
    passed_over = "; ".join(filter(None, (told_counts(found.left_out), _first(found.left_out))))
    return DataError(
        f"no images in {named}; looked in all sub-folders for DICOM, {NAMED_FORMATS} files"
        + (f". {passed_over[0].upper()}{passed_over[1:]}" if passed_over else "")
    )


def _first(passed_over: Sequence[PassedOver]) -> str:
    return f"such as {passed_over[0]}" if passed_over else ""


def score_files(
    judge: Judge,
    found: ImageList,
    out: Path,
    summary: Path | None = None,
    films: FilmOptions = EVERY_FILM,
    *,
    report: Path | None = None,
    apart: KeptApart = NOTHING_APART,
    regions: CocoRegions | None = None,
    decoding: DecodingSettings | None = None,
    verbose: bool = False,
    clips: Sequence[VideoFeedSettings] = (),
) -> ExitCode:
    """Score those of ``found`` that ``films`` asks for; results go to ``out``, figures to ``summary``, too.

    ``report`` is where a page of all of it goes, ``apart`` has folders for masks and more; ``regions`` is
    written beside the results; ``clips`` are videos whose frames are scored after the rest.

    What is unreadable has its line with the error, as an image that cannot be scored. They are decoded in a
    process of their own, as the service does: one of ten thousand must not end the rest.
    """
    lines: list[ResultLine] = []
    say(*told(found.left_out, verbose=verbose))
    closed = {one.path: one.detail for one in found.unreadable}
    files = [*found.taken, *closed]
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=terminal(stderr=True))
    apart.make()
    with ResultsFolder(out) as results, closing(Decoder(decoding)) as decoder, progress:
        tiles = TilesShown(progress)
        for file in progress.track(files, description="scoring"):
            tiles.begin(file)
            why = closed.get(file, "")
            line = _score_one(judge, file, results, apart, films, why, decoder, tiles.done, regions)
            results.write(line)
            lines.append(line)
        for clip in clips:
            lines += score_clip(judge, clip, results, progress)
    figures = summarise(lines, threshold=judge.threshold, scorer=judge.scorer, results=out)
    figures = replace(figures, foreign_by=judge.foreign_by, **found.figures)
    try:
        print_run(lines, figures)
    finally:  # standard output may be lost
        write_beside(lines, figures, out)
        if summary:
            write_summary(figures, summary)
        if regions:
            say(f"regions: {write_regions(regions, out)}")
        if report:
            write_report(lines, figures, out, report)
    return ExitCode.SOME_FAILED if figures.failed else ExitCode.OK


class TilesShown:
    """A second line of progress, for images of many tiles or frames."""

    def __init__(self, progress: Progress) -> None:
        """Show nothing yet."""
        self._progress, self._done = progress, 0
        self._task = progress.add_task("", total=None, visible=False)

    def begin(self, file: Path) -> None:
        """The next image."""
        self._done = 0
        name = f"tiles of {escape(shown(file.name))}"
        self._progress.update(self._task, description=name, completed=0, visible=False)

    def done(self) -> None:
        """Count one more tile; from the fiftieth on they are shown."""
        self._done += 1
        if self._done >= _SHOWN_FROM:
            self._progress.update(self._task, completed=self._done, visible=True)


def _score_one(
    judge: Judge,
    file: Path,
    results: ResultsFolder,
    apart: KeptApart,
    films: FilmOptions,
    unreadable: str,
    decoder: Decoder,
    pulse: Callable[[], None],
    regions: CocoRegions | None,
) -> ResultLine:
    film = FilmFields()
    try:
        if unreadable:
            raise UnreadableImageError(unreadable)
        read = decoder.read_or_refuse(file, Wanted(str(file), films, judge.max_pixels))
        film = read.film
        taken = read.or_raise()
        if taken.refusal:
            return described(not_asked_for_line(str(file), taken.refusal, judge.scorer), film)
        answer = judge.answer(taken.frames, pulse=pulse)
    except ImageError as error:
        return described(error_line(str(file), error, judge.scorer), film)
    assert judge.heat_limit is not None
    name, frame = heat_name(file), taken.frames[answer.frame - 1]
    heat = results.write_overlay(name, answer.verdict, judge.heat_limit)
    line = described(answer.line(str(file), judge.scorer, heat, ""), film, taken.turned)
    apart.keep(name, file, frame, answer.verdict, line, judge.heat_limit)
    if regions:
        regions.add(line, answer.verdict, *frame.pixels.shape[:2])
    return line
