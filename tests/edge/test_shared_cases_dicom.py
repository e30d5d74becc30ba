"""Every DICOM object of the shared examples: scored as its plain twin is, and its results are written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.dicom.study import study_of
from sranogan_edge.image.dicom_decoders import decodable
from sranogan_edge.image.dicom_object import read_object
from tests.support.dicom_objects import saved
from tests.support.dicom_results import results
from tests.support.shared_cases import CASES, every_file_of, needs, scored

pytestmark = needs("dicom")
JPEG_12_BITS = "one-film-each/cr_jpeg12_sos_se0.dcm"  # the extra dicom-jpeg decodes it
UNDECODABLE = set() if pydicom.uid.JPEGExtended12Bit in decodable() else {JPEG_12_BITS}
PLAIN, CR = "results-refused/plain.dcm", "one-film-each/cr_good_1.dcm"
Change = Callable[[pydicom.Dataset], None]


def put(**values: Any) -> Change:
    """Put elements into an object, by keyword; None takes one out."""

    def change(dataset: pydicom.Dataset) -> None:
        for keyword, value in values.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)

    return change


def step(dataset: pydicom.Dataset) -> None:
    """What a window of width 1 shows: black up to its center - 0.5, white above."""
    center = float(dataset.WindowCenter)
    shown = np.where(dataset.pixel_array > center - 0.5, 255, 0).astype(np.uint8)
    dataset.PixelData = shown.tobytes()
    del dataset.WindowCenter, dataset.WindowWidth


def unpacked(dataset: pydicom.Dataset) -> None:
    """The table of 8-bit entries with a word each."""
    for name in ("ModalityLUTSequence", "VOILUTSequence"):
        for item in dataset.get(name, []):
            data = item["LUTData"].value
            packed = data if isinstance(data, bytes) else np.asarray(data, "<u2").tobytes()
            item.add_new("LUTData", "US", list(packed[: item.LUTDescriptor[0] or 65536]))


def whole_spectrum(dataset: pydicom.Dataset) -> None:
    """The JPEG whose scan says that it ends at 63, as sequential ones do."""
    scan = dataset.PixelData.rindex(b"\xff\xda")
    end = scan + 2 + int.from_bytes(dataset.PixelData[scan + 2 : scan + 4], "big") - 2
    assert dataset.PixelData[end] == 0
    dataset.PixelData = dataset.PixelData[:end] + b"\x3f" + dataset.PixelData[end + 1 :]


def flat(number: int) -> Change:
    """One frame of a multi-frame object as an object of its own, its window where all look for it."""

    def change(dataset: pydicom.Dataset) -> None:
        groups = [dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence]
        found = [groups[0][0] if len(groups[0]) else None, groups[1][number] if len(groups[1]) else None]
        window = next(one.FrameVOILUTSequence[0] for one in found if one and "FrameVOILUTSequence" in one)
        dataset.WindowCenter, dataset.WindowWidth = window.WindowCenter, window.WindowWidth
        dataset.PixelData = dataset.pixel_array[number].tobytes()
        dataset.NumberOfFrames = 1
        del dataset.SharedFunctionalGroupsSequence, dataset.PerFrameFunctionalGroupsSequence

    return change


# each file: the film that has to have the same score, and what is changed in that first; of several such
# films, one for each frame, the highest
TWINS: dict[str, tuple[Any, ...]] = {
    **{
        f"results-refused/{name}.dcm": (PLAIN, put())
        for name in (
            *("plain", "sex-U", "charset-ir6", "korea", "japan", "charset-empty"),
            *("birth-00000000", "time-colons"),
        )
    },
    **{
        f"refused-though-readable/{name}": (PLAIN, put())
        for name in (
            *("q_no_preamble_with_meta.dcm", "q_bare.dcm", "af_no_spp", "af_no_pr", "af_no_bits"),
            *("r_width0", "w_jp2_boxes", "ae_pi_lower", "s_none", "i_frames0"),
        )
    },
    "refused-though-readable/r_width1": ("refused-though-readable/r_width1", step),
    "refused-though-readable/s_comma": (PLAIN, put(WindowCenter="128.5", WindowWidth="256")),
    "refused-though-readable/window_below_1_linear": (
        "refused-though-readable/window_below_1_linear",
        put(VOILUTFunction="LINEAR_EXACT"),
    ),
    **{
        f"one-film-each/{name}.dcm": (CR, put())
        for name in (
            *("cr_good_1", "cr_good_2", "apart_cr_charset_empty", "apart_cr_japanese_IR87"),
            *("apart_cr_birthdate_00000000", "apart_cr_TM_colons", "apart_cr_korean_IR149"),
            *("apart_cr_sex_0000", "poison_cr_unknown_VR", "poison_cr_implicit_private_FD"),
            "poison_cr_explicit_US_3bytes",
        )
    },
    **{
        f"one-film-each/cr_{name}LUTSequence_8bit_packed.dcm": (
            f"one-film-each/cr_{name}LUTSequence_8bit_packed.dcm",
            unpacked,
        )
        for name in ("Modality", "VOI")
    },
    "one-film-each/cr_jpeg12_sos_se0.dcm": ("one-film-each/cr_jpeg12_sos_se0.dcm", whole_spectrum),
    "one-film-each/enhanced_mr_window_in_functional_groups.dcm": (
        "one-film-each/enhanced_mr_window_in_functional_groups.dcm",
        *(flat(0), flat(1), flat(2)),
    ),
    "one-film-each/enhanced_ct_mf_window_in_functional_groups.dcm": (
        "one-film-each/enhanced_ct_mf_window_in_functional_groups.dcm",
        flat(1),
    ),
    **{
        f"functional-groups/h_enh_{name}": (f"functional-groups/h_enh_{name}", flat(0))
        for name in ("shared", "perframe")
    },
    "functional-groups/h_enh_flat": (
        "functional-groups/h_enh_flat",
        put(SharedFunctionalGroupsSequence=None, PerFrameFunctionalGroupsSequence=None),
    ),
}
# which of how many frames is the one that speaks for its object, and what could not be judged
FRAMES = {
    "one-film-each/enhanced_ct_mf_window_in_functional_groups.dcm": (2, 3, 2),  # two are black all over
    **{f"functional-groups/h_enh_{name}": (1, 2, 0) for name in ("flat", "shared", "perframe")},
}
# what the results leave empty, for it is no valid DICOM
EMPTY = {
    "one-film-each/apart_cr_sex_0000.dcm": ("PatientSex",),
    "one-film-each/apart_cr_birthdate_00000000.dcm": ("PatientBirthDate",),
    "one-film-each/apart_cr_TM_colons.dcm": ("StudyTime",),
    "results-refused/sex-U.dcm": ("PatientSex",),
    "results-refused/birth-00000000.dcm": ("PatientBirthDate",),
    "results-refused/time-colons.dcm": ("StudyTime",),
}


def read(name: str) -> pydicom.Dataset:
    """The object of this name."""
    return read_object((CASES / "dicom" / name).read_bytes(), source=name)


@pytest.fixture(scope="module")
def lines(
    tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The line of each file, and that of its twin; all were scored by one call."""
    root = tmp_path_factory.mktemp("twins")
    for number, (twin, *changes) in enumerate(TWINS.values()):
        for frame, change in enumerate(changes, start=1):
            dataset = read(twin)
            dataset.ensure_file_meta()
            if "TransferSyntaxUID" not in dataset.file_meta:
                dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            change(dataset)
            (root / f"{number:03}-{frame}.dcm").write_bytes(saved(dataset))
    code, found, figures, told = scored(tiny_bundle, [CASES / "dicom", root], root / "out")
    expected: tuple[Any, ...] = (4, 2, {}) if UNDECODABLE else (0, 0, {})  # the film, and its twin
    assert (code, figures["failed"], figures["passed_over"]) == expected, told
    by_file = {line["file"]: line for line in found}
    own = {name: by_file[str(CASES / "dicom" / name)] for name in TWINS}
    twins = {}
    for number, name in enumerate(TWINS):
        of_frames = [by_file[str(path)] for path in sorted(root.glob(f"{number:03}-*.dcm"))]
        twins[name] = max(of_frames, key=lambda line: float(line["score"] or 0))
    return own, twins


