"""docs/promises.md: each promise has a test that exists, and is made in a place that exists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "promises.md"
NAMED = re.compile(r"`([\w/]+\.py)::(\w+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)#]+)(?:#([^)]+))?\)")


def rows(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield what the lines of all tables with a column ``test`` hold: promise, place, tests."""
    inside = False
    for line in text.splitlines():
        cells = tuple(cell.strip() for cell in line.strip("|").split("|"))
        if not line.startswith("|"):
            inside = False
        elif cells[-1] == "test":
            inside = True
        elif inside and not line.startswith("|---"):
            assert len(cells) == 3, line
            yield cells[0], cells[1], cells[2]


@cache
def named_in(path: Path) -> frozenset[str]:
    """Give the names of the tests of a file, by reading it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(one.name for one in functions if one.name.startswith("test_"))


@cache
def anchors(path: Path) -> frozenset[str]:
    """Name the headings of a page as GitHub does."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings)


def missing(text: str) -> list[str]:
    """Say of each line what it lacks: a test, one that exists, a place, one that exists."""
    found = []
    for promise, place, tests in rows(text):
        named = NAMED.findall(tests)
        if not named or NAMED.sub("", tests).strip(", "):
            found.append(f"{promise}: no test, or more than tests")
        for file, name in named:
            if not (TESTS / file).is_file() or name not in named_in(TESTS / file):
                found.append(f"{promise}: there is no {file}::{name}")
        link = LINK.fullmatch(place)
        target = PAGE.parent / link[1] if link else None
        if not link or not target or not target.is_file():
            found.append(f"{promise}: it is made nowhere")
        elif link[2] and link[2] not in anchors(target):
            found.append(f"{promise}: {link[1]} has no heading {link[2]}")
    return found


def test_every_promise_has_a_test_and_a_place() -> None:
    """Each line of the page names tests that are in their files, and a heading that is in its page."""
    text = PAGE.read_text(encoding="utf-8")
    assert len(list(rows(text))) > 50
    assert missing(text) == []


@pytest.mark.parametrize(
    ("place", "tests", "said"),
    [
        ("[page](promises.md)", "", "no test"),
        ("[page](promises.md)", "by hand", "no test"),
        ("[page](promises.md)", "`test_promises.py::test_that_is_not_there`", "there is no"),
        ("[page](promises.md)", "`test_nowhere.py::test_x`", "there is no"),
        ("somewhere", "`test_promises.py::test_what_a_line_lacks_is_said`", "made nowhere"),
        ("[page](nowhere.md)", "`test_promises.py::test_what_a_line_lacks_is_said`", "made nowhere"),
        ("[page](promises.md#none)", "`test_promises.py::test_what_a_line_lacks_is_said`", "no heading"),
    ],
)
def test_what_a_line_lacks_is_said(place: str, tests: str, said: str) -> None:
    """The control: a line without a test or a place, or with one that is not there, is found."""
    head = "| promise | made in | test |\n|---|---|---|\n"
    assert [said in one for one in missing(f"{head}| all is well | {place} | {tests} |")] == [True]
