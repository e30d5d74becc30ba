"""A bundle without networks, and its file taken apart and put together again."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sranogan_edge.bundle.bundle import GRAPHS, MANIFEST, Budget, Bundle, member_names
from sranogan_edge.image.preprocess import PreprocessSpec
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import PARTS, Density, Gaussian
from sranogan_edge.scoring.heat import HEAT_SHAPE

SIZE = 16
BUDGETS = (0, 3, 12)
KNOWING = (3, 12)  # the budgets that know the signs of their normals
SIGNED = [f"domain_{steps}.npz" for steps in KNOWING]
MEMBERS = (*member_names(BUDGETS), *SIGNED, "onnx/search_steps_3.onnx", "onnx/features.onnx")
DENSITIES = [name for name in MEMBERS if name.startswith("density")]
ARRAYS = [*DENSITIES, *SIGNED, "golden.npz"]


def small_budget(steps: int) -> Budget:
    """A budget of invented contents, different for each number of steps."""
    rng = np.random.default_rng(steps)
    density = Density(
        parts={
            name: Gaussian(rng.random(4, np.float32), rng.random((4, 3), np.float32), 0.5, 2.0)
            for name in PARTS
        },
        heat_center=rng.random(HEAT_SHAPE, np.float32),
        heat_scale=np.ones(HEAT_SHAPE, np.float32),
        heat_limit=2.5,
    )
    calibration = Calibration((-0.5, 1.0, 1.5 + steps), 0.3)
    signs = {name: rng.normal(size=25) for name in ("brightness", "likeness")} if steps in KNOWING else None
    return Budget(density, calibration, np.array([1.0, 2.0]) + steps, 0.1 + steps, signs)


def small_bundle() -> Bundle:
    """A bundle of invented contents; its graphs are bytes that no runtime would load."""
    return Bundle(
        preprocess=PreprocessSpec(size=SIZE, contrast="none"),
        search_size=SIZE // 2,
        graphs={name: f"the {name} graph".encode() for name in GRAPHS},
        steps=3,
        budgets={steps: small_budget(steps) for steps in reversed(BUDGETS)},
        golden_x=np.random.default_rng(0).random((2, SIZE, SIZE, 1), np.float32),
        model_card="# Card\nπ",
        details={"recipe": "int8", "search": {"kind": "gradient", "rate": 0.3}},
        onnx={"features": b"ONNX features", "search_steps_3": b"ONNX search"},
    )


def with_budget(bundle: Bundle, **changes: Any) -> Bundle:
    """The bundle with another budget of the steps in use."""
    changed = replace(bundle.budgets[bundle.steps], **changes)
    return replace(bundle, budgets={**bundle.budgets, bundle.steps: changed})


def members_of(path: Path) -> dict[str, bytes]:
    """Every member of the bundle by name."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> None:
    """Write a zip archive of ``members``, whatever they are."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def rewrite_manifest(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Apply ``change`` to the manifest's values and pack the bundle again."""
    members = members_of(path)
    manifest = json.loads(members[MANIFEST])
    change(manifest)
    pack(path, {**members, MANIFEST: json.dumps(manifest).encode()})


def replace_member(path: Path, name: str, data: bytes) -> None:
    """Put ``data`` in the place of a member, with the hash that belongs to it."""
    pack(path, {**members_of(path), name: data})
    rewrite_manifest(path, lambda m: m["members"][name].update(sha256=hashlib.sha256(data).hexdigest()))
