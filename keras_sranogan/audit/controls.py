"""The controls: every image changed in one respect, so that a score which lives on it gives itself away.

Each works on decoded frames as they are displayed (a window says nothing of how a film was taken), before
the rest of preprocessing, and draws what is random from (seed, control, image) alone: never from the class.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.item import Item
from keras_sranogan.evaluation.retake import retaken_frame
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.image.preprocess import PreprocessSpec, as_displayed, low_pass, seen_at

BORDER_SHARE = 0.12  # of each side
CENTRE_SHARE = 1 - 2 * BORDER_SHARE  # of each side; 58 % of the area
COMMON_SIDE_PX = 224
JPEG_QUALITY = 75
LOG_GAMMA = 0.35
LOG_GAIN = 0.25
ROTATION_DEG = 6.0
LOG_SCALE = 0.08
SHIFT_SHARE = 0.05

PLAIN, CENTRE_MASKED, SHIFTED_NORMALS = "plain", "centre_masked", "shifted_normals"


class Changed(NamedTuple):
    """A changed frame, and the size in bytes of the file that it was made from where there is one."""

    frame: Frame
    file_bytes: int | None = None


Change = Callable[[Frame, np.random.Generator], Changed]


@dataclass(frozen=True)
class Control:
    """One way to change every image.

    Attributes:
        name: in figures.
        title: in tables.
        meaning: what is done to an image.
        reads: what a score that loses its AUROC here was reading.
        change: does it.
        normals_only: abnormal images stay as they are.
        removes_content: a model that reads the content must lose its AUROC here, and not keep it.
    """

    name: str
    title: str
    meaning: str
    reads: str
    change: Change
    normals_only: bool = False
    removes_content: bool = False

    def apply(self, frame: Frame, item: Item, seed: int) -> Changed:
        """Change the frame of ``item``; the same every time."""
        if self.normals_only and not item.is_normal:
            return Changed(frame)
        digest = hashlib.sha256(f"{seed}:{self.name}:{item.key}".encode()).digest()
        return self.change(frame, np.random.default_rng(int.from_bytes(digest[:8], "big")))


def all_controls(spec: PreprocessSpec) -> tuple[Control, ...]:
    """The controls for a model that judges images as ``spec`` says, the unchanged images first."""
    side = None if spec.tiled else max(COMMON_SIDE_PX, spec.size)
    brought = f"brought to {side} x {side} pixels, then " if side else ""  # tiles are of the image's pixels
    equalised = Control(
        "jpeg_equalised",
        "JPEG-equalised",
        f"{brought}encoded as JPEG of quality {JPEG_QUALITY}, one for all",
        "resolution or compression" if side else "compression",
        lambda frame, rng: equalise(frame, side, colour=spec.colour),
    )
    return (*detail_controls(spec.tile_side_px if spec.tiled else None), equalised, *MASKS, *ACQUISITION)


def detail_controls(tile_px: int | None = None) -> tuple[Control, Control]:
    """The images as they are, and without fine detail; ``tile_px`` is a tile's side, where there are any."""
    what = f"each tile of {tile_px} pixels shrunk" if tile_px else "shrunk"
    low = Control(
        "low_pass",
        "low-pass",
        f"{what} to 64 x 64 and enlarged again: no fine detail",
        "sharpness",
        lambda frame, rng: Changed(low_pass(as_displayed(frame), tile_px=tile_px)),
    )
    return Control(PLAIN, "plain", "as they are", "", lambda frame, rng: Changed(frame)), low


