"""Which files of a folder are taken for images, and what is said of the others."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sranogan_edge.commands.score_files import find_images
from sranogan_edge.errors import DataError, FeedError
from sranogan_edge.image.files import begins_as_dicom, check_place, list_images
from sranogan_edge.image.image_list import ImageList, Reason, told_counts
from sranogan_edge.image.own_outputs import AUDIT_PICTURES, EVALUATION_PICTURES

NOBODY = 65534
DICOM_HEAD = bytes(128) + b"DICM"


def names(found: ImageList, root: Path) -> list[str]:
    """What was taken, below ``root``."""
    return [str(path.relative_to(root)) for path in found.taken]


def reasons(found: ImageList, root: Path) -> dict[str, Reason]:
    """What was passed over, below ``root``."""
    return {str(one.path.relative_to(root)): one.reason for one in found.passed_over}


def touched(root: Path, *files: str) -> Path:
    """A folder with empty files."""
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_by_suffix_or_by_the_first_bytes(tmp_path: Path) -> None:
    """Scanners name DICOM files by number or UID; indexes, hidden files, texts and folders are no images."""
    for name, data in (
        ("b.PNG", b""),
        ("a/IM00001", DICOM_HEAD),
        ("a/1.2.840.10008.5", DICOM_HEAD),
        ("a/.hidden", DICOM_HEAD),
        ("a/DICOMDIR", DICOM_HEAD),
        ("a/dicomdir", DICOM_HEAD),
        ("a/short", DICOM_HEAD[:131]),
        ("notes.txt", b"x" * 200),
        (".c.png", b""),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "folder.png").mkdir()
    found = list_images([tmp_path])
    assert names(found, tmp_path) == ["a/1.2.840.10008.5", "a/IM00001", "b.PNG"]
    assert told_counts(found.passed_over) == "passed over: 2 hidden, 4 not images"
    assert told_counts(()) == ""


def test_what_cannot_be_read_is_no_dicom(tmp_path: Path) -> None:
    """A missing file and a folder are not; asking does not raise."""
    assert not begins_as_dicom(tmp_path / "none")
    assert not begins_as_dicom(tmp_path)


def test_files_are_taken_as_named(tmp_path: Path) -> None:
    """A named file is meant, hidden or not; what is named twice, or lies in a named folder, counts once."""
    touched(tmp_path, "a/.b.png", "a/c.png", "a/notes.txt")
    (tmp_path / "a" / "link.png").symlink_to("c.png")
    named = ["a/c.png", "a/.b.png", "a", "a/notes.txt", "a/../a/c.png", "a/link.png", "a"]
    found = list_images([tmp_path / name for name in named])
    assert names(found, tmp_path) == ["a/c.png", "a/.b.png", "a/notes.txt"]
    again = [one.path for one in found.passed_over if one.reason is Reason.AGAIN]
    assert len(again) == 5  # c.png and the link in the folder, and the last three


def test_a_second_name_of_a_file_is_a_file(tmp_path: Path) -> None:
    """Hard links are counted as files of their own: some shares give all files one number."""
    touched(tmp_path, "a.png")
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    assert names(list_images([tmp_path]), tmp_path) == ["a.png", "b.png"]


def test_links_and_loops(tmp_path: Path) -> None:
    """Links are followed after all else, so that a file keeps its own name; each folder is listed once."""
    touched(tmp_path, "store/x.png", "store/sub/y.png", "root/real/a.png", "root/real/b.png")
    root = tmp_path / "root"
    (root / "0-to-real").symlink_to("real")
    (root / "1-to-store").symlink_to(tmp_path / "store")
    (root / "2-to-sub").symlink_to(tmp_path / "store" / "sub")
    (root / "real" / "up").symlink_to("..")
    (root / "real" / "self").symlink_to(".")
    (root / "real" / "out").symlink_to(tmp_path)
    (tmp_path / "store" / "back").symlink_to(root)
    found = list_images([root])
    assert names(found, root) == ["1-to-store/sub/y.png", "1-to-store/x.png", "real/a.png", "real/b.png"]
    assert {name: reason.value for name, reason in reasons(found, root).items()} == dict.fromkeys(
        ("0-to-real", "2-to-sub", "real/up", "real/self", "real/out", "1-to-store/back"), "reached before"
    )
    assert found.linked == {root / "1-to-store/x.png", root / "1-to-store/sub/y.png"}
    (tmp_path / "by-link").symlink_to(root)
    assert len(list_images([tmp_path / "by-link"]).taken) == 4


def test_only_what_was_named_tells_classes_apart(tmp_path: Path) -> None:
    """A link out of a folder to one above it does not bring that one's other folders in."""
    touched(tmp_path, "normal/a.png", "ill/b.png")
    (tmp_path / "normal" / "up").symlink_to("..")
    assert names(list_images([tmp_path / "normal"]), tmp_path) == ["normal/a.png"]


