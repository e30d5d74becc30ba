"""What people are told of results that an archive does not get, or gets by halves: why, of which image."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")

from sranogan_edge.errors import DicomUnreachableError
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.send_again import main, set_apart_in
from tests.support.dicom_archive import Archive, free_port, sink_to
from tests.support.result_lines import line

IMAGE = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
Make = Callable[..., bytes]


@pytest.fixture
def folder(tmp_path: Path, make_dicom: Make) -> Path:
    """A spool's folder: an image ``0.dcm`` and its heat map."""
    (tmp_path / "0.dcm").write_bytes(make_dicom(IMAGE))
    cv2.imwrite(str(tmp_path / "heat.png"), np.zeros((16, 16, 3), np.uint8))
    return tmp_path


def film(name: str = "0.dcm", **changes: Any) -> Any:
    """The result of a film with a heat map."""
    return line(0, file=name, **{"heat_map": "heat.png", **changes})


def test_what_was_set_apart_is_no_trouble_any_more(folder: Path) -> None:
    """An archive that is away fails the sink; once the result is apart, all is well again."""
    sink = sink_to(free_port(), folder)
    with pytest.raises(DicomUnreachableError):
        sink.write_object(film(), folder / "0.dcm")
    found = sink.health
    assert (found.state, bool(found.message)) == ("failing", True)
    sink.set_apart(film(), folder / "0.dcm", "not taken in 5 attempts")
    found = sink.health
    assert (found.state, found.message, found.refused, found.apart) == ("ok", "", 1, 1)
    assert found.refusal == "0.dcm: not taken in 5 attempts"
    sink.close()
    sink.close()
    found = sink.health
    assert found.state == "closed"


def test_why_a_result_is_apart(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The image is gone, or damaged; the name stands in front once, in the list and in the log."""
    sink = sink_to(free_port(), folder)
    (folder / "cut.dcm").write_bytes((folder / "0.dcm").read_bytes()[:200])
    for name in ("gone.dcm", "cut.dcm"):
        sink.write_object(film(name), folder / name)
    sink.set_apart(film("a.dcm"), folder / "a.dcm", "a.dcm: refused")
    reasons = [one.reason for one in set_apart_in(folder)]
    assert reasons[0] == "gone.dcm: its image is no longer in the spool"
    assert reasons[1].startswith("cut.dcm: its result cannot be written as DICOM: the image has")
    assert reasons[2] == "a.dcm: refused"
    assert [one for one in caplog.messages if "set apart" in one] == [
        f"set apart, not in the archive: {reason}" for reason in reasons
    ]
    sink.close()


def test_why_it_is_apart_still(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After another attempt: the new reason; of an earlier version's the image is not known."""
    sink = sink_to(port := free_port(), folder)
    sink.set_apart(film("gone.dcm"), folder / "gone.dcm", "refused")
    sink.set_apart(film(), folder / "0.dcm", "refused")
    (path,) = (folder / "sinks").glob("*.sqlite")
    outbox = Outbox(path)
    outbox.set_apart("key", json.dumps({"key": "key", **asdict(line(7))}).encode(), "of long ago")
    outbox.close()
    assert main([str(folder)]) == 0
    archive = Archive(port)
    with caplog.at_level(logging.INFO):
        sink.send_again()
    archive.close()
    assert [one.reason for one in set_apart_in(folder)] == [
        "gone.dcm: its image is no longer in the spool",
        "7.png: its image is not known: an earlier version set it apart",
    ]
    assert [one for one in caplog.messages if "sent again" in one] == [
        "gone.dcm: sent again, in vain: its image is no longer in the spool",
        "0.dcm: sent again",
        "7.png: sent again, in vain: its image is not known: an earlier version set it apart",
    ]
    assert (sink.health.state, sink.health.message, sink.health.apart) == ("ok", "", 2)
    assert len(archive.kept) == 2
    sink.close()


def test_a_repeat_that_the_archive_stumbles_over_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is no reason to wait: the next ones are tried, and this one stays apart."""
    archive = Archive(port := free_port())
    archive.rule = lambda _: 0xA700
    sink = sink_to(port, folder)
    sink.set_apart(film(), folder / "0.dcm", "refused")
    assert main([str(folder)]) == 0
    with caplog.at_level(logging.INFO):
        sink.send_again()
    archive.close()
    (apart,) = set_apart_in(folder)
    assert "0xA700" in apart.reason
    assert f"0.dcm: sent again, in vain: {apart.reason.removeprefix('0.dcm: ')}" in caplog.messages
    sink.close()


@pytest.mark.filterwarnings("ignore:Invalid value for VR DA")
def test_what_is_sent_by_halves_is_told(
    folder: Path, make_dicom: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A heat map that is gone; a value of the image that is no DICOM and is left empty."""
    (folder / "odd.dcm").write_bytes(make_dicom(IMAGE, PatientBirthDate="yesterday"))
    archive = Archive(port := free_port())
    sink = sink_to(port, folder)
    sink.write_object(film(heat_map="gone.png"), folder / "0.dcm")
    sink.write_object(film("odd.dcm"), folder / "odd.dcm")
    archive.close()
    told = [one.getMessage() for one in caplog.records if one.name == "sranogan_edge.sinks.dicom"]
    assert told == [
        "0.dcm: its heat map gone.png is not there and not sent",
        "odd.dcm: sent with PatientBirthDate left empty: no valid DICOM in the image",
    ]
    assert (sink.health.written, len(archive.kept)) == (2, 3)
    sink.close()
