r"""How often "not like the training data" is answered to normal films, ill films and wrong images.

::

    python -m benchmarks.detection.domain chest.sranogan ../shared/data/chest_xray --split val \
        --json benchmarks/results/chest_xray_val_domain.json

Half of the split's normals, drawn ``--draws`` times, are the site's calibration; the other half and all
the rest are asked about. No image of the calibration is asked about.

``--own`` asks the bundle itself instead, as it answers without a site's calibration: also about jittered
normals (other takes of the same), the normals that it was fitted to, and folders of other films
(``--other``)::

    python -m benchmarks.detection.domain chest.sranogan ../shared/data/chest_xray --split val --own \
        --other ../shared/data/covid --json benchmarks/results/chest_xray_val_domain_bundle.json
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.detection.bad_input import evenly
from benchmarks.detection.bad_input_cases import CASES, changed, noise, photographs
from benchmarks.record import Record
from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation.retake import retaken_frame
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import ImageError, SettingsError
from sranogan_edge.image.decode import decode_file
from sranogan_edge.image.files import list_images
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.foreign import DomainRule, own_rule
from sranogan_edge.scoring.statistics import statistics_of

NORMALS = "unchanged, normals"
TAKES = 2  # other ones of each normal
SEED = 0
Row = Mapping[str, float]


@dataclass(frozen=True)
class Shares:
    """Shares answered "not like the training data", mean and standard deviation over the draws."""

    images: int
    mean: float
    spread: float
    flagged: float | None  # share above the threshold of the same draw's calibration, or of the bundle


def statistics(detector: Detector, frames: Iterable[Frame]) -> list[Row]:
    """Statistics of the frames that can be scored."""
    bundle = detector.bundle
    rows: list[Row] = []
    for frame in frames:
        try:
            rows.append(statistics_of(frame, detector.score(frame), bundle.density, bundle.preprocess))
        except ImageError as error:
            print(error)
    return rows


def measure(detector: Detector, data: str, split: str, each: int) -> dict[str, list[Row]]:
    """Statistics of every case: all normals and abnormals unchanged, ``each`` of them spoilt."""
    source = open_source(data)
    items = source.items(split)
    found = {}
    for case in CASES:
        chosen = items if case is CASES[0] else evenly(items, each)
        for images, normal in (("normals", True), ("abnormals", False)):
            frames = (changed(source.frame(item), case) for item in chosen if item.is_normal is normal)
            found[f"{case.name}, {images}"] = statistics(detector, frames)
        print(case.name, flush=True)
    return {
        **found,
        "noise": statistics(detector, noise()),
        "photograph": statistics(detector, photographs()),
    }


def shares(found: Mapping[str, list[Row]], draws: int, seed: int) -> dict[str, Shares]:
    """Judge every case by calibrations of half the normals."""
    rng, normals = np.random.default_rng(seed), found[NORMALS]
    outside: dict[str, list[float]] = {name: [] for name in found}
    flagged: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(draws):
        order = rng.permutation(len(normals))
        half = [normals[place] for place in order[: len(normals) // 2]]
        columns = {name: tuple(row[name] for row in half) for name in half[0]}
        site = SiteCalibration("-", 0, "-", 0.05, columns, "-", "-")
        rule, threshold = DomainRule.of(site), site.calibration.threshold
        for name, rows in found.items():
            asked = [normals[place] for place in order[len(normals) // 2 :]] if name == NORMALS else rows
            outside[name].append(float(np.mean([not rule.judge(row).inside for row in asked])))
            flagged[name].append(float(np.mean([row["score"] > threshold for row in asked])))
    return {
        name: Shares(
            len(found[name]),
            float(np.mean(outside[name])),
            float(np.std(outside[name])),
            float(np.mean(flagged[name])),
        )
        for name in found
    }


def other_takes(detector: Detector, data: str, split: str, seed: int) -> list[Row]:
    """Statistics of other takes of the normals, ``TAKES`` of each."""
    source, rng = open_source(data), np.random.default_rng(seed)
    normals = [item for item in source.items(split) if item.is_normal]
    frames = (retaken_frame(source.frame(item), rng) for _ in range(TAKES) for item in normals)
    return statistics(detector, frames)


def own_shares(found: Mapping[str, list[Row]], bundle: Bundle) -> dict[str, Shares]:
    """Judge every case, and the normals of the bundle, by the bundle's own rule."""
    rule, threshold = own_rule(bundle), bundle.calibration.threshold
    if bundle.signs is None or rule is None:
        raise SettingsError("the bundle does not know its normals' signs: export it again")
    fitted = [dict(zip(bundle.signs, row, strict=True)) for row in zip(*bundle.signs.values(), strict=True)]
    made = {
        name: Shares(
            len(rows),
            float(np.mean([not rule.judge(row).inside for row in rows])),
            0.0,
            float(np.mean([row["score"] > threshold for row in rows])),
        )
        for name, rows in found.items()
    }
    outside = float(np.mean([not rule.judge(row).inside for row in fitted]))
    return {"held-out normals and their jittered copies": Shares(len(fitted), outside, 0.0, None), **made}


def main(
    bundle: Annotated[Path, typer.Argument(help="The bundle to ask.")],
    data: Annotated[str, typer.Argument(help="As for sranogan-evaluate.")],
    split: Annotated[str, typer.Option(help="Labelled split.")] = "val",
    json_out: Annotated[Path | None, typer.Option("--json", help="The figures to write.")] = None,
    each: Annotated[int, typer.Option(min=1, help="Spoilt normals and abnormals, at most.")] = 100,
    draws: Annotated[int, typer.Option(min=1, help="Calibrations to draw.")] = 50,
    own: Annotated[bool, typer.Option("--own", help="By the bundle's own normals.")] = False,
    other: Annotated[list[Path] | None, typer.Option(help="Folders of other films, with --own.")] = None,
) -> None:
    """Measure the rates of the out-of-domain rule."""
    record = Record("domain", SEED)
    detector = open_detector(read_bundle(bundle), backend="xnnpack")
    found = measure(detector, data, split, each)
    if own:
        found["other takes, normals"] = other_takes(detector, data, split, SEED)
        for folder in other or []:
            found[folder.name] = statistics(detector, map(decode_file, list_images([folder]).taken))
        rates, draws = own_shares(found, detector.bundle), 0
    else:
        rates = shares(found, draws, seed=SEED)
    for name, one in rates.items():
        flagged = "" if one.flagged is None else f"flagged {one.flagged:6.1%}"
        print(f"{name:45s} {one.images:4d}  {one.mean:6.1%} +- {one.spread:5.1%}  {flagged}")
    if json_out:
        record.write(
            json_out,
            data=Path(data).name,
            split=split,
            bundle=detector.bundle.sha256,
            steps=detector.bundle.steps,
            draws=draws,
            cases={name: vars(one) for name, one in rates.items()},
        )


if __name__ == "__main__":
    typer.run(main)