@pytest.mark.parametrize("results", ["results.jsonl", "results-000001-20260101T000000Z.jsonl"])
def test_heat_maps_are_never_images(tmp_path: Path, results: str) -> None:
    """Neither below a folder, nor named, nor by way of a link; images beside the results are."""
    touched(tmp_path, f"ward/{results}", "ward/heat_maps/a-1.png", "ward/a.png", "heat_maps/other.png")
    (tmp_path / "link").symlink_to("ward/heat_maps")
    found = list_images([tmp_path])
    assert names(found, tmp_path) == ["heat_maps/other.png", "ward/a.png"]
    for place in ("ward/heat_maps", "ward/heat_maps/a-1.png", "link", "link/a-1.png"):
        found = list_images([tmp_path / place])
        assert (found.taken, [one.reason for one in found.passed_over]) == ((), [Reason.OWN])
    with pytest.raises(DataError, match=r"no images.*1 our own output; such as .*heat_maps"):
        find_images([tmp_path / "ward" / "heat_maps"])


def test_pictures_of_reports_are_never_images(tmp_path: Path) -> None:
    """Those of an evaluation, an audit and an export, beside images or alone, named or by way of a link."""
    pictures = [*EVALUATION_PICTURES, *AUDIT_PICTURES[:2], "chest.equality.png"]
    for folder in ("in", "in/sub", "report"):
        touched(tmp_path / folder, *pictures, "chest.sranogan")
    touched(tmp_path / "in", "a.png")
    (tmp_path / "in" / "linked.png").symlink_to("../report/panels.png")
    found = list_images([tmp_path / "in", tmp_path / "report"])
    assert names(found, tmp_path) == ["in/a.png"]
    own = [one.path.name for one in found.passed_over if one.reason is Reason.OWN]
    assert sorted(own) == sorted([*pictures * 3, "linked.png"])
    assert list_images([tmp_path / "report" / "roc.png"]).taken == ()


def test_images_that_are_called_like_pictures_of_reports(tmp_path: Path) -> None:
    """A name alone makes no picture of ours: without those that always come with it, it is an image."""
    images = ["scores.png", "roc.png", "panels.png", "audit_controls.png", "chest.equality.png"]
    touched(tmp_path, *images)
    assert names(list_images([tmp_path]), tmp_path) == sorted(images)


@pytest.mark.parametrize(
    "marks", [["spool.sqlite"], ["objects/y", "incoming/y", "dead/y"], ["settings.json", "provenance.json"]]
)
def test_spools_and_runs_are_never_images(tmp_path: Path, marks: list[str]) -> None:
    """Objects that wait in a spool and the pictures of a training are not inputs, at any depth."""
    touched(tmp_path / "in" / "own", *marks, "objects/x.png", "deep/er/y.png")
    touched(tmp_path / "in", "a.png")
    assert names(list_images([tmp_path]), tmp_path) == ["in/a.png"]
    for place in ("in/own", "in/own/objects", "in/own/deep/er/y.png"):
        assert list_images([tmp_path / place]).taken == ()


def test_the_default_folder_of_results(tmp_path: Path) -> None:
    """``scores`` with results in it is ours as a whole; images in it are taken where it is named."""
    touched(tmp_path, "a.png", "scores/results.jsonl", "scores/plots/b.png", "ward/scores/c.png")
    assert names(list_images([tmp_path]), tmp_path) == ["a.png", "ward/scores/c.png"]
    assert names(list_images([tmp_path / "scores"]), tmp_path) == ["scores/plots/b.png"]


