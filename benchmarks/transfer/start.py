"""The head's start: a head taught on drawn chests and surfaces, whose weights are shipped."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.phantom import KINDS, render_normal, render_texture_normal
from keras_sranogan.head.start import PATH, new_heads, save_weights
from keras_sranogan.head.train import head_stage
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.presets import preset
from keras_sranogan.settings import HeadSettings

SIDE = 128
DRAWN_AT = 256
SEED = 77  # of subjects and surfaces that nothing else trains on, or is judged by
CHESTS, SURFACES = 3000, 2400
SETTINGS = HeadSettings(anomalies="mixture", start="random", steps=8000, pairs=16)
SHOWN_STEPS = 250


def draw(number: int) -> NDArray[np.uint8]:
    """Return the normal of this number, ``(SIDE, SIDE, 1)``: chests, then surfaces of each kind in turn."""
    if number < CHESTS:
        image = render_normal(SEED, number, DRAWN_AT)
    else:
        image = render_texture_normal(SEED, number, KINDS[number % len(KINDS)], DRAWN_AT)
    small = cv2.resize(image.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small[..., None], np.uint8)


def make_start(results: Path) -> Path:
    """Teach a head on drawn images, save its weights, and write how that went; return where they are."""
    started = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        drawn = np.stack(list(pool.map(draw, range(CHESTS + SURFACES), chunksize=50)))
    images = drawn.astype(np.float32) / np.float32(255)
    settings = replace(preset("standard"), precision="float32", head=SETTINGS)
    keras.utils.set_random_seed(settings.seed)
    head, averaged = new_heads(SIDE, SETTINGS, "float32")
    stage, losses = head_stage(head, averaged, images, settings), []
    for number in range(stage.steps):
        losses.append(float(stage.step(number)["image"]))
        if (number + 1) % SHOWN_STEPS == 0:
            print(f"{number + 1} of {stage.steps}: {np.mean(losses[-SHOWN_STEPS:]):.3f}", flush=True)
    save_weights(averaged.get_weights(), PATH)
    found = {
        "commands": ["python -m benchmarks.transfer start"],
        "seed": settings.seed,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "images": {"chests": CHESTS, "surfaces": SURFACES, "seed": SEED},
        "head": settings.to_dict()["head"],
        "image_loss": round(float(np.mean(losses[-SHOWN_STEPS:])), 4),
        "provenance": {"machine": machine()},
        "finished": timestamp(),
    }
    results.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return PATH
