"""``sranogan-score``: parse, call, return an exit code."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sranogan_edge.bundle import read_bundle
from sranogan_edge.decode import IMAGE_SUFFIXES, decode_file
from sranogan_edge.errors import DataError, ExitCode, ImageError, SranoganError
from sranogan_edge.interpreter import backend_name
from sranogan_edge.pipeline import Detector
from sranogan_edge.results import (
    HEAT_MAPS,
    ResultLine,
    ResultsFolder,
    Summary,
    error_line,
    result_line,
    summarise,
    write_summary,
)

EXIT_CODES = """
Exit codes: 0 all images were scored; 3 there was nothing to score; 4 some images could not be
scored (each has its line with the error); 5 the bundle was refused; 6 results cannot be written;
2 wrong usage; 130 interrupted.
"""
STEM_CHARACTERS = 48  # of an image's name in its heat map's: 4 bytes each at most, and names end at 255


def run(command: Callable[..., ExitCode | None], **arguments: object) -> None:
    """Call ``command``; print an expected error as one message and leave with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show must not end the feed
            stream.reconfigure(errors="backslashreplace")
    try:
        raise typer.Exit(int(command(**arguments) or ExitCode.OK))
    except SranoganError as error:
        Console(stderr=True).print(f"error: {shown(str(error))}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(int(error.exit_code)) from error
    except KeyboardInterrupt as interrupt:
        Console(stderr=True).print("interrupted", style="red")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from interrupt


def shown(text: str) -> str:
    """Return ``text`` with everything but printable characters and line breaks written as escapes.

    File names may hold bytes that are no text, and codes that a terminal would obey.
    """
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def find_images(paths: list[Path], without: Path | None = None) -> list[Path]:
    """Return files as named, and the images inside folders (sub-folders too), sorted by folder.

    Images below the folder ``without`` are left out: an earlier call's heat maps are no input.

    Raises:
        DataError: nothing was found.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
            wanted = (p for p in inside if without is None or without.resolve() not in p.resolve().parents)
            found += sorted(p for p in wanted if not p.name.startswith("."))
        else:
            found.append(path)
    if not found:
        named = ", ".join(str(path) for path in paths)
        raise DataError(
            f"no images in {named}; looked for {', '.join(sorted(IMAGE_SUFFIXES))} in all sub-folders"
        )
    return found


def score_files(
    bundle: Path, paths: list[Path], out: Path, threads: int = 1, summary: Path | None = None
) -> ExitCode:
    """Score every image of ``paths`` with ``bundle``; results go to ``out``, figures to ``summary``."""
    files = find_images(paths, without=out / HEAT_MAPS)
    loaded = read_bundle(bundle)
    detector = Detector(loaded, threads=threads)
    lines: list[ResultLine] = []
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ResultsFolder(out) as results, Progress(*columns, console=Console(stderr=True)) as progress:
        for file in progress.track(files):
            line = _score_one(detector, file, results)
            results.write(line)
            lines.append(line)
    figures = summarise(
        lines,
        threshold=loaded.calibration.threshold,
        bundle=loaded.sha256,
        backend=backend_name(),
        results=out,
    )
    _print_summary(lines, figures)
    if summary:
        write_summary(figures, summary)
    return ExitCode.SOME_FAILED if figures.failed else ExitCode.OK


def _score_one(detector: Detector, file: Path, results: ResultsFolder) -> ResultLine:
    sha256 = detector.bundle.sha256
    try:
        verdict = detector.score(decode_file(file, max_pixels=detector.bundle.preprocess.max_pixels))
    except ImageError as error:
        return error_line(str(file), error, sha256)
    heat = results.write_overlay(_heat_name(file), verdict, detector.bundle.density.heat_limit)
    return result_line(str(file), verdict, sha256, heat)


def _heat_name(file: Path) -> str:
    """A name for the heat map that any file system takes, different for files of one name in two folders."""
    stem = re.sub(r"[^\w.-]", "_", file.stem)[:STEM_CHARACTERS]
    return f"{stem}-{hashlib.sha256(os.fsencode(file)).hexdigest()[:8]}"


def _print_summary(lines: list[ResultLine], figures: Summary, most: int = 20) -> None:
    console = Console()
    table = Table(title=f"the {min(most, len(lines) - figures.failed)} most anomalous of {len(lines)} images")
    for column in ("score", "p-value", "verdict", "ms", "file"):
        table.add_column(column, justify="left" if column == "file" else "right", overflow="fold")
    judged = sorted((line for line in lines if line.error is None), key=lambda line: -(line.score or 0))
    for line in judged[:most]:
        numbers = (f"{line.score:.3f}", f"{line.p_value:.4f}", line.verdict)
        table.add_row(*numbers, f"{line.milliseconds['total']:.1f}", Text(shown(line.file)))
    if judged:
        console.print(table)
    for line in lines:
        if line.error:
            console.print(f"not scored: {shown(line.error)}", markup=False, soft_wrap=True)
    if figures.mean_milliseconds:
        steps = ", ".join(f"{step} {taken:.1f}" for step, taken in figures.mean_milliseconds.items())
        console.print(f"mean milliseconds on {figures.backend}: {steps}", soft_wrap=True)
    console.print(
        f"{len(judged)} scored, {figures.anomalous} anomalous, {figures.failed} failed; "
        f"results in {shown(figures.results)}",
        markup=False,
        soft_wrap=True,
    )


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EXIT_CODES)
def score(
    bundle: Annotated[Path, typer.Argument(help="The bundle that sranogan-export wrote (NAME.sranogan).")],
    paths: Annotated[list[Path], typer.Argument(help="Image files, and folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for results.jsonl and heat_maps/.")] = Path("scores"),
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    json: Annotated[
        Path | None, typer.Option(help="Write the figures (counts, mean milliseconds, bundle) to this file.")
    ] = None,
) -> None:
    """Score images with a bundle: an anomaly score, a p-value, a verdict and a heat map each.

    The bundle proves itself first: its hashes are checked and its golden inputs re-scored on this machine.
    """
    run(score_files, bundle=bundle, paths=paths, out=out, threads=threads, summary=json)


def score_main() -> None:
    """Entry point of ``sranogan-score``."""
    app(prog_name="sranogan-score")


if __name__ == "__main__":
    score_main()