def test_folders_that_are_left_out(tmp_path: Path) -> None:
    """They are, by whatever way they are reached, and need not be there."""
    touched(tmp_path, "a.png", "out/b.png", "out/c/d.png")
    (tmp_path / "link").symlink_to("out")
    without = [tmp_path / "out" / ".." / "out", tmp_path / "none"]
    assert names(list_images([tmp_path], without), tmp_path) == ["a.png"]
    assert list_images([tmp_path / "out" / "c"], without).taken == ()


def test_closed_files_and_folders_are_unreadable(as_nobody: Path) -> None:
    """They are no images that were passed over: each is a failure, with its reason."""
    touched(as_nobody, "a.png", "closed/b.png", "IM1")
    (as_nobody / "closed").chmod(0)
    (as_nobody / "IM1").chmod(0)
    found = list_images([as_nobody])
    (as_nobody / "closed").chmod(0o700)
    assert names(found, as_nobody) == ["a.png"]
    assert reasons(found, as_nobody) == {"IM1": Reason.UNREADABLE, "closed": Reason.UNREADABLE}
    assert all("cannot be read (Permission denied)" in str(one) for one in found.unreadable)
    assert found.left_out == ()
    assert found.figures == {"passed_over": {}, "passed_over_files": []}


def test_paths_of_any_length(tmp_path: Path) -> None:
    """Below a path of more than 4,096 bytes nothing can be opened: a failure, and the list goes on."""
    touched(tmp_path, "a.png", "z.png")
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=here)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    found = list_images([tmp_path])
    assert names(found, tmp_path) == ["a.png", "z.png"]
    [long] = found.unreadable
    assert "File name too long" in str(long)


def test_a_folder_that_fails_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a share gave before it went is taken, and the folder is a failure all the same."""
    touched(tmp_path, "a.png", "share/b.png", "share/c.png")
    real = os.scandir

    @contextlib.contextmanager
    def failing(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        def entries() -> Iterator[os.DirEntry[str]]:
            with real(path) as reading:
                yield next(reading)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        yield entries()

    def scandir(path: Path) -> object:
        return failing(path) if os.fspath(path).endswith("/share") else real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = list_images([tmp_path])
    assert len(found.taken) == 2
    assert reasons(found, tmp_path) == {"share": Reason.UNREADABLE}
    assert "cannot be read (Input/output error)" in found.unreadable[0].detail


def test_many_folders_in_one_another(tmp_path: Path) -> None:
    """A tree of a thousand levels is listed; Python's own stack is not what ends it."""
    deep = tmp_path.joinpath(*["d"] * 1200)
    here = tmp_path
    for part in deep.relative_to(tmp_path).parts:
        here = here / part
        here.mkdir()
    (deep / "a.png").touch()
    try:
        assert list_images([tmp_path]).taken == (deep / "a.png",)
    finally:  # shutil.rmtree does not reach so deep
        (deep / "a.png").unlink()
        while here != tmp_path:
            here.rmdir()
            here = here.parent


def test_a_folder_that_may_not_be_looked_into(tmp_path: Path) -> None:
    """It is told as such, and not as one without images."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from sranogan_edge.errors import FeedError; from sranogan_edge.image.files import check_place\n"
        "if os.geteuid() == 0: os.setresuid(*[int(sys.argv[2])] * 3)\n"
        "try: check_place(Path(sys.argv[1]))\n"
        "except FeedError as error: print(error)"
    )
    tmp_path.chmod(0o755)  # and looked up from inside: the folders above it are closed to others
    command = [sys.executable, "-c", script, folder.name, str(NOBODY)]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert "may not look into this folder" in told


def test_places_that_are_not_there(tmp_path: Path) -> None:
    """A slip in a path is refused; a link that leads nowhere, or a path that is too long, fails by itself."""
    with pytest.raises(FeedError, match="no such file or folder"):
        check_place(tmp_path / "none")
    with pytest.raises(FeedError, match="File name too long"):
        check_place(tmp_path / ("x" * 300))
    (tmp_path / "link.png").symlink_to("none.png")
    touched(tmp_path, "a.png")
    [broken] = find_images([tmp_path / "link.png"]).unreadable
    assert "leads nowhere: its target none.png is not there" in broken.detail
    found = find_images([tmp_path / "a.png", tmp_path / ("x" * 300), tmp_path / "link.png"])
    assert (len(found.taken), len(found.unreadable)) == (1, 2)
    with pytest.raises(FeedError, match="no such file or folder"):
        find_images([tmp_path / "a.png", tmp_path / "none.png"])