def equalise(frame: Frame, side: int | None, *, colour: bool = False) -> Changed:
    """Bring a frame to one JPEG quality, before it to ``(side, side)`` unless that is None; 8 bits.

    It comes back in grey, or with ``colour`` as it was.

    Raises:
        DegenerateImageError: its window shows nothing.
    """
    height, width = (side, side) if side else frame.pixels.shape[:2]
    if colour and frame.pixels.ndim == 3:
        shown = as_displayed(frame)
        planes = [
            replace(shown, pixels=shown.pixels[..., each], photometric=Photometric.MONOCHROME2)
            for each in (2, 1, 0)  # OpenCV's order
        ]
        x = np.concatenate([seen_at(one, height, width) for one in planes], axis=-1)
        kind, order = Photometric.RGB, cv2.IMREAD_COLOR_RGB
    else:
        x, kind, order = seen_at(frame, height, width), Photometric.MONOCHROME2, cv2.IMREAD_GRAYSCALE
    _, encoded = cv2.imencode(
        ".jpg", np.rint(x * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    pixels = np.asarray(cv2.imdecode(encoded, order), np.uint8)
    return Changed(Frame(pixels, 8, kind, source=frame.source), len(encoded))


def mask(frame: Frame, *, centre: bool) -> Frame:
    """Replace the centre, or else the borders, by the mean of what stays (of each colour).

    The mean of the whole image would betray what is hidden: a bright finding makes a bright mask.
    """
    frame = as_displayed(frame)
    height, width = frame.pixels.shape[:2]
    top, left = round(height * BORDER_SHARE), round(width * BORDER_SHARE)
    inside = np.zeros((height, width), np.bool_)
    inside[top : height - top, left : width - left] = True
    pixels = frame.pixels.copy()
    hidden = inside if centre else ~inside
    pixels[hidden] = np.rint(pixels[~hidden].mean(axis=0))
    return replace(frame, pixels=pixels)


def expose(frame: Frame, rng: np.random.Generator) -> Frame:
    """Apply a gamma (up to a factor of 1.4) and a gain (up to 1.28), clipped to the range of the frame."""
    frame = as_displayed(frame)
    top = np.float32(2**frame.bit_depth - 1)
    gamma = np.float32(np.exp(rng.uniform(-LOG_GAMMA, LOG_GAMMA)))
    gain = np.float32(np.exp(rng.uniform(-LOG_GAIN, LOG_GAIN)))
    exposed = gain * (frame.pixels.astype(np.float32) / top).clip(0, 1) ** gamma
    return replace(frame, pixels=_stored(exposed * top, frame))


def move(frame: Frame, rng: np.random.Generator) -> Frame:
    """Turn (6 deg), scale (8 %) and shift (5 %) at random; the edge's pixels fill what comes free."""
    frame = as_displayed(frame)
    height, width = frame.pixels.shape[:2]
    angle = rng.uniform(-ROTATION_DEG, ROTATION_DEG)
    scale = float(np.exp(rng.uniform(-LOG_SCALE, LOG_SCALE)))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    matrix[:, 2] += rng.uniform(-SHIFT_SHARE, SHIFT_SHARE, 2) * np.array((width, height))
    pixels = frame.pixels.astype(np.float32)
    moved = cv2.warpAffine(
        pixels, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return replace(frame, pixels=_stored(moved, frame))


def _stored(values: NDArray[Any], frame: Frame) -> NDArray[Any]:
    """Values in stored units, rounded and clipped to the frame's depth, in its dtype."""
    return np.asarray(np.rint(values).clip(0, 2**frame.bit_depth - 1), dtype=frame.pixels.dtype)


DETAIL = detail_controls()
MASKS = (
    Control(
        "border_masked",
        "borders masked",
        f"the outer {BORDER_SHARE:.0%} of each side replaced by the mean of the rest",
        "borders",
        lambda frame, rng: Changed(mask(frame, centre=False)),
    ),
    Control(
        CENTRE_MASKED,
        "centre masked",
        f"the inner {CENTRE_SHARE:.0%} of both sides replaced by the mean of the rest: only the borders stay",
        "something outside the centre",
        lambda frame, rng: Changed(mask(frame, centre=True)),
        removes_content=True,
    ),
)
ACQUISITION = (
    Control(
        "exposure_shifted",
        "exposure shifted",
        "gamma and gain drawn anew for each image, normal or not",
        "exposure",
        lambda frame, rng: Changed(expose(frame, rng)),
    ),
    Control(
        "pose_jittered",
        "pose jittered",
        "turned, scaled and moved a little, normal or not",
        "pose",
        lambda frame, rng: Changed(move(frame, rng)),
    ),
    Control(
        SHIFTED_NORMALS,
        "shifted normals",
        "normals as another machine might take them (perspective, tone, light, detail, grain: none of the "
        "ways that densities are fitted on); the others as they are",
        "acquisition",
        lambda frame, rng: Changed(retaken_frame(frame, rng)),
        normals_only=True,
    ),
)
