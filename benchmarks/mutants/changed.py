"""Changes the lines that differ from a commit, in small ways: does a test notice? Fails below the floor.

::

    make mutants-changed BASE=main
    make mutants-quick
    python -m benchmarks.mutants.changed --base HEAD~1 --sample 40 --minutes 10

Only files of the parts (``parts.py``) count. Of each part so many changes are tried, drawn evenly; where the
time is over, those that were tried count, and it is said how many were not. ``--quick`` is for each change of
the repository: two minutes at most, by the tests that import what was changed. It fails only where so many go
unnoticed that it is no chance, and passes, with a word, where there is nothing to compare with.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.mutants.parts import FLOOR, PARTS, QUICK_FLOOR, Part
from benchmarks.mutants.stage import PACKAGES, REPOSITORY, Outcome, chosen, make, mutate, read_results, stage

__all__ = ["changed_lines", "nearest", "of_part", "together", "too_few"]

SEED = 0
QUICK_SAMPLE, QUICK_MINUTES = 15, 2.0
_BY_CHANCE = 3  # unnoticed at most, however few were tried: names in a log, limits of time
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


def nearest(part: Part, modules: Iterable[str], tests: Path = REPOSITORY / "tests") -> Part:
    """Return ``part`` with those of its tests alone that import one of ``modules``; all, where none does.

    Args:
        part: its tests are files or folders below ``tests``.
        modules: files as they are imported, such as ``sranogan_edge/sinks/outbox.py``.
        tests: folder of all tests.
    """
    names = [Path(one).with_suffix("").parts for one in modules]
    ways = (rf"{re.escape('.'.join(one))}|{re.escape('.'.join(one[:-1]))} import {one[-1]}" for one in names)
    imports = re.compile(rf"\b(?:{'|'.join(ways)})\b")
    found = [
        test
        for one in part.tests
        for test, file in _files(one, tests)
        if imports.search(file.read_text(encoding="utf-8"))
    ]
    return replace(part, tests=tuple(dict.fromkeys(found))) if found else part


def _files(test: str, tests: Path) -> Iterator[tuple[str, Path]]:
    """Each file of ``test``, a folder, a file or one test of it: what to run, and where it is."""
    path = tests / test.partition("::")[0]
    if path.is_dir():
        yield from ((str(one.relative_to(tests)), one) for one in sorted(path.rglob("test_*.py")))
    else:
        yield test, path


def too_few(found: Outcome, *, quick: bool) -> bool:
    """Whether fewer were noticed than are to be; a quick look knows that only where it is no chance."""
    if found.rate is None:
        return False
    return found.rate < (QUICK_FLOOR if quick else FLOOR) and not (
        quick and len(found.unnoticed) <= _BY_CHANCE
    )


def _diff(base: str) -> list[str] | None:
    """The lines that differ from ``base``; None where that cannot be said: no such commit, or no history."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=REPOSITORY, check=True, capture_output=True, text=True
        ).stdout

    try:
        since = git("merge-base", base, "HEAD").strip()
        return git("diff", "--unified=0", since, "--", "*.py").splitlines()
    except (OSError, subprocess.CalledProcessError):
        return None


def _tried(
    name: str, part: Part, wanted: Mapping[str, list[int]], sample: int, end: float, children: int
) -> tuple[Outcome, int]:
    """Try changes of these lines until ``end`` (monotonic seconds); also returns how many were left."""
    folder = REPOSITORY / "build" / "mutants" / f"changed-{name}"
    stage(part, folder)
    names = chosen(make(folder, wanted), sample, SEED)
    if not names:
        return Outcome({}, {}), 0
    mutate(folder, names, max(1.0, end - time.monotonic()), children)
    found = read_results(folder, names)
    print(f"{name}: {found.counts} of {', '.join(wanted)}", flush=True)
    return found, len(names) - sum(found.counts.values())


def main(
    base: Annotated[str, typer.Option(help="The commit, or the branch that ours left.")] = "HEAD~1",
    sample: Annotated[int, typer.Option(min=1, help="Changes of each part.")] = 60,
    minutes: Annotated[float, typer.Option(min=0.1, help="For all parts.")] = 20.0,
    children: Annotated[int, typer.Option(min=1, help="Mutants that are tested at a time.")] = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help=f"A look of {QUICK_MINUTES:g} minutes by the nearest tests.")
    ] = False,
) -> None:
    """Mutate and count; leave with 1 where fewer are noticed than the floor, else with 0.

    Without the commit it leaves with 2, but a quick look with 0.
    """
    diff = _diff(base)
    if diff is None:
        print(f"nothing to compare with: git knows no commit {base} here, as in a shallow clone")
        raise typer.Exit(0 if quick else 2)
    if quick:
        sample, minutes = min(sample, QUICK_SAMPLE), min(minutes, QUICK_MINUTES)
    lines, end, outcomes, untried = changed_lines(diff), time.monotonic() + 60 * minutes, [], 0
    for name, part in PARTS.items():
        wanted = of_part(lines, part)
        if wanted and time.monotonic() < end:
            near = nearest(part, wanted) if quick else part
            outcome, left = _tried(name, near, wanted, sample, end, children)
            outcomes.append(outcome)
            untried += left
        elif wanted:
            print(f"{name}: no time was left for {', '.join(wanted)}")
    found = together(outcomes)
    for mutant, change in found.unnoticed.items():
        print(mutant, *change, sep="\n    ")
    if untried:
        print(f"{untried} changes were not tried within {minutes:g} minutes")
    if found.rate is None:
        print(f"nothing was changed: no line of a part differs from {base}, or none was tried in time")
        return
    floor = QUICK_FLOOR if quick else FLOOR
    print(f"{found.rate:.1%} noticed of {sum(found.counts.values())}; at least {floor:.0%} are to be")
    raise typer.Exit(int(too_few(found, quick=quick)))


if __name__ == "__main__":
    typer.run(main)
