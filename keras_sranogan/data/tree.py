"""A folder as people see it: its folders, and how many images each holds."""

from __future__ import annotations

from pathlib import Path

from keras_sranogan.data.listing import images_under, subfolders

__all__ = ["tree_text"]

_DEPTH = 3
_LINES = 16


def tree_text(root: Path) -> str:
    """Return the folders below ``root`` as indented lines with the number of images at any depth in each."""
    lines = [f"  {root.name or root}/  {_count(root)}"]
    _add(root, 1, lines)
    more = [f"    ... and {len(lines) - _LINES} more folders"] if len(lines) > _LINES else []
    return "\n".join(lines[:_LINES] + more)


def _add(folder: Path, depth: int, lines: list[str]) -> None:
    if depth > _DEPTH:
        return
    for path in subfolders(folder):
        lines.append(f"  {'  ' * depth}{path.name}/  {_count(path)}")
        _add(path, depth + 1, lines)


def _count(folder: Path) -> str:
    count = len(images_under(folder))
    return f"{count:,} image{'s' * (count != 1)}"
