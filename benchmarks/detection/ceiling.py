r"""What labels would give: the head taught the drawn chests' lesions themselves.

::

    python -m benchmarks.detection.ceiling --out benchmarks/results/phantom_ceiling.json

Each film with a lesion is shown beside its healthy twin. What knows normals alone is not to be expected to do
better in as many steps; the figure says how hard the drawn lesions are, nothing of this project's detector.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import cv2
import keras
import numpy as np
import typer
from keras import ops
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from keras_sranogan.backend import random
from keras_sranogan.backend.graph import compiled, inference
from keras_sranogan.backend.random import Tensor
from keras_sranogan.data.phantom import LESIONS, render_abnormal, render_normal
from keras_sranogan.head.network import build_head, head_inputs
from keras_sranogan.head.nuisance import pose
from keras_sranogan.head.train import OneCycle
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.settings import HeadSettings
from keras_sranogan.training.averaging import move_towards
from keras_sranogan.training.stage import update

SIDE = 128
DRAWN_AT = 256  # as the demo's films are, then reduced
SEED = 77  # of subjects that no preset trains on
PAIRS = 16
TAUGHT, JUDGED = 2400, 600
Bytes = NDArray[np.uint8]


def draw_pair(index: int) -> Bytes:
    """Return a healthy film and the same with a lesion, ``(2, SIDE, SIDE, 1)``; the lesions take turns."""
    healthy = render_normal(SEED, index, DRAWN_AT)
    ill = render_abnormal(SEED, index, LESIONS[index % len(LESIONS)], DRAWN_AT)
    small = [cv2.resize(film.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for film in (healthy, ill)]
    return np.asarray(np.stack(small)[..., None])


def teach(pairs: Bytes, steps: int) -> keras.Model:
    """Train a head, by its image answer alone, to tell ``(N, 2, SIDE, SIDE, 1)`` healthy from ill."""
    settings = HeadSettings()
    keras.utils.set_random_seed(0)
    head, averaged = build_head(SIDE, settings), build_head(SIDE, settings)
    averaged.set_weights(head.get_weights())
    optimiser = keras.optimizers.AdamW(
        OneCycle(settings.learning_rate, steps), weight_decay=settings.weight_decay
    )
    optimiser.build(head.trainable_variables)
    data = keras.Variable(pairs, trainable=False, dtype="uint8")
    truth = np.repeat(np.array([[0], [1]], np.float32), PAIRS, axis=0)

    def step(number: Tensor) -> Tensor:
        seeds = random.split(ops.stack([number, ops.full_like(number, SEED)]), 2)
        drawn = random.integers((PAIRS,), seeds[0], 0, len(pairs))
        both = ops.cast(ops.take(data, drawn, axis=0), "float32") / 255.0
        shown = ops.concatenate([pose(both[:, ill], seeds[1]) for ill in (0, 1)], axis=0)

        def losses() -> tuple[Tensor, Tensor]:
            said = head(head_inputs(shown), training=True)["logit"]
            loss = ops.mean(ops.binary_crossentropy(truth, said, from_logits=True))
            return loss, loss

        loss = update(optimiser, head, losses)
        move_towards(averaged, head, settings.ema_decay)
        return loss

    take = compiled(step, head, averaged, optimiser, data)
    for number in range(steps):
        loss = take(number)
        if (number + 1) % 100 == 0:
            print(f"{number + 1} of {steps}: {float(loss):.3f}", flush=True)
    return averaged


def judge(head: keras.Model, pairs: Bytes, first: int) -> dict[str, float]:
    """Return the AUROC over all lesions and by lesion; ``first`` is the index of the first pair."""
    films = pairs.transpose(1, 0, 2, 3, 4).reshape(-1, 50, SIDE, SIDE, 1)
    shown = (ops.convert_to_tensor(batch.astype(np.float32) / np.float32(255)) for batch in films)
    said = [inference(head)(head_inputs(batch))["logit"] for batch in shown]
    healthy, ill = np.concatenate(said)[:, 0].reshape(2, -1)
    lesion = np.array([LESIONS[(first + number) % len(LESIONS)] for number in range(len(ill))])

    def figure(scores: NDArray[np.float32]) -> float:
        truth = np.repeat([False, True], [len(healthy), len(scores)])
        return round(float(roc_auc_score(truth, np.concatenate([healthy, scores]))), 3)

    return {"all": figure(ill), **{name: figure(ill[lesion == name]) for name in LESIONS}}


def main(
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    steps: Annotated[list[int] | None, typer.Option(help="Steps of training; 1500 by default.")] = None,
) -> None:
    """Teach heads the lesions themselves, and judge them on films of other subjects."""
    started = time.monotonic()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        pairs = np.stack(list(pool.map(draw_pair, range(TAUGHT + JUDGED), chunksize=50)))
    taught, judged = pairs[:TAUGHT], pairs[TAUGHT:]
    found: dict[str, Any] = {
        str(count): judge(teach(taught, count), judged, TAUGHT) for count in steps or [1500]
    }
    result = {
        "commands": ["python -m benchmarks.detection.ceiling --out benchmarks/results/phantom_ceiling.json"],
        "seed": SEED,
        "minutes": round((time.monotonic() - started) / 60, 1),
        "auroc_by_steps": found,
        "pairs": {"taught": TAUGHT, "judged": JUDGED, "a_step": PAIRS},
        "provenance": {"machine": machine()},
        "finished": timestamp(),
    }
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
