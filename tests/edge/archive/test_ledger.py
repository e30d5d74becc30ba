from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

from sranogan_edge.archive.ledger import Ledger
from sranogan_edge.errors import ExitCode, ResultsError, SettingsError, SpoolInUseError
from sranogan_edge.image.own_outputs import LEDGER
from tests.support.archives import items, left_over, rows_for, rows_in, sources_in

ABOUT = {"source": "folder /a", "named": "a", "bundle": "one.sranogan (aa)", "bundle_sha256": "aa"}
HOLD = """
import sys, time
from pathlib import Path
from sranogan_edge.archive.ledger import Ledger
about = {"source": "folder /a", "named": "a", "bundle": "one", "bundle_sha256": "aa"}
ledger = Ledger(Path(sys.argv[1]), about, 2)
ledger.__enter__()
print("held", flush=True)
time.sleep(600)
"""


def ledger_in(out: Path, **about: Any) -> Ledger:
    """The ledger of a folder, two images a shard."""
    return Ledger(out, {**ABOUT, **about}, 2)


def fill(ballast: Path) -> None:
    """Take all the room that is left on a disk."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def filled(out: Path) -> None:
    """A ledger of three shards, the first and last of which are done."""
    with ledger_in(out) as ledger:
        for names in ("ab", "cd", "e"):
            ledger.add(items(*names), {"hidden": 1})
        for number in (0, 2):
            ledger.commit(number, rows_for(ledger.items(number)))


def test_it_is_the_same_when_it_is_opened_again(tmp_path: Path) -> None:
    """What was listed and done stands; the list goes on behind its last image, and ends once."""
    filled(tmp_path)
    with ledger_in(tmp_path) as ledger:
        assert (ledger.listed, ledger.images, ledger.done, ledger.complete) == (3, 5, 2, False)
        assert list(ledger.open_shards()) == [1]
        assert ledger.last == items("e")[0]
        assert [item.name for item in ledger.known()] == list("abcde")
        assert ledger.passed_over() == Counter(hidden=1)
        ledger.add(items("f"), {})
        ledger.finish_list({"hidden": 3})
    with ledger_in(tmp_path) as ledger:
        assert (ledger.listed, ledger.images, ledger.complete) == (4, 6, True)
        assert ledger.passed_over() == Counter(hidden=3)


def test_names_that_are_no_text_are_kept(tmp_path: Path) -> None:
    """A file name of any bytes comes back as it was."""
    name = os.fsdecode(b"\xff\n\x01.png")
    with ledger_in(tmp_path) as ledger:
        ledger.add(items(name), {})
        assert ledger.items(0) == items(name)
        ledger.commit(0, rows_for([]))


def test_files_that_a_kill_left_half_written_go(tmp_path: Path) -> None:
    """No reader of the rows comes by them, and the next start takes them away."""
    filled(tmp_path)
    for folder in (tmp_path / LEDGER, tmp_path / LEDGER / "shards"):
        (folder / "part-00000001.parquet.part").write_bytes(b"PAR1")
    assert len(rows_in(tmp_path)) == 3
    with ledger_in(tmp_path) as ledger:
        assert ledger.done == 2
        assert left_over(tmp_path) == []


def test_a_part_that_was_removed_is_to_be_done_again(tmp_path: Path) -> None:
    """The parts that are there are the truth."""
    filled(tmp_path)
    (tmp_path / "part-00000000.parquet").unlink()
    with ledger_in(tmp_path) as ledger:
        assert list(ledger.open_shards()) == [0, 1]
        ledger.commit(0, rows_for(ledger.items(0)))
    assert sources_in(tmp_path) == ["a", "b", "e"]


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"source": "folder /b"}, r"the folder /a by the bundle .*the folder /b by"),
        ({"bundle": "two (bb)", "bundle_sha256": "bb"}, r"bundle one\.sranogan \(aa\).*bundle two \(bb\)"),
        ({"films": {"views": ["PA"]}}, r'What differs: films: None, now \{"views": \["PA"\]\}'),
    ],
)
def test_another_archive_or_bundle_is_refused(tmp_path: Path, about: dict[str, Any], told: str) -> None:
    """Rows of two kinds never stand in one folder: both are named, and nothing is touched."""
    filled(tmp_path)
    before = rows_in(tmp_path)
    with pytest.raises(SettingsError, match=told):
        ledger_in(tmp_path, **about)
    assert rows_in(tmp_path) == before
    with ledger_in(tmp_path, named="elsewhere/a", bundle="renamed.sranogan (aa)") as ledger:
        assert ledger.run["named"] == "a"  # the names of the rows do not change on the way


def test_other_parquet_files_are_left_alone(tmp_path: Path) -> None:
    """A folder with Parquet files of something else is no place for scores."""
    (tmp_path / "mine.parquet").write_bytes(b"PAR1")
    with pytest.raises(SettingsError, match="of something else"):
        ledger_in(tmp_path)
    assert os.listdir(tmp_path) == ["mine.parquet"]


@pytest.mark.parametrize("name", ["run.json", "shards/00000001.json.gz", "shards/00000000.json.gz"])
def test_a_damaged_ledger_is_refused(tmp_path: Path, name: str) -> None:
    """What cannot be read of it is named, and nothing is guessed."""
    filled(tmp_path)
    (tmp_path / LEDGER / name).write_bytes(b"{")
    with pytest.raises(ResultsError, match="the ledger was damaged"), ledger_in(tmp_path) as ledger:
        list(ledger.known())


@pytest.mark.parametrize("number", [0, 2])
def test_a_missing_part_of_the_list_is_refused(tmp_path: Path, number: int) -> None:
    """Neither a shard in the middle nor the last may be gone: its rows would stand for nothing."""
    filled(tmp_path)
    (tmp_path / LEDGER / "shards" / f"0000000{number}.json.gz").unlink()
    with pytest.raises(ResultsError, match="the ledger was damaged"):
        ledger_in(tmp_path)


def test_one_run_at_a_time_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    """A second run is refused with process and host of the first; where that was killed, it goes on."""
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        told = rf"another run \(process {holder.pid} on {os.uname().nodename}, since 20"
        with pytest.raises(SpoolInUseError, match=told) as refused:
            ledger_in(tmp_path)
        assert refused.value.exit_code == ExitCode.CANNOT_WRITE
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with ledger_in(tmp_path, bundle="one") as ledger:
        assert ledger.listed == 0


def test_a_full_disk_leaves_what_is_done(disk: Path) -> None:
    """A part or a shard that does not fit leaves nothing of itself, and once there is room it goes on."""
    filled(disk)
    ballast = disk / "ballast"
    fill(ballast)
    with ledger_in(disk) as ledger:
        listed, told = items("x" * 100_000), "free some space and give the same command again"
        with pytest.raises(ResultsError, match=told):
            ledger.commit(1, rows_for(ledger.items(1)))
        with pytest.raises(ResultsError, match=told):
            ledger.add(listed, {})
        assert left_over(disk) == []
    ballast.unlink()
    with ledger_in(disk) as ledger:
        assert ledger.listed == 3
        ledger.commit(1, rows_for(ledger.items(1)))
    assert sources_in(disk) == list("abcde")
