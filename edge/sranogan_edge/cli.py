"""``sranogan-score``: parse, call, return an exit code."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from sranogan_edge.bundle import read_bundle
from sranogan_edge.decode import IMAGE_SUFFIXES, decode_file
from sranogan_edge.errors import DataError, ExitCode, ImageError, SranoganError
from sranogan_edge.pipeline import Detector
from sranogan_edge.results import ResultLine, ResultsFolder, error_line, result_line

EXIT_CODES = """
Exit codes: 0 all images were scored; 3 there was nothing to score; 4 some images could not be
scored (each has its line with the error); 5 the bundle was refused; 6 results cannot be written;
2 wrong usage; 130 interrupted.
"""


def run(command: Callable[..., ExitCode | None], **arguments: object) -> None:
    """Call ``command``; print an expected error as one message and leave with its exit code."""
    try:
        raise typer.Exit(int(command(**arguments) or ExitCode.OK))
    except SranoganError as error:
        Console(stderr=True).print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(int(error.exit_code)) from error
    except KeyboardInterrupt as interrupt:
        Console(stderr=True).print("interrupted", style="red")
        raise typer.Exit(int(ExitCode.INTERRUPTED)) from interrupt


def find_images(paths: list[Path]) -> list[Path]:
    """Return files as named, and the images inside folders (sub-folders too), sorted by folder.

    Raises:
        DataError: nothing was found.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (p for p in path.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
            found += sorted(p for p in inside if not p.name.startswith("."))
        else:
            found.append(path)
    if not found:
        named = ", ".join(str(path) for path in paths)
        raise DataError(f"no images in {named}; looked for {', '.join(sorted(IMAGE_SUFFIXES))} in all sub-folders")
    return found


def score_files(bundle: Path, paths: list[Path], out: Path, threads: int) -> ExitCode:
    """Score every image of ``paths`` with ``bundle``; results go to ``out``."""
    files = find_images(paths)
    loaded = read_bundle(bundle)
    detector = Detector(loaded, threads=threads)
    lines: list[ResultLine] = []
    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ResultsFolder(out) as results, Progress(*columns, console=Console(stderr=True)) as progress:
        for file in progress.track(files):
            line = _score_one(detector, file, results)
            results.write(line)
            lines.append(line)
    _print_summary(lines, out)
    return ExitCode.SOME_FAILED if any(line.error for line in lines) else ExitCode.OK


def _score_one(detector: Detector, file: Path, results: ResultsFolder) -> ResultLine:
    sha256 = detector.bundle.sha256
    try:
        verdict = detector.score(decode_file(file, max_pixels=detector.bundle.preprocess.max_pixels))
    except ImageError as error:
        return error_line(str(file), error, sha256)
    name = f"{file.stem}-{hashlib.sha256(str(file).encode()).hexdigest()[:8]}"
    heat = results.write_overlay(name, verdict, detector.bundle.density.heat_limit)
    return result_line(str(file), verdict, sha256, heat)


def _print_summary(lines: list[ResultLine], out: Path, shown: int = 20) -> None:
    console = Console()
    table = Table(title=f"the {min(shown, len(lines))} most anomalous of {len(lines)} images")
    for column in ("score", "p-value", "verdict", "ms", "file"):
        table.add_column(column, justify="left" if column == "file" else "right", overflow="fold")
    judged = sorted((line for line in lines if line.score is not None), key=lambda line: -(line.score or 0))
    failed = [line for line in lines if line.error]
    for line in judged[:shown]:
        numbers = (f"{line.score:.3f}", f"{line.p_value:.4f}", line.verdict, f"{line.milliseconds['total']:.1f}")
        table.add_row(*numbers, line.file)
    console.print(table)
    for line in failed:
        console.print(f"not scored: {line.error}", markup=False, soft_wrap=True)
    flagged = sum(line.verdict == "anomalous" for line in lines)
    console.print(f"{len(judged)} scored, {flagged} anomalous, {len(failed)} failed; results in {out}")


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(epilog=EXIT_CODES)
def score(
    bundle: Annotated[Path, typer.Argument(help="The bundle that sranogan-export wrote (NAME.sranogan).")],
    paths: Annotated[list[Path], typer.Argument(help="Image files, and folders of images.")],
    out: Annotated[Path, typer.Option(help="Folder for results.jsonl and heat_maps/.")] = Path("scores"),
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
) -> None:
    """Score images with a bundle: an anomaly score, a p-value, a verdict and a heat map each.

    The bundle proves itself first: its hashes are checked and its golden inputs re-scored on this machine.
    """
    run(score_files, bundle=bundle, paths=paths, out=out, threads=threads)


def score_main() -> None:
    """Entry point of ``sranogan-score``."""
    app(prog_name="sranogan-score")


if __name__ == "__main__":
    sys.exit(score_main())
