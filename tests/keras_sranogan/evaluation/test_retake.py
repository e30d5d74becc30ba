"""Other takes to judge by: plausible, repeatable, and none that the densities were fitted on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.audit.controls import SHIFTED_NORMALS, all_controls
from keras_sranogan.data.item import Item
from keras_sranogan.detector.fit import fit_gaussian
from keras_sranogan.detector.jitter import jitter_frame
from keras_sranogan.evaluation.retake import retaken_frame
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec, preprocess
from sranogan_edge.scoring.residual import frequency_bands, log_energy, standardise

SPEC = PreprocessSpec(size=32, contrast="none")


def film(number: int, *shape: int) -> Frame:
    """A picture of 8 bits, smooth, with some texture."""
    rng = np.random.default_rng(number)
    height, width = shape[:2]
    smooth, fine = (cv2.GaussianBlur(rng.normal(size=(height, width)), (0, 0), s) for s in (12, 1))
    values = np.rint((0.5 + 3 * smooth + 0.2 * fine).clip(0.05, 0.95) * 255).astype(np.uint8)
    if len(shape) == 3:
        return Frame(np.repeat(values[..., None], 3, axis=2), 8, Photometric.RGB)
    return Frame(values, 8, Photometric.MONOCHROME2)


@pytest.mark.parametrize("shape", [(64, 64), (40, 60), (60, 40, 3), (1, 7)])
def test_keeps_the_form(shape: tuple[int, ...]) -> None:
    """Shape and photometric stay, pixels come in full 16 bits."""
    plain = film(0, *shape)
    for seed in range(10):
        found = retaken_frame(plain, np.random.default_rng(seed))
        assert (found.pixels.shape, found.pixels.dtype.name, found.bit_depth) == (shape, "uint16", 16)
        assert found.photometric is plain.photometric


def test_is_a_function_of_the_generator() -> None:
    """The same generator gives the same take, another one another; the picture can still be known."""
    plain = film(1, 64, 64)
    first, again, other = (retaken_frame(plain, np.random.default_rng(seed)).pixels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).max() > 1000
    alike = [
        np.corrcoef(plain.pixels.ravel(), retaken_frame(plain, np.random.default_rng(s)).pixels.ravel())[0, 1]
        for s in range(30)
    ]
    assert min(alike) > 0.6


def bands(frame: Frame) -> NDArray[np.float32]:
    """Log energies of a frame, as the residual has them."""
    energy = log_energy(frequency_bands(standardise(preprocess(frame, SPEC)[..., 0])))
    return np.asarray(energy[:2].ravel(), np.float32)


def test_a_density_of_jittered_normals_does_not_know_them() -> None:
    """By 1,000 copies fitted on, new ones of the same jitter are usual, and other takes are farther off."""
    normals = [film(number, 64, 64) for number in range(200)]
    copies = [bands(jitter_frame(normals[k % 200], np.random.default_rng((7, k)))) for k in range(1000)]
    density = fit_gaussian(np.stack(copies))

    def distance(take: object) -> float:
        return float(
            np.mean(
                [
                    density.distance(bands(take(one, np.random.default_rng((8, k)))))  # type: ignore[operator]
                    for k, one in enumerate(normals)
                ]
            )
        )

    known, other = distance(jitter_frame), distance(retaken_frame)
    assert known == pytest.approx(1, abs=0.1)
    assert other > 1.05 * known


def test_the_audit_judges_by_them() -> None:
    """Shifted normals are other takes, and no copies by the jitter that densities are fitted on."""
    (control,) = (one for one in all_controls(PreprocessSpec(size=32)) if one.name == SHIFTED_NORMALS)
    plain, rng = film(2, 64, 64), np.random.default_rng
    found = control.change(plain, rng(3)).frame.pixels
    np.testing.assert_array_equal(found, retaken_frame(plain, rng(3)).pixels)
    assert np.abs(found.astype(int) - jitter_frame(plain, rng(3)).pixels).max() > 1000
    ill = Item("a.png", "ill", is_normal=False, group="a")
    assert control.apply(plain, ill, 0).frame is plain
