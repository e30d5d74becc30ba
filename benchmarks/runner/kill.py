r"""The kill proof: a runner that is killed at random moments, and what became of every object.

::

    python -m benchmarks.runner.kill dicom folder --kills 200 --out benchmarks/results

Everything is the real runner but the neural networks (``benchmarks/runner/killing/runner.py``). ``dicom``
takes ``pynetdicom`` and DCMTK's ``storescu`` (``tests/services/install.sh`` fetches it). SIGKILL keeps what
the kernel was given: that writes reach the disk before a power cut is by fsync, which this does not prove.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.record import Record
from benchmarks.runner.killing import dicom, folder
from benchmarks.runner.killing.lives import KillReport

FEEDS = ("dicom", "folder")


def proof(feed: str, root: Path, kills: int, objects: int, seed: int) -> KillReport:
    """Run one proof in ``root``."""
    if feed == "folder":
        return folder.prove(root, kills, seed)
    fetched = Path.home() / ".cache/sranogan/services/bin"
    storescu = shutil.which("storescu", path=f"{os.environ.get('PATH', '')}:{fetched}")
    if storescu is None:
        raise typer.BadParameter("no storescu here: run tests/services/install.sh")
    return dicom.prove(root, storescu, kills, objects, seed)


def text_of(report: KillReport) -> str:
    """The counts in words."""
    rows = {
        "SIGKILLs at random moments": report.kills,
        "  of them while the runner started": report.kills_while_starting,
        "deaths by a poisoned object": report.deaths_by_poison,
        "objects": report.objects,
        "  handed over, again where no answer came": report.sendings,
        "  acknowledged": report.acknowledged,
        "scored exactly once, with their own score": report.done,
        "dead-lettered: poison": report.dead_poison,
        "dead-lettered: no image": report.dead_unreadable,
        "dead-lettered: in hand at three kills": report.dead_by_kills,
        "acknowledged and lost": report.lost,
        "scored twice": report.twice,
        "wrong score or wrong reason": report.wrong,
        "results that the JSONL sink got again": report.sink_repeats,
    }
    lines = [f"{name:44s} {count:6d}" for name, count in rows.items()]
    broken = "; ".join(report.broken()) or "none"
    return "\n".join(
        [f"{report.feed}: {report.seconds:.0f} s", *lines, f"promises that were broken: {broken}"]
    )


def main(
    feeds: Annotated[
        list[str] | None, typer.Argument(help=f"Some of {', '.join(FEEDS)} [default: all].")
    ] = None,
    kills: Annotated[int, typer.Option(min=1, help="SIGKILLs for each feed.")] = 200,
    objects: Annotated[int, typer.Option(min=1, help="That the DICOM clients send.")] = 2000,
    seed: Annotated[int, typer.Option(help="Of the random moments.")] = 5,
    out: Annotated[Path, typer.Option(help="Folder for kill_FEED.json.")] = Path("benchmarks/results"),
) -> None:
    """Kill, compare, print the counts; leave with 1 where a promise was broken."""
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL)  # it tells of every lost connection
    broken = False
    for feed in feeds or FEEDS:
        record = Record("runner.kill", seed)
        with tempfile.TemporaryDirectory(prefix="sranogan-kill-") as folder:
            report = proof(feed, Path(folder), kills, objects, seed)
        print(text_of(report), flush=True)
        record.write(out / f"kill_{feed}.json", report=report.to_dict())
        broken = broken or bool(report.broken())
    raise typer.Exit(int(broken))


if __name__ == "__main__":
    typer.run(main)
