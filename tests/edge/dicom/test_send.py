"""What is sent again where an archive fails in the middle: what it lacks, and nothing else."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pydicom
import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")

from sranogan_edge.dicom.send import DicomDestination, _sent, send_objects
from sranogan_edge.dicom.write import heat_map_object, report_object
from sranogan_edge.errors import DicomRefusedError, DicomResultError
from tests.support.archive_lines import line
from tests.support.dicom_archive import Archive, free_port

Make = Callable[..., bytes]
IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


@pytest.fixture
def results(make_dicom: Make) -> list[pydicom.Dataset]:
    """Give a heat map and a report."""
    source = pydicom.dcmread(io.BytesIO(make_dicom(IMAGE)))
    return [heat_map_object(source, np.zeros((32, 32, 3), np.uint8), line()), report_object(source, line())]


def uids(objects: list[pydicom.Dataset]) -> list[str]:
    """Their numbers."""
    return [str(each.SOPInstanceUID) for each in objects]


@pytest.mark.parametrize(
    ("answers", "asked"),
    [
        ([0xA700, 0, 0], [0, 0, 1]),
        ([0, 0xA700, 0], [0, 1, 1]),
        ([0, -1, 0xA701, 0], [0, 1, 1, 1]),
        ([0xA700, 0, 0xA7FF, 0], [0, 0, 1, 1]),
    ],
    ids=["the first fails", "the second fails", "the second breaks off", "each fails"],
)
def test_only_what_an_archive_lacks_is_sent_again(
    results: list[pydicom.Dataset], answers: list[int], asked: list[int]
) -> None:
    """An object that it has is not sent a second time, whichever one failed."""
    archive = Archive(port := free_port())
    seen: list[str] = []

    def rule(found: pydicom.Dataset) -> int:
        seen.append(str(found.SOPInstanceUID))
        return answers[len(seen) - 1]

    archive.rule = rule
    waits: list[float] = []
    send_objects(results, DicomDestination("127.0.0.1", port, "PACS", timeout_s=20), wait=waits.append)
    archive.close()
    assert seen == [uids(results)[number] for number in asked]
    assert uids(archive.kept) == uids(results)
    assert waits == [1.0, 2.0][: len(asked) - 2]


class Ended:
    """An association that ends once it has taken one object."""

    is_established = True

    def send_c_store(self, _: pydicom.Dataset) -> pydicom.Dataset:
        if not self.is_established:
            raise RuntimeError("The association with a peer SCP must be established")
        self.is_established = False
        taken = pydicom.Dataset()
        taken.Status = 0
        return taken


def test_an_association_that_ends_between_two(results: list[pydicom.Dataset]) -> None:
    """The second is left, with the reason; the first is not."""
    left, why = _sent(Ended(), results, DicomDestination("127.0.0.1", 104, "PACS"))  # type: ignore[arg-type]
    assert (uids(left), why) == (uids(results)[1:], "the association ended")


class Answering:
    """An association whose other side answers each object with ``status``."""

    is_established = True

    def __init__(self, status: int) -> None:
        self._status = status

    def send_c_store(self, _: pydicom.Dataset) -> pydicom.Dataset:
        answer = pydicom.Dataset()
        answer.Status = self._status
        return answer


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007])
def test_what_was_stored_with_a_warning_is_stored(results: list[pydicom.Dataset], status: int) -> None:
    """PS3.4, table B.2-1: coerced, of another kind than it says, or with elements left out: all is there."""
    archive = DicomDestination("127.0.0.1", 104, "PACS")
    assert _sent(Answering(status), results, archive) == ([], "")  # type: ignore[arg-type]


@pytest.mark.parametrize("status", [0xA900, 0xA800, 0x0122, 0xB001, 0xC000])
def test_what_is_no_warning_of_storage_is_a_refusal(results: list[pydicom.Dataset], status: int) -> None:
    """The same bytes would be refused again."""
    with pytest.raises(DicomRefusedError, match=f"answered 0x{status:04X}"):
        _sent(Answering(status), results, DicomDestination("127.0.0.1", 104, "PACS"))  # type: ignore[arg-type]


def test_how_many_are_lacking_is_told(results: list[pydicom.Dataset]) -> None:
    """After the last attempt: one of two, and what was answered; refused for good, nothing is tried again."""
    archive = Archive(port := free_port())
    archive.answers = [0, 0xA700, 0xA700, 0, 0xC000]
    twice = DicomDestination("127.0.0.1", port, "PACS", attempts=2, timeout_s=20)
    with pytest.raises(
        DicomResultError, match="did not take 1 of 2 objects in 2 attempts: it answered 0xA700"
    ):
        send_objects(results, twice, wait=lambda _: None)
    with pytest.raises(
        DicomRefusedError, match=r"refused the Comprehensive SR Storage .*: it answered 0xC000"
    ):
        send_objects(results, twice, wait=lambda _: None)
    archive.close()
    assert archive.answers == []
