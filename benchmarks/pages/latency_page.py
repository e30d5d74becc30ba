"""Write the figures of ``docs/method/bench.md``, of ``runner/latency.py`` and a ``sranogan-bench --json``.

::

    python -m benchmarks.pages.latency_page            # write
    python -m benchmarks.pages.latency_page --check    # exit code 1 where the page differs from the results
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from textwrap import fill
from typing import Any, cast

import typer
from rich.console import Console

from benchmarks.pages.marked import Check, with_part
from sranogan_edge.bench.table import print_report

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "chest_xray_latency_seed0.json"
EXAMPLE = ROOT / "benchmarks" / "results" / "devices" / "x86_64_2_cores.json"
PAGE = ROOT / "docs" / "method" / "bench.md"
NOT_YET = "Not yet measured on this tree.\n"

HEAD = (
    "| | CPU ms | times the first (95 % interval) | clock ms, median | clock ms, 10 % quantile | MMAC "
    "| floor ms | MiB |"
)
NOTE = """
One image of {side}x{side} pixels in memory to score, p-value and heat map; one thread; {turns} turns of
{frames} images each, in a new order each turn; {cpu}, {cores} cores, load {low:.1f} to {high:.1f}
meanwhile{busy}. *CPU*: what the process computed; *times the first*: medians of the CPU's ratios, turn
by turn; *floor*: the multiplications at the peak of convolutions that this machine reached in the same
run, {int8:.0f} GMAC/s in int8 and {float32:.0f} in float32; reading the first bundle's weights once would
take {weights:.2f} ms ({memory:.0f} GB/s). Plain AnoGAN: {steps} steps of Adam from a random z on the
paper's loss, the same generator and discriminator, in Keras, batch 1, also in one thread; {images} images,
median (least to most). Compiled: the loop as one TensorFlow graph, the fastest that we could make it.
`fit`: as AnoGAN is usually written in Keras, an epoch a step, most of which is the framework's own work;
built and traced once for all images.
"""
WIDTH = 80  # columns of the terminal
WAYS = {"compiled": "compiled", "fit": "`fit`"}
BUSY = "; other programs ran, so judge by the CPU's figures"


def table(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result: each bundle and budget, plain AnoGAN last, and how to read it."""
    lines = [HEAD, "|---" + "|---:" * 7 + "|", *(_row(row) for row in result["rows"])]
    steps = result["anogan_steps"]
    lines += [_anogan(name, steps, found) for name, found in result["anogan"].items()]
    first, device, loads = result["rows"][0], result["device"], result["loads"]
    quiet = max(load or 0 for load in loads) <= 1 + 0.5 * device["cores"]  # of which 1 is this program's own
    note = NOTE.format(
        side=result["side_px"],
        turns=result["turns"],
        frames=result["frames_a_turn"],
        cpu=device["cpu"],
        cores=device["cores"],
        low=min(load or 0 for load in loads),
        high=max(load or 0 for load in loads),
        busy="" if quiet else BUSY,
        **{name: result["peak"][name] or 0 for name in ("int8", "float32", "memory")},
        weights=first["floor_ms"]["weights"] or 0,
        steps=steps,
        images=result["anogan_images"],
    )
    return "\n".join(lines) + "\n\n" + fill(note.strip(), 118) + "\n"


def _row(row: Mapping[str, Any]) -> str:
    over = row["over_first"]["cpu"]
    low, high = over["interval"]
    plural = "" if row["steps"] == 1 else "s"
    name = f"{row['recipe']}, {row['search']} search, {row['steps']} step{plural}"
    macs, floor = row["macs"], row["floor_ms"]["arithmetic"]
    cells = [
        name,
        f"{row['cpu_ms']['median']:.2f}",
        f"{over['ratio']:.2f} ({low:.2f} to {high:.2f})",
        f"{row['clock_ms']['median']:.2f}",
        f"{row['clock_ms']['quiet']:.2f}",
        "-" if macs is None else f"{sum(macs.values()) / 1e6:,.0f}",
        "-" if floor is None else f"{floor:.2f}",
        f"{row['bytes'] / 2**20:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def _anogan(name: str, steps: int, found: Mapping[str, Any]) -> str:
    over = found["over_first"]["cpu"]
    times = f"{over['median']:,.0f} ({over['least']:,.0f} to {over['most']:,.0f})"
    cpu, clock = (median(found[kind]) for kind in ("cpu_ms", "clock_ms"))
    title = f"plain AnoGAN in Keras, {WAYS[name]}, {steps} steps"
    return f"| {title} | {cpu:,.0f} | {times} | {clock:,.0f} | | | | |"


def example(figures: Mapping[str, Any]) -> str:
    """Return what ``sranogan-bench`` printed, as a block of code."""
    console = Console(file=io.StringIO(), width=WIDTH)
    print_report(dict(figures), console)
    printed = cast(io.StringIO, console.file).getvalue()
    lines = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines())
    return f"```\n$ {figures['command']}\n{lines}\n```\n"


def page(text: str) -> str:
    """Return the page's ``text`` with the figures of the results that are there."""
    for name, file, written in (("example", EXAMPLE, example), ("latency", RESULT, table)):
        inside = written(json.loads(file.read_text())) if file.exists() else NOT_YET
        text = with_part(text, name, inside)
    return text


def main(check: Check = False) -> None:
    """Bring the page up to date."""
    text = PAGE.read_text()
    if check:
        raise typer.Exit(int(page(text) != text))
    PAGE.write_text(page(text))


if __name__ == "__main__":
    typer.run(main)
