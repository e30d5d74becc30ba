r"""What ``--align`` costs an image: milliseconds of one thread's CPU, by the size of the image.

::

    python -m benchmarks.runner.alignment --out benchmarks/results/alignment_cost.json

To find how an image lies, and to turn it: the two steps before it is resized and judged. Noise takes the most
to be looked at, for no step of it ends early.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

from benchmarks.detection.alignment import draw
from benchmarks.record import Record
from keras_sranogan.data.reference import learn_reference
from sranogan_edge.image.align import view_of
from sranogan_edge.image.frame import Frame

NORMALS = 48
FRAMES, REPEATS = 8, 5
SIZES = ((640, 480), (2304, 1728))  # width and height


def taken_ms(work: Callable[[], object]) -> float:
    """Return the milliseconds of CPU that ``work`` takes on this thread."""
    began = time.thread_time()
    work()
    return (time.thread_time() - began) * 1000


def main(out: Annotated[Path, typer.Option(help="The JSON to write.")]) -> None:
    """Learn a reference from drawn parts, and align others."""
    record = Record("runner.alignment", 0)
    cv2.setNumThreads(1)
    aligner = learn_reference(
        [view_of(Frame.of(draw(seed, turned=True, fault=False).pixels)) for seed in range(NORMALS)]
    )
    taken = {}
    for width, height in SIZES:
        parts = [draw(10_000 + seed, turned=True, fault=False).pixels for seed in range(FRAMES)]
        frames = [Frame.of(np.asarray(cv2.resize(one, (width, height)), np.uint8)) for one in parts]
        noise = Frame.of(np.random.default_rng(0).integers(0, 256, (height, width), np.uint8))
        finding = [taken_ms(partial(aligner.align, frame)) for frame in frames * REPEATS]
        turning = [taken_ms(partial(aligner.align(frame).applied, frame)) for frame in frames]
        of_noise = [taken_ms(partial(aligner.align, noise)) for _ in range(REPEATS)]
        taken[f"{width}x{height}"] = {
            "find_ms": round(float(np.median(finding)), 2),
            "find_ms_p95": round(float(np.quantile(finding, 0.95)), 2),
            "find_ms_noise": round(float(np.median(of_noise)), 2),
            "turn_ms": round(float(np.median(turning)), 2),
        }
    record.write(out, images=FRAMES * REPEATS, cpu_ms=taken)


if __name__ == "__main__":
    typer.run(main)
