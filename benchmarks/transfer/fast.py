"""The fast lane: a head, briefly trained, and parts that need no network; a JSON file for each judgement."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer.designs import design
from benchmarks.transfer.heads import Seen, head_path, kept_head, look
from benchmarks.transfer.judge import Measured, judge, judge_pixels, load, save
from benchmarks.transfer.parts import PcaResidual, Places, farthest, laplacian
from benchmarks.transfer.protocols import ALL, COPIES, Images, read_images
from benchmarks.transfer.site import judge_site, keep, load_adaptable
from keras_sranogan.detector.cells import some_cells, usual_cells
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.settings import DetectorSettings, TrainSettings
from sranogan_edge.scoring.cells import Cells
from sranogan_edge.scoring.head import peak, pooled, total_evidence

Array = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Heats = dict[str, Array]

COMPONENTS = (0, 4, 16)
USUAL = ("early", "late")  # features whose usual cells are compared
AT_ONCE = 512  # images whose features are in memory


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
    images = read_images(ALL[protocol], settings.preprocess, COPIES, cache)
    started, kept = time.monotonic(), head_path(cache, name, protocol, seed)
    trained = not kept.exists()
    head = kept_head(kept, images.fit, settings)
    minutes = (time.monotonic() - started) / 60
    parts, heats = _of_head(head, images, seed)
    save(keep(parts, images, seed, _measured(path, cache)), _kept(path, cache))
    found = {
        "design": name,
        "protocol": protocol,
        "seed": seed,
        **_scores(path, name, protocol, seed, cache),
        "pixels": judge_pixels(heats, images),
        "normals": images.counted,
        "judged": {"normal": int((~images.abnormal).sum()), "abnormal": int(images.abnormal.sum())},
        "head": settings.to_dict()["head"],
        "head_minutes": round(minutes, 2) if trained else None,
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
    _write(path, {**found, **_scores(path, found["design"], found["protocol"], found["seed"], cache)})
    return True


def _write(path: Path, found: dict[str, Any]) -> None:
    making = path.with_suffix(".making")
    making.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    making.replace(path)


def _kept(path: Path, cache: Path) -> Path:
    return cache / "parts" / f"{path.stem}.npz"


def _measured(path: Path, cache: Path) -> Path:
    return cache / "measured" / f"{path.stem}.npz"


def _scores(path: Path, name: str, protocol: str, seed: int, cache: Path) -> dict[str, Any]:
    """Judge the parts that were kept, and those that need no head, kept for all designs.

    What a site's own normals change is told where the parts were kept as they were measured, too, of whole
    images.
    """
    settings = design(name).settings(seed)
    settings = replace(settings, preprocess=replace(settings.preprocess, colour=False))
    images = read_images(ALL[protocol], settings.preprocess, COPIES, cache)
    plain = result_path(path.parent, "plain-tiles" if images.tiled else "plain", protocol, seed)
    kept, measured = _kept(plain, cache), _measured(plain, cache)
    if not (kept.exists() and measured.exists()):
        save(keep(_without_head(images, settings), images, seed, measured), kept)
    standard = {**load(_kept(path, cache)), **load(kept)}
    found = {"scores": judge(standard, images)}
    if images.tiled:
        return found
    parts = {**load_adaptable(_measured(path, cache)), **load_adaptable(measured)}
    return {**found, "site": judge_site(parts, standard, images)}


def _of_head(head: keras.Model, images: Images, seed: int) -> tuple[dict[str, Measured], Heats]:
    """Return the parts, and heat maps of the images, or tiles, that are judged plain."""
    seen = look(head, np.concatenate([images.fit, images.again]))
    places = {name: Places(features, images.tiled) for name, features in seen.features.items()}
    cells = {name: _usual(seen.features[name], seed) for name in USUAL}
    held, _ = _said(head, images.held, places, cells)
    judged, heats = _said(head, images.judged["plain"], places, cells)
    views = {
        view: _said(head, rows, places, cells)[0] for view, rows in images.judged.items() if view != "plain"
    }
    parts = {
        name: _unseen(rows, {"plain": judged[name], **{view: one[name] for view, one in views.items()}})
        for name, rows in held.items()
    }
    for name, features in seen.features.items():
        parts[name] = replace(parts[name], seen=_pooled(features))
    return parts, heats


def _usual(features: Array, seed: int) -> Cells:
    """Return the usual cells of normals' features ``(N, h, w, C)``."""
    rng = np.random.default_rng(seed)
    return usual_cells(
        [some_cells(one, len(features), rng) for one in features], DetectorSettings().cells, seed
    )


def _said(
    head: keras.Model, images: Bytes, places: dict[str, Places], cells: dict[str, Cells]
) -> tuple[dict[str, Array], Heats]:
    """Return what a head says of images, part by part and as heat maps, a few of them at a time."""
    parts: dict[str, list[Array]] = defaultdict(list)
    heats: dict[str, list[Array]] = defaultdict(list)
    for first in range(0, len(images), AT_ONCE):
        seen = look(head, images[first : first + AT_ONCE])
        for name, features in seen.features.items():
            parts[name].append(_pooled(features))
            heat = places[name](features)
            kind = "cells" if places[name].shared else "places"
            heats[f"{kind}_{name}"].append(heat)
            parts[f"{kind}_{name}"].append(farthest(heat))
        for name, usual in cells.items():
            distances = np.stack([usual.distances(one) for one in seen.features[name]])
            parts[f"usual_{name}"].append(np.log(farthest(distances) + 1e-6))
        heats["map"].append(seen.logits)
        parts["map"].append(_evidence(seen))
        parts["peak"].append(np.array([[peak(one)] for one in seen.logits], np.float32))
    joined = [{name: np.concatenate(rows) for name, rows in one.items()} for one in (parts, heats)]
    return joined[0], joined[1]


def _without_head(images: Images, settings: TrainSettings) -> dict[str, Measured]:
    residual, parts = PcaResidual(images.fit, settings), {}
    held, judged = residual.flat(images.held), {view: residual.flat(x) for view, x in images.judged.items()}
    for count in COMPONENTS:
        here, there = residual(held, count), {view: residual(x, count) for view, x in judged.items()}
        for place, name in enumerate((f"bands_{count}", f"pca_{count}")):
            parts[name] = _unseen(here[place], {view: found[place] for view, found in there.items()})
    both = [parts[f"pca_{count}"] for count in COMPONENTS[:2]]
    parts["pca_4_and_image"] = _unseen(
        np.hstack([one.held for one in both]),
        {view: np.hstack([one.judged[view] for one in both]) for view in judged},
    )
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
