r"""What ``--align`` gives on drawn parts that lie turned, scaled and shifted, and how exact it is.

::

    python -m benchmarks.detection.alignment WORK --out benchmarks/results/alignment.json

Three trainings of one preset: on parts that lie as they should, and on such that lie anyhow, without
alignment and with it. Each is judged on parts that lie as its own do, with and without a fault, and where the
fault is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.record import Record
from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_model
from keras_sranogan.presets import preset
from keras_sranogan.progress import Terminal
from keras_sranogan.run import Run
from keras_sranogan.training.train import train
from sranogan_edge.image.align import Aligner
from sranogan_edge.image.frame import Frame

HEIGHT, WIDTH = 240, 320
ROTATION, LOG_SCALE, SHIFT_PX = 12.0, 0.12, 30.0  # at most, either way
JUDGED = 60  # parts without a fault, and as many with one
ARMS = {"as they should": (False, False), "anyhow": (True, False), "anyhow, aligned": (True, True)}
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Part:
    """A drawn part: picture, where its fault is, and how it lies (degrees, scale, pixels right and down)."""

    pixels: Pixels
    mask: Pixels
    lie: tuple[float, float, float, float]


def draw(seed: int, *, turned: bool, fault: bool) -> Part:
    """Draw a bracket with ribs, holes and a label on a plain ground; a fault is a pit or a scratch."""
    rng = np.random.default_rng((seed, 16))
    image = np.full((HEIGHT, WIDTH), 60, np.float32)
    for corner, opposite, grey in (
        ((90, 75), (230, 165), 165),
        ((230, 100), (252, 125), 145),
        ((100, 130), (160, 136), 190),
        ((100, 145), (160, 151), 190),
    ):
        cv2.rectangle(image, corner, opposite, grey, -1)
    for middle, radius in (((120, 100), 14), ((205, 140), 9), ((205, 95), 5)):
        cv2.circle(image, middle, radius, 85, -1)
    label = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.putText(label, f"R{rng.integers(10, 99)}", (150, 118), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1)
    image[label > 0] = 120
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if fault:
        place = (int(rng.integers(100, 220)), int(rng.integers(85, 155)))
        if rng.random() < 0.5:
            cv2.circle(mask, place, int(rng.integers(4, 8)), 255, -1)
        else:
            end = (place[0] + int(rng.integers(-20, 21)), place[1] + int(rng.integers(8, 20)))
            cv2.line(mask, place, end, 255, 3)
        image[mask > 0] += rng.choice([-70, 60])
    lie = (0.0, 1.0, 0.0, 0.0)
    if turned:
        shift = rng.uniform(-SHIFT_PX, SHIFT_PX, 2)
        angle, scale = rng.uniform(-ROTATION, ROTATION), np.exp(rng.uniform(-LOG_SCALE, LOG_SCALE))
        lie = (float(angle), float(scale), float(shift[0]), float(shift[1]))
    matrix = cv2.getRotationMatrix2D(((WIDTH - 1) / 2, (HEIGHT - 1) / 2), lie[0], lie[1])
    matrix[:, 2] += np.array(lie[2:])
    size = (WIDTH, HEIGHT)
    smooth = cv2.GaussianBlur(image, (0, 0), 1)
    lying = cv2.warpAffine(smooth, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    marked = cv2.warpAffine(mask, matrix, size, flags=cv2.INTER_NEAREST)
    light = 1 + rng.uniform(-0.08, 0.08) + rng.uniform(-0.06, 0.06) * np.linspace(-1, 1, WIDTH)
    noisy = lying * light + rng.normal(0, 4, lying.shape)
    return Part(np.asarray(noisy.clip(0, 255), np.uint8), np.asarray(marked, np.uint8), lie)


def write_set(folder: Path, normals: int, *, turned: bool) -> Path:
    """Write parts as an MVTec folder: to train on, to judge, and the faults' masks."""
    for split, kind, first, count in (
        ("train", "good", 0, normals),
        ("test", "good", 10_000, JUDGED),
        ("test", "fault", 20_000, JUDGED),
    ):
        for seed in range(first, first + count):
            made = draw(seed, turned=turned, fault=kind == "fault")
            _write(folder / split / kind / f"{seed}.png", made.pixels)
            if kind == "fault":
                _write(folder / "ground_truth" / kind / f"{seed}_mask.png", made.mask)
    return folder


def _write(path: Path, pixels: Pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), pixels)


def judged(work: Path, name: str, normals: int, size: int, seed: int) -> dict[str, Any]:
    """Train one of the :data:`ARMS` and return its figures."""
    turned, align = ARMS[name]
    data = work / ("turned" if turned else "straight")
    if not data.exists():
        write_set(data, normals, turned=turned)
    chosen = preset("demo", size=size, seed=seed, anomalies="defects")
    chosen = replace(chosen, preprocess=replace(chosen.preprocess, align=align))
    folder, source = work / f"{name.replace(', ', '-').replace(' ', '-')}.run", open_source(str(data))
    with Terminal() as progress:
        train(source, folder, chosen, progress, resume=folder.exists())
        figures = evaluate_model(folder, source, EvaluationOptions(anogan_steps=1, low_pass=False), progress)
    kept = ("auroc", "auroc_ci", "pixel_auroc", "sensitivity", "specificity")
    return {key: figures[key] for key in kept if key in figures} | {
        "minutes": sum(Run(folder).progress.values())
    }


def exactness(aligner: Aligner) -> dict[str, Any]:
    """Return how exactly parts are found, with and without a fault, but for what all have in common."""
    off, failed, lost = [], 0, 0
    for seed in range(20_000, 20_000 + JUDGED):
        for fault in (False, True):
            one = draw(seed, turned=True, fault=fault)
            found = aligner.align(Frame.of(one.pixels)).found
            if found is None:
                failed += 1
                continue
            off.append((found.rotation - one.lie[0], np.log(found.scale / one.lie[1])))
    for seed in range(JUDGED):
        noise = np.random.default_rng(seed).random((HEIGHT, WIDTH), np.float32)
        blobs = np.asarray(cv2.GaussianBlur(noise, (0, 0), 3 + seed % 20))
        foreign = (blobs - blobs.min()) / np.ptp(blobs) * 255
        lost += aligner.align(Frame.of(foreign.astype(np.uint8))).found is not None
    spread = np.abs(np.array(off) - np.median(off, axis=0))
    return {
        "parts": 2 * JUDGED,
        "failed": failed,
        "rotation_off_degrees_p95": round(float(np.quantile(spread[:, 0], 0.95)), 3),
        "scale_off_p95": round(float(np.quantile(spread[:, 1], 0.95)), 4),
        "foreign_images": JUDGED,
        "foreign_images_aligned": lost,
    }


def main(
    work: Annotated[
        Path, typer.Argument(help="Folder for pictures and runs; what is there is gone on with.")
    ],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    normals: Annotated[int, typer.Option(help="Parts to train on.")] = 240,
    size: Annotated[int, typer.Option(help="Side judged at.")] = 128,
    seed: Annotated[int, typer.Option(help="Of the trainings.")] = 0,
) -> None:
    """Train three times, judge, and ask the aligner how parts lie."""
    record = Record("detection.alignment", seed)
    figures = {name: judged(work, name, normals, size, seed) for name in ARMS}
    aligner = Run(work / "anyhow-aligned.run").aligner()
    assert aligner is not None
    record.write(out, normals=normals, size=size, sets=figures, exactness=exactness(aligner))


if __name__ == "__main__":
    typer.run(main)
