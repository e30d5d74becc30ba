"""Files of lines: when one is closed, how many stay, and what a clock that is set back changes."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from sranogan_edge.errors import ResultsError, SpoolInUseError
from sranogan_edge.sinks.jsonl import JsonlSink, JsonlSinkSettings
from sranogan_edge.sinks.jsonl_files import JsonlFiles
from sranogan_edge.sinks.sink import record_of
from sranogan_edge.sinks.sqlite import SqliteSink
from tests.support.disks import synced_by
from tests.support.remote_results import Clock
from tests.support.result_lines import line

LINE_BYTES = len(json.dumps(record_of(line(0)))) + 1


def closed(folder: Path) -> list[str]:
    """Names of the closed files, oldest first."""
    return sorted(path.name for path in folder.glob("results-*.jsonl"))


@pytest.mark.parametrize(("more", "files"), [(0, 0), (-1, 1)])
def test_a_file_may_be_as_large_as_its_limit(tmp_path: Path, more: int, files: int) -> None:
    """A second line that fills it to the last byte stays in it; one byte less of room, and it is closed."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", max_bytes=2 * LINE_BYTES + more))
    sink.write(line(0))
    sink.write(line(0))
    assert len(closed(tmp_path)) == files
    sink.close()


def test_a_clock_that_is_set_back_keeps_no_file_open(tmp_path: Path) -> None:
    """Begun at noon, with the clock set back to morning, a file is closed a day after that morning."""
    clock = Clock()
    clock.now = 1e9
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", max_age_s=100.0), clock)
    for clock.now, files in ((1e9, 0), (1e9 - 5000, 0), (1e9 - 4901, 0), (1e9 - 4900, 1)):
        sink.write(line(0))
        assert len(closed(tmp_path)) == files
    sink.close()


def test_a_new_file_has_its_own_age(tmp_path: Path) -> None:
    """It begins with its first line, not with that of the one before."""
    clock = Clock()
    clock.now = 1e9
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", max_age_s=100.0), clock)
    for seconds, files in ((0, 0), (100, 1), (199, 1), (200, 2)):
        clock.now = 1e9 + seconds
        sink.write(line(0))
        assert len(closed(tmp_path)) == files
    sink.close()


@pytest.mark.parametrize("first", ["no JSON", "[1]", "{}", '{"scored_at": 5}', '{"scored_at": "yesterday"}'])
def test_a_file_whose_first_line_says_no_time_is_as_old_as_its_sink(tmp_path: Path, first: str) -> None:
    """Somebody else wrote it; it is gone on with, and closed when its time is over."""
    (tmp_path / "results.jsonl").write_text(f"{first}\n")
    clock = Clock()
    clock.now = 1e9
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", max_age_s=100.0), clock)
    for seconds, files in ((50, 0), (99, 0), (100, 1)):
        clock.now = 1e9 + seconds
        sink.write(line(0))
        assert len(closed(tmp_path)) == files
    sink.close()


def test_no_line_holds_what_json_does_not_have(tmp_path: Path) -> None:
    """It is an error of its own, and leaves nothing of itself."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"))
    with pytest.raises(ValueError, match="JSON compliant"):
        sink.write(line(0, score=float("inf")))
    sink.close()
    assert (tmp_path / "results.jsonl").read_bytes() == b""


def test_old_files_go_after_a_clock_was_set_back(tmp_path: Path) -> None:
    """They are looked for again at once, not when the clock is where it was."""
    clock = Clock()
    clock.now = 2e9
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", keep_s=1000.0), clock)
    sink.write(line(0))
    old = tmp_path / "results-000001-20010101T000000Z.jsonl"
    old.write_text("{}\n")
    clock.now = 2e9 - 599
    sink.write(line(1))
    assert old.exists()
    clock.now = 2e9 - 600
    sink.write(line(2))
    assert not old.exists()
    sink.close()


def test_numbers_go_on_and_the_newest_stay(tmp_path: Path) -> None:
    """Fewer than may stay are left as they are; above that the oldest goes, by number."""
    lines, there = JsonlFiles(tmp_path / "results.jsonl", keep=3, now=lambda: 1e9), []
    for number in range(1, 6):
        lines.append(b"%d\n" % number)
        lines.turn()
        there.append([path.read_bytes() for path in lines.closed()])
    assert there == [
        [b"1\n"],
        [b"1\n", b"2\n"],
        [b"1\n", b"2\n", b"3\n"],
        [b"2\n", b"3\n", b"4\n"],
        [b"3\n", b"4\n", b"5\n"],
    ]
    assert lines.closed()[-1].name == "results-000005-20010909T014640Z.jsonl"
    for name in (
        "results-1.jsonl",
        "other-000001-20010909T014640Z.jsonl",
        "results-000001-20010909T014640Z.txt",
    ):
        (tmp_path / name).touch()
    assert len(lines.closed()) == 3


def test_lines_are_written_where_their_writer_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands behind is cut off, where the new ones end is told; what fails leaves all up to there."""
    lines = JsonlFiles(tmp_path / "results.jsonl", keep=None)
    assert lines.append(b"one\ntwo\nthree\n") == 14
    assert lines.append(b"2\n", at=4) == 6
    assert lines.append(b"3\n") == 8
    assert (tmp_path / "results.jsonl").read_bytes() == b"one\n2\n3\n"

    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        lines.append(b"never\n", at=4)
    assert (tmp_path / "results.jsonl").read_bytes() == b"one\n"


