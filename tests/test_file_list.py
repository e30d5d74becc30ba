"""docs/architecture.md names every module, with the first line of its docstring."""

from __future__ import annotations

from pathlib import Path

from benchmarks.pages.file_list import PAGE, ROOT, file_list
from benchmarks.pages.marked import with_part


def test_the_page_is_up_to_date() -> None:
    """The list between the markers is what the command makes of the tree."""
    text = PAGE.read_text(encoding="utf-8")
    assert with_part(text, "files", file_list(ROOT)) == text


def test_every_module_says_what_it_is() -> None:
    """A module without a docstring would be left out of the list."""
    listed = file_list(ROOT)
    for folder in ("edge/sranogan_edge", "keras_sranogan", "export/sranogan_export"):
        for path in (ROOT / folder).rglob("*.py"):
            assert f"`{path.name}` " in listed.split(f"`{path.parent.relative_to(ROOT).as_posix()}/`")[1], (
                path
            )


def test_modules_and_rooms(tmp_path: Path) -> None:
    """A room is a heading, a module a line; one that says nothing is not named."""
    room = tmp_path / "keras_sranogan" / "room"
    room.mkdir(parents=True)
    (room / "door.py").write_text('"""Opens and closes.\n\nMore of it.\n"""\n')
    (room / "__init__.py").write_text("")
    assert file_list(tmp_path) == "`keras_sranogan/room/`\n\n- `door.py` Opens and closes.\n"
