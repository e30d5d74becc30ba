"""What a site's own normals change: some of the judged normals adapt the densities, the rest is judged.

By the device's own code (:mod:`sranogan_edge.scoring.adapt`): densities adapted to so many normals, and the
threshold that follows from them. Figures are means over draws of these normals; "before" is of the same rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer.judge import CHOSEN, FALSE_ALARM_RATE, SCORES, Measured, Scores, Standard, fitted
from benchmarks.transfer.protocols import Images
from keras_sranogan.evaluation.metrics import auroc
from sranogan_edge.scoring.adapt import adapt, reach_of
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import Gaussian

Array = NDArray[np.float32]
Figures = dict[str, dict[str, float]]  # by number of normals: the figures

COUNTS = (20, 100)
DRAWS = 5
PARTS = SCORES[CHOSEN].parts
ALONE = {name: score.parts for name, score in SCORES.items() if len(score.parts) == 1}
ADAPTED = {CHOSEN: PARTS, **{name: parts for name, parts in ALONE.items() if parts[0] in PARTS}}


@dataclass(frozen=True, eq=False)
class Adaptable:
    """One part: the density of the held-out normals, and ``(M, D)`` of the images that are judged plain."""

    density: Gaussian
    judged: Array


def keep(parts: Mapping[str, Measured], images: Images, seed: int, path: Path) -> dict[str, Standard]:
    """Return ``parts`` in standard deviations; those that are adapted are kept at ``path``, as measured."""
    standard: dict[str, Standard] = {}
    rows: dict[str, NDArray[Any]] = {}
    for name, part in parts.items():
        standard[name], density = fitted(part, images, seed)
        if name in PARTS:
            rows |= {f"{name}__center": density.center, f"{name}__whitening": density.whitening}
            rows[f"{name}__distance"] = np.array([density.usual, density.spread])
            rows[f"{name}__judged"] = part.judged["plain"]
    path.parent.mkdir(parents=True, exist_ok=True)
    making = path.with_suffix(".making.npz")
    np.savez_compressed(making, **rows)  # type: ignore[arg-type]  # arrays by name
    making.replace(path)
    return standard


def load_adaptable(path: Path) -> dict[str, Adaptable]:
    """Read what :func:`keep` kept; nothing where it did not."""
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as rows:
        names = [name.removesuffix("__judged") for name in rows if name.endswith("__judged")]
        return {
            name: Adaptable(
                Gaussian(
                    rows[f"{name}__center"],
                    rows[f"{name}__whitening"],
                    *map(float, rows[f"{name}__distance"]),
                ),
                rows[f"{name}__judged"],
            )
            for name in names
        }


def judge_site(
    parts: Mapping[str, Adaptable], standard: Mapping[str, Standard], images: Images
) -> dict[str, Figures]:
    """Return the figures by score and number of normals, where there are at least twice as many to judge.

    Args:
        parts: as measured.
        standard: the same in standard deviations, of the held-out normals too.
        images: that they are of.
    """
    normal, found = np.flatnonzero(~images.abnormal), {}
    for name, used in ADAPTED.items():
        if not set(used) <= set(parts):
            continue
        held = SCORES[name].combine(np.stack([standard[one].held for one in used]))[images.original]
        chosen = {one: parts[one] for one in used}
        found[name] = {
            str(count): _after(chosen, held, images, count) for count in COUNTS if 2 * count <= len(normal)
        }
    return found


def drawn_apart(images: Images, count: int, draw: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of ``count`` judged normals, and of all judged images of other people."""
    normal, people = np.flatnonzero(~images.abnormal), images.people
    order = np.random.default_rng((draw, count)).permutation(people.max() + 1)
    local = np.sort(normal[np.argsort(order[people[normal]], kind="stable")][:count])
    return local, np.flatnonzero(~np.isin(people, people[local]))


def _after(parts: Mapping[str, Adaptable], held: Scores, images: Images, count: int) -> dict[str, float]:
    """Return the means over draws of ``count`` normals."""
    before = _scores({name: part.density for name, part in parts.items()}, parts)
    limit = float(np.quantile(held, 1 - FALSE_ALARM_RATE))
    rows = []
    for draw in range(DRAWS):
        local, rest = drawn_apart(images, count, draw)
        ill = images.abnormal[rest]
        found = adapt(
            {name: part.density for name, part in parts.items()},
            {name: part.judged[local] for name, part in parts.items()},
            reach_of(held),
        )
        own = Calibration(tuple(sorted(found.scores[found.kept].tolist())), FALSE_ALARM_RATE).threshold
        after = (_scores(found.parts, parts)[rest] - found.unit[0]) / found.unit[1]
        rows.append(
            {
                "auroc": auroc(after, ill),
                "false_alarms": float((after[~ill] > own).mean()),
                "auroc_before": auroc(before[rest], ill),
                "false_alarms_before": float((before[rest][~ill] > limit).mean()),
                "left_out": float((~found.fitted).sum()),
            }
        )
    return {figure: float(np.mean([row[figure] for row in rows])) for figure in rows[0]}


def _scores(densities: Mapping[str, Gaussian], parts: Mapping[str, Adaptable]) -> Scores:
    """Return ``(M,)`` means of the parts."""
    found = [[densities[name].standard(row) for row in part.judged] for name, part in parts.items()]
    return np.asarray(np.mean(found, axis=0))
