"""What parts, and combinations of them, tell of images: from normals alone, reported with labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.transfer.protocols import VIEWS, Images
from keras_sranogan.detector.fit import fit_gaussian, folds_of, out_of_fold
from keras_sranogan.evaluation.metrics import auroc, pixel_aupro, pixel_auroc
from sranogan_edge.image.tiles import Box
from sranogan_edge.scoring.density import HIGHEST_IN_TILES, Gaussian, mean_of_highest
from sranogan_edge.scoring.stitch import Stitched

Array = NDArray[np.float32]
Scores = NDArray[np.float64]
FOLDS = 5
FALSE_ALARM_RATE = 0.05


def mean(z: Scores) -> Scores:
    """Return the mean over the parts, ``(P, N)`` to ``(N,)``."""
    return np.asarray(z.mean(axis=0))


def softplus_mean(z: Scores) -> Scores:
    """Return the mean of log(1 + exp(z)): a part that says "normal" takes nothing from one that does not."""
    return np.asarray(np.logaddexp(0, z).mean(axis=0))


def highest_two(z: Scores) -> Scores:
    """Return the mean of the two highest: what tells of nothing takes nothing from the others."""
    return mean_of_highest(z, HIGHEST_IN_TILES)


@dataclass(frozen=True)
class Score:
    """A combination of parts."""

    parts: tuple[str, ...]
    combine: Callable[[Scores], Scores] = mean


WHOLE = ("late", "map", "pca_4")  # the parts of the product's score
TILE = ("late", "peak", "pca_4")  # and in tiles, as it was before the image itself stood beside its residual
WITH_IMAGE = ("late", "peak", "pca_4_and_image")
WITH_CELLS = ("usual_late", "peak", "pca_4_and_image")
SCORES = {
    "Laplacian energy, low": Score(("laplacian_low",)),
    "Laplacian energy, high": Score(("laplacian_high",)),
    "image, k = 0": Score(("pca_0",)),
    "residual, k = 4": Score(("pca_4",)),
    "residual, k = 4, and the image": Score(("pca_4_and_image",)),
    "residual, k = 16": Score(("pca_16",)),
    "bands of the residual alone, k = 4": Score(("bands_4",)),
    "early": Score(("early",)),
    "middle": Score(("middle",)),
    "late": Score(("late",)),
    "map": Score(("map",)),
    "places of early features": Score(("places_early",)),
    "places of middle features": Score(("places_middle",)),
    "places of late features": Score(("places_late",)),
    "late + map": Score(("late", "map")),
    "late + residual": Score(("late", "pca_4")),
    "map + residual": Score(("map", "pca_4")),
    "late + map + bands of the residual": Score(("late", "map", "bands_4")),
    "late + map + residual": Score(WHOLE),
    "the same by softplus": Score(WHOLE, softplus_mean),
    "the same, the image for the residual": Score(("late", "map", "pca_0")),
    "the same, residual and image": Score(("late", "map", "pca_4_and_image")),
    "the same, k = 16": Score(("late", "map", "pca_16")),
    "the same + early": Score((*WHOLE, "early")),
    "the same + early + middle": Score((*WHOLE, "early", "middle")),
    "the same + places of late": Score((*WHOLE, "places_late")),
    "usual cells of early features": Score(("usual_early",)),
    "usual cells of late features": Score(("usual_late",)),
    "the same + usual cells of early": Score((*WHOLE, "usual_early")),
    "the same + usual cells of late": Score((*WHOLE, "usual_late")),
    "the same + usual cells of both": Score((*WHOLE, "usual_early", "usual_late")),
    "peak of the map": Score(("peak",)),
    "late + peak": Score(("late", "peak")),
    "late + peak + residual": Score(TILE),
    "late + peak + image": Score(("late", "peak", "pca_0")),
    "late + peak + residual and image": Score(WITH_IMAGE),
    "late, peak, residual and image by softplus": Score(WITH_IMAGE, softplus_mean),
    "late, peak, residual and image: the highest two": Score(WITH_IMAGE, highest_two),
    "usual cells of late + peak + residual and image": Score(WITH_CELLS),
    "usual cells of late, peak, residual and image: the highest two": Score(WITH_CELLS, highest_two),
    "late + peak + residual + map": Score((*TILE, "map")),
    "late + peak + residual + usual cells of late": Score((*TILE, "usual_late")),
    "late + peak + residual + cells of late": Score((*TILE, "cells_late")),
    "peak + residual + usual cells of late": Score(("peak", "pca_4", "usual_late")),
    "cells of early features": Score(("cells_early",)),
    "cells of middle features": Score(("cells_middle",)),
    "cells of late features": Score(("cells_late",)),
    "late + map + cells of early features": Score(("late", "map", "cells_early")),
    "late + map + cells of middle features": Score(("late", "map", "cells_middle")),
    "late + map + cells of late features": Score(("late", "map", "cells_late")),
    "the same + cells of late": Score((*WHOLE, "cells_late")),
    "the same + early + cells of late": Score((*WHOLE, "early", "cells_late")),
}
CHOSEN = "late + map + residual"  # what the product's score is made of
CHOSEN_IN_TILES = "late, peak, residual and image: the highest two"


@dataclass(frozen=True, eq=False)
class Measured:
    """One part of all images of a protocol, ``(N, D)`` each.

    Attributes:
        seen: normals that the networks were trained on, where these widen the density; else none.
        held: the held-out normals and their copies.
        judged: by view.
    """

    seen: Array
    held: Array
    judged: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class Standard:
    """One part in standard deviations of held-out normals: ``(N,)`` of these, and ``(M,)`` by view."""

    held: Scores
    judged: Mapping[str, Scores]


def save(standard: Mapping[str, Standard], path: Path) -> None:
    """Keep parts, so that combinations can be judged without training again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = {f"{name}__held": one.held for name, one in standard.items()}
    rows |= {f"{name}__{view}": one.judged[view] for name, one in standard.items() for view in VIEWS}
    making = path.with_suffix(".making.npz")
    np.savez(making, **rows)  # type: ignore[arg-type]  # arrays by name
    making.replace(path)


