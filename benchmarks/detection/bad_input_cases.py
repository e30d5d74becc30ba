"""Ways in which an image can be wrong for a detector of films, and what a user should do about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from sranogan_edge.image.decode import decode_bytes
from sranogan_edge.image.frame import Frame, Photometric

DRAWS = 20
QUALITY = 5
Pixels = NDArray[Any]


@dataclass(frozen=True)
class Case:
    """A way in which a film can be wrong.

    Attributes:
        name: in the table and over the picture.
        change: of pixels ``(H, W[, 3])``, with the largest value that they can have.
        advice: what a user should do.
    """

    name: str
    change: Callable[[Pixels, int], Pixels]
    advice: str


def exposed(gain: float) -> Callable[[Pixels, int], Pixels]:
    """Brightness times ``gain``, clipped."""
    return lambda pixels, top: np.rint((pixels * gain).clip(0, top)).astype(pixels.dtype)


def cropped(rows: tuple[float, float], columns: tuple[float, float]) -> Callable[[Pixels, int], Pixels]:
    """Keep shares of the height and the width."""

    def change(pixels: Pixels, top: int) -> Pixels:
        height, width = pixels.shape[:2]
        (up, down), (left, right) = rows, columns
        return pixels[round(up * height) : round(down * height), round(left * width) : round(right * width)]

    return change


def compressed(pixels: Pixels, top: int) -> Pixels:
    """JPEG and back; 16 bits become 8, then fill 16 again."""
    eight = np.rint(pixels * (255 / top)).astype(np.uint8)
    _, jpeg = cv2.imencode(".jpg", eight, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    back = np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_UNCHANGED))
    return np.rint(back * (top / 255)).astype(pixels.dtype)


def labelled(pixels: Pixels, top: int) -> Pixels:
    """White letters on a black bar across the upper left, a tenth of the height."""
    image, (height, width) = pixels.copy(), pixels.shape[:2]
    bar, letters = max(8, height // 10), np.zeros((height, width), np.uint8)
    cv2.putText(letters, "R  PA 0417", (bar // 4, bar * 3 // 4), cv2.FONT_HERSHEY_SIMPLEX, bar / 40, 255, 2)
    image[:bar, : width // 2] = 0
    image[letters > 0] = top
    return image


CASES = (
    Case("unchanged", lambda p, top: p, "Nothing: the films as they came, to compare with."),
    Case(
        "inverted",
        lambda p, top: (top - p).astype(p.dtype),
        "Bones must be bright. A DICOM viewer that ignored MONOCHROME1 exports films like this: "
        "export again, or invert them before scoring.",
    ),
    Case("turned by 90°", lambda p, top: np.ascontiguousarray(np.rot90(p)), "Turn films upright first."),
    Case("turned by 180°", lambda p, top: np.ascontiguousarray(p[::-1, ::-1]), "Turn films upright first."),
    Case(
        "mirrored",
        lambda p, top: np.ascontiguousarray(p[:, ::-1]),
        "Compare with the side marker: the heart stands on the wrong side. Mirror it back.",
    ),
    Case(
        "overexposed, twice as bright",
        exposed(2.0),
        "Export with the right window; white areas hold nothing.",
    ),
    Case("underexposed, a fifth as bright", exposed(0.2), "Export with the right window, in full range."),
    Case("cropped to the inner 60 %", cropped((0.2, 0.8), (0.2, 0.8)), "Send the whole film."),
    Case("cropped to the left half", cropped((0, 1), (0, 0.5)), "Send the whole film."),
    Case(
        f"JPEG of quality {QUALITY}",
        compressed,
        "Send what the machine stored; export at quality 75 or more.",
    ),
    Case(
        "a label burned in",
        labelled,
        "Export without annotations, or cover them with their surroundings' grey.",
    ),
)
NOT_FILMS = {
    "noise": "Look at the receiver, the decoder and the cable of the feed.",
    "photograph": "Send films only: stop everything else before the detector.",
}


def changed(frame: Frame, case: Case) -> Frame:
    """Return ``frame`` as ``case`` has it."""
    return replace(frame, pixels=case.change(frame.pixels, 2**frame.bit_depth - 1))


def photographs() -> list[Frame]:
    """Two colour photographs that come with scikit-learn, whole and in quarters."""
    quarters = [cropped((r, r + 0.5), (c, c + 0.5)) for r in (0, 0.5) for c in (0, 0.5)]
    images = [
        image
        for whole in load_sample_images().images
        for image in (whole, *(q(whole, 255) for q in quarters))
    ]
    return [Frame(np.ascontiguousarray(image), 8, Photometric.RGB) for image in images]


def noise() -> list[Frame]:
    """Uniform random grey values."""
    rng = np.random.default_rng(0)
    images = (rng.integers(0, 256, (224, 224), dtype=np.uint8) for _ in range(DRAWS))
    return [Frame(image, 8, Photometric.MONOCHROME2) for image in images]


def refused() -> Iterator[tuple[str, Callable[[], Frame], str]]:
    """What cannot be scored at all: what it is, how to come by its frame, what to do."""
    grey = Frame(np.full((224, 224), 90, np.uint8), 8, Photometric.MONOCHROME2, source="constant.png")
    png = cv2.imencode(".png", noise()[0].pixels)[1].tobytes()
    small = replace(grey, pixels=np.arange(64, dtype=np.uint8).reshape(8, 8), source="small.png")
    yield "a constant image", lambda: grey, "Look at the exposure and the export: the film is empty."
    yield "an image of 8 x 8 pixels", lambda: small, "Send the film, not its thumbnail."
    yield "an empty file", lambda: decode_bytes(b"", source="empty.png"), "Copy it again."
    yield (
        "a text file named .png",
        lambda: decode_bytes(b"not an image", source="text.png"),
        "Export as JPEG, PNG, TIFF or BMP.",
    )
    yield (
        "a file cut off half-way",
        lambda: decode_bytes(png[: len(png) // 2], source="half.png"),
        "Copy it again; look at the disk and the network.",
    )
    yield (
        "a file that declares too many pixels",
        lambda: decode_bytes(png, source="large.png", max_pixels=10_000),
        "Shrink it (here the limit was set to 10,000 pixels).",
    )
