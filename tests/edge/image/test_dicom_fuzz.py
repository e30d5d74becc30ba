"""Mutated DICOM files decode or are refused as images: no other error, no hang, no memory past the budget."""

from __future__ import annotations

import io
import resource
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
import pydicom

from sranogan_edge.errors import ImageError
from sranogan_edge.image.dicom_pixels import DicomOptions, decode_dicom
from tests.support.dicom_objects import table, without_meta, without_preamble
from tests.support.fuzz import DATABASE, FUZZING, examples

MEMORY_KIB = 300 * 1024  # above the start: decoders, pydicom's tables, a few copies of a budgeted image
HANG_S = 20.0  # one case; the machine may be busy
OPTIONS = DicomOptions(max_pixels=1_000_000, max_bytes=4_000_000)
SYNTAXES = ("", "RLELossless", "JPEG2000Lossless", "JPEGLSLossless", "DeflatedExplicitVRLittleEndian")
TAGS = (
    b"\x28\x00\x10\x00",
    b"\x28\x00\x11\x00",
    b"\x28\x00\x00\x01",
    b"\x28\x00\x08\x00",
    b"\xe0\x7f\x10\x00",
    b"\x28\x00\x50\x10",
    b"\x28\x00\x02\x30",
    b"\x28\x00\x06\x30",
    b"\x28\x00\x32\x91",
    b"\x00\x52\x30\x92",
)

Seeds = list[bytes]


@pytest.fixture(scope="module")
def seeds(make_dicom: Callable[..., bytes]) -> Seeds:
    """Real objects, small: grey and colour, windowed, with tables and groups, in five syntaxes; bare ones."""
    ramp = np.arange(40 * 36, dtype=np.uint16).reshape(40, 36)
    colour = np.stack([ramp % 251] * 3, axis=-1).astype(np.uint8)
    plain = [
        make_dicom(
            ramp, BitsStored=12, WindowCenter=100, WindowWidth=200, RescaleSlope=2, RescaleIntercept=-5
        ),
        make_dicom(ramp.astype(np.int16)),
        make_dicom(colour),
        make_dicom(np.stack([ramp, ramp])),
        make_dicom(ramp, BitsStored=12, VOILUTSequence=table(0, list(range(256)), 8, packed=True)),
        make_dicom(np.stack([ramp, ramp]), PerFrameFunctionalGroupsSequence=groups(), NumberOfFrames=2),
    ]
    made = []
    for syntax in SYNTAXES:
        for data in plain:
            dataset = pydicom.dcmread(io.BytesIO(data))
            if syntax.startswith("Deflated"):
                dataset.file_meta.TransferSyntaxUID = getattr(pydicom.uid, syntax)
            elif syntax:
                dataset.compress(getattr(pydicom.uid, syntax))
            buffer = io.BytesIO()
            dataset.save_as(buffer)
            made.append(buffer.getvalue())
    return [*made, without_preamble(plain[0]), without_meta(plain[0])]


def groups() -> pydicom.Sequence:
    """Two frames' groups with a window of their own."""
    items = []
    for center in (100, 1000):
        window, group = pydicom.Dataset(), pydicom.Dataset()
        window.WindowCenter, window.WindowWidth = center, 200
        group.FrameVOILUTSequence = pydicom.Sequence([window])
        items.append(group)
    return pydicom.Sequence(items)


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """A function that damages a file: bytes behind tags that matter or anywhere, cuts, repeats."""
    hits = draw(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8))
    behind = draw(
        st.lists(st.tuples(st.sampled_from(TAGS), st.integers(4, 40), st.integers(0, 255)), max_size=6)
    )
    cut = draw(st.one_of(st.none(), st.floats(0, 1)))
    repeat = draw(st.one_of(st.none(), st.tuples(st.floats(0, 1), st.integers(1, 200))))

    def mutate(data: bytes) -> bytes:
        damaged = bytearray(data)
        for place, value in hits:
            damaged[132 + int(place * (len(data) - 133))] = value
        for tag, offset, value in behind:
            at = data.find(tag, 132) + offset
            if offset <= at < len(damaged):
                damaged[at] = value
        if repeat is not None:
            at = int(repeat[0] * len(damaged))
            damaged[at:at] = damaged[at : at + repeat[1]]
        return bytes(damaged[: int(cut * len(damaged))] if cut is not None else damaged)

    return mutate


def survives(data: bytes) -> None:
    """Decode ``data`` within the limits, or refuse it."""
    begin = time.monotonic()
    with suppress(ImageError):
        frames = decode_dicom(data, source="fuzz", options=OPTIONS)
        assert sum(int(np.prod(frame.pixels.shape[:2])) for frame in frames) <= OPTIONS.max_pixels
        assert all(frame.pixels.dtype in (np.uint8, np.uint16) for frame in frames)
    assert time.monotonic() - begin < HANG_S


def fuzz(seeds: Seeds, cases: int) -> None:
    """Run ``cases`` cases in this process, and look at its memory."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    @settings(
        max_examples=cases,
        deadline=timedelta(seconds=HANG_S),
        database=DATABASE,
        derandomize=not FUZZING,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, len(seeds) - 1), mutations())
    def run(number: int, mutate: Callable[[bytes], bytes]) -> None:
        survives(mutate(seeds[number]))

    begin = time.monotonic()
    run()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"{cases} files, {time.monotonic() - begin:.0f} s, peak memory {grown / 1024:+.0f} MiB")
    assert grown < MEMORY_KIB


def test_seeds_decode(seeds: Seeds) -> None:
    """Undamaged, every seed decodes: the mutations start from files that work."""
    for data in seeds:
        assert decode_dicom(data, source="seed")


def test_mutated_files_are_refused_or_decoded(seeds: Seeds) -> None:
    """300 damaged files, the same each time."""
    fuzz(seeds, examples(300))


@pytest.mark.slow
def test_many_mutated_files_are_refused_or_decoded(seeds: Seeds) -> None:
    """10,000 damaged files."""
    fuzz(seeds, 10_000)
