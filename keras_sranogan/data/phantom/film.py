"""From thicknesses to the film: Beer-Lambert's law, scatter, blur, windowing, quantum noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom.drawing import Layer, blurred


@dataclass(frozen=True)
class Technique:
    """How one exposure was taken and shown."""

    scatter: float  # share of the beam that arrives as veil
    blur: float  # focal spot and motion, deviation in body units
    noise: float  # quantum noise where the beam is weakest
    gamma: float
    low: float  # window ends, shifts relative to the automatic window
    high: float
    sharpen: float  # edge enhancement of digital systems
    marker: str  # letter of lead, "" for none
    marker_at: tuple[float, float]  # in 0..1 of the side, x then y
    shutters: tuple[float, float, float, float]  # left, top, right, bottom, share of the side


def sample_technique(rng: np.random.Generator) -> Technique:
    """Draw one exposure from the population of the phantom."""
    closed = rng.random() < 0.25
    margins = rng.uniform(0, 0.045, 4) * (rng.random(4) < 0.6) * closed
    on_right = rng.random() < 0.5
    marker = "" if rng.random() < 0.45 else ("L" if on_right else "R")
    x = rng.uniform(0.86, 0.92) if on_right else rng.uniform(0.05, 0.10)
    return Technique(
        scatter=rng.uniform(0.06, 0.28),
        blur=rng.uniform(0.002, 0.006),
        noise=rng.uniform(0.004, 0.016),
        gamma=rng.uniform(0.85, 1.2),
        low=rng.normal(0, 0.035),
        high=rng.normal(0, 0.045),
        sharpen=rng.uniform(0, 0.9),
        marker=marker,
        marker_at=(x, rng.uniform(0.07, 0.16)),
        shutters=(margins[0], margins[1], margins[2], margins[3]),
    )


def expose(attenuation: Layer, technique: Technique) -> Layer:
    """What the detector reads, as the logarithm of the lost beam: blurred and veiled by scatter."""
    size = attenuation.shape[0]
    beam = np.exp(-blurred(attenuation, technique.blur * size / 2))
    veil = blurred(beam, 0.11 * size)
    return np.asarray(-np.log((1 - technique.scatter) * beam + technique.scatter * veil), np.float32)


def automatic_window(reading: Layer, body: Layer) -> tuple[float, float]:
    """The readings to show as black and as white, from the spread inside ``body``."""
    inside = reading[::4, ::4][body[::4, ::4] > 0.5]
    low, high = np.percentile(inside, (3, 97))
    return float(low), float(high)


def develop(reading: Layer, window: tuple[float, float], technique: Technique) -> Layer:
    """Readings to brightness in 0..1, before noise: window, edge enhancement and film curve."""
    low, high = window
    span = high - low
    low, high = low - (0.17 - technique.low) * span, high + (0.10 + technique.high) * span
    shown = (reading - np.float32(low)) / np.float32(high - low)
    shown = shown + np.float32(technique.sharpen) * (shown - blurred(shown, 0.02 * reading.shape[0]))
    toe = np.logaddexp(0, 14 * shown) / 14  # black fades in instead of clipping
    film = 1 - np.logaddexp(0, 14 * (1 - toe)) / 14
    return np.asarray(np.clip(film, 0, 1) ** np.float32(technique.gamma), np.float32)


def grain(reading: Layer, technique: Technique, rng: np.random.Generator) -> Layer:
    """Noise to add to the developed film: stronger where fewer quanta arrive."""
    size = reading.shape[0]
    white = rng.standard_normal((size, size), dtype=np.float32)
    speckle = 0.75 * white + 1.1 * blurred(white, 1.0)
    return np.asarray(np.float32(technique.noise) * np.exp((reading - 3.0) / 2) * speckle, np.float32)


def _letter(technique: Technique, size: int) -> Layer:
    canvas = np.zeros((size, size), np.uint8)
    at = (round(technique.marker_at[0] * size), round(technique.marker_at[1] * size))
    scale = size / 256 * 0.55
    line = max(1, round(2 * scale))
    cv2.putText(canvas, technique.marker, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 235, line, cv2.LINE_AA)
    return canvas.astype(np.float32) / np.float32(255)


def film_area(technique: Technique, size: int) -> NDArray[np.bool_]:
    """What the shutters leave open, ``(size, size)`` bool."""
    left, top, right, bottom = (round(share * size) for share in technique.shutters)
    area = np.zeros((size, size), np.bool_)
    area[top : size - bottom, left : size - right] = True
    return area


def finish(shown: Layer, technique: Technique) -> NDArray[np.uint8]:
    """Marker and shutters on the film, then 8 bits."""
    size = shown.shape[0]
    if technique.marker:
        shown = np.maximum(shown, _letter(technique, size))
    pixels = np.clip(shown * 255 + 0.5, 0, 255).astype(np.uint8)
    pixels[~film_area(technique, size)] = 4
    return pixels
