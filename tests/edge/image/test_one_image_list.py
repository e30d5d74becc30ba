"""Training, scoring, calibration and the watched folder go by one list of images."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from keras_sranogan.data.open import open_source, passed_over_by
from sranogan_edge.commands.calibrate import app as calibrate_app
from sranogan_edge.commands.score import app as score_app
from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.files import list_images
from sranogan_edge.image.image_list import Reason

PLAIN = 40  # so many that what is unreadable is less than a tenth
TAKEN = {
    *(f"plain/{number:02}.png" for number in range(PLAIN)),
    *("a.PNG", "b.Jpg", "c.jpeg", "d.jfif", "e.jpe", "f.webp", "g.gif", "h.jp2", "i.tif", "j.BMP"),
    *("sub/ward.tmp/film.png", "sub/IM00001", "sub/1.2.840.5", "film.dcm"),
    *("beside/own.png", "linked.png", "linked-folder/deep/store.png"),
}
PASSED_OVER = {
    Reason.HIDDEN: {".hidden.png", "._a.png", ".ipynb_checkpoints", "sub/.Trash-1000", ".thumbnails"},
    Reason.SYSTEM: {"@eaDir", "__MACOSX", "Thumbs.db", "sub/desktop.ini", "$RECYCLE.BIN", "lost+found"},
    Reason.UNFINISHED: {"film.png.part", "~film.png", "sub/film.dcm.tmp"},
    Reason.NOT_IMAGE: {
        *("notes.txt", "sub/DICOMDIR", "pipe.png", "sub/index.html", "link-to-notes"),
    },
    Reason.OWN: {
        "beside/heat_maps",
        "beside/results.jsonl",
        "queue",
        "run",
        "link-to-heat-maps",
        "link-to-heat-map.png",
    },
    Reason.AGAIN: {"loop", "sub/up", "again.png", "again-folder", "linked-folder/back"},
    Reason.UNREADABLE: {"broken.png", "broken-folder", "round.png", "share"},
}


@pytest.fixture
def tree(tmp_path: Path, make_dicom: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder that has one of everything; ``share`` is one whose server went, and it is restored."""
    root, rng = tmp_path / "tree", np.random.default_rng(0)

    def picture(name: str, fmt: str | None = None) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        values = rng.integers(60, 200, (12, 12), np.uint8)
        Image.fromarray(values).resize((48, 48), Image.Resampling.BICUBIC).save(root / name, fmt)

    def dicom(name: str) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(make_dicom(rng.integers(60, 200, (48, 48), np.uint8)))

    def text(name: str) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x" * 200)

    for number in range(PLAIN):
        picture(f"plain/{number:02}.png")
    for name in ("a.PNG", "b.Jpg", "c.jpeg", "f.webp", "g.gif", "h.jp2", "i.tif", "j.BMP"):
        picture(name)
    for name in ("d.jfif", "e.jpe"):
        picture(name, "JPEG")
    for name in (
        "sub/IM00001",
        "sub/1.2.840.5",
        "film.dcm",
        "sub/DICOMDIR",
        "sub/film.dcm.tmp",
        "queue/objects/x",
    ):
        dicom(name)
    for name in (
        *("sub/ward.tmp/film.png", "beside/own.png", "beside/heat_maps/own-1.png", "run/gan/sample.png"),
        *(".hidden.png", "._a.png", ".ipynb_checkpoints/a.png", "sub/.Trash-1000/files/x.png"),
        *(".thumbnails/a.png", "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "__MACOSX/b.png", "$RECYCLE.BIN/c.png"),
        *("lost+found/d.png", "~film.png", "share/film.png"),
        *("../store/deep/store.png", "../store/one.png"),
    ):
        picture(name)
    for name in (
        *("Thumbs.db", "sub/desktop.ini", "film.png.part", "notes.txt", "sub/index.html"),
        *("beside/results.jsonl", "queue/spool.sqlite", "run/settings.json", "run/provenance.json"),
    ):
        text(name)
    os.mkfifo(root / "pipe.png")
    for link, target in (
        *(
            ("linked.png", "../store/one.png"),
            ("linked-folder", "../store"),
            ("../store/back", "../tree/sub"),
        ),
        *(("loop", "."), ("sub/up", "../.."), ("again.png", "a.PNG"), ("again-folder", "sub/ward.tmp")),
        *(("link-to-notes", "notes.txt"), ("link-to-heat-maps", "beside/heat_maps")),
        *(("link-to-heat-map.png", "beside/heat_maps/own-1.png"), ("round.png", "round.png")),
        *(("broken.png", "nowhere.png"), ("broken-folder", "../unmounted/films")),
    ):
        (root / link).symlink_to(target)
    (tmp_path / "store" / "one.png").rename(tmp_path / "one.png")  # outside of the folder that is linked
    (root / "linked.png").unlink()
    (root / "linked.png").symlink_to("../one.png")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if not isinstance(path, int) and os.fspath(path).endswith("/share"):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    yield root
    monkeypatch.setattr(os, "scandir", real)


def passed_over_in(text: str, root: Path) -> dict[Reason, set[str]]:
    """What the lines of ``--verbose`` and of failures name."""
    found: dict[Reason, set[str]] = {reason: set() for reason in Reason}
    for line in text.splitlines():
        path, _, why = line.partition(f"{root}/")[2].partition(": ")
        for reason in Reason:
            if why.startswith(reason.value) and "passed over: " in line:
                found[reason].add(path)
        if why.startswith(("cannot be read", "leads nowhere")):
            found[Reason.UNREADABLE].add(path)
    return found


def test_the_list(tree: Path) -> None:
    """All that is an image is taken, and each other file or folder is named with its reason."""
    found = list_images([tree])
    assert {str(path.relative_to(tree)) for path in found.taken} == TAKEN
    assert len(found.taken) == len(TAKEN)
    for reason, names in PASSED_OVER.items():
        passed = [str(one.path.relative_to(tree)) for one in found.passed_over if one.reason is reason]
        assert sorted(passed) == sorted(names), reason


def test_scoring(tree: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """Images have their lines, what is unreadable one with its error; the rest is counted and named."""
    out, figures = tmp_path / "out", tmp_path / "figures.json"
    asked = [tiny_bundle, tree, "--out", out, "--json", figures]
    done = CliRunner().invoke(score_app, [*map(str, asked), "--verbose"])
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    named = {str(Path(line["file"]).relative_to(tree)): line["error"] for line in lines}
    assert {name for name, error in named.items() if not error} == TAKEN
    assert {name for name, error in named.items() if error} == PASSED_OVER[Reason.UNREADABLE]
    assert "Stale file handle" in named["share"]
    assert f"{len(PASSED_OVER[Reason.UNREADABLE])} failed" in done.stdout
    told = json.loads(figures.read_text())
    assert told["failed"] == len(PASSED_OVER[Reason.UNREADABLE])
    for reason, names in PASSED_OVER.items():
        if reason is not Reason.UNREADABLE:
            assert told["passed_over"][reason.value] == len(names)
            files = {one["file"] for one in told["passed_over_files"] if one["reason"] == reason.value}
            assert files == {str(tree / name) for name in names}
    assert passed_over_in(done.stderr, tree) == {**PASSED_OVER, Reason.UNREADABLE: set()}
    quiet = CliRunner().invoke(score_app, list(map(str, asked)))
    assert "passed over: 5 hidden, 6 of the system, 3 unfinished, 5 not images" in quiet.stderr
    assert "notes.txt" not in quiet.stderr


def test_scoring_by_way_of_a_spool(tree: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """The same list, with its log in the place of the terminal."""
    out = tmp_path / "out"
    asked = [tiny_bundle, tree, "--out", out, "--spool", tmp_path / "spool", "--verbose"]
    done = CliRunner().invoke(score_app, list(map(str, asked)))
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    named = {str(Path(line["file"]).relative_to(tree)): line["error"] for line in lines}
    assert {name for name, error in named.items() if not error} == TAKEN
    assert {name for name, error in named.items() if error} == PASSED_OVER[Reason.UNREADABLE]
    assert passed_over_in(done.stderr, tree) == PASSED_OVER


def test_calibration(tree: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """The images are its normals; what is unreadable is named and counted as not used."""
    asked = [tiny_bundle, tree, "--out", tmp_path / "site.json", "--verbose"]
    done = CliRunner().invoke(calibrate_app, list(map(str, asked)))
    assert done.exit_code == ExitCode.OK, done.output
    assert f"{len(TAKEN)} normals, {len(PASSED_OVER[Reason.UNREADABLE])} not used" in done.stdout
    assert passed_over_in(done.stderr, tree) == PASSED_OVER
    assert done.stderr.count("not used: ") == len(PASSED_OVER[Reason.UNREADABLE])


def test_calibration_in_a_folder_that_was_scored(tiny_bundle: Path, tmp_path: Path) -> None:
    """Heat maps, results and a spool in the folder of the normals leave the threshold where it was."""
    rng, normals = np.random.default_rng(0), tmp_path / "normals"
    normals.mkdir()
    for number in range(20):
        values = rng.integers(60, 200, (12, 12), np.uint8)
        Image.fromarray(values).resize((48, 48)).save(normals / f"{number}.png")
    thresholds = set()
    for _ in range(3):
        done = CliRunner().invoke(
            calibrate_app, [str(tiny_bundle), str(normals), "--out", str(tmp_path / "s")]
        )
        assert done.exit_code == ExitCode.OK, done.output
        assert "20 normals, 0 not used" in done.stdout
        thresholds.add(done.stdout.partition("threshold ")[2].partition(" ")[0])
        for places in (("scores",), ("more", "--spool", str(normals / "queue"))):
            asked = [str(tiny_bundle), str(normals), "--out", str(normals / places[0]), *places[1:]]
            assert CliRunner().invoke(score_app, asked).exit_code == ExitCode.OK
    assert len(thresholds) == 1


def test_training(tree: Path) -> None:
    """The same images are its normals; what is unreadable is skipped with its reason when it is read."""
    source = open_source(str(tree), normal_class="*")  # at any depth
    keys = {item.key for item in source.items("train")}
    assert keys == TAKEN | PASSED_OVER[Reason.UNREADABLE]
    for reason, names in PASSED_OVER.items():
        passed = {str(one.path.relative_to(tree)) for one in passed_over_by(source) if one.reason is reason}
        assert passed == names
    share = next(item for item in source.items("train") if item.key == "share")
    with pytest.raises(Exception, match=r"share: cannot be read \(Stale file handle\)"):
        source.frame(share)
    groups = [item.group for item in source.items("train")]
    assert len(set(groups)) == len(groups) - 2  # the three DICOM files are of one patient


def test_the_watched_folder(tree: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same images arrive; the rest stays where it is and is named once in the log."""
    caplog.set_level("DEBUG", "sranogan_edge")
    moves = "again.png"  # links to an image: named again once that has gone to done/, perhaps before too
    stays = {reason: names - {moves} for reason, names in PASSED_OVER.items()}
    feed = WatchFeedSettings(f"watch:{tree}", settle_s=0.2, poll_s=0.05).open()
    sources: list[str] = []

    def named() -> dict[Reason, set[str]]:
        return passed_over_in("\n".join(record.getMessage() for record in caplog.records), tree)

    def close_when_all_is_told() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            found = named()
            told = all(found[reason] >= names for reason, names in stays.items())
            if told and len(sources) >= len(TAKEN) and moves in found[Reason.UNREADABLE]:
                break
            time.sleep(0.05)
        feed.close()

    closer = threading.Thread(target=close_when_all_is_told)
    closer.start()
    for arrival in feed:
        sources.append(str(Path(arrival.frame_source).relative_to(tree)))
        arrival.settle(True)
    closer.join()
    assert set(sources) == TAKEN
    assert len(sources) == len(TAKEN)
    found = named()
    assert moves in found[Reason.UNREADABLE]
    assert {reason: names - {moves} for reason, names in found.items()} == stays
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == len(set(messages))
    assert (tree / "done" / "sub" / "IM00001").is_file()
    assert (tree / "notes.txt").is_file()
