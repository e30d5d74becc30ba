from __future__ import annotations

import io
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.detector.fit import fit_gaussian
from keras_sranogan.detector.jitter import jitter_frame
from sranogan_edge.image.decode import decode_frames
from sranogan_edge.image.frame import Frame, Photometric, Window
from sranogan_edge.image.preprocess import PreprocessSpec, downscale, preprocess

pydicom = pytest.importorskip("pydicom", reason="the extra sranogan-edge[dicom] is not installed")


def frame(bits: int, *shape: int) -> Frame:
    """A smooth picture with some texture, dark at its left."""
    dtype = np.uint8 if bits <= 8 else np.uint16
    ramp = np.linspace(0.1, 0.8, shape[1])[None, :] * np.ones((shape[0], 1))
    picture = ramp + np.random.default_rng(0).uniform(0, 0.1, shape[:2])
    pixels = np.rint(picture * (2**bits - 1)).astype(dtype)
    if len(shape) == 3:
        return Frame(np.repeat(pixels[..., None], 3, axis=2), bits, Photometric.RGB)
    return Frame(pixels, bits, Photometric.MONOCHROME2)


@pytest.mark.parametrize("shape", [(40, 60), (60, 40, 3)])
@pytest.mark.parametrize("bits", [8, 12])
def test_keeps_the_form(bits: int, shape: tuple[int, ...]) -> None:
    """Shape and photometric stay, pixels come in full 16 bits, and the picture never becomes constant."""
    plain = frame(bits, *shape)
    for seed in range(10):
        found = jitter_frame(plain, np.random.default_rng(seed))
        assert (found.pixels.shape, found.pixels.dtype.name, found.bit_depth) == (shape, "uint16", 16)
        assert found.photometric is plain.photometric
        assert float(found.pixels.max()) - float(found.pixels.min()) > 0.2 * 65535


def test_is_a_function_of_the_generator() -> None:
    """The same generator gives the same copy, another one another, and both differ from the image."""
    plain = frame(8, 48, 48)
    first, again, other = (jitter_frame(plain, np.random.default_rng(seed)).pixels for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).max() > 1000
    assert np.abs(first / 65535 - plain.pixels / 255).max() > 0.02


def test_a_window_is_cut_first() -> None:
    """What lies beyond the window is black or white before anything is exposed, turned or blurred."""
    plain = frame(12, 48, 48)
    windowed = replace(plain, window=Window(center=2048, width=1024))
    low, high = 2048 - 0.5 - 511.5, 2048 - 0.5 + 511.5
    shown = np.rint(np.clip((plain.pixels - low) / (high - low), 0, 1) * 65535).astype(np.uint16)
    for seed in range(5):
        found = jitter_frame(windowed, np.random.default_rng(seed))
        expected = jitter_frame(Frame(shown, 16, Photometric.MONOCHROME2), np.random.default_rng(seed))
        assert found.window is None
        np.testing.assert_allclose(found.pixels, expected.pixels, atol=4)


def picture(number: int) -> NDArray[np.int64]:
    """A film of 12 bits, never wholly black: smooth, with grain."""
    rng = np.random.default_rng(number)
    smooth, grain = (cv2.GaussianBlur(rng.normal(size=(64, 64)), (0, 0), sigma) for sigma in (12, 1))
    return np.rint((0.5 + 3 * smooth + 0.1 * grain).clip(0.1, 0.9) * 4095).astype(np.int64)


def stored(values: NDArray[np.int64], how: str) -> Frame:
    """The frame of a DICOM file that holds ``values`` (0 black, 4095 white) in one of five ways."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = pydicom.uid.generate_uid()
    dataset.SOPClassUID = pydicom.uid.SecondaryCaptureImageStorage
    dataset.Rows, dataset.Columns = values.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    allocated, bits, signed = 16, 16, 0
    if how == "8 bit":
        allocated, bits, values = 8, 8, np.rint(values / 4095 * 255).astype(np.int64)
    elif how == "full 16":
        values = np.rint(values / 4095 * 65535).astype(np.int64)
    else:
        dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    if how == "signed with rescale":
        signed, values = 1, values - 1024
        dataset.RescaleSlope, dataset.RescaleIntercept = 1, 1024
    elif how == "MONOCHROME1":
        bits, values, dataset.PhotometricInterpretation = 12, 4095 - values, "MONOCHROME1"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, bits, bits - 1
    dataset.PixelRepresentation = signed
    kind = np.uint8 if allocated == 8 else np.int16 if signed else np.uint16
    dataset.PixelData = values.astype(kind).tobytes()
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return decode_frames(file.getvalue(), source=how)[0]


STORAGES = ("8 bit", "12 in 16 with window", "full 16", "signed with rescale", "MONOCHROME1")


@pytest.mark.parametrize("how", STORAGES[1:])
def test_a_film_gives_the_same_copies_however_it_is_stored(how: str) -> None:
    """Five ways to store one film end in the same jittered images, up to the rounding of 8 bits."""
    spec = PreprocessSpec(size=48, contrast="none")
    for seed in range(20):
        values = picture(seed)
        shown, other = (
            preprocess(jitter_frame(stored(values, one), np.random.default_rng(seed)), spec)
            for one in ("8 bit", how)
        )
        np.testing.assert_allclose(other, shown, atol=2.5 / 255)
        assert abs(float(other.mean() - shown.mean())) < 0.5 / 255


@pytest.mark.parametrize("how", STORAGES[1:])
def test_densities_are_the_same_however_films_are_stored(how: str) -> None:
    """A density of jittered films puts a new film at the same distance, whichever way all were stored."""
    spec = PreprocessSpec(size=32, contrast="none")

    def grids(one: str, numbers: range, *, jittered: bool) -> NDArray[np.float32]:
        frames = [stored(picture(number), one) for number in numbers]
        if jittered:
            frames = [jitter_frame(f, np.random.default_rng(n)) for n, f in zip(numbers, frames, strict=True)]
        return np.stack([downscale(preprocess(one_frame, spec), 4).ravel() for one_frame in frames])

    def distances(one: str) -> list[float]:
        density = fit_gaussian(grids(one, range(120), jittered=True))
        return [density.distance(row) for row in grids(one, range(200, 220), jittered=False)]

    np.testing.assert_allclose(distances(how), distances("8 bit"), rtol=0.03)
