"""Imports in the three distributions: no circles of modules, nor of the edge's rooms; all lies in a room."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGES = {
    "sranogan_edge": REPOSITORY / "edge" / "sranogan_edge",
    "keras_sranogan": REPOSITORY / "keras_sranogan",
    "sranogan_export": REPOSITORY / "export" / "sranogan_export",
}
OUTSIDE_ROOMS = {  # what every room of the edge may use; all else lies in a room, named after its step
    "__init__",
    "alarms",
    "arrays",
    "backoff",
    "device",
    "errors",
    "extras",
    "files",
    "lazy",
    "log",
    "option",
    "own_key",
    "place",
    "redact",
    "refusals",
    "secret",
    "terminal",
    "text",
}
Graph = Mapping[str, set[str]]


def modules_below(folder: Path) -> dict[str, Path]:
    """Map the dotted name of each module of the package in ``folder`` to its file."""
    found = {}
    for file in sorted(folder.rglob("*.py")):
        parts = (folder.name, *file.relative_to(folder).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = file
    return found


def run_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is below ``node`` but for what only type checkers read (``if TYPE_CHECKING``)."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for other in child.orelse:
                yield from (other, *run_statements(other))
            continue
        yield child
        yield from run_statements(child)


def imported(tree: ast.Module, modules: Mapping[str, Path]) -> set[str]:
    """Name the modules that a file imports, in functions too: a circle that is only put off is still one.

    What a name is loaded from only when it is asked for (a face's ``__getattr__``) does not count, nor that
    Python runs the ``__init__`` of a module's packages before it.
    """
    found = set()
    for node in run_statements(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in modules else node.module for name in inner}
    return found & modules.keys()


def imports_of(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Map each module to those of ``modules`` that it imports."""
    return {
        name: imported(ast.parse(file.read_text(encoding="utf-8"), str(file)), modules) - {name}
        for name, file in modules.items()
    }


def rooms_of(graph: Graph) -> dict[str, set[str]]:
    """Map each room to those that its modules import from; a module that lies in none is one of its own."""
    rooms: dict[str, set[str]] = {}
    for name, targets in graph.items():
        found = rooms.setdefault(room_of(name), set())
        found |= {room_of(target) for target in targets} - {room_of(name)}
    return rooms


def room_of(module: str) -> str:
    """``package.room`` of ``package.room.module``."""
    return ".".join(module.split(".")[:2])


def circle_in(graph: Graph) -> list[str]:
    """Return the modules of one circle, in the order of the imports, or nothing where there is none."""
    done: set[str] = set()
    for start in graph:
        path, branches = [start], [iter(sorted(graph[start]))]
        while branches:
            target = next(branches[-1], None)
            if target is None:
                branches.pop()
                done.add(path.pop())
            elif target in path:
                return path[path.index(target) :]
            elif target not in done:
                path.append(target)
                branches.append(iter(sorted(graph.get(target, ()))))
    return []


def planted(folder: Path, **files: str) -> dict[str, set[str]]:
    """Write a package ``planted`` of ``files`` and return its imports."""
    package = folder / "planted"
    for name, text in files.items():
        file = package / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return imports_of(modules_below(package))


def test_no_imports_run_in_a_circle() -> None:
    """No module imports another that needs it, over however many steps and in whichever distribution."""
    modules = {name: file for folder in PACKAGES.values() for name, file in modules_below(folder).items()}
    graph = imports_of(modules)

    assert sum(map(len, graph.values())) > len(graph) > len(PACKAGES)  # imports were found at all
    assert " -> ".join(circle_in(graph)) == ""


@pytest.mark.parametrize(
    ("last", "circle"),
    [
        ("from planted import first\n", ["planted.first", "planted.second", "planted.third"]),
        ("import planted.first\n", ["planted.first", "planted.second", "planted.third"]),
        (
            "def late() -> None:\n    from planted.second import name\n",
            ["planted.second", "planted.third"],
        ),
        (
            "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from planted import first\n",
            [],
        ),
        ("import typing\n\nif typing.TYPE_CHECKING:\n    import planted.first\nelse:\n    import os\n", []),
        ("import os\n", []),
    ],
    ids=["of a module", "whole", "in a function", "for types", "for types, whole", "none"],
)
def test_a_planted_circle_is_found(tmp_path: Path, last: str, circle: list[str]) -> None:
    """The search finds a circle of three modules and of two, in a function too, and leaves types alone."""
    graph = planted(
        tmp_path,
        first="from planted.second import name\n",
        second="from planted import third\n\nname = third\n",
        third=last,
    )

    assert graph["planted.first"] == {"planted.second"}
    assert circle_in(graph) == circle


def test_no_room_of_the_edge_or_the_export_needs_one_that_needs_it() -> None:
    """Rooms have an order: what one gives another, it does not take from it, over however many rooms."""
    for name in ("sranogan_edge", "sranogan_export"):
        rooms = rooms_of(imports_of(modules_below(PACKAGES[name])))

        assert sum(map(len, rooms.values())) > 5  # imports were found at all
        assert " -> ".join(circle_in(rooms)) == ""


def test_a_planted_circle_of_rooms_is_found(tmp_path: Path) -> None:
    """Two rooms need each other by different modules, none of which stands in a circle."""
    graph = planted(
        tmp_path,
        hall__door="from planted.attic import roof\n",
        hall__floor="",
        attic__roof="",
        attic__stairs="from planted.hall import floor\n",
    )

    assert circle_in(graph) == []
    assert circle_in(rooms_of(graph)) == ["planted.attic", "planted.hall"]


def test_every_module_of_the_edge_lies_in_a_room() -> None:
    """At the top of ``sranogan_edge`` lies only what every room may use."""
    lying = {file.stem for file in PACKAGES["sranogan_edge"].glob("*.py")}

    assert lying - OUTSIDE_ROOMS == set()
