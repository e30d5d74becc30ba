"""The bytes of objects: on the disk in an order that no kill breaks, within their limits, for nobody else."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from sranogan_edge.errors import ObjectTooLargeError, OutOfHandlesError, SpoolError
from sranogan_edge.spool.files import SpoolFiles
from sranogan_edge.spool.spool import Spool, SpoolLimits
from tests.support.disks import sizes_when_synced, synced_by
from tests.support.spools import ROOMY, claimed, stored

PARTS = ("incoming", "objects", "dead")


class KilledError(BaseException):
    """The process ended here."""


def killed(*_: Any, **__: Any) -> None:
    """End the process."""
    raise KilledError


def test_the_folders_of_a_new_spool_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their names are forced to the disk before anything is put into them."""
    synced = synced_by(monkeypatch)
    SpoolFiles(tmp_path / "spool", max_bytes=10, min_free_bytes=0)
    assert synced == ["spool"]


@pytest.mark.parametrize("step", ["write_text", "rename"])
def test_a_kill_while_an_object_is_buried(spool: Spool, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Before its note or before its move: the next start leaves both in dead/."""
    spool.put(b"bad", {"instance_uid": "1.2"}, source="film")
    with monkeypatch.context() as patch:
        patch.setattr(Path, step, killed)
        with pytest.raises(KilledError):
            spool.finish(claimed(spool), {}, dead="truncated")
    spool.close()
    again = Spool(spool.folder, ROOMY)
    path = again.entry(1).path
    assert path is not None
    assert (path.parent.name, path.read_bytes(), stored(spool.folder)) == ("dead", b"bad", [])
    note = path.with_name(f"{path.name}.txt").read_text(encoding="utf-8")
    assert note == "source: film\ninstance_uid: 1.2\nreason: truncated\n"
    again.close()


def test_a_note_of_a_name_that_is_no_text(spool: Spool) -> None:
    """Bytes of a file name that are no UTF-8 are escaped in the note too."""
    spool._files.bury("none", "source: \udcff.png\n")
    assert (spool.folder / "dead" / "none.txt").read_text(encoding="utf-8") == "source: \\udcff.png\n"


@pytest.mark.parametrize("how", ["bytes", "file"])
def test_an_object_as_large_as_the_limit_is_taken(tmp_path: Path, how: str) -> None:
    """The limit is the largest size that is accepted, and one byte more is refused with the cure."""
    spool = Spool(tmp_path / "spool", SpoolLimits(max_object_bytes=10, min_free_bytes=0))
    for size in (10, 11):
        (tmp_path / str(size)).write_bytes(bytes(size))
    assert spool.put(bytes(10) if how == "bytes" else tmp_path / "10", {}).size == 10
    with pytest.raises(ObjectTooLargeError) as refused:
        spool.put(bytes(11) if how == "bytes" else tmp_path / "11", {})
    assert str(refused.value) == (
        "it has 11 bytes, above the limit of 10. Shrink it, or raise the spool's max_object_bytes."
    )
    spool.close()


class Growing:
    """An open file to which somebody adds while it is read."""

    def __init__(self, path: Path, more: bytes) -> None:
        self._file, self._path, self._more = path.open("rb"), path, more

    def __enter__(self) -> Growing:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def fileno(self) -> int:
        return self._file.fileno()

    def read(self, most: int) -> bytes:
        with self._path.open("ab") as file:
            file.write(self._more)
        self._more = b""
        return self._file.read(most)


@pytest.mark.parametrize("more", [5, 6])
def test_an_object_that_grows_meanwhile_keeps_to_the_limit(tmp_path: Path, more: int) -> None:
    """Of 5 bytes when it was opened it may become 10, and not 11; of the refused one nothing stays."""
    spool, path = (
        Spool(tmp_path / "spool", SpoolLimits(max_object_bytes=10, min_free_bytes=0)),
        tmp_path / "x",
    )
    path.write_bytes(bytes(5))

    def opened() -> BinaryIO:
        return Growing(path, bytes(more))  # type: ignore[return-value]  # as much of a file as is read

    if more == 5:
        assert spool.put(opened, {}).size == 10
    else:
        with pytest.raises(ObjectTooLargeError, match="11 bytes"):
            spool.put(opened, {})
    assert len(stored(spool.folder)) == (more == 5)
    assert not list((spool.folder / "incoming").iterdir())
    spool.close()


@pytest.mark.parametrize("name", ["", *PARTS])
def test_folders_that_others_may_enter_are_closed(tmp_path: Path, name: str) -> None:
    """Each of an earlier version's, where the spool lies in a folder that others may enter."""
    SpoolFiles(tmp_path / "spool", 10, 0)
    (tmp_path / "spool" / name).chmod(0o755)
    SpoolFiles(tmp_path / "spool", 10, 0)
    assert stat.S_IMODE((tmp_path / "spool" / name).stat().st_mode) == 0o700


def test_new_folders_are_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made so, not closed a moment later."""
    monkeypatch.setattr("sranogan_edge.spool.files.close_to_others", lambda *_: None)
    SpoolFiles(tmp_path / "spool", 10, 0)
    assert [stat.S_IMODE((tmp_path / "spool" / name).stat().st_mode) for name in PARTS] == [0o700] * 3


def test_no_more_handles_are_no_fault_of_the_disk(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what is lacking and where it is set; a disk that fails says the disk."""

    def failing(number: int) -> None:
        def refuse(self: Path, *_: object) -> None:
            raise OSError(number, "Too many open files" if number == 24 else "Input/output error")

        monkeypatch.setattr(Path, "open", refuse)

    failing(24)
    with pytest.raises(OutOfHandlesError) as lacking:
        spool.put(b"x", {})
    assert str(lacking.value) == (
        "this process cannot open another file (Too many open files). Nothing is lost, and it goes on once "
        "it can; raise the service's LimitNOFILE where that stays so."
    )
    failing(5)
    with pytest.raises(SpoolError) as broken:
        spool.put(b"x", {})
    assert str(broken.value) == (
        f"{spool.folder}: cannot be written to (Input/output error). Check its permissions and the disk, or "
        "name another folder with --spool."
    )


def test_beside_a_dead_object_stands_whose_it_is_and_why(spool: Spool) -> None:
    """A line each: where it came from, what its sender called it, and the reason."""
    spool.put(b"x", {"patient_id": "P-1", "study_uid": "1.2"}, source="film.dcm")
    spool.finish(claimed(spool), {"error": "bad"}, dead="truncated")
    (note,) = (spool.folder / "dead").glob("*.txt")
    assert note.read_text() == "source: film.dcm\npatient_id: P-1\nstudy_uid: 1.2\nreason: truncated\n"


def test_all_bytes_of_an_object_are_forced_to_disk(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of them is still in this process when the system is asked to."""
    sizes = sizes_when_synced(monkeypatch)
    spool._files.keep(b"film")
    assert sizes == [4]
