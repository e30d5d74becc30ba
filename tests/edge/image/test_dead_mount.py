"""A share whose server is gone: each command names it, and takes what lies beside it."""

from __future__ import annotations

import ctypes
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sranogan_edge.commands.calibrate import app as calibrate_app
from sranogan_edge.commands.score import app as score_app
from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.feed import Arrival
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.files import list_images
from sranogan_edge.image.image_list import Reason

GONE = "Transport endpoint is not connected"
IMAGES = 24
DETACH = 2  # MNT_DETACH of umount2(2)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Path]:
    """Give a folder of images in which ``share`` is a file system that nobody serves any more."""
    root, share, rng = tmp_path / "tree", tmp_path / "tree" / "share", np.random.default_rng(0)
    share.mkdir(parents=True)
    for number in range(IMAGES):
        values = rng.integers(60, 200, (12, 12), np.uint8)
        Image.fromarray(values).resize((48, 48)).save(root / f"{number:02}.png")
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        server = os.open("/dev/fuse", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"no file system in user space here: {error}")
    options = f"fd={server},rootmode=40000,user_id=0,group_id=0".encode()
    mounted = not libc.mount(b"gone", os.fsencode(share), b"fuse", 0, options)
    os.close(server)  # this ends the server
    if not mounted:
        pytest.skip(f"mounting is not allowed here: {os.strerror(ctypes.get_errno())}")
    try:
        yield root
    finally:
        assert not libc.umount2(os.fsencode(share), DETACH)


def test_the_list(tree: Path) -> None:
    """The images are taken; the share is passed over as unreadable, with the system's words."""
    found = list_images([tree])
    assert len(found.taken) == IMAGES
    (passed,) = found.passed_over
    assert (passed.path, passed.reason) == (tree / "share", Reason.UNREADABLE)
    assert GONE in str(passed)


def test_scoring(tree: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """All images are scored, the share has a line of its own, and the exit code says so."""
    done = CliRunner().invoke(score_app, [str(tiny_bundle), str(tree), "--out", str(tmp_path / "out")])
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert sum(not line["error"] for line in lines) == IMAGES
    (failed,) = (line for line in lines if line["error"])
    assert failed["file"] == str(tree / "share")
    assert GONE in failed["error"]


def test_scoring_the_share_itself(tree: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """Named as the only input it is a failure too, never "0 failed"."""
    done = CliRunner().invoke(
        score_app, [str(tiny_bundle), str(tree / "share"), "--out", str(tmp_path / "o")]
    )
    assert done.exit_code not in (ExitCode.OK, None), done.output
    assert GONE in done.output + done.stderr


def test_calibration(tree: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """The images are its normals, and the share is named as not used."""
    done = CliRunner().invoke(
        calibrate_app, [str(tiny_bundle), str(tree), "--out", str(tmp_path / "site.json")]
    )
    assert done.exit_code == ExitCode.OK, done.output
    assert f"{IMAGES} normals, 1 not used" in done.stdout
    assert GONE in done.stderr


def test_training(tree: Path) -> None:
    """The images are its normals; the share is one that cannot be read, and says why."""
    source = pytest.importorskip("keras_sranogan.data.open").open_source(str(tree), normal_class="*")
    items = {item.key: item for item in source.items("train")}
    assert len(items) == IMAGES + 1
    with pytest.raises(Exception, match=GONE):
        source.frame(items["share"])


def test_the_watched_folder(
    tree: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images go on arriving, and the share is named in the log once."""
    caplog.set_level("DEBUG", "sranogan_edge")
    feed = WatchFeedSettings(f"watch:{tree}", settle_s=0.2, poll_s=0.05).open()
    arrived: list[Arrival] = []
    looks, complete = [0], feed._complete

    def counted() -> list[Path]:
        looks[0] += 1
        return complete()

    monkeypatch.setattr(feed, "_complete", counted)

    def told() -> int:
        return sum(GONE in record.getMessage() for record in caplog.records)

    def close_when_all_is_told() -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and not (len(arrived) >= IMAGES and told()):
            time.sleep(0.05)
        more = looks[0] + 10  # none of which says it again
        while time.monotonic() < until and looks[0] < more:
            time.sleep(0.02)
        feed.close()

    closer = threading.Thread(target=close_when_all_is_told)
    closer.start()
    for arrival in feed:
        arrived.append(arrival)
        arrival.settle(True)
    closer.join()
    assert len(arrived) == IMAGES
    assert looks[0] > 10
    assert told() == 1
