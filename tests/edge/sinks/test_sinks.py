"""Results on this machine: whole lines, each object once, and no failure that stops a feed."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.backoff import Backoff
from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.sinks.jsonl import JsonlSink, JsonlSinkSettings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkContext, key_of, record_key, record_of
from tests.support.result_lines import line

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


def lines_in(path: Path) -> list[str]:
    """The file names of every line of one file, none of them torn."""
    data = path.read_bytes()
    assert not data or data.endswith(b"\n")
    return [json.loads(one)["file"] for one in data.splitlines()]


def lines_of(folder: Path) -> list[str]:
    """The same of all files of a sink, oldest first."""
    files = [*sorted(folder.glob("results-*.jsonl")), folder / "results.jsonl"]
    return [name for file in files for name in lines_in(file)]


class Clock:
    """A time that only moves when it is told to."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def test_lines_go_on_where_the_last_run_ended(tmp_path: Path) -> None:
    """A restart appends; each line names its object's key."""
    for number in range(3):
        sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"), now=Clock())
        sink.write(line(number))
        sink.close()
    assert lines_of(tmp_path) == ["0.png", "1.png", "2.png"]
    assert json.loads((tmp_path / "results.jsonl").open().readline())["key"] == record_key(line(0))


def test_files_rotate_by_size(tmp_path: Path) -> None:
    """No file is larger than its limit, no line is lost or torn, and the oldest files go where told to."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path / 'all'}", max_bytes=2000, sync=False))
    few = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path / 'few'}", max_bytes=2000, keep=2, sync=False))
    for number in range(40):
        sink.write(line(number))
        few.write(line(number))
    assert lines_of(tmp_path / "all") == [f"{number}.png" for number in range(40)]
    assert all(file.stat().st_size <= 2000 for file in (tmp_path / "all").iterdir())
    assert len(list((tmp_path / "few").glob("*.jsonl"))) == 3
    assert lines_of(tmp_path / "few")[-1] == "39.png"


def test_files_rotate_by_age(tmp_path: Path) -> None:
    """A day after its first line a file is closed, also across a restart; a clock set back closes none."""
    clock = Clock()
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"), now=clock)
    sink.write(line(0))
    sink.close()
    clock.now += 86_000
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"), now=clock)
    sink.write(line(1))
    clock.now += 1000
    sink.write(line(2))
    assert lines_in(tmp_path / "results-000001-20260102T121000Z.jsonl") == ["0.png", "1.png"]
    clock.now -= 10 * 86_400
    sink.write(line(3))
    clock.now += 86_500
    sink.write(line(4))
    assert lines_in(tmp_path / "results.jsonl") == ["4.png"]
    assert lines_of(tmp_path).count("3.png") == 1


@pytest.mark.parametrize("torn", [b'{"file": "x', b'{"file": "' + b"y" * 200_000])
def test_a_torn_line_is_cut_off_at_the_next_start(tmp_path: Path, torn: bytes) -> None:
    """What a power cut left is no line: it had not been answered for."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"))
    sink.write(line(0))
    sink.close()
    with (tmp_path / "results.jsonl").open("ab") as file:
        file.write(torn)
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"))
    sink.write(line(1))
    assert lines_of(tmp_path) == ["0.png", "1.png"]


def test_a_file_that_is_one_torn_line(tmp_path: Path) -> None:
    """Nothing of it is kept."""
    (tmp_path / "results.jsonl").write_bytes(b"{" * 70_000)
    JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}")).write(line(1))
    assert lines_of(tmp_path) == ["1.png"]


