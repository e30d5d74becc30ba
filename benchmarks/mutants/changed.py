"""Changes the lines that differ from a commit, in small ways: does a test notice? Fails below the floor.

::

    make mutants-changed BASE=main
    python -m benchmarks.mutants.changed --base HEAD~1 --sample 40 --minutes 10

Only files of the parts (``parts.py``) count. Of each part so many changes are tried, drawn evenly; where the
time is over, those that were tried count, and it is said how many were not.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from typing import Annotated

import typer

from benchmarks.mutants.parts import FLOOR, PARTS, Part
from benchmarks.mutants.stage import PACKAGES, REPOSITORY, Outcome, chosen, make, mutate, read_results, stage

__all__ = ["changed_lines", "of_part", "together"]

SEED = 0
_FILE, _HUNK = re.compile(r"^\+\+\+ b/(.*)$"), re.compile(r"^@@ -\S+ \+(\d+)(?:,(\d+))? @@")


def changed_lines(diff: Iterable[str]) -> dict[str, list[int]]:
    """Return the lines that are new or changed, by file as it is imported, of ``git diff --unified=0``."""
    found: dict[str, list[int]] = {}
    lines: list[int] = []
    for one in diff:
        if file := _FILE.match(one):
            lines = found.setdefault(_imported(file[1]), [])
        elif hunk := _HUNK.match(one):
            first, count = int(hunk[1]), int(hunk[2] or 1)
            lines += range(first, first + count)
    return {path: lines for path, lines in found.items() if lines and path.endswith(".py")}


def _imported(path: str) -> str:
    """``edge/sranogan_edge/x.py`` is imported as ``sranogan_edge/x.py``; other files keep their path."""
    for package, folder in PACKAGES.items():
        if path.startswith(f"{folder}/"):
            return package + path.removeprefix(folder)
    return path


def of_part(lines: Mapping[str, list[int]], part: Part) -> dict[str, list[int]]:
    """Return those of ``lines`` that are in files of ``part``."""
    return {path: one for path, one in lines.items() if any(fnmatch(path, files) for files in part.files)}


def together(outcomes: Iterable[Outcome]) -> Outcome:
    """Return what became of the mutants of several parts."""
    counts: dict[str, int] = {}
    unnoticed: dict[str, list[str]] = {}
    equivalent: dict[str, str] = {}
    for one in outcomes:
        for status, number in one.counts.items():
            counts[status] = counts.get(status, 0) + number
        unnoticed |= one.unnoticed
        equivalent |= one.equivalent
    return Outcome(counts, unnoticed, equivalent)


def _diff(base: str) -> list[str]:
    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=REPOSITORY, check=True, capture_output=True, text=True
        ).stdout

    return git("diff", "--unified=0", git("merge-base", base, "HEAD").strip(), "--", "*.py").splitlines()


def main(
    base: Annotated[str, typer.Option(help="The commit, or the branch that ours left.")] = "HEAD~1",
    sample: Annotated[int, typer.Option(min=1, help="Changes of each part.")] = 60,
    minutes: Annotated[float, typer.Option(min=0.1, help="For all parts.")] = 20.0,
    children: Annotated[int, typer.Option(min=1, help="Mutants that are tested at a time.")] = 2,
) -> None:
    """Mutate and count; leave with 1 where fewer are noticed than the floor, else with 0."""
    lines, end, outcomes, untried = changed_lines(_diff(base)), time.monotonic() + 60 * minutes, [], 0
    for name, part in PARTS.items():
        wanted = of_part(lines, part)
        if not wanted:
            continue
        folder = REPOSITORY / "build" / "mutants" / f"changed-{name}"
        stage(part, folder)
        names = chosen(make(folder, wanted), sample, SEED)
        if not names:
            continue
        mutate(folder, names, max(1.0, end - time.monotonic()), children)
        outcomes.append(read_results(folder, names))
        untried += len(names) - sum(outcomes[-1].counts.values())
        print(f"{name}: {outcomes[-1].counts} of {', '.join(wanted)}")
    found = together(outcomes)
    for mutant, change in found.unnoticed.items():
        print(mutant, *change, sep="\n    ")
    if untried:
        print(f"{untried} changes were not tried within {minutes:g} minutes")
    if found.rate is None:
        print(f"nothing to mutate: no line of a part differs from {base}")
        return
    print(f"{found.rate:.1%} noticed of {sum(found.counts.values())}; at least {FLOOR:.0%} are to be")
    raise typer.Exit(int(found.rate < FLOOR))


if __name__ == "__main__":
    typer.run(main)
