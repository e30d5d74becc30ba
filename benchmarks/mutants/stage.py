"""A copy of the tree in which mutmut may work, its packages beside each other, and what mutmut then says."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.mutants.equivalent import reasons
from benchmarks.mutants.parts import Part

__all__ = [
    "NOTICED",
    "PACKAGES",
    "REPOSITORY",
    "Outcome",
    "chosen",
    "make",
    "mutate",
    "read_results",
    "stage",
]

REPOSITORY = Path(__file__).parents[2]
PACKAGES = {
    "sranogan_edge": "edge/sranogan_edge",
    "keras_sranogan": "keras_sranogan",
    "sranogan_export": "export/sranogan_export",
}
BESIDE = ("tests", "benchmarks", "docs", "edge/deploy", "requirements", "pyproject.toml")  # what tests read
NOTICED = ("killed", "timeout", "segfault", "caught by type check")


@dataclass(frozen=True)
class Outcome:
    """What became of the mutants that were tried.

    Attributes:
        counts: how many ended how, in mutmut's words.
        unnoticed: the changes that no test noticed, by mutant.
        equivalent: those of which nobody can notice anything, by mutant, with the reason.
    """

    counts: dict[str, int]
    unnoticed: dict[str, list[str]]
    equivalent: dict[str, str] = field(default_factory=dict)

    @property
    def rate(self) -> float | None:
        """Share of the mutants that were noticed, of those that can be; None: there are none."""
        total = sum(self.counts.values()) - len(self.equivalent)
        noticed = sum(number for status, number in self.counts.items() if status in NOTICED)
        return round(noticed / total, 4) if total else None


def stage(part: Part, folder: Path) -> None:
    """Make ``folder`` anew: mutmut tells modules by their paths, so a package has to lie at the top."""
    shutil.rmtree(folder, ignore_errors=True)
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name, path in PACKAGES.items():
        shutil.copytree(REPOSITORY / path, folder / name, ignore=left_out)
    for path in BESIDE:
        if (REPOSITORY / path).is_dir():
            shutil.copytree(REPOSITORY / path, folder / path, ignore=left_out)
        else:
            shutil.copy2(REPOSITORY / path, folder / path)
    lines = {
        "source_paths": PACKAGES,
        "only_mutate": part.files,
        "also_copy": BESIDE,
        "pytest_add_cli_args": ("--hypothesis-seed=0", "-p", "no:cacheprovider"),
        "pytest_add_cli_args_test_selection": tuple(f"tests/{one}" for one in part.tests),
    }
    text = "".join(f"{key}=\n" + "".join(f"    {one}\n" for one in ones) for key, ones in lines.items())
    (folder / "setup.cfg").write_text(f"[mutmut]\n{text}", encoding="utf-8")


def make(folder: Path, lines: Mapping[str, Sequence[int]] | None = None) -> list[str]:
    """Make the mutants, of these lines of files alone where ``lines`` are given, and return their names."""
    command = [sys.executable, str(Path(__file__).with_name("make.py")), json.dumps(lines)]
    done = subprocess.run(
        command, cwd=folder, env=_environment(folder), check=True, capture_output=True, text=True
    )
    names: list[str] = json.loads(done.stdout.splitlines()[-1])
    return names


def chosen(names: Sequence[str], most: int | None, seed: int) -> list[str]:
    """Return ``most`` of the names, drawn evenly, or all where there are not so many."""
    if most is None or most >= len(names):
        return list(names)
    return sorted(random.Random(seed).sample(sorted(names), most))


def mutate(folder: Path, names: Sequence[str], limit_s: float, children: int) -> bool:
    """Run these mutants of ``folder``, which gets its ``mutmut.log``; whether all were tried within the time.

    Raises:
        RuntimeError: mutmut failed, for instance as the tests fail on the sound code.
    """
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(children), *names]
    with (folder / "mutmut.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=folder, env=_environment(folder), stdout=log, stderr=log, start_new_session=True
        )
        try:
            code = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            return False
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # with the mutants that it tests
                process.wait()
    if code:
        raise RuntimeError(f"mutmut failed with exit code {code}: see {log.name}")
    return True


def _environment(folder: Path) -> dict[str, str]:
    """Without a PYTHONPATH, which would find the sound code; and with a place for bundles that tests make."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment.setdefault("SRANOGAN_TEST_BUNDLES", str(folder.parent / "bundles"))
    return environment


def _mutmut(folder: Path, *words: str) -> list[str]:
    command = [sys.executable, "-m", "mutmut", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()


def read_results(folder: Path, names: Sequence[str]) -> Outcome:
    """Read what became of those of ``names`` that were tried, and what those changed that nobody noticed."""
    wanted = set(names)
    pairs = [line.strip().rpartition(": ") for line in _mutmut(folder, "results", "--all", "true")]
    found = {name: status for name, _, status in pairs if name in wanted and status != "not checked"}
    unnoticed = {}
    for name, status in found.items():
        if status not in NOTICED:
            shown = [one for one in _mutmut(folder, "show", name) if one[:1] in ("-", "+")]
            changes = [one for one in shown if one[:3] not in ("---", "+++")]
            unnoticed[name] = changes + ["no test comes here"] * (status == "no tests")
    equivalent = reasons(unnoticed)
    left = {name: change for name, change in unnoticed.items() if name not in equivalent}
    return Outcome(dict(Counter(found.values()).most_common()), left, equivalent)
