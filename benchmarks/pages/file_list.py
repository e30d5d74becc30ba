"""Every module with the first line of its docstring, in docs/architecture.md.

python -m benchmarks.pages.file_list            # brings the list up to date
python -m benchmarks.pages.file_list --check    # changes nothing; exit 1 where it differs
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import typer

from benchmarks.pages.marked import Check, write_part

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "architecture.md"
PACKAGES = ("edge/sranogan_edge", "keras_sranogan", "export/sranogan_export", "benchmarks")


def first_line(path: Path) -> str:
    """Return the first line of a module's docstring; empty where it has none."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def rooms(package: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Yield each folder of ``package`` that has modules, and these; what says nothing is left out."""
    for folder in sorted({path.parent for path in package.rglob("*.py")}):
        modules = sorted(path for path in folder.glob("*.py") if first_line(path))
        if modules:
            yield folder, modules


def file_list(root: Path) -> str:
    """Return Markdown: a list for each room."""
    lines = []
    for package in PACKAGES:
        for folder, modules in rooms(root / package):
            lines += ["", f"`{folder.relative_to(root).as_posix()}/`", ""]
            lines += [f"- `{path.name}` {first_line(path)}" for path in modules]
    return "\n".join(lines[1:]) + "\n"


def main(check: Check = False) -> None:
    """Bring the page up to date."""
    write_part(PAGE, "files", file_list(ROOT), check=check)


if __name__ == "__main__":
    typer.run(main)
