"""Where a head's training starts."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.transfer.start import DRAWN_AT, SEED, SETTINGS, SIDE, draw
from keras_sranogan.data.phantom import DEFECTS, KINDS, render_texture_defect, render_texture_normal
from keras_sranogan.head.start import PATH, drawn_weights, new_heads, save_weights
from keras_sranogan.settings import HeadSettings
from sranogan_edge.scoring.head import head_input, total_evidence

COUNT = 18
RESULTS = Path(__file__).resolve().parents[3] / "benchmarks" / "results"


def test_a_head_starts_from_drawn_images() -> None:
    """Both the head and its running mean have the shipped weights, at any side that is judged whole."""
    for side in (128, 96):
        head, averaged = new_heads(side, HeadSettings(), "mixed_bfloat16")
        for model in (head, averaged):
            pairs = zip(model.get_weights(), drawn_weights(), strict=True)
            assert all(np.array_equal(one, drawn) for one, drawn in pairs)


@pytest.mark.parametrize(
    ("side", "settings"),
    [
        (128, HeadSettings(start="random")),
        (128, HeadSettings(width=8)),
        (64, HeadSettings()),
    ],
)
def test_other_heads_start_at_random(side: int, settings: HeadSettings) -> None:
    """Asked for, or of another form: the seed decides, and the running mean starts at the same weights."""
    kernels = []
    for seed in (0, 1, 0):
        keras.utils.set_random_seed(seed)
        head, averaged = new_heads(side, settings, "float32")
        kernels.append(head.get_weights()[0])
        assert np.array_equal(kernels[-1], averaged.get_weights()[0])
    assert np.array_equal(kernels[0], kernels[2])
    assert not np.array_equal(kernels[0], kernels[1])


def test_weights_come_back(tmp_path: Path) -> None:
    """In their order, statistics to the bit and kernels to float16."""
    head, _ = new_heads(64, HeadSettings(width=8), "float32")
    weights = [one + np.float32(0.1) for one in head.get_weights()]
    save_weights(weights, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as arrays:
        back = [arrays[name] for name in sorted(arrays)]
    for one, kept in zip(weights, back, strict=True):
        assert kept.dtype == (np.float16 if one.ndim == 4 else np.float32)
        np.testing.assert_allclose(kept, one, rtol=1e-3, atol=1e-6)


def test_the_shipped_weights_are_those_of_the_command() -> None:
    """Their form, size and settings are what the command that makes them has."""
    made = json.loads((RESULTS / "head_start.json").read_text(encoding="utf-8"))
    assert made["head"] == json.loads(json.dumps(replace(SETTINGS).__dict__))
    assert made["images"]["seed"] == SEED
    assert PATH.stat().st_size < 1 << 20
    assert draw(0).shape == draw(5000).shape == (SIDE, SIDE, 1)


def test_the_start_knows_defects_that_it_was_never_shown() -> None:
    """Without any training on them, its map tells surfaces with a drawn defect from those without."""
    _, head = new_heads(SIDE, HeadSettings(), "float32")

    def evidence(pixels: np.ndarray) -> float:
        small = cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[..., None] / np.float32(255)
        said = head(head_input(small.astype(np.float32), SIDE)[None], training=False)
        return total_evidence(np.asarray(said["map"])[0, ..., 0])

    kind = KINDS[0]
    normal = [evidence(render_texture_normal(0, index, kind, DRAWN_AT).pixels) for index in range(COUNT)]
    defect = [
        evidence(render_texture_defect(0, index, DEFECTS[index % len(DEFECTS)], kind, DRAWN_AT).pixels)
        for index in range(COUNT)
    ]
    assert roc_auc_score(np.repeat([False, True], COUNT), normal + defect) > 0.75