def load(path: Path) -> dict[str, Standard]:
    """Read :func:`save`."""
    with np.load(path, allow_pickle=False) as rows:
        names = [name.removesuffix("__held") for name in rows if name.endswith("__held")]
        return {
            name: Standard(rows[f"{name}__held"], {view: rows[f"{name}__{view}"] for view in VIEWS})
            for name in names
        }


def judge(standard: Mapping[str, Standard], images: Images) -> dict[str, Any]:
    """Return the figures of every score of :data:`SCORES` whose parts were measured, by its name."""
    found: dict[str, Any] = {}
    standard = {name: _of_images(one, images) for name, one in standard.items()}
    for name, score in SCORES.items():
        if set(score.parts) <= set(standard):
            held = images.worst_held(score.combine(np.stack([standard[part].held for part in score.parts])))
            threshold = float(np.quantile(held, 1 - FALSE_ALARM_RATE))
            found[name] = {view: {} for view in VIEWS}
            for view in VIEWS:
                scores = images.worst(
                    score.combine(np.stack([standard[part].judged[view] for part in score.parts]))
                )
                alarms = float((scores[~images.abnormal] > threshold).mean())
                found[name][view] = {"auroc": auroc(scores, images.abnormal), "false_alarms": alarms}
    return found


def _of_images(part: Standard, images: Images) -> Standard:
    """Return a part in standard deviations of held-out images: of the highest of each one's tiles."""
    if not images.tiled:
        return part
    highest = images.worst_held(part.held)
    usual, spread = float(highest.mean()), float(highest.std()) + 1e-6
    judged = {view: (rows - usual) / spread for view, rows in part.judged.items()}
    return Standard((part.held - usual) / spread, judged)


def judge_pixels(heats: Mapping[str, Array], images: Images) -> dict[str, dict[str, float | None]]:
    """Return pixel AUROC and AUPRO of heat maps ``(M, h, w)`` by name, where there are masks.

    Those of tiles are stitched as the product does.
    """
    if images.masks is None:
        return {}
    side, found = images.masks.shape[1:], {}
    for name, heat in heats.items():
        if images.tiles is not None:
            whole = stitched(heat, images.tiles, side)
        else:
            whole = np.stack([cv2.resize(one, side, interpolation=cv2.INTER_CUBIC) for one in heat])
        found[name] = {
            "pixel_auroc": pixel_auroc(whole, images.masks),
            "aupro": pixel_aupro(whole, images.masks),
        }
    return found


def stitched(heat: Array, tiles: NDArray[np.int64], side: tuple[int, ...]) -> Array:
    """Lay the heat of tiles ``(R, h, w)``, each ``(image, left, top, side)``, onto maps of their images."""
    maps = [Stitched(*side) for _ in range(int(tiles[:, 0].max()) + 1)]
    for one, (image, *box) in zip(heat, tiles.tolist(), strict=True):
        maps[image].lay(Box(*box), one)
    return np.stack([one.heat() for one in maps])


def standardised(part: Measured, images: Images, seed: int) -> Standard:
    """Return out-of-fold distances of held-out rows, and of those judged, in standard deviations."""
    return fitted(part, images, seed)[0]


def fitted(part: Measured, images: Images, seed: int) -> tuple[Standard, Gaussian]:
    """Return :func:`standardised`, and the density that images are judged by."""
    fold, every = folds_of(images.groups, FOLDS, seed), np.ones(len(part.held), np.bool_)
    distances = out_of_fold(part.held, fold, every, part.seen)
    whole = fit_gaussian(np.concatenate([part.held, part.seen]))
    usual, spread = float(distances.mean()), float(distances.std()) + 1e-6
    judged = {
        view: (np.array([whole.distance(row) for row in rows]) - usual) / spread
        for view, rows in part.judged.items()
    }
    density = replace(whole, usual=usual, spread=spread)
    return Standard((distances - usual) / spread, judged), density
