"""The fast lane: a head, briefly trained, and parts that need no network; a JSON file for each judgement."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from benchmarks.transfer.designs import design
from benchmarks.transfer.judge import Measured, judge
from benchmarks.transfer.parts import PcaResidual, head_parts, laplacian, train_head
from benchmarks.transfer.protocols import PROTOCOLS, Images, read_images
from keras_sranogan.run import machine, timestamp
from keras_sranogan.settings import TrainSettings

COPIES = 2  # jittered, of each held-out normal
COMPONENTS = (4, 16)


def result_path(folder: Path, name: str, protocol: str, seed: int) -> Path:
    """Return where a judgement is kept."""
    return folder / f"{name}__{protocol.replace(' ', '_')}__{seed}.json"


def run_fast(name: str, protocol: str, seed: int, results: Path, cache: Path) -> Path:
    """Train and judge a design on one protocol, unless that was done; return the file of its figures.

    Raises:
        DataError: its images are not here.
        SettingsError: no such design.
    """
    path = result_path(results, name, protocol, seed)
    if path.exists():
        return path
    settings = design(name).settings(seed)
    images = read_images(PROTOCOLS[protocol], settings.preprocess, COPIES, cache)
    started = time.monotonic()
    head = train_head(images.fit, settings)
    minutes = (time.monotonic() - started) / 60
    found = {
        "design": name,
        "protocol": protocol,
        "seed": seed,
        "scores": judge(_measured(head, images, settings), images),
        "normals": {"fit": len(images.fit), "held_out": int(images.original.sum())},
        "judged": {"normal": int((~images.abnormal).sum()), "abnormal": int(images.abnormal.sum())},
        "head": settings.to_dict()["head"],
        "head_minutes": round(minutes, 2),
        "machine": machine(),
        "finished": timestamp(),
    }
    results.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".making")
    making.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    making.replace(path)
    return path


def _measured(head: object, images: Images, settings: TrainSettings) -> dict[str, Measured]:
    seen = head_parts(head, np.concatenate([images.fit, images.again]))
    held = head_parts(head, images.held)
    judged = {view: head_parts(head, rows) for view, rows in images.judged.items()}
    parts = {
        name: Measured(
            seen[name] if name != "map" else seen[name][:0],
            held[name],
            {view: rows[name] for view, rows in judged.items()},
        )
        for name in held
    }
    for count in COMPONENTS:
        residual = PcaResidual(images.fit, count, settings)
        parts[f"pca_{count}"] = _unseen(
            residual(images.held), {v: residual(x) for v, x in images.judged.items()}
        )
    energy, energies = laplacian(images.held), {view: laplacian(x) for view, x in images.judged.items()}
    parts["laplacian_high"] = _unseen(energy, energies)
    parts["laplacian_low"] = _unseen(-energy, {view: -rows for view, rows in energies.items()})
    return parts


def _unseen(held: np.ndarray, judged: dict[str, np.ndarray]) -> Measured:
    return Measured(held[:0], held, judged)
