"""``sranogan-score --engine``: an archive of any size, into Parquet files."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from sranogan_edge.commands.film_options import film_settings
from sranogan_edge.commands.score_files import check_places
from sranogan_edge.detector.load import Loader
from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.files import private_files, write_whole
from sranogan_edge.image.film import FilmOptions
from sranogan_edge.log import LogSettings, log_to_stderr
from sranogan_edge.results.beside import writing_beside
from sranogan_edge.terminal import given, options_told, say, shown, terminal

if TYPE_CHECKING:
    from sranogan_edge.archive.engine import Engine
    from sranogan_edge.archive.ledger import Ledger
    from sranogan_edge.archive.tally import Tally
    from sranogan_edge.archive.task import Task

__all__ = ["refuse_without_engine", "score_archive_to"]

_URI = re.compile(r"[a-z][a-z0-9+.-]+:/")  # a path has lost one of its slashes
TOLD_S = 30.0  # between two lines where there is no terminal
_OF_ENGINES = ("workers", "address", "heat", "keep_measurements", "part_images")
_BESIDE = {
    *("engine", "bundle", "feeds", "out", "backend", "threads", "steps", "bundle_key", "calibration"),
    *("calibration_key", "max_pixels", "domain", "modalities", "body_parts", "views", "sop_classes"),
    *("presentation_only", "take_empty", "turn_upright", "log_format", "log_level", "report", "verbose"),
    *_OF_ENGINES,
}


def refuse_without_engine(context: typer.Context) -> None:
    """Raise SettingsError where an option is given that says something of an engine, and there is none."""
    if found := given(context) & set(_OF_ENGINES):
        raise SettingsError(f"{options_told(found)}: for archives. Add --engine local or --engine ray.")


def score_archive_to(
    context: typer.Context, bundle: Path, feeds: list[str], out: Path, loader: Loader, log: LogSettings
) -> ExitCode:
    """Score the one archive among ``feeds``, as the options of ``context`` say.

    Raises:
        SettingsError: options that do not go together, or none or several archives.
        SranoganError: see :func:`sranogan_edge.archive.run.score_archive`.
    """
    params = context.params
    if beside := given(context) - _BESIDE:
        raise SettingsError(f"{options_told(beside)}: not for archives. Leave it out, or leave --engine out.")
    if len(feeds) != 1:
        raise SettingsError(
            f"--engine scores one archive; received {len(feeds)}: {', '.join(feeds) or 'none'}"
        )
    if _URI.match(str(out)):
        raise SettingsError(f"--out {out}: results go to a folder of this machine. Name one.")
    check_places(out, report=params["report"])
    log_to_stderr(log, text="%(message)s")
    with needs_extra("archive", "--engine"):
        from sranogan_edge.archive.run import PART_IMAGES, ArchiveRun, score_archive

    run = ArchiveRun(
        bundle=bundle,
        source=feeds[0],
        out=out,
        loader=loader,
        films=FilmOptions(**film_settings(params)),
        heat=params["heat"],
        measurements=params["keep_measurements"],
        per_part=params["part_images"] or PART_IMAGES,
    )
    engine_of = _engine(params["engine"], params["workers"], params["address"])
    with private_files(), _shown() as tell:
        tally = score_archive(run, engine_of, tell, partial(_done, params["report"]))
    terminal().print(shown(f"{tally.summary()}; in {out}"), soft_wrap=True)
    return ExitCode.SOME_FAILED if tally.errors else ExitCode.OK


def _done(page: Path | None, ledger: Ledger) -> None:
    """Tell what was passed over, and write the page."""
    from sranogan_edge.archive.report import archive_html
    from sranogan_edge.archive.summary import summed_up

    if passed_over := ledger.passed_over():
        say("passed over: " + ", ".join(f"{count:,} {why}" for why, count in passed_over.items()))
    if page:
        made = archive_html(summed_up(ledger.parts()), str(ledger.run["named"]), ledger.out)
        with writing_beside(page, "Name another place with --report.", "rows in the Parquet files"):
            write_whole(page, made.encode())


def _engine(asked: str, workers: int | None, address: str | None) -> Callable[[Task], Engine]:
    from sranogan_edge.archive.engine_local import LocalEngine, workers_of

    if asked == "ray" or (asked == "auto" and (address or os.environ.get("RAY_ADDRESS"))):
        from sranogan_edge.archive.engine_ray import RayEngine, loaded

        loaded()
        return lambda task: RayEngine(task, workers, address)
    if address:
        raise SettingsError("--address is that of a Ray cluster: it goes with --engine ray or auto.")
    count = workers_of(workers)
    return lambda task: LocalEngine(task, count)


@contextmanager
def _shown() -> Iterator[Callable[[Tally, Ledger], None]]:
    """Give what shows how far it is: a line that changes, or, without a terminal, one every half minute."""
    console = terminal(stderr=True)
    if not console.is_terminal:
        told = time.monotonic()

        def tell_lines(tally: Tally, ledger: Ledger) -> None:
            nonlocal told
            if time.monotonic() - told >= TOLD_S:
                told = time.monotonic()
                say(tally.line(ledger.images, complete=ledger.complete))

        yield tell_lines
        return
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), console=console) as progress:
        bar = progress.add_task("listing", total=None)

        def tell(tally: Tally, ledger: Ledger) -> None:
            progress.update(bar, description=tally.line(ledger.images, complete=ledger.complete))

        yield tell