@pytest.mark.parametrize("failing", ["fsync", "write"])
def test_a_full_disk_leaves_whole_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """A line that does not fit is an error and leaves nothing of itself; after space is freed it goes on."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"))
    sink.write(line(0))

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if failing == "fsync":
            patch.setattr(os, "fsync", full)
        else:
            real = Path.open
            patch.setattr(Path, "open", lambda *a, **k: HalfFull(real(*a, **k)))
        with pytest.raises(ResultsError, match="No space left on device"):
            sink.write(line(1))
    assert lines_of(tmp_path) == ["0.png"]
    sink.write(line(2))
    assert lines_of(tmp_path) == ["0.png", "2.png"]


class HalfFull:
    """A file on a disk that takes ten more bytes."""

    def __init__(self, file: Any) -> None:
        self.file = file
        self.room = 10

    def write(self, data: Any) -> int:
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = int(self.file.write(bytes(data)[: self.room]))
        self.room = 0
        return taken

    def seek(self, *to: int) -> int:
        return int(self.file.seek(*to))

    def truncate(self, size: int) -> None:
        self.file.truncate(size)

    def __enter__(self) -> HalfFull:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def test_a_small_disk_keeps_whole_lines(small_disk: Path) -> None:
    """The same with a file system that is really full."""
    sink = JsonlSink(JsonlSinkSettings(f"jsonl:{small_disk / 'lines'}"))
    wrote: list[str] = []

    def fill() -> None:
        for number in range(10_000):
            sink.write(line(number))
            wrote.append(f"{number}.png")

    with pytest.raises(ResultsError):
        fill()
    assert len(wrote) > 10
    sink.close()
    assert lines_of(small_disk / "lines") == wrote


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    """A file in the way of the folder (a read-only one stops only users who are not root) names the cure."""
    (tmp_path / "file").touch()
    for uri in (f"jsonl:{tmp_path}/file/results", f"sqlite:{tmp_path}/file/results/results.sqlite"):
        with pytest.raises(ResultsError, match="cannot write results to"):
            sink_of(uri).open(SinkContext(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to read-only folders")
def test_a_read_only_folder(tmp_path: Path) -> None:
    """Its error names the folder."""
    tmp_path.chmod(0o500)
    with pytest.raises(ResultsError, match="Permission denied"):
        JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path / 'results'}"))


def test_limits_that_cannot_work(tmp_path: Path) -> None:
    """They are refused before a file is made."""
    for name, value in (("max_bytes", 0), ("max_age_s", 0), ("keep", -1)):
        with pytest.raises(SettingsError, match=f"{name} must be .*; received {value}"):
            sink_of(f"jsonl:{tmp_path}", **{name: value})


def test_pauses_double_and_differ() -> None:
    """Each lies in the upper half of its doubled time, none above the bound, however many there were."""
    backoff = Backoff(1.0, 60.0)
    pauses = [backoff.next_s() for _ in range(2000)]
    assert all(min(2**n, 60) / 2 <= pause <= min(2**n, 60) for n, pause in enumerate(pauses[:20]))
    assert 30 <= min(pauses[20:]) < max(pauses[20:]) <= 60
    assert len(set(pauses)) > 1900
    backoff.reset()
    assert backoff.next_s() <= 1


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("ftp://host", "no such sink"),
        ("jsonl:", "no such sink"),
        ("mqtt://user:word@host", "put the password into SRANOGAN_MQTT_PASSWORD"),
        ("mqtt://", "names a host"),
        ("mqtt://host:port", "not the address"),
        ("mqtt://host/a/+/b", "topic prefix has no"),
        ("https://host/x", "set SRANOGAN_WEBHOOK_SECRET"),
    ],
)
def test_addresses_that_cannot_work(tmp_path: Path, uri: str, said: str) -> None:
    """Each says what is wrong and how it is written."""
    pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
    with pytest.raises(SettingsError, match=said):
        sink_of(uri).open(SinkContext(tmp_path, environ={}))


def test_sinks_of_this_machine_open_by_their_address(tmp_path: Path) -> None:
    """Folder and file are made where they are missing."""
    files = (tmp_path / "a" / "d" / "results.jsonl", tmp_path / "b" / "c")
    for uri in (f"jsonl:{tmp_path / 'a' / 'd'}", f"sqlite:{tmp_path / 'b' / 'c'}"):
        sink = sink_of(uri).open(SinkContext(tmp_path))
        sink.write(line(0))
        sink.close()
    assert all(file.stat().st_size for file in files)


def test_the_key_of_a_line_is_that_of_its_result() -> None:
    """Whatever stands beside the fields of the result, such as the key itself; another result has another."""
    written = {**record_of(line(3)), "more": [1]}
    assert key_of(written) == record_key(line(3)) == written["key"]
    assert key_of({**written, "score": 7.0}) != record_key(line(3))
