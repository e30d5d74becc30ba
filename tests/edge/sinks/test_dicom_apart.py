"""One result that cannot go out: it alone is set apart, the next goes out, and it can be sent again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")
import cv2

from sranogan_edge.errors import DicomResultError, DicomUnreachableError
from sranogan_edge.service.sink_reader import SinkReader
from sranogan_edge.sinks.courier import Courier, RefusedError
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.send_again import main, set_apart_in
from sranogan_edge.spool.spool import Cursor, StoredResult
from tests.support.dicom_archive import Archive, free_port, sink_to
from tests.support.odd_films import ODD_LENGTH, PRIVATE_OF_ANOTHER_KIND, UNKNOWN_KIND, with_bytes
from tests.support.result_lines import line

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
BAD = "PBAD"
Make = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path, make_dicom: Make) -> Path:
    """A spool's folder: four images (``0.dcm`` ...), the second of the patient ``PBAD``, and a heat map."""
    for number in range(4):
        (tmp_path / f"{number}.dcm").write_bytes(make_dicom(IMAGE, PatientID=BAD if number == 1 else "P1"))
    cv2.imwrite(str(tmp_path / "heat.png"), np.zeros((16, 16, 3), np.uint8))
    return tmp_path


def stored(folder: Path, number: int, name: str = "", **changes: Any) -> StoredResult:
    """The result of ``number.dcm``, or of the file ``name``, as the spool hands it over."""
    path = folder / (name or f"{number}.dcm")
    found = line(file=path.name, heat_map="heat.png", **changes)
    return StoredResult(number + 1, number + 1, {}, asdict(found), path)


def only_for_bad(status: int) -> Callable[[pydicom.Dataset], int]:
    """A rule of an archive that has something against one patient."""
    return lambda each: status if each.PatientID == BAD else 0


@pytest.mark.parametrize("odd", [PRIVATE_OF_ANOTHER_KIND, ODD_LENGTH, UNKNOWN_KIND])
@pytest.mark.parametrize("implicit", [False, True])
def test_an_odd_element_keeps_no_result_back(folder: Path, odd: Any, implicit: bool) -> None:
    """Elements that cannot be decoded: the image has its result, and so have the others."""
    film = with_bytes((folder / "1.dcm").read_bytes(), odd, implicit=implicit)
    (folder / "1.dcm").write_bytes(film)
    archive = Archive(port := free_port())
    reader = SinkReader(sink_to(port, folder))
    assert reader.take([stored(folder, number) for number in range(3)], Cursor()) == (Cursor(3), None)
    archive.close()
    assert [each.PatientID for each in archive.kept] == ["P1", "P1", BAD, BAD, "P1", "P1"]
    reader.close()


