"""Measure a bundle in every configuration that is asked for, and report it."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sranogan_edge.bench.measure import Configuration, measure_configuration, measure_peak
from sranogan_edge.bench.report import Bench, Report, report
from sranogan_edge.bench.settings import BenchSettings
from sranogan_edge.bench.table import print_report
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.device import read_device
from sranogan_edge.errors import ExitCode, ResultsError, SettingsError
from sranogan_edge.files import check_target, write_json
from sranogan_edge.runtime.backends import check_backend
from sranogan_edge.terminal import shown, terminal

__all__ = ["bench_bundle", "configurations", "frame_of", "measure_all", "write_figures"]

LEAST_SIDE_PX, MOST_SIDE_PX = 16, 8192  # of a frame
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def bench_bundle(
    path: Path,
    backends: list[str],
    threads: list[int],
    steps: list[int] | None,
    settings: BenchSettings,
    json_file: Path | None = None,
) -> ExitCode:
    """Measure every combination, one after another; print the report and write it to ``json_file``."""
    for name in backends:
        check_backend(name)
    bundle = read_bundle(path)
    chosen = configurations(bundle, backends, threads, steps)
    if json_file:
        write_figures(json_file, None)  # refused now rather than after minutes
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    command = shlex.join(["sranogan-bench", *sys.argv[1:]])
    found = Bench(command, started, path, bundle, settings, read_device())
    try:
        measure_all(chosen, found)
    finally:  # an interruption, too, leaves what was measured
        figures = report(found)
        print_report(figures)
        if json_file:
            write_figures(json_file, figures)
    failures = [one.error for one in found.measured if one.error]
    if len(failures) == len(chosen):
        raise failures[0]
    return ExitCode.SOME_FAILED if failures else ExitCode.OK


def configurations(
    bundle: Bundle, backends: list[str], threads: list[int], steps: list[int] | None
) -> list[Configuration]:
    """Return every combination once; raises SettingsError where a backend or a budget does not exist."""
    budgets = [bundle.with_steps(one).steps for one in steps] if steps else sorted(bundle.budgets)
    for name in backends:
        check_backend(name)
    return list(
        dict.fromkeys(
            Configuration(name, count, budget) for name in backends for count in threads for budget in budgets
        )
    )


def measure_all(chosen: list[Configuration], found: Bench) -> None:
    """Fill ``found``, telling of it on the way."""
    with Progress(*COLUMNS, console=terminal(stderr=True), transient=True) as progress:
        for number, configuration in enumerate(chosen, start=1):
            name = escape(shown(f"{number} of {len(chosen)}: {configuration}"))
            bar = progress.add_task(name, total=found.settings.repeats)

            def advance(done: int, bar=bar) -> None:  # type: ignore[no-untyped-def]  # bound here
                progress.update(bar, completed=done)

            found.measured.append(measure_configuration(found.path, configuration, found.settings, advance))
            advance(found.settings.repeats)
        used = [(one.samples.backend, one.configuration.threads) for one in found.measured if one.samples]
        pairs = list(dict.fromkeys(used))
        bar = progress.add_task("the machine's peak", total=len(pairs))
        for pair in pairs:
            found.peaks[pair] = measure_peak(*pair)
            progress.advance(bar)
    found.complete = True


def write_figures(path: Path, figures: Report | None) -> None:
    """Write ``figures``, whole or not at all; None only tries whether that can be done.

    Raises:
        ResultsError: it cannot.
    """
    try:
        check_target(path)
        if figures is not None:
            write_json(path, figures, allow_nan=False)
    except OSError as error:
        raise ResultsError(
            f"cannot write the report {path}: {error.strerror or error}. Name another place with --json."
        ) from error


def frame_of(said: str) -> tuple[int, int]:
    """Return height and width of ``said``: a side, or WIDTHxHEIGHT.

    Raises:
        SettingsError: it is neither, or a side is not from 16 to 8192.
    """
    sides = said.lower().split("x")
    if len(sides) <= 2 and all(one.strip().isdecimal() for one in sides):
        width, height = int(sides[0]), int(sides[-1])
        if all(LEAST_SIDE_PX <= side <= MOST_SIDE_PX for side in (width, height)):
            return height, width
    raise SettingsError(
        f"--frame takes a side from {LEAST_SIDE_PX} to {MOST_SIDE_PX} pixels, or WIDTHxHEIGHT, such as "
        f"4000x3000; received {said!r}"
    )
