"""Installs one compiled list of requirements into an environment, and shows how far it is.

    python requirements/install.py .venv requirements/run.txt --editable edge --editable .

Needs nothing but a Python with ``venv``: the environment is made with the pip that this Python brings. The
list is complete and holds a hash for each file, so nothing is resolved (``--no-deps``): ``pip check`` proves
it complete afterwards. Warnings of the package index are left out, errors are shown.

Exit codes: 0 installed; 1 pip failed, with its errors; 130 interrupted.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

EXPECTED_S = (
    60.0  # for the packages of run.txt, on 2 cores with a quick index; only the first guess of the time left
)
UNPACKING_SHARE = 0.45  # of that time, which follows when all is downloaded
SAY_EVERY_S = 15.0  # where standard error is no terminal
REDRAW_S = 0.5


class Progress:
    """One line on a terminal, drawn again and again; a line now and then elsewhere."""

    def __init__(self, what: str, total: int) -> None:
        """Start the clock; ``total`` files are to come."""
        self._what, self._total, self._done, self._unpacking = what, total, 0, False
        self._began = self._said = time.monotonic()
        self._ended = threading.Event()
        self._print(f"{what}: {total} packages, about {_minutes(EXPECTED_S)} with a quick index")
        self._thread = threading.Thread(target=self._show, daemon=True)
        self._thread.start()

    def take(self, line: str) -> None:
        """Read one line of what pip prints."""
        if line.startswith(("Collecting ", "Requirement already satisfied: ")):
            self._done += 1
        elif line.startswith("Installing collected packages"):
            self._unpacking, self._unpacking_began = True, time.monotonic()

    def end(self, text: str) -> None:
        """Stop showing, and print ``text``."""
        self._ended.set()
        self._thread.join()
        taken = _minutes(time.monotonic() - self._began)
        self._print(f"{self._what}: {text} in {taken}", erase=True)

    def _show(self) -> None:
        while not self._ended.wait(REDRAW_S):
            if sys.stderr.isatty():
                print(f"\r\033[K{self._state()}", end="", file=sys.stderr, flush=True)
            elif time.monotonic() - self._said >= SAY_EVERY_S:
                self._print(self._state())

    def _state(self) -> str:
        """Say how far it is, and what is left by the pace so far."""
        now = time.monotonic()
        if self._unpacking:
            downloads_s = self._unpacking_began - self._began
            expected_s = min(EXPECTED_S, downloads_s / (1 - UNPACKING_SHARE)) * UNPACKING_SHARE
            left_s = max(expected_s - (now - self._unpacking_began), 1.0)
            return f"{self._what}: unpacking, about {_minutes(left_s)} left"
        share = (1 - UNPACKING_SHARE) * self._done / self._total
        elapsed_s = now - self._began
        left_s = max(EXPECTED_S - elapsed_s, 1.0) if share < 0.1 else elapsed_s / share * (1 - share)
        return f"{self._what}: {self._done} of {self._total} packages, about {_minutes(left_s)} left"

    def _print(self, text: str, *, erase: bool = False) -> None:
        self._said = time.monotonic()
        start = "\r\033[K" if erase and sys.stderr.isatty() else ""
        print(f"{start}{text}", file=sys.stderr, flush=True)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"


def make_environment(folder: Path) -> Path:
    """Return the Python of the environment ``folder``: made anew unless it works and is of this version."""
    python = folder / "bin" / "python"
    same = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]})"
    if (
        not python.exists()
        or subprocess.run([python, "-c", same], capture_output=True, check=False).returncode
    ):
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    return python


def pip(python: Path, *arguments: str | Path) -> list[str]:
    """Return a call of the environment's pip."""
    return [str(python), "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]


def install(python: Path, listed: Path) -> int:
    """Install the list with its progress shown; return pip's exit code."""
    total = len(re.findall(r"^[A-Za-z0-9]", listed.read_text(encoding="utf-8"), re.MULTILINE))
    # Not compiled: that would take a quarter of the time, for modules most of which are never imported.
    wanted = (
        "--no-deps",
        "--require-hashes",
        "--no-compile",
        "--progress-bar",
        "off",
        "--requirement",
        listed,
    )
    progress = Progress(f"installing {listed}", total)
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            pip(python, "install", *wanted), stdout=subprocess.PIPE, stderr=errors, text=True
        )
        assert process.stdout
        for line in process.stdout:
            progress.take(line)
        code = process.wait()
        progress.end("failed" if code else "done")
        errors.seek(0)
        if code:
            sys.stderr.writelines(line for line in errors if not line.startswith("WARNING: "))
    return code


def quietly(command: list[str]) -> int:
    """Run ``command``; what it printed is shown where it failed. Return its exit code."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        print(done.stdout, end="", file=sys.stderr)
    return done.returncode


def main() -> int:
    """Parse, make the environment, install, check."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("environment", type=Path, help="folder of the environment; made where there is none")
    parser.add_argument("requirements", type=Path, help="compiled list: name==version with hashes")
    parser.add_argument(
        "--editable", action="append", default=[], help="folder of a package of this repository"
    )
    chosen = parser.parse_args()
    print(f"making the environment {chosen.environment}", file=sys.stderr, flush=True)
    python = make_environment(chosen.environment)
    own = [part for folder in chosen.editable for part in ("--editable", folder)]
    return (
        install(python, chosen.requirements)
        or (quietly(pip(python, "install", "-qq", "--no-deps", "--no-build-isolation", *own)) if own else 0)
        or quietly(pip(python, "check"))
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
