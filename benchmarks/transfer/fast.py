"""The fast lane: a head, briefly trained, and parts that need no network; a JSON file for each judgement."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer.designs import design
from benchmarks.transfer.judge import Measured, judge, judge_pixels, load, save
from benchmarks.transfer.parts import PcaResidual, Places, Seen, farthest, laplacian, look, train_head
from benchmarks.transfer.protocols import PROTOCOLS, Images, read_images
from benchmarks.transfer.site import judge_site, keep, load_adaptable
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.settings import TrainSettings, preset
from sranogan_edge.scoring.head import pooled, total_evidence

Array = NDArray[np.float32]
Heats = dict[str, Array]

COPIES = 2  # jittered, of each held-out normal
COMPONENTS = (0, 4, 16)


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
    parts, heats = _of_head(head, images)
    save(keep(parts, images, seed, _measured(path, cache)), _kept(path, cache))
    found = {
        "design": name,
        "protocol": protocol,
        "seed": seed,
        **_scores(path, protocol, seed, cache),
        "pixels": judge_pixels(heats, images),
        "normals": {"fit": len(images.fit), "held_out": int(images.original.sum())},
        "judged": {"normal": int((~images.abnormal).sum()), "abnormal": int(images.abnormal.sum())},
        "head": settings.to_dict()["head"],
        "head_minutes": round(minutes, 2),
        "machine": machine(),
        "finished": timestamp(),
    }
    results.mkdir(parents=True, exist_ok=True)
    _write(path, found)
    return path


def judge_again(path: Path, cache: Path) -> bool:
    """Judge every score anew by the parts that were kept; return whether they were."""
    if not _kept(path, cache).exists():
        return False
    found = json.loads(path.read_text(encoding="utf-8"))
    _write(path, {**found, **_scores(path, found["protocol"], found["seed"], cache)})
    return True


def _write(path: Path, found: dict[str, Any]) -> None:
    making = path.with_suffix(".making")
    making.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    making.replace(path)


def _kept(path: Path, cache: Path) -> Path:
    return cache / "parts" / f"{path.stem}.npz"


def _measured(path: Path, cache: Path) -> Path:
    return cache / "measured" / f"{path.stem}.npz"


def _scores(path: Path, protocol: str, seed: int, cache: Path) -> dict[str, Any]:
    """Judge the parts that were kept, and those that need no head, kept for all designs.

    What a site's own normals change is told where the parts were kept as they were measured, too.
    """
    settings = preset("standard", seed=seed)
    images = read_images(PROTOCOLS[protocol], settings.preprocess, COPIES, cache)
    plain = result_path(path.parent, "plain", protocol, seed)
    kept, measured = _kept(plain, cache), _measured(plain, cache)
    if not (kept.exists() and measured.exists()):
        save(keep(_without_head(images, settings), images, seed, measured), kept)
    standard = {**load(_kept(path, cache)), **load(kept)}
    parts = {**load_adaptable(_measured(path, cache)), **load_adaptable(measured)}
    return {"scores": judge(standard, images), "site": judge_site(parts, standard, images)}


def _of_head(head: keras.Model, images: Images) -> tuple[dict[str, Measured], Heats]:
    """Return the parts, and heat maps of the images that are judged plain."""
    seen = look(head, np.concatenate([images.fit, images.again]))
    held, judged = look(head, images.held), {view: look(head, rows) for view, rows in images.judged.items()}
    parts, heats = {}, {"map": judged["plain"].logits}
    for name, features in seen.features.items():
        parts[name] = Measured(
            _pooled(features),
            _pooled(held.features[name]),
            {view: _pooled(one.features[name]) for view, one in judged.items()},
        )
        places = Places(features)
        heats[f"places_{name}"] = places(judged["plain"].features[name])
        parts[f"places_{name}"] = _unseen(
            farthest(places(held.features[name])),
            {view: farthest(places(one.features[name])) for view, one in judged.items()},
        )
    parts["map"] = _unseen(_evidence(held), {view: _evidence(one) for view, one in judged.items()})
    return parts, heats


def _without_head(images: Images, settings: TrainSettings) -> dict[str, Measured]:
    residual, parts = PcaResidual(images.fit, settings), {}
    held, judged = residual.flat(images.held), {view: residual.flat(x) for view, x in images.judged.items()}
    for count in COMPONENTS:
        here, there = residual(held, count), {view: residual(x, count) for view, x in judged.items()}
        for place, name in enumerate((f"bands_{count}", f"pca_{count}")):
            parts[name] = _unseen(here[place], {view: found[place] for view, found in there.items()})
    energy, energies = laplacian(images.held), {view: laplacian(x) for view, x in images.judged.items()}
    parts["laplacian_high"] = _unseen(energy, energies)
    parts["laplacian_low"] = _unseen(-energy, {view: -rows for view, rows in energies.items()})
    return parts


def _pooled(features: Array) -> Array:
    return np.stack([pooled(one) for one in features])


def _evidence(seen: Seen) -> Array:
    return np.array([[total_evidence(one)] for one in seen.logits], np.float32)


def _unseen(held: Array, judged: dict[str, Array]) -> Measured:
    return Measured(held[:0], held, judged)
