from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.archive import entries
from sranogan_edge.archive.folder import FolderSource
from sranogan_edge.archive.item import Item
from sranogan_edge.errors import FeedError, ImageError
from sranogan_edge.image.files import list_images

NAMES = (
    "b.png",
    "a.png",
    "a-b/x.png",
    "a/x.png",
    "a/y/z.jpg",
    "a.d/x.png",
    "c/IM1",
    "Z.PNG",
    "notes.txt",
    ".h.png",
)


@pytest.fixture
def tree(tmp_path: Path, make_dicom: Callable[..., bytes]) -> Path:
    """Give a folder with images, outputs of ours and links of every kind."""
    top = tmp_path / "top"
    for name in NAMES:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(make_dicom(np.zeros((4, 4), np.uint8)) if name == "c/IM1" else b"x")
    for name in (
        "d/results.jsonl",
        "d/heat_maps/x.png",
        "e/_sranogan/run.json",
        "e/heat_maps/y.png",
        "f/x.tmp",
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    (tmp_path / "store" / "deep").mkdir(parents=True)
    for name in ("s.png", "deep/t.png", "u.txt"):
        (tmp_path / "store" / name).touch()
    links = {
        "in.png": top / "a.png",
        "loop": top,
        "out.png": tmp_path / "store/s.png",
        "gone.png": top / "none",
    }
    for name, target in {**links, "store": tmp_path / "store", "again": tmp_path / "store"}.items():
        (top / name).symlink_to(target)
    (tmp_path / "store" / "back").symlink_to(top)
    os.mkfifo(top / "pipe.png")
    return top


def names(source: FolderSource, after: Item | None = None) -> list[str]:
    """The names of the list."""
    return [item.name for item in source.items(after, ())]


def test_it_takes_what_the_command_takes(tree: Path) -> None:
    """The images are those of the one list; but a file outside is taken by each link to it."""
    listed = list_images([tree])
    expected = {str(path) for path in listed.taken} | {
        one.detail.partition(": ")[0] for one in listed.unreadable
    }
    found = names(FolderSource(tree))
    assert set(found) - expected == {str(tree / "again/s.png"), str(tree / "out.png")} - expected
    assert expected <= set(found)
    assert len(found) == len(set(found)) > 10


def test_what_cannot_be_looked_at_is_an_item(tree: Path, as_nobody: Path) -> None:
    """A link that leads nowhere and a closed folder come with their problem, and end nothing."""
    (as_nobody / "closed").mkdir(mode=0)
    (as_nobody / "gone.png").symlink_to(as_nobody / "none")
    (as_nobody / "good.png").touch()
    found = {item.name: item.problem for item in FolderSource(as_nobody).items(None, ())}
    assert "cannot be read (Permission denied)" in found[str(as_nobody / "closed")]
    assert "leads nowhere" in found[str(as_nobody / "gone.png")]
    assert found[str(as_nobody / "good.png")] == ""


def test_it_goes_on_behind_any_image(tree: Path) -> None:
    """Stopped behind any image, another look gives the rest, and what was passed over adds up."""
    whole = FolderSource(tree)
    listed = list(whole.items(None, ()))
    for number, item in enumerate(listed):
        first, rest = FolderSource(tree), FolderSource(tree)
        begun = first.items(None, ())
        assert [next(begun) for _ in range(number + 1)] == listed[: number + 1]
        assert list(rest.items(item, ())) == listed[number + 1 :]
        assert first.passed_over + rest.passed_over >= whole.passed_over - first.passed_over


def test_a_folder_too_large_for_memory_is_the_same(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that are sorted on the disk come in the order of those that are sorted in memory."""
    for number in range(50):
        (tree / f"many-{number * 7919 % 50}.png").touch()
    (tree / os.fsdecode(b"\xfe\n.png")).touch()
    expected = names(FolderSource(tree))
    monkeypatch.setattr(entries, "IN_MEMORY", 5)
    assert names(FolderSource(tree)) == expected


@pytest.mark.slow
def test_no_room_to_sort_names(disk: Path, tree: Path) -> None:
    """Where the disk that names are sorted on is full the run ends and says which; nothing is left out."""
    for number in range(12_000):  # 3 MB of names: more than SQLite holds in memory
        (tree / f"{number:0240}.png").touch()
    script = "import sys, sqlite3\nfrom pathlib import Path\nfrom sranogan_edge.archive import entries\n"
    script += "entries.IN_MEMORY = 5\nprint(len(list(entries.Entries(Path(sys.argv[1])))))"
    (disk / "ballast").write_bytes(bytes(2**22 - 2**15))
    command = [sys.executable, "-c", script, str(tree)]
    places = {**os.environ, "TMPDIR": str(disk)}
    done = subprocess.run(command, capture_output=True, text=True, env=places, check=False)
    assert "FeedError" in done.stderr
    assert f"Free some space in {disk}" in done.stderr


def test_a_folder_that_changes_while_it_is_listed(tree: Path) -> None:
    """What goes is left out, what comes behind is taken, what comes before is not; nothing comes twice."""
    source = FolderSource(tree)
    found = source.items(None, ())
    first = [next(found).name for _ in range(3)]
    (tree / "c" / "IM1").unlink()
    (tree / "zz").mkdir()
    (tree / "zz" / "late.png").touch()
    (tree / "0-early.png").touch()
    rest = [item.name for item in found]
    assert not {str(tree / "c/IM1"), str(tree / "0-early.png")} & {*first, *rest}
    assert len({*first, *rest}) == len(first) + len(rest)
    again = names(FolderSource(tree), Item(first[-1], (str(Path(first[-1]).relative_to(tree)),)))
    assert str(tree / "zz/late.png") in again


def test_files_are_opened_in_order(tree: Path) -> None:
    """Each gives its bytes; one that went meanwhile, or is none, its error, as the command says it."""
    source = FolderSource(tree, named="called")
    listed = [item for item in source.items(None, ()) if item.name in ("called/a.png", "called/b.png")]
    assert [item.name for item in listed] == ["called/a.png", "called/b.png"]
    (tree / "b.png").unlink()
    found = list(source.open([*listed, Item("x", ("a",))]))
    assert not isinstance(found[0], ImageError)
    with found[0] as file:
        assert file.read() == b"x"
    assert [str(one) for one in found[1:]] == [
        "called/b.png: no such file. Check the path.",
        "x: is a folder, not an image file. Name a file inside it.",
    ]


def test_the_folder_itself(tmp_path: Path) -> None:
    """One file is no archive, nor is what is not there; the folder of the scores is left out."""
    (tmp_path / "out").mkdir()
    for name in ("x.png", "out/y.png"):
        (tmp_path / name).touch()
    assert names(FolderSource(tmp_path, without=[tmp_path / "out"])) == [str(tmp_path / "x.png")]
    with pytest.raises(FeedError, match="is one file"):
        FolderSource(tmp_path / "x.png")
    with pytest.raises(FeedError, match="no such file or folder"):
        FolderSource(tmp_path / "none")
