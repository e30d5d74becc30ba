"""A part that lies turned, scaled or shifted is found by known amounts, and what is none is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from sranogan_edge.errors import SettingsError
from sranogan_edge.image.align import SIDE_PX, Aligner, view_of
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.image.similarity import Similarity, nearest_similarity
from tests.support.turned_parts import FAULT, GROUND, HEIGHT, WIDTH, Lie, part

LIES = (
    Lie(),
    Lie(8, 1.0, 0, 0),
    Lie(0, 1.15, 0, 0),
    Lie(0, 1.0, 40, -35),
    Lie(-18, 0.86, -30, 22),
    Lie(18, 1.1, 25, 20),
    Lie(3.3, 0.97, -12.5, 7.25),
)


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    """Give what aligns to the mean of ten parts that lie as they should."""
    views = [view_of(Frame.of(part(seed))) for seed in range(10)]
    return Aligner(np.asarray(np.mean(views, axis=0), np.float32), 0.7)


@pytest.mark.parametrize("fault", [False, True])
@pytest.mark.parametrize("lie", LIES)
def test_a_known_lie_is_found(aligner: Aligner, lie: Lie, fault: bool) -> None:
    """Within .1 degrees, .5 % and half a pixel of 320, a small fault on the part or none."""
    found = aligner.align(Frame.of(part(99, lie, fault=fault)))
    assert found.found is not None
    assert found.likeness > 0.95
    assert found.found.rotation == pytest.approx(lie.rotation, abs=0.1)
    assert found.scale == pytest.approx(lie.scale, rel=0.005)
    told = found.to_dict()
    assert told["aligned"] is True
    assert told["shift"] == pytest.approx([lie.right, lie.down], abs=0.5)


@pytest.mark.parametrize("lie", LIES)
def test_an_aligned_part_lies_as_it_should_and_keeps_its_fault(aligner: Aligner, lie: Lie) -> None:
    """The part is as it was drawn, but for noise and rounding, and the fault is where it was drawn."""
    frame = Frame.of(part(98, lie, fault=True))
    aligned = aligner.align(frame).applied(frame).pixels.astype(np.float32)
    inner = np.s_[60:180, 80:260]
    assert np.abs(aligned[inner] - part(98, fault=True)[inner]).mean() < 5
    assert aligned[FAULT[1] - 2 : FAULT[1] + 3, FAULT[0] - 2 : FAULT[0] + 3].mean() < GROUND / 2


def noise(seed: int) -> NDArray[np.uint8]:
    """A picture of nothing."""
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH), np.uint8)


@pytest.mark.parametrize(
    ("pixels", "why"),
    [
        (np.full((HEIGHT, WIDTH), 100, np.uint8), "nothing to be seen"),
        (noise(0), ""),
        (noise(1), ""),
        (cv2.GaussianBlur(noise(2), (0, 0), 20) * np.uint8(20), ""),
        (part(5, Lie(35, 1, 0, 0)), ""),
        (part(5, Lie(0, 1.6, 0, 0)), ""),
        (part(5, Lie(0, 1, 130, 0)), ""),
    ],
)
def test_what_is_no_such_part_is_told_and_taken_as_it_came(
    aligner: Aligner, pixels: NDArray[np.uint8], why: str
) -> None:
    """Blank, noise, or a part that lies farther off than is looked for: a reason, and the very same frame."""
    frame = Frame.of(pixels)
    found = aligner.align(frame)
    assert found.found is None
    assert found.applied(frame) is frame
    assert found.scale == 1
    assert found.to_dict() == {"aligned": False, "reason": found.reason}
    assert why in found.reason
    assert found.reason
    heat = np.random.default_rng(0).random((32, 32), np.float32)
    assert found.laid_back(heat, PreprocessSpec(size=32, align=True)) is heat


def test_an_image_that_is_too_long_to_be_turned_is_told(aligner: Aligner) -> None:
    """OpenCV turns no image of more than 32,767 pixels a side."""
    found = aligner.align(Frame.of(np.tile(part(), (1, 120))[:32]))
    assert found.found is None
    assert "32,767" in found.reason


def test_least_decides(aligner: Aligner) -> None:
    """What is less like the reference than it says is not aligned, and the two numbers are told."""
    half = part(3)
    half[:, : WIDTH // 2] = GROUND
    for least in (0.0, 1.0):
        found = replace(aligner, least=least).align(Frame.of(part(3)))
        assert (found.found is None) is (least == 1)
        if least:
            assert f"correlation {found.likeness:.2f}, 1.00 is needed" in found.reason


@pytest.mark.parametrize("kind", ["rgb", "12 bits", "inverted", "half the size"])
def test_every_kind_of_frame_is_aligned(aligner: Aligner, kind: str) -> None:
    """Colour, depth, inversion and size of a frame change nothing of how it lies, and are kept."""
    lie, grey = Lie(6, 1.08, 20, -10), part(4, Lie(6, 1.08, 20, -10))
    frame = {
        "rgb": Frame.of(np.stack([grey, grey, grey], axis=-1)),
        "12 bits": Frame.of(grey.astype(np.uint16) * np.uint16(16), bit_depth=12),
        "inverted": Frame.of(255 - grey, photometric=Photometric.MONOCHROME1),
        "half the size": Frame.of(cv2.resize(grey, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)),
    }[kind]
    found = aligner.align(frame)
    assert found.found is not None
    assert found.found.rotation == pytest.approx(lie.rotation, abs=0.1)
    assert found.scale == pytest.approx(lie.scale, rel=0.005)
    assert found.found.right == pytest.approx(lie.right / WIDTH, abs=0.002)
    aligned = found.applied(frame)
    assert (aligned.pixels.shape, aligned.pixels.dtype) == (frame.pixels.shape, frame.pixels.dtype)
    assert (aligned.bit_depth, aligned.photometric) == (frame.bit_depth, frame.photometric)


def test_an_image_is_aligned_the_same_each_time(aligner: Aligner) -> None:
    """And by an aligner that was written and read."""
    frame = Frame.of(part(7, Lie(-9, 0.93, 11, 5)))
    again = Aligner.from_bytes(aligner.to_bytes())
    assert aligner.align(frame) == aligner.align(frame) == again.align(frame)
    assert again.to_bytes() == aligner.to_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"reference": np.zeros((96, SIDE_PX), np.float32)},
        {"reference": np.full((96, SIDE_PX), np.nan, np.float32)},
        {"reference": np.eye(SIDE_PX, dtype=np.float32)[:8]},
        {"reference": np.eye(SIDE_PX, dtype=np.float64)},
        {"reference": 2 * np.eye(SIDE_PX, dtype=np.float32)},
        {"reference": np.eye(SIDE_PX - 1, dtype=np.float32)},
        {"least": 1.5},
        {"least": float("nan")},
    ],
)
def test_no_reference_is_refused(aligner: Aligner, change: dict[str, Any]) -> None:
    """Of another form, of one brightness, beyond 0 to 1, or with a likeness that is none."""
    with pytest.raises(ValueError, match=r"reference|likeness"):
        replace(aligner, **change)


def test_damaged_bytes_are_refused(aligner: Aligner) -> None:
    """What is no such file is a ValueError."""
    for data in (b"", aligner.to_bytes()[:-40]):
        with pytest.raises(ValueError, match="damaged"):
            Aligner.from_bytes(data)


@pytest.mark.parametrize("fit", ["stretch", "letterbox", "crop"])
@pytest.mark.parametrize("lie", LIES[1:])
def test_a_hot_place_goes_back_to_where_it_is_on_the_image(aligner: Aligner, lie: Lie, fit: Any) -> None:
    """A hot cell over the fault of the aligned part is over the fault of the part as it came, and back."""
    spec = PreprocessSpec(size=64, fit=fit, align=True)
    found = aligner.align(Frame.of(part(97, lie, fault=True)))
    heat = np.asarray(cv2.GaussianBlur(_cells(FAULT, spec), (0, 0), 1.5), np.float32)
    back = found.laid_back(heat, spec)
    expected = _cells(lie.moved(*FAULT), spec)
    there, wanted = (np.unravel_index(one.argmax(), one.shape) for one in (back, expected))
    assert np.hypot(*np.subtract(there, wanted)) <= 1.5
    if fit == "letterbox":
        assert not back[:8].any()
        assert not back[-8:].any()
    mask = cv2.dilate(expected, np.ones((3, 3))) > 0
    rows, columns = np.nonzero(found.as_judged(mask, spec))
    assert np.hypot(rows.mean() - heat.argmax() // 64, columns.mean() - heat.argmax() % 64) <= 1.5


def _cells(place: tuple[float, float], spec: PreprocessSpec) -> NDArray[np.float32]:
    """A map with one hot cell, where ``place`` (column, row) of an image of 320 x 240 comes to."""
    column, row = place
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(drawn, (round(column), round(row)), 3, 255, -1)
    x = preprocess(Frame.of(drawn), replace(spec, align=False))[..., 0]
    cells = np.zeros(x.shape, np.float32)
    cells.flat[x.argmax()] = 1
    return cells


def test_what_is_beyond_the_aligned_image_has_no_heat(aligner: Aligner) -> None:
    """A part that lies to the right: on the left of the image there is ground that nobody looked at."""
    spec = PreprocessSpec(size=64, align=True)
    found = aligner.align(Frame.of(part(3, Lie(0, 1, 50, 0))))
    back = found.laid_back(np.ones((64, 64), np.float32), spec)
    assert not back[:, :9].any()
    assert (back[:, 11:] == 1).all()


def test_heat_beside_a_letterboxed_image_does_not_come_into_it(aligner: Aligner) -> None:
    """The black above and below shows nothing of the image, however it is turned."""
    spec = PreprocessSpec(size=64, fit="letterbox", align=True)
    found = aligner.align(Frame.of(part(3, Lie(12, 0.9, 0, 30))))
    heat = np.ones((64, 64), np.float32)
    heat[8:56] = 0
    assert found.found is not None
    assert not found.laid_back(heat, spec).any()


def test_a_similarity_and_its_matrix_are_one() -> None:
    """Whatever the sizes of reference and image, an affine matrix of one gives it back."""
    one = Similarity(-13.5, 1.17, 0.11, -0.04)
    for reference, image in (((96, 128), (96, 128)), ((96, 128), (480, 640)), ((128, 90), (33, 77))):
        back = nearest_similarity(one.matrix(reference, image), reference, image)
        assert [back.rotation, back.scale, back.right, back.down] == pytest.approx([-13.5, 1.17, 0.11, -0.04])


def test_alignment_goes_with_images_as_a_whole() -> None:
    """With tiles it is refused, and what to do is told; it stands in settings where it is on, alone."""
    with pytest.raises(SettingsError, match="leave align out"):
        PreprocessSpec(fit="tile", align=True)
    with pytest.raises(SettingsError, match="align"):
        PreprocessSpec(align="yes")  # type: ignore[arg-type]  # as a file might say
    assert "align" not in PreprocessSpec().to_dict()
    assert PreprocessSpec.from_dict(PreprocessSpec(align=True).to_dict()).align
