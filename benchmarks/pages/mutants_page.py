"""Write what mutation testing found into ``docs/promises.md``, from ``benchmarks/results/mutants.json``.

::

    python -m benchmarks.pages.mutants_page            # write
    python -m benchmarks.pages.mutants_page --check    # exit code 1 where the page differs from the result
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import typer

from benchmarks.mutants.parts import PARTS
from benchmarks.pages.marked import Check, write_part

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "benchmarks" / "results" / "mutants.json"
PAGE = ROOT / "docs" / "promises.md"


def table(result: Mapping[str, Any]) -> str:
    """Return Markdown: a line for each part that was run, those that were not, and what changes nothing."""
    lines = [
        "| part | files | changes tried | noticed | not noticed | changes nothing | minutes, processor |",
        "|---" * 7 + "|",
    ]
    for name, part in result["parts"].items():
        folder = str(PurePath(part["files"][0]).parent)
        files = ", ".join(f"`{PurePath(one).name}`" for one in part["files"])
        tried = f"{part['mutants']} of {part['of']}"
        cost = f"{part['minutes']:g}, {part['machine']['cpu']}"
        left = f"{len(part['unnoticed'])} | {len(part['equivalent'])}"
        lines.append(f"| {name} | `{folder}`: {files} | {tried} | {part['rate']:.1%} | {left} | {cost} |")
    rest = [
        f"{name} (`{'`, `'.join(part.files)}`)" for name, part in PARTS.items() if name not in result["parts"]
    ]
    why: dict[str, int] = {}
    for part in result["parts"].values():
        for reason in part["equivalent"].values():
            why[reason] = why.get(reason, 0) + 1
    reasons = [
        f"- {reason} ({count})" for reason, count in sorted(why.items(), key=lambda one: (-one[1], one[0]))
    ]
    told = ["", "Nothing is changed, so nobody can notice, because:", "", *reasons] if reasons else []
    return "\n".join([*lines, "", f"**Not run yet:** {', '.join(rest) or 'none'}.", *told]) + "\n"


def main(check: Check = False) -> None:
    """Bring the page up to date."""
    write_part(PAGE, "mutants", table(json.loads(RESULT.read_text(encoding="utf-8"))), check=check)


if __name__ == "__main__":
    typer.run(main)