def test_a_place_is_made_with_all_folders_above_it(tmp_path: Path) -> None:
    """A second time it is found there."""
    lines = JsonlFiles(tmp_path / "a" / "b" / "results.jsonl", keep=None)
    for _ in range(2):
        lines.prepare()
    assert (tmp_path / "a" / "b" / "results.jsonl").read_bytes() == b""


def test_whole_lines_are_left_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written to a file that ends with one."""
    (tmp_path / "results.jsonl").write_bytes(b"one\ntwo\n")
    synced = synced_by(monkeypatch)
    assert JsonlFiles(tmp_path / "results.jsonl", keep=None).end() == 8
    assert synced == []
    assert JsonlFiles(tmp_path / "none.jsonl", keep=None).end() == 0


def test_a_closed_file_that_somebody_else_removed_is_no_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look and the deed."""
    lines = JsonlFiles(tmp_path / "results.jsonl", keep=0, keep_s=1.0)
    gone = [tmp_path / f"results-00000{number}-20010909T014640Z.jsonl" for number in (1, 2)]
    monkeypatch.setattr(lines, "closed", lambda: list(gone))
    lines.prune()
    lines.append(b"{}\n")
    lines.turn()
    assert not list(tmp_path.glob("*.jsonl"))


@pytest.mark.parametrize(
    ("there", "at", "ours", "place"),
    [
        (b"a\nb\n", 4, False, 4),  # nothing follows
        (b"a\nb\n", 2, True, 2),  # what a killed run wrote, to be written again
        (b"a\nb\n", 2, False, 4),  # somebody else's line
        (b"a\nb", 2, False, 2),  # torn
        (b"a\nb\n", 0, True, 0),
        (b"a\nb\n", 0, False, 4),
        (b"a\nb\n", 3, False, 4),  # in the middle of a line: another file
        (b"a\n", 9, False, 2),  # shortened
        (None, 4, False, 0),  # gone
    ],
)
def test_where_a_writer_goes_on(tmp_path: Path, there: bytes | None, at: int, ours: bool, place: int) -> None:
    """At its place, where that is the end of a line and nobody else's line follows; else behind all lines."""
    if there is not None:
        (tmp_path / "results.jsonl").write_bytes(there)
    lines = JsonlFiles(tmp_path / "results.jsonl", keep=None)
    assert lines.place(at, lambda line: ours and line.endswith(b"\n")) == place


def test_closed_files_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    """Past a million, too, where names are in another one."""
    names = [f"results-{number}-20010909T014640Z.jsonl" for number in ("000009", "999999", "1000000")]
    for name in names:
        (tmp_path / name).touch()
    assert [path.name for path in JsonlFiles(tmp_path / "results.jsonl", keep=None).closed()] == names


