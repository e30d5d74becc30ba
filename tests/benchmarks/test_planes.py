"""benchmarks/transfer/planes.py: heat as the product makes it, by any planes and weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.transfer import planes
from sranogan_edge.scoring.heat import HEAT_PLANES, HEAT_SHAPES, HEAT_WEIGHTS, standard_heat


def test_the_heat_is_the_products() -> None:
    """Of the same planes and weights it is what a density makes of them."""
    rng = np.random.default_rng(0)
    heat = rng.normal(size=(5, *HEAT_SHAPES[1])).astype(np.float32)
    normals = rng.normal(1, 2, (9, *HEAT_SHAPES[1])).astype(np.float32)
    by_name = [{name: one[:, k] for k, name in enumerate(HEAT_PLANES)} for one in (heat, normals)]
    standard = planes.standardised(*by_name)
    weights = dict(zip(HEAT_PLANES, HEAT_WEIGHTS, strict=True))
    center = np.stack([np.full((32, 32), normals[:, k].mean()) for k in range(4)])
    center[1] = normals[:, 1].mean(axis=0)
    scale = np.sqrt(np.square(normals - center).mean(axis=(0, 2, 3)))[:, None, None]
    found = planes.heat_of(standard, weights)
    for one, expected in zip(found, heat, strict=True):
        assert one == pytest.approx(standard_heat(expected, center, scale), abs=1e-4)


def test_coarse_cells_are_means_of_four() -> None:
    """Of two places each way, image by image."""
    early = np.arange(32, dtype=np.float32).reshape(1, 4, 4, 2)
    assert planes.coarse(early)[0, 0, 0].tolist() == [5, 6]
    assert planes.coarse(early)[0, 1, 1].tolist() == [25, 26]


def test_a_judgement_is_written(tiny_design: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each of the weights has its two figures a seed, from 0 to 1, with how they were made."""
    cache = tmp_path / "cache" / "planes"
    asked = tmp_path / "heat.json", cache.parent, ((tiny_design, "tiny"),)
    assert json.loads(planes.run_planes(*asked, 1).read_text())["seeds"] == 1
    (cache / "tiny__tiny__1.json").write_bytes((cache / "tiny__tiny__0.json").read_bytes())
    with monkeypatch.context() as patched:
        patched.setattr(planes, "judge_planes", lambda *_: pytest.fail("judged again"))
        found = json.loads(planes.run_planes(*asked, 2).read_text())
    assert found["designs"] == {"tiny": "tiny"}
    assert list(found["pixels"]["tiny"]) == [planes.named(one) for one in planes.WEIGHTS]
    rows = [figures for row in found["pixels"]["tiny"].values() for figures in row.values()]
    assert all(len(figures) == 2 and 0 <= min(figures) <= max(figures) <= 1 for figures in rows)
    assert {"commands", "seed", "minutes", "provenance"} <= found.keys()
