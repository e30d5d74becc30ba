"""Heat map and report of a film, as an archive would read them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pydicom
from pydicom import config
from pydicom.dataset import Dataset

from sranogan_edge.dicom.write import heat_map_object, report_object
from tests.support.result_lines import line

PICTURE = np.full((16, 16, 3), 7, np.uint8)


def results(film: bytes | Dataset, **changes: Any) -> tuple[Dataset, Dataset]:
    """Heat map and report of ``film``, written to bytes, and read back by the letter of the standard."""
    source = film if isinstance(film, Dataset) else pydicom.dcmread(io.BytesIO(film))
    found = []
    for each in (
        heat_map_object(source, PICTURE, line(**changes)),
        report_object(source, line(**changes)),
    ):
        buffer = io.BytesIO()
        each.save_as(buffer, enforce_file_format=True)
        back = pydicom.dcmread(io.BytesIO(buffer.getvalue()))
        with config.strict_reading():
            assert len(str(back))  # every element is decoded
        found.append(back)
    return found[0], found[1]