def test_a_line_that_failed_by_half_is_cut_off_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where it could not be taken back at once."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"))
    sink.write(line(0))
    real = JsonlFiles.append

    def half(self: JsonlFiles, data: bytes, at: int | None = None) -> int:
        real(self, data[: len(data) // 2], at)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(JsonlFiles, "append", half)
        with pytest.raises(ResultsError, match="Lines written so far are kept"):
            sink.write(line(1))
    sink.write(line(2))
    sink.close()
    found = [json.loads(text)["file"] for text in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert found == ["0.png", "2.png"]


def test_the_name_of_a_new_file_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is made, and once more with its first line."""
    synced = synced_by(monkeypatch)
    lines = JsonlFiles(tmp_path / "results.jsonl", keep=None)
    lines.prepare()
    assert synced == [tmp_path.name]
    lines.append(b"{}\n")
    assert synced[1:] == ["results.jsonl", tmp_path.name]
    lines.append(b"{}\n")
    assert synced[3:] == ["results.jsonl"]


def test_files_of_an_earlier_version_are_closed_to_others(tmp_path: Path) -> None:
    """The one that is written, those that are closed, and a table."""
    names = ("results.jsonl", "results-000001-20010909T014640Z.jsonl", "results.sqlite")
    for name in names:
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
    JsonlFiles(tmp_path / "results.jsonl", keep=None).prepare()
    SqliteSink(tmp_path / "results.sqlite").close()
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in names] == [0o600] * 3


def test_a_row_is_on_the_disk_and_one_that_went_is_overwritten(tmp_path: Path) -> None:
    """SQLite itself says so: each commit waits for the disk (2), and nothing of a removed patient stays."""
    sink = SqliteSink(tmp_path / "results.sqlite")
    asked = ("journal_mode", "synchronous", "secure_delete")
    found = [sink._database.execute(f"PRAGMA {one}").fetchone()[0] for one in asked]
    assert found == ["wal", 2, 1]
    sink.close()


def test_a_place_is_free_again_once_its_sink_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where its last lines could not be forced to the disk, which is told."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}", sync=False))
    sink.write(line(0))

    def refuse(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(ResultsError, match="Input/output error"):
            sink.close()
    JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}")).close()


def test_two_sinks_of_one_folder_would_mix_their_lines(tmp_path: Path) -> None:
    """The second is refused, with the cure."""
    settings = JsonlSinkSettings(f"jsonl:{tmp_path}")
    first = JsonlSink(settings)
    with pytest.raises(SpoolInUseError, match=r"two would mix their results\. Name another folder\.$"):
        JsonlSink(settings)
    first.close()


def test_a_folder_in_the_place_of_the_file(tmp_path: Path) -> None:
    """It is told, and the place is free again."""
    (tmp_path / "results.jsonl").mkdir()
    for _ in range(2):
        with pytest.raises(ResultsError) as refused:
            JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"))
        assert str(refused.value) == (
            f"cannot write results to {tmp_path}: Is a directory. Lines written so far are kept; free some "
            "space, or name a folder that may be written to."
        )


def test_where_no_file_is_none_is_closed(tmp_path: Path) -> None:
    """Somebody took it away meanwhile: the next line makes a new one."""
    files = JsonlFiles(tmp_path / "results.jsonl", None)
    files.turn()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("there", "whole"), [(b"x", b""), (b"\n", b"\n"), (b"\nx", b"\n"), (b"a\nb\nc", b"a\nb\n"), (b"", b"")]
)
def test_the_shortest_torn_lines_are_cut_off(tmp_path: Path, there: bytes, whole: bytes) -> None:
    """One byte, and one behind a line break at the very beginning."""
    files = JsonlFiles(tmp_path / "results.jsonl", None)
    files.path.write_bytes(there)
    assert files.end() == len(whole)
    assert files.path.read_bytes() == whole


def test_the_first_line_is_asked_for_whole(tmp_path: Path) -> None:
    """Where nothing was answered for yet, it is ours or it is not."""
    files = JsonlFiles(tmp_path / "results.jsonl", None)
    files.path.write_bytes(b"[1]\n[2]\n")
    assert files.place(0, lambda whole: whole == b"[1]\n") == 0
    assert files.place(0, lambda whole: whole == b"[2]\n") == 8
    assert files.place(4, lambda whole: whole == b"[2]\n") == 4


def test_why_a_line_failed_is_told_though_it_cannot_be_cut_off_either() -> None:
    """A device that is full and knows no lengths: the first error counts."""
    with pytest.raises(OSError, match="No space left") as full:
        JsonlFiles(Path("/dev/full"), None).append(b"[1]\n")
    assert full.value.errno == errno.ENOSPC
