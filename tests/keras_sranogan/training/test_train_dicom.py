"""DICOM films that are learned from: whatever stands in them, nothing of the patient is told."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("pydicom", reason="the extra sranogan-edge[dicom] is not installed")
import pydicom

from keras_sranogan.data.dicom_patient import patient_of
from tests.support.mixed_films import ELEMENTS, MARKER, marked
from tests.support.odd_films import with_bytes

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # of pydicom, about what is wrong on purpose
RNG = np.random.default_rng(5)


def film(pixels: NDArray[Any] | None = None, **attributes: Any) -> bytes:
    """A CT slice with these pixels (else noise) and attributes."""
    dataset = pydicom.dcmread(str(pydicom.data.get_testdata_file("CT_small.dcm")))
    for private in [element.tag for element in dataset if element.tag.is_private]:
        del dataset[private]
    if pixels is None or len(attributes) > 20:  # each of the many is a picture of its own
        pixels = RNG.integers(0, 2000, (48, 48), np.uint16)
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.PixelData = pixels.tobytes()
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def test_nothing_of_the_patient_is_told_in_training(tmp_path: Path) -> None:
    """Films full of a marker, broken ones too, are read by the command: nothing that it says names it."""
    films = [*marked(film), *(film(PatientID=MARKER, PatientName=f"{MARKER}^{n}") for n in range(50))]
    (tmp_path / "films").mkdir()
    for number, data in enumerate(films):
        (tmp_path / "films" / f"{number:03}.dcm").write_bytes(data)
    command = [sys.executable, "-c", "from keras_sranogan.cli import train_main; train_main()"]
    command += [
        str(tmp_path / "films"),
        "--out",
        str(tmp_path / "run"),
        "--max-bad-share",
        "0",
        "--verbose",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 3, told  # some of them are torn
    assert "its words are left out" in told
    assert MARKER.lower() not in told.lower()
    assert "Traceback" not in told
    found = [path for path in tmp_path.rglob("*") if MARKER.lower() in path.name.lower()]
    assert not found


@pytest.mark.parametrize("odd", ELEMENTS)
def test_odd_elements_hide_no_patient(tmp_path: Path, odd: Any) -> None:
    """The same number is the same patient, whatever other elements hold."""
    for name, data in {"a": film(PatientID="P1"), "b": with_bytes(film(PatientID="P1"), odd)}.items():
        (tmp_path / name).write_bytes(data)
    assert patient_of(tmp_path / "a") == patient_of(tmp_path / "b") != ""


def test_a_header_that_no_library_reads_names_nobody(tmp_path: Path) -> None:
    """Bytes that are wrong anywhere in it end no listing: the film has no patient, or the right one."""
    data, path = film(PatientID="P1"), tmp_path / "a.dcm"
    path.write_bytes(data)
    right, rng = patient_of(path), np.random.default_rng(0)
    end = data.index(b"P1") + 40
    for _ in range(500):
        spoiled = bytearray(data)
        for at in rng.integers(132, end, rng.integers(1, 5)):
            spoiled[at] = rng.integers(0, 256)
        path.write_bytes(bytes(spoiled))
        assert isinstance(patient_of(path), str)
    path.write_bytes(data[: data.index(b"P1") - 6] + b"XX" + data[data.index(b"P1") - 4 :])
    assert patient_of(path) == ""
    assert right.startswith("patient-")