def test_whatever_one_object_raises_concerns_it_alone(
    folder: Path, make_dicom: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """No study, damaged, gone, a number and a word that no report can hold: each is named with its reason."""
    (folder / "bare.dcm").write_bytes(make_dicom(IMAGE, StudyInstanceUID=None))
    (folder / "cut.dcm").write_bytes((folder / "0.dcm").read_bytes()[:200])
    bad = [
        stored(folder, 0, "bare.dcm"),
        stored(folder, 1, "cut.dcm"),
        stored(folder, 2, "gone.dcm"),
        stored(folder, 3, "0.dcm", p_value=float("nan")),
        stored(folder, 4, "1.dcm", verdict=None),
    ]
    archive = Archive(port := free_port())
    reader = SinkReader(sink_to(port, folder))
    reached, error = reader.take([*bad, stored(folder, 5, "3.dcm")], Cursor())
    archive.close()
    assert (reached, error) == (Cursor(6), None)
    assert len(archive.kept) == 2
    health = reader.health
    assert (health.written, health.refused, health.apart) == (1, 5, 5)
    apart = set_apart_in(folder)
    assert [one.file for one in apart] == ["bare.dcm", "cut.dcm", "gone.dcm", "0.dcm", "1.dcm"]
    assert health.refusal == apart[-1].reason
    for one in apart:
        assert one.reason.startswith(f"{one.file}: ")
        assert one.reason in caplog.text
    assert "scanner" not in caplog.text
    reader.close()


@pytest.mark.parametrize("trouble", [MemoryError(), OSError(28, "No space left on device")])
def test_what_this_machine_lacks_for_now_sets_nothing_apart(
    folder: Path, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    """Memory or disk too small for a report is no fault of the image: it waits, and goes out later."""
    archive = Archive(port := free_port())
    reader = SinkReader(sink_to(port, folder))

    def lacking(*_: object) -> None:
        raise trouble

    with monkeypatch.context() as changed:
        changed.setattr("sranogan_edge.sinks.dicom.report_object", lacking)
        assert reader.take([stored(folder, 0)], Cursor()) == (Cursor(), trouble)
    assert (reader.health.refused, set_apart_in(folder)) == (0, [])
    assert reader.take([stored(folder, 0)], Cursor()) == (Cursor(1), None)
    archive.close()
    assert (len(archive.kept), reader.health.written, reader.health.state) == (2, 1, "ok")
    reader.close()


@pytest.mark.parametrize("status", [0xA700, -1])
def test_an_object_that_the_archive_stumbles_over_is_set_apart(folder: Path, status: int) -> None:
    """It says "later", or breaks off, for one film alone: after some attempts the others go out, once."""
    archive = Archive(port := free_port())
    archive.rule = only_for_bad(status)
    reader = SinkReader(sink_to(port, folder))
    results = [stored(folder, number) for number in range(4)]
    reached, error = reader.take(results, Cursor())
    attempts = 1
    while error is not None:
        assert isinstance(error, DicomResultError)
        assert reached == Cursor(1)
        assert attempts < 5
        reached, error = reader.take(results[1:], reached)
        attempts += 1
    archive.close()
    assert (reached, attempts) == (Cursor(4), 5)
    assert len({str(each.SOPInstanceUID) for each in archive.kept}) == len(archive.kept) == 6
    assert (reader.health.written, reader.health.refused, reader.health.state) == (3, 1, "ok")
    (apart,) = set_apart_in(folder)
    assert apart.file == "1.dcm"
    assert "while others are" in apart.reason
    reader.close()


def test_an_archive_that_stumbles_over_all_gets_all_later(folder: Path) -> None:
    """It says "later" to everything, or is away, however often: nothing is set apart, all arrives later."""
    archive = Archive(port := free_port())
    archive.rule = lambda _: 0xA700
    reader = SinkReader(sink_to(port, folder))
    results = [stored(folder, number) for number in range(3)]
    for _ in range(12):
        assert reader.take(results, Cursor())[0] == Cursor()
    archive.close()
    for _ in range(12):
        reached, error = reader.take(results, Cursor())
        assert reached == Cursor()
        assert isinstance(error, DicomUnreachableError)
    archive = Archive(port)
    assert reader.take(results, Cursor()) == (Cursor(3), None)
    archive.close()
    assert len(archive.kept) == 6
    assert reader.health.refused == 0
    reader.close()


def test_what_was_set_apart_is_sent_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Once the archive takes it: after the command, by a runner that works or by the next one."""
    archive = Archive(port := free_port())
    archive.rule = only_for_bad(0xC123)
    reader = SinkReader(sink_to(port, folder))
    results = [stored(folder, number) for number in range(3)]
    assert reader.take(results, Cursor()) == (Cursor(3), None)
    assert (reader.health.refused, reader.health.apart, len(archive.kept)) == (1, 1, 4)
    assert main([str(folder), "--list"]) == 0
    assert "0xC123" in capsys.readouterr().out
    assert reader.again() is None
    assert len(archive.kept) == 4  # nobody asked
    assert main([str(folder)]) == 0
    assert "1 results are set apart; all are tried again" in capsys.readouterr().out
    assert reader.again() is None
    assert (reader.health.apart, len(archive.kept)) == (1, 4)  # refused again
    assert not set_apart_in(folder)[0].again
    archive.rule = only_for_bad(0)
    assert main([str(folder)]) == 0
    reader.close()
    reader = SinkReader(sink_to(port, folder))
    assert reader.health.apart == 1
    archive.close()
    assert isinstance(reader.again(), DicomUnreachableError)
    archive = Archive(port)
    assert reader.again() is None
    archive.close()
    assert [each.PatientID for each in archive.kept] == [BAD, BAD]
    assert (reader.health.apart, reader.health.written) == (0, 1)
    assert set_apart_in(folder) == []
    reader.close()


def test_what_cannot_be_sent_again_says_why(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An image that left the spool, or was never noted: the result stays apart, for that reason."""
    archive = Archive(port := free_port())
    archive.rule = only_for_bad(0xC123)
    reader = SinkReader(sink_to(port, folder))
    reader.take([stored(folder, 1)], Cursor())
    (folder / "1.dcm").unlink()
    (path,) = (folder / "sinks").glob("*.sqlite")
    outbox = Outbox(path)
    outbox.set_apart("key", json.dumps({"key": "key", **asdict(line(7))}).encode(), "of long ago")
    outbox.close()
    assert main([str(folder)]) == 0
    with caplog.at_level(logging.INFO):
        assert reader.again() is None
    archive.close()
    first, second = set_apart_in(folder)
    assert "no longer in the spool" in first.reason
    assert "its image is not known" in second.reason
    assert "1.dcm: sent again, in vain" in caplog.text
    reader.close()


def test_a_courier_takes_back_what_is_sent_again(tmp_path: Path) -> None:
    """What a webhook or broker refused goes out again after the command, and is no longer apart."""
    got: list[bytes] = []

    class Hook:
        refuses = True

        def send(self, key: str, body: bytes) -> None:
            if self.refuses:
                raise RefusedError("answered 400")
            got.append(body)

        def close(self) -> None:
            pass

    hook = Hook()
    courier = Courier(hook, Outbox(tmp_path / "sinks" / "outbox-1.sqlite"), start=False)
    courier.write(line(1))
    courier.write(line(2))
    courier.pump()
    assert (courier.health.refused, courier.health.apart, courier.health.waiting) == (2, 2, 0)
    hook.refuses = False
    assert main([str(tmp_path)]) == 0
    courier.pump()
    assert [json.loads(body)["file"] for body in got] == ["1.png", "2.png"]
    assert (courier.health.written, courier.health.apart, courier.health.waiting) == (2, 0, 0)
    courier.close()


def test_the_command_tells_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is no spool, or an outbox that is damaged: exit code and cure."""
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "the runner's spool folder" in capsys.readouterr().out
    assert main([str(tmp_path)]) == 2
    assert "no outbox of a sink" in capsys.readouterr().err
    (tmp_path / "sinks").mkdir()
    (tmp_path / "sinks" / "outbox-1.sqlite").write_bytes(b"no database at all, but long enough" * 10)
    assert main([str(tmp_path)]) == 6
    assert "outbox-1.sqlite" in capsys.readouterr().err
