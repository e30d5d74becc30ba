"""Write the tables of ``docs/guide/onnx.md``: zero points of 0, OpenVINO beside LiteRT, TensorRT's engines.

::

    python -m benchmarks.pages.onnx_page            # write
    python -m benchmarks.pages.onnx_page --check    # exit code 1 where a table differs from its result
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from benchmarks.pages.marked import Check, with_part

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "guide" / "onnx.md"
PLACES = {
    "symmetric": "symmetric.json",
    "openvino": "onnx/openvino.json",
    "engines": "onnx/engines.json",
}


def symmetric_table(result: Mapping[str, Any]) -> str:
    """Return Markdown of ``benchmarks/detection/symmetric.py``'s result, and whether anything was lost."""
    lines = [
        "| recipe | steps | AUROC | loss reached | an image, ms (XNNPACK) | within the bounds |",
        "|---" * 6 + "|",
    ]
    within = {(one["recipe"], one["steps"]): one["within_bounds"] for one in result["compared"]}
    for row in result["rows"]:
        said = {True: "yes", False: "**no**", None: ""}[within.get((row["recipe"], row["steps"]))]
        what = f"{row['recipe']} | {row['steps']} | {row['auroc']:.4f} | {row['final_loss']:.1f}"
        lines.append(f"| {what} | {row['total_ms']:.2f} | {said} |")
    bounds, split = result["bounds"], result["split"]
    lines += [
        "",
        f"Bounds against the same recipe: AUROC {bounds['auroc']:g} lower, loss {bounds['final_loss']:.1%} "
        f"and time {bounds['total_ms']:.0%} higher. {split['normal']} normal and {split['abnormal']} ill "
        f"phantoms, medians of {result['timed_images']} images on {_machine(result)}.",
    ]
    return "\n".join(lines) + "\n"


def openvino_table(result: Mapping[str, Any]) -> str:
    """Return Markdown of ``benchmarks/gpu/graphs.py``'s result: golden cases, and each graph's time."""
    rows: dict[tuple[str, str, int], dict[str, Any]] = {}
    for one in result["results"]:
        key = (one["backend"], Path(one["bundle"]).stem, one["steps"])
        rows.setdefault(key, {})[one["graph"]] = one
    lines = [
        "| backend | bundle | search steps | golden cases off by (tolerance) | search, ms | XNNPACK, ms |",
        "|---" * 6 + "|",
    ]
    for (backend, bundle, steps), found in rows.items():
        golden, search = found[""], found["search"]
        proof = f"{golden['off_by_at_most']:.4f} ({golden['tolerance']:.2f})"
        times = f"{search['milliseconds']['p50']:.2f} | {search['xnnpack_milliseconds']['p50']:.2f}"
        lines.append(f"| {backend} | {bundle} | {steps} | {proof} | {times} |")
    label = next(one["label"] for one in result["results"] if "OpenVINO" in one["label"])
    lines += ["", f"{label}, one thread, medians, on {_machine(result)}."]
    return "\n".join(lines) + "\n"


def engines_table(result: Mapping[str, Any]) -> str:
    """Return Markdown of ``benchmarks/gpu/engines.py``'s result: what came of each graph of each bundle."""
    lines = ["| bundle | graph | ONNX, KiB | engine, KiB |", "|---" * 4 + "|"]
    for bundle in result["results"]:
        for name, one in bundle["graphs"].items():
            made = (
                f"{one['engine_bytes'] / 1024:,.0f}"
                if "engine_bytes" in one
                else "refused, as the manifest says"
            )
            lines.append(f"| {bundle['bundle']} | {name} | {one['onnx_bytes'] / 1024:,.0f} | {made} |")
    lines += ["", f"tensorrt-rtx-cu12 {result['tensorrt_rtx']}, networks of the demo."]
    return "\n".join(lines) + "\n"


def _machine(result: Mapping[str, Any]) -> str:
    facts = result["provenance"]
    load = facts["load_average_before"]
    return f"{facts['machine']['cpu']}, load average {load:.1f}: compare times inside one table only"


def main(check: Check = False) -> None:
    """Bring the page up to date."""
    text = PAGE.read_text(encoding="utf-8")
    new = text
    for name, table in {
        "symmetric": symmetric_table,
        "openvino": openvino_table,
        "engines": engines_table,
    }.items():
        new = with_part(new, name, table(json.loads((RESULTS / PLACES[name]).read_text(encoding="utf-8"))))
    if check:
        raise typer.Exit(int(new != text))
    PAGE.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
