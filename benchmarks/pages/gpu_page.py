"""Write the tables of ``docs/method/gpu.md``: graphs, golden cases and images on a real card; screening.

::

    python -m benchmarks.pages.gpu_page            # write
    python -m benchmarks.pages.gpu_page --check    # exit code 1 where a table differs from its results
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from benchmarks.pages.marked import Check, with_part
from benchmarks.screen.table import markdown

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "method" / "gpu.md"
BUNDLES = ("float32", "int8")
SCREENED = {  # part of the page: score
    "screened": "late + map + residual",
    "screened-restored": "late + map + restore_64",
    "screened-without": "late + map",
}


def graphs_table(result: Mapping[str, Any]) -> str:
    """Return Markdown of ``benchmarks/gpu/graphs.py``'s result: time of each graph, golden cases."""
    lines = ["| bundle | steps | graph | on the card, ms | XNNPACK, ms | off by |", "|---" * 6 + "|"]
    for one in result["results"]:
        bundle, steps = Path(one["bundle"]).stem, one["steps"]
        spent = f"{one['milliseconds']['p50']:.2f}"
        if one["graph"]:
            most = max(value["most"] / value["range"] for value in one["outputs"].values())
            host = f"{one['xnnpack_milliseconds']['p50']:.2f}"
            row = f"{one['graph']} | {spent} | {host} | {most:.2%} of the range"
        else:
            off = f"{one['off_by_at_most']:.5f} of {one['tolerance']:.2f} allowed"
            row = f"**{one['cases']} golden cases** | {spent} | | {off}"
        lines.append(f"| {bundle} | {steps} | {row} |")
    return "\n".join(lines) + "\n"


def bench_table(results: Mapping[str, Mapping[str, Any]]) -> str:
    """Return Markdown of ``sranogan-bench`` by bundle: frame to score, one thread."""
    lines = ["| bundle | steps | on the card, p50 ms | p99 | XNNPACK, p50 ms | p99 |", "|---" * 6 + "|"]
    for bundle, result in results.items():
        rows = {
            (one["backend"], one["steps"]): one["milliseconds"]["total"] for one in result["configurations"]
        }
        for steps in sorted({steps for _, steps in rows}):
            times = [
                f"{rows[backend, steps][q]:.1f}" for backend in ("gpu", "xnnpack") for q in ("p50", "p99")
            ]
            lines.append(f"| {bundle} | {steps} | {' | '.join(times)} |")
    return "\n".join(lines) + "\n"


def training_table(result: Mapping[str, Any]) -> str:
    """Return Markdown of ``benchmarks/gpu/train.py``'s result: steps, seconds and pace of each stage."""
    lines = ["| stage | steps | seconds | of these the first step | steps a second | images a second |"]
    lines.append("|---" * 6 + "|")
    for name, one in result["card"]["stages"].items():
        row = f"{one['seconds']:.0f} | {one['first_step_s']:.0f} | {one['steps_per_s']:.0f}"
        lines.append(f"| {name} | {one['steps']:,} | {row} | {one['images_per_s']:,.0f} |")
    return "\n".join(lines) + "\n"


def parts() -> dict[str, str]:
    """Return what stands between the page's marks."""
    read = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (RESULTS / "gpu").glob("*.json")
    }
    rows = json.loads((RESULTS / "screening.json").read_text(encoding="utf-8"))["rows"]
    screened = {name: markdown(rows, score) + "\n" for name, score in SCREENED.items()}
    bench = {name: read[f"gpu_bench_{name}"] for name in BUNDLES}
    trained = training_table(read["gpu_train"])
    return {
        "graphs": graphs_table(read["gpu_graphs"]),
        "bench": bench_table(bench),
        "train": trained,
        **screened,
    }


def main(check: Check = False) -> None:
    """Bring the tables up to date."""
    text = new = PAGE.read_text(encoding="utf-8")
    for name, inside in parts().items():
        new = with_part(new, name, inside)
    if check:
        raise typer.Exit(int(new != text))
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