def test_every_object_is_named() -> None:
    """A new file without an expectation fails here."""
    assert every_file_of("dicom") == set(TWINS)


@pytest.mark.parametrize("name", TWINS)
def test_an_object_has_the_score_of_its_twin(name: str, lines: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The same number, out of the frame that was expected, and no frame is lost without a word."""
    line, twin = lines[0][name], lines[1][name]
    if name in UNDECODABLE:
        assert "cannot be decoded" in line["error"]
        assert "pip install" in line["error"]
        return
    frame, frames, lost = FRAMES.get(name, (None, 1, 0))
    if len(TWINS[name]) > 2:
        frames = len(TWINS[name]) - 1
        frame = int(Path(twin["file"]).stem.partition("-")[2])
    assert line["score"] == pytest.approx(twin["score"], abs=1e-9)
    assert (line["frame"], line["frames"]) == (frame, frames)
    assert (f"{lost} of {frames} frames could not be judged" in (line["reason"] or "")) is bool(lost)
    dataset = read(name)
    assert line["modality"] == dataset.get("Modality")
    assert line["view_position"] == (dataset.get("ViewPosition") or None)
    orientation = dataset.get("PatientOrientation")
    assert line["patient_orientation"] == ("\\".join(orientation) if orientation else None)


@pytest.mark.parametrize("name", TWINS)
def test_an_object_has_its_results(name: str) -> None:
    """Heat map and report are valid DICOM in UTF-8, of the film's own side, and leave empty what is none."""
    dataset = read(name)
    assert study_of(dataset).left_empty == EMPTY.get(name, ())
    found = results(dataset)
    for each in found:
        assert each.SpecificCharacterSet == "ISO_IR 192"
        assert each.StudyInstanceUID == dataset.StudyInstanceUID
        assert each.PatientID == dataset.PatientID
        assert not any(each[keyword].value for keyword in EMPTY.get(name, ()))
    if "PatientOrientation" in dataset:
        assert list(found[0].PatientOrientation) == list(dataset.PatientOrientation) == ["R", "F"]
