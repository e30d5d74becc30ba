"""Every graph of bundles on a GPU, then their golden cases: what loads, what differs, how fast it is.

::

    python -m benchmarks.gpu.graphs --backend gpu --backend onnx:webgpu --out FILE.json BUNDLE [BUNDLE ...]

Each graph and each step budget is tried in a process of its own, with a time limit: a driver that hangs or
crashes costs one entry. The file is written anew after each, so that a machine which goes away leaves
what was measured until then. ``xnnpack_milliseconds`` are of the same machine's processor, one thread.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.record import Record
from sranogan_edge.bench.measure import run_task
from sranogan_edge.bundle.bundle import GRAPHS, Bundle, read_bundle, signature
from sranogan_edge.errors import SranoganError
from sranogan_edge.runtime.backends import reads_onnx

CARD = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")
CARD_LIMIT_S = 20
LEAST_S = 5.0  # what is left of the whole time, below which nothing more is begun


def tasks(bundle: Bundle, backend: str) -> Iterator[tuple[int, str]]:
    """Steps and graph of everything to try; the graph is "" for the golden cases of these steps.

    The graphs that every budget shares are tried once; budgets that have no ONNX graph are left out where
    the backend takes these.
    """
    budgets = sorted(bundle.budgets)
    if reads_onnx(backend):
        budgets = [steps for steps in budgets if f"search_{signature('search', steps)}" in bundle.onnx]
    for number, steps in enumerate(budgets):
        for graph in GRAPHS if number == 0 else ("search",):
            yield steps, graph
        yield steps, ""


def attempt(task: dict[str, Any], limit_s: float) -> dict[str, Any]:
    """Return what the task found, or the error that kept it from being found."""
    started = time.monotonic()
    try:
        found = run_task(task, limit_s=limit_s, module="benchmarks.gpu.one")
    except SranoganError as error:
        found = {"error": {"kind": type(error).__name__, "message": str(error)}}
    return {**task, **found, "seconds": round(time.monotonic() - started, 1)}


def card() -> list[str]:
    """Return name, driver and memory of each NVIDIA card that the driver knows; nothing elsewhere."""
    try:
        done = subprocess.run(CARD, capture_output=True, text=True, timeout=CARD_LIMIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()] if not done.returncode else []


def line_of(found: dict[str, Any]) -> str:
    """One line for the terminal."""
    what = f"{Path(found['bundle']).stem}, {found['steps']} steps, {found['graph'] or 'golden cases'}"
    if "error" in found:
        return f"{found['backend']}: {what}: {found['error']['message']}"
    if found["graph"]:
        apart = max(one["most"] / (one["range"] or 1.0) for one in found["outputs"].values())
        said = f"off by {apart:.2%} of the range, XNNPACK {found['xnnpack_milliseconds']['p50']:.2f} ms"
    else:
        said = f"off by {found['off_by_at_most']:.4f} of {found['tolerance']:.4f}"
        said += "" if found["reproduced"] else ": NOT REPRODUCED"
    return f"{found['label']}: {what}: {found['milliseconds']['p50']:.2f} ms, {said}"


def measure_all(
    bundles: list[Path], backends: list[str], out: Path, limit_s: float, all_s: float
) -> list[dict[str, Any]]:
    """Try everything within ``all_s`` seconds, each within ``limit_s``; write ``out`` after each."""
    record = Record("gpu.graphs", seed=0)
    end = time.monotonic() + all_s
    results: list[dict[str, Any]] = []
    left_out = 0
    todo = [
        {"bundle": str(path), "backend": backend, "steps": steps, "graph": graph}
        for backend in backends
        for path in bundles
        for steps, graph in tasks(read_bundle(path), backend)
    ]
    for task in todo:
        left = end - time.monotonic()
        if left < LEAST_S:
            left_out += 1
            continue
        results.append(attempt(task, min(limit_s, left)))
        typer.echo(line_of(results[-1]))
        record.write(out, card=card(), left_out_for_want_of_time=len(todo) - len(results), results=results)
    typer.echo(f"{len(results)} of {len(todo)} tried; {left_out} left out for want of time")
    return results


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def main(
    bundles: Annotated[list[Path], typer.Argument(help="Bundles; for onnx:* exported with --onnx.")],
    out: Annotated[Path, typer.Option(help="The JSON file to write.")],
    backend: Annotated[list[str], typer.Option(help="May be repeated.")] = ["gpu"],  # noqa: B006  # typer reads it
    limit_s: Annotated[float, typer.Option(help="Seconds for one graph, at most.")] = 60.0,
    all_s: Annotated[float, typer.Option(help="Seconds for everything, at most.")] = 240.0,
) -> None:
    """Try every graph and every golden case of the bundles on each backend; exit 1 where one failed."""
    results = measure_all(bundles, backend, out, limit_s, all_s)
    failed = [one for one in results if "error" in one or not one.get("reproduced", True)]
    raise typer.Exit(1 if failed or not results else 0)


if __name__ == "__main__":
    app()
