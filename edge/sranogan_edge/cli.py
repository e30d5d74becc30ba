"""``sranogan-score``: parse, call, return an exit code."""

from __future__ import annotations

import hashlib
import io
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from sranogan_edge.budget import largest_within, table_of
from sranogan_edge.bundle import read_bundle
from sranogan_edge.decode import IMAGE_SUFFIXES, decode_file
from sranogan_edge.errors import DataError, ExitCode, ImageError, SettingsError, SranoganError
from sranogan_edge.feeds import is_feed_uri
from sranogan_edge.interpreter import BACKENDS
from sranogan_edge.pipeline import Detector
from sranogan_edge.results import (
    HEAT_MAPS,
    ResultLine,
    ResultsFolder,
    Scorer,
    Summary,
    error_line,
    result_line,
    summarise,
    write_summary,
)

EXIT_CODES = """
Exit codes: 0 all images were scored; 3 there was nothing to score; 4 some images could not be
scored (each has its line with the error); 5 the bundle was refused: damaged, of another version, or
its golden cases score otherwise here; 6 results cannot be written; 8 the backend that was asked for
is missing or fails; 2 wrong usage, or no step budget is fast enough; 130 interrupted.
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


@dataclass(frozen=True)
class ScoreOptions:
    """How a feed is scored.

    Attributes:
        backend: one of ``sranogan_edge.interpreter.BACKENDS``.
        threads: of the CPU.
        steps: of the search, one of the bundle's budgets; None takes its default.
        budget_ms: the most milliseconds that an image may take, in 95 of 100; the largest step budget
            that keeps to it is taken for all of them.
    """

    backend: str = "auto"
    threads: int = 1
    steps: int | None = None
    budget_ms: float | None = None

    def __post_init__(self) -> None:
        if self.steps is not None and self.budget_ms is not None:
            raise SettingsError("--steps and --budget-ms both choose the number of steps; give one of them")


def open_detector(bundle: Path, options: ScoreOptions) -> Detector:
    """Read ``bundle`` and return the proven detector that ``options`` ask for."""
    loaded = read_bundle(bundle)
    if options.steps is not None:
        loaded = loaded.with_steps(options.steps)
    cv2.setNumThreads(options.threads)  # OpenCV would take every core
    detector = Detector(loaded, backend=options.backend, threads=options.threads)
    if options.budget_ms is None:
        return detector
    detector, taken = largest_within(detector, options.budget_ms)
    console = Console(stderr=True)
    console.print(f"{detector.bundle.steps} search steps: {table_of(taken)}", soft_wrap=True)
    return detector


def score_files(
    bundle: Path, paths: list[Path], out: Path, options: ScoreOptions, summary: Path | None = None
) -> ExitCode:
    """Score every image of ``paths`` with ``bundle``; results go to ``out``, figures to ``summary``."""
    files = find_images(paths, without=out / HEAT_MAPS)
    detector = open_detector(bundle, options)
    scorer = Scorer.of(detector)
    lines: list[ResultLine] = []
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ResultsFolder(out) as results, Progress(*columns, console=Console(stderr=True)) as progress:
        for file in progress.track(files):
            line = _score_one(detector, scorer, file, results)
            results.write(line)
            lines.append(line)
    threshold = detector.bundle.calibration.threshold
    figures = summarise(lines, threshold=threshold, scorer=scorer, results=out)
    _print_summary(lines, figures)
    if summary:
        write_summary(figures, summary)
    return ExitCode.SOME_FAILED if figures.failed else ExitCode.OK


def score_feeds(
    bundle: Path, uris: list[str], out: Path, options: ScoreOptions, spool: Path, sinks: list[str]
) -> ExitCode:
    """Score feeds by way of a spool until they end or a signal comes; results are added to ``out``."""
    from sranogan_edge.service_run import log_to_stderr, serve
    from sranogan_edge.service_scoring import Judge

    log_to_stderr()
    return serve(Judge.of(open_detector(bundle, options)), uris, out, spool, sinks=sinks)


def _score_one(detector: Detector, scorer: Scorer, file: Path, results: ResultsFolder) -> ResultLine:
    try:
        verdict = detector.score(decode_file(file, max_pixels=detector.bundle.preprocess.max_pixels))
    except ImageError as error:
        return error_line(str(file), error, scorer)
    heat = results.write_overlay(_heat_name(file), verdict, detector.bundle.density.heat_limit)
    return result_line(str(file), verdict, scorer, heat)


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
        console.print(
            f"mean milliseconds on {figures.backend}, {figures.steps} search steps: {steps}", soft_wrap=True
        )
    if figures.backend_fallback:
        fallback = f"the GPU was not used: {shown(figures.backend_fallback)}"
        console.print(fallback, markup=False, soft_wrap=True)
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
    feeds: Annotated[
        list[str],
        typer.Argument(
            help="Image files, folders of images, watch:DIR (files dropped into a folder), dicom:PORT, "
            "camera:DEVICE, rtsp://HOST/PATH, gst:PIPELINE, FILE.mp4."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for results.jsonl and heat_maps/.")] = Path("scores"),
    backend: Annotated[
        str, typer.Option(help=f"What runs the graphs: {', '.join(BACKENDS)}. See docs/backends.md.")
    ] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    steps: Annotated[
        int | None, typer.Option(min=0, help="Search steps; one of the bundle's budgets [default: its own].")
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="Take the most search steps that keep an image within these milliseconds (p95, without "
            "reading and writing files), measured at start-up.",
        ),
    ] = None,
    spool: Annotated[
        Path | None,
        typer.Option(
            help="Folder where objects wait on disk until they are scored; an interrupted run goes on "
            "from it [default: OUT/spool with watch:DIR, none with files]."
        ),
    ] = None,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            help="Where else results go: jsonl:FOLDER, sqlite:FILE, mqtt://HOST, https://HOST/PATH."
        ),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write the figures (counts, mean milliseconds, bundle) to this file.")
    ] = None,
) -> None:
    """Score images with a bundle: an anomaly score, a p-value, a verdict and a heat map each.

    Feeds that do not end are scored until SIGTERM or Ctrl-C. Files of a watched folder move to done/ and
    failed/ inside it.

    The bundle proves itself first: its hashes are checked and its golden inputs re-scored on this machine.
    """

    def call() -> ExitCode:
        options = ScoreOptions(backend, threads, steps, budget_ms)
        if spool is None and not sink and not any(map(is_feed_uri, feeds)):
            return score_files(bundle, [Path(feed) for feed in feeds], out, options, json)
        if json:
            raise SettingsError(
                "--json sums up files that end; it does not go with --spool, --sink or watch:DIR"
            )
        return score_feeds(bundle, feeds, out, options, spool or out / "spool", sink or [])

    run(call)


def score_main() -> None:
    """Entry point of ``sranogan-score``."""
    app(prog_name="sranogan-score")


if __name__ == "__main__":
    score_main()
