"""Scoring of files that are there: a table on the terminal, lines, heat maps, figures."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import DataError, ExitCode, ImageError, UnreadableImageError
from sranogan_edge.image.files import check_place, check_there, list_images
from sranogan_edge.image.film import EVERY_FILM, FilmFields, FilmOptions, fields_of_file
from sranogan_edge.image.formats import NAMED_FORMATS
from sranogan_edge.image.image_list import ImageList, PassedOver, told, told_counts
from sranogan_edge.image.reading import read_frames
from sranogan_edge.results.folder import ResultsFolder
from sranogan_edge.results.line import NOT_ASKED_FOR, ResultLine, described, error_line, not_asked_for_line
from sranogan_edge.results.summary import Summary, summarise, write_summary
from sranogan_edge.terminal import say, shown, terminal

__all__ = ["find_images", "score_files"]

_STEM_CHARACTERS = 48  # of an image's name in its heat map's: 4 bytes each at most, and names end at 255
_MOST_SHOWN = 20


def find_images(paths: list[Path], without: Sequence[Path] = ()) -> ImageList:
    """Find files as named, and the images inside folders (sub-folders too), sorted by folder.

    What is below the folders ``without`` is passed over, and so are outputs of earlier calls.

    Raises:
        FeedError: a path is not there, or the only one may not be looked into.
        DataError: nothing was found, and nothing that might be an image was unreadable.
    """
    for path in paths:
        (check_place if len(paths) == 1 else check_there)(path)
    found = list_images(paths, without)
    if not found.taken and not found.unreadable:
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
    verbose: bool = False,
) -> ExitCode:
    """Score those of ``found`` that ``films`` asks for; results go to ``out``, figures to ``summary``.

    What is unreadable has its line with the error, as an image that cannot be scored.
    """
    lines: list[ResultLine] = []
    say(*told(found.left_out, verbose=verbose))
    closed = {one.path: one.detail for one in found.unreadable}
    files = [*found.taken, *closed]
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ResultsFolder(out) as results, Progress(*columns, console=terminal(stderr=True)) as progress:
        for file in progress.track(files):
            line = _score_one(judge, file, results, films, closed.get(file, ""))
            results.write(line)
            lines.append(line)
    figures = summarise(lines, threshold=judge.threshold, scorer=judge.scorer, results=out)
    figures = replace(figures, **found.figures)
    try:
        _print_table(lines, figures)
        _print_figures(lines, figures)
    finally:  # standard output may be lost
        if summary:
            write_summary(figures, summary)
    return ExitCode.SOME_FAILED if figures.failed else ExitCode.OK


def _score_one(
    judge: Judge, file: Path, results: ResultsFolder, films: FilmOptions, unreadable: str
) -> ResultLine:
    film = FilmFields()
    try:
        if unreadable:
            raise UnreadableImageError(unreadable)
        film = fields_of_file(file, str(file))
        taken = films.taken(film, partial(read_frames, file, max_pixels=judge.max_pixels))
        if taken.refusal:
            return described(not_asked_for_line(str(file), taken.refusal, judge.scorer), film)
        answer = judge.answer(taken.frames)
    except ImageError as error:
        return described(error_line(str(file), error, judge.scorer), film)
    assert judge.heat_limit is not None
    heat = results.write_overlay(_heat_name(file), answer.verdict, judge.heat_limit)
    return described(answer.line(str(file), judge.scorer, heat, ""), film, taken.turned)


def _heat_name(file: Path) -> str:
    """A name for the heat map that any file system takes, different for files of one name in two folders."""
    stem = re.sub(r"[^\w.-]", "_", file.stem)[:_STEM_CHARACTERS]
    return f"{stem}-{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}"


def _print_table(lines: list[ResultLine], figures: Summary) -> None:
    console = terminal()
    judged = sorted((line for line in lines if line.score is not None), key=lambda line: -(line.score or 0))
    title = f"the {_MOST_SHOWN} most anomalous of {len(judged)} images" if len(judged) > _MOST_SHOWN else None
    table = Table(title=title)
    for column in ("score", "p-value", "verdict", "ms", "file"):
        table.add_column(column, justify="left" if column == "file" else "right", overflow="fold")
    for line in judged[:_MOST_SHOWN]:
        numbers = (f"{line.score:.3f}", f"{line.p_value:.4f}", line.verdict)
        name = line.file if line.frame is None else f"{line.file} (frame {line.frame} of {line.frames})"
        table.add_row(*numbers, f"{line.milliseconds['total']:.1f}", Text(shown(name)))
    if judged:
        console.print(table)
    for line in lines:
        for problem in filter(None, (line.error and f"not scored: {line.error}", line.reason)):
            kind = f"{NOT_ASKED_FOR}: " if line.verdict == NOT_ASKED_FOR else ""
            text = problem if line.error else f"{line.file}: {kind}{problem}"
            console.print(shown(text), soft_wrap=True)
    if figures.mean_milliseconds:
        steps = ", ".join(f"{step} {taken:.1f}" for step, taken in figures.mean_milliseconds.items())
        text = f"mean milliseconds on {figures.backend}, {figures.steps} search steps: {steps}"
        console.print(text, soft_wrap=True)


def _print_figures(lines: list[ResultLine], figures: Summary) -> None:
    console = terminal()
    if figures.backend_fallback:
        fallback = f"the GPU was not used: {shown(figures.backend_fallback)}"
        console.print(fallback, soft_wrap=True)
    outside = f"{figures.out_of_domain} out of domain, " if figures.out_of_domain else ""
    left_out = f"{figures.not_asked_for} not asked for, " if figures.not_asked_for else ""
    console.print(
        f"{len(lines) - figures.failed - figures.not_asked_for} scored, {figures.anomalous} anomalous, "
        f"{outside}{left_out}"
        f"{figures.failed} failed; results in {shown(figures.results)}",
        soft_wrap=True,
    )
