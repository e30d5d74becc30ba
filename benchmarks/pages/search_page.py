"""Write the table of ``docs/method/search.md`` from the result of ``benchmarks/detection/search.py``.

::

    python -m benchmarks.pages.search_page            # write
    python -m benchmarks.pages.search_page --check    # exit code 1 where the table differs from the result
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from benchmarks.pages.marked import Check, write_part

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "search.json"
PAGE = ROOT / "docs" / "method" / "search.md"
FLOAT = "float32"


def table(result: Mapping[str, Any]) -> str:
    """Return Markdown; each loss also as a share of that of the same search in float32."""
    rows = result["rows"]
    exact = {(row["search"], row["steps"]): row["final_loss"] for row in rows if row["recipe"] == FLOAT}
    lines = [
        "| search | steps | recipe | AUROC | final loss | against float32 | search, ms | all, ms | MiB |",
        "|---" * 9 + "|",
    ]
    for row in sorted(rows, key=lambda r: (r["search"] != "encoder", r["search"], r["steps"])):
        apart = row["final_loss"] / exact[row["search"], row["steps"]] - 1
        what = f"{row['search']} | {row['steps']} | {row['recipe']} | {row['auroc']:.4f}"
        cost = f"{row['search_ms']:.2f} | {row['total_ms']:.2f} | {row['bundle_bytes'] / 2**20:.1f}"
        lines.append(f"| {what} | {row['final_loss']:.1f} | {apart:+.1%} | {cost} |")
    split, facts = result["split"], result["provenance"]
    lines += [
        "",
        f"{split['normal']} normal and {split['abnormal']} pneumonia films (`{split['name']}`), seed "
        f"{result['seed']}; the mean loss is of the normals.",
        f"Medians of {result['timed_images']} images, {result['threads']} thread, {facts['machine']['cpu']}, "
        f"load average {facts['load_average'][0]:.1f}.",
        "A bundle holds all steps of its search at once.",
    ]
    return "\n".join(lines) + "\n"


def main(check: Check = False) -> None:
    """Bring the page up to date."""
    write_part(PAGE, "table", table(json.loads(RESULT.read_text())), check=check)


if __name__ == "__main__":
    typer.run(main)
