"""What the end of scoring files prints: the most anomalous, what was not scored, figures, folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from sranogan_edge.results.contact_sheet import MOST_SHOWN, most_anomalous
from sranogan_edge.results.line import NOT_ASKED_FOR, ResultLine
from sranogan_edge.results.summary import Summary
from sranogan_edge.terminal import counted, shown, terminal

__all__ = ["print_run"]

MOST_FOLDERS = 20


def print_run(lines: Sequence[ResultLine], figures: Summary) -> None:
    """Print a run's tables, as wide as the terminal, and its figures."""
    _print_table(lines)
    _print_problems(lines)
    if len(figures.folders) > 1:
        _print_folders(figures)
    _print_figures(lines, figures)


def _table(title: str | None, *names: str) -> Table:
    """A table whose last column takes the width that is left: numbers stay whole."""
    table = Table(title=title)
    for name in names[:-1]:
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column(names[-1], overflow="fold")
    return table


def _print_table(lines: Sequence[ResultLine]) -> None:
    judged = sum(line.score is not None for line in lines)
    title = f"the {MOST_SHOWN} most anomalous of {judged} images" if judged > MOST_SHOWN else None
    table = _table(title, "score", "p-value", "verdict", "ms", "file")
    for line in most_anomalous(lines):
        numbers = (f"{line.score:.3f}", f"{line.p_value:.4f}", line.verdict)
        name = line.file if line.frame is None else f"{line.file} (frame {line.frame} of {line.frames})"
        table.add_row(*numbers, f"{line.milliseconds['total']:.1f}", Text(shown(name)))
    if judged:
        terminal().print(table)


def _print_problems(lines: Sequence[ResultLine]) -> None:
    console = terminal()
    for line in lines:
        for problem in filter(None, (line.error and f"not scored: {line.error}", line.reason)):
            kind = f"{NOT_ASKED_FOR}: " if line.verdict == NOT_ASKED_FOR else ""
            text = problem if line.error else f"{line.file}: {kind}{problem}"
            console.print(shown(text), soft_wrap=True)


def _print_folders(figures: Summary) -> None:
    """Those with the largest shares of anomalous images, where there are many."""
    ranked = sorted(figures.folders.items(), key=lambda one: -one[1].anomalous / max(one[1].scored, 1))
    left_out = len(ranked) - MOST_FOLDERS
    title = f"the {MOST_FOLDERS} most anomalous of {len(ranked)} folders" if left_out > 0 else "by folder"
    table = _table(title, "images", "anomalous", "failed", "mean", "highest", "folder")
    for name, one in ranked[:MOST_FOLDERS]:
        scores = ("" if value is None else f"{value:.2f}" for value in (one.mean_score, one.highest_score))
        counts = map(str, (one.images, one.anomalous, one.failed))
        table.add_row(*counts, *scores, Text(shown(name)))
    terminal().print(table)


def _print_figures(lines: Sequence[ResultLine], figures: Summary) -> None:
    console = terminal()
    if figures.mean_milliseconds:
        steps = ", ".join(f"{step} {taken:.1f}" for step, taken in figures.mean_milliseconds.items())
        text = f"mean milliseconds on {figures.backend}, {figures.steps} search steps: {steps}"
        console.print(text, soft_wrap=True)
    if figures.backend_fallback:
        fallback = f"the GPU was not used: {shown(figures.backend_fallback)}"
        console.print(fallback, soft_wrap=True)
    for note, count in Counter(line.colour for line in lines if line.colour).items():
        console.print(f"{counted(count, 'image')}: {note}", soft_wrap=True)
    if failed := sum(line.alignment is not None and not line.alignment["aligned"] for line in lines):
        came = "it" if failed == 1 else "they"
        text = f"{counted(failed, 'image')}: could not be aligned, judged as {came} came"
        console.print(text, soft_wrap=True)
    if figures.regions:
        console.print(f"heat maps: {figures.regions.text}", soft_wrap=True)
    why = figures.foreign_by.removeprefix("off: ")
    if why not in (figures.foreign_by, "switched off"):
        console.print(f"images unlike the training data are not told: {shown(why)}", soft_wrap=True)
    outside = f"{figures.out_of_domain} out of domain, " if figures.out_of_domain else ""
    left_out = f"{figures.not_asked_for} not asked for, " if figures.not_asked_for else ""
    console.print(
        f"{len(lines) - figures.failed - figures.not_asked_for} scored, {figures.anomalous} anomalous, "
        f"{outside}{left_out}"
        f"{figures.failed} failed; results in {shown(figures.results)}",
        soft_wrap=True,
    )
