"""Films of which one is asked for, one is not, and one does not say what it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from sranogan_edge.image.dicom_pixels import CR
from sranogan_edge.image.film import FilmOptions

Make = Callable[..., bytes]
ROW = np.tile(np.arange(0, 240, 6, dtype=np.uint8), (40, 1))
CHEST = {
    "Modality": "CR",
    "BodyPartExamined": "CHEST",
    "ViewPosition": "PA",
    "PatientOrientation": ["R", "F"],
}
HAND = {**CHEST, "BodyPartExamined": "HAND"}
NAMELESS = {**CHEST, "BodyPartExamined": ""}
ASKED = FilmOptions(modalities=("CR",), body_parts=("CHEST",))


def films(folder: Path, make_dicom: Make) -> Path:
    """A chest, a hand, and a film that does not say what it is."""
    folder.mkdir()
    for name, said in (("chest", CHEST), ("hand", HAND), ("nameless", NAMELESS)):
        (folder / f"{name}.dcm").write_bytes(make_dicom(ROW, SOPClassUID=CR, **said))
    return folder
