"""No module needs, on its way in, one that needs it: the parts of a package have an order."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PLACES = {"sranogan_edge": "edge", "keras_sranogan": ".", "sranogan_export": "export"}


def module_of(file: Path, root: Path) -> str:
    """The dotted name of a file; a package's is that of its folder."""
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST, known: set[str], *, inside: bool) -> Iterator[str]:
    """What a module imports; ``inside`` says whether imports in functions count; those for types never do."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not inside:
            continue
        if isinstance(child, ast.ImportFrom) and child.module:
            for alias in child.names:
                whole = f"{child.module}.{alias.name}"
                yield whole if whole in known else child.module
        elif isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        else:
            yield from imported(child, known, inside=inside)


def arrows(package: str, *, inside: bool) -> dict[str, set[str]]:
    """By module, the modules of the same package that it imports."""
    root = REPOSITORY / PLACES[package]
    files = {module_of(file, root): file for file in (root / package).rglob("*.py")}
    known = set(files)
    found = {}
    for name, file in files.items():
        tree = ast.parse(file.read_text(encoding="utf-8"))
        found[name] = {one for one in imported(tree, known, inside=inside) if one in known} - {name, package}
    return found


def circle_in(arrows: dict[str, set[str]]) -> list[str]:
    """The modules of a circle; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", PLACES)
def test_no_circle_of_imports(package: str) -> None:
    """Whichever module comes first, it loads: no two need each other on their way in."""
    assert circle_in(arrows(package, inside=False)) == []


def test_no_circle_in_functions_of_the_edge() -> None:
    """Nor is a circle of the edge put off into a function, but for DICOM, whose extra may not be there."""
    found = arrows("sranogan_edge", inside=True)
    found["sranogan_edge.decode"].discard("sranogan_edge.dicom.decode")
    assert circle_in(found) == []


def test_a_circle_would_be_found() -> None:
    """Two modules that import each other are one."""
    assert set(circle_in({"a": {"b"}, "b": {"c"}, "c": {"a"}})) == {"a", "b", "c"}
