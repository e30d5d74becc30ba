"""What was screened, as figures: AUROC of parts and of whole scores, by start, training, set and seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.screen.designs import KINDS, RANDOM, REBUILD, SHIPPED
from benchmarks.transfer.judge import FALSE_ALARM_RATE
from benchmarks.transfer.protocols import VIEWS
from keras_sranogan.evaluation.metrics import auroc

Array = NDArray[np.float32]
PARTS = ("early", "middle", "late", "map", "places_middle", "places_late")
WITHOUT = ("pca_0", "pca_4", "pca_16")
COMBINED = {
    "late + map": ("late", "map"),
    "late + map + residual": ("late", "map", "pca_4"),
    "the same + early": ("late", "map", "pca_4", "early"),
    "the same + places of late": ("late", "map", "pca_4", "places_late"),
    **{f"late + map + {name}": ("late", "map", name) for name in (*WITHOUT, *KINDS)},
}
FIGURES = tuple(f"{what} {view}" for view in VIEWS for what in ("auroc", "false_alarms"))
SCORES = {**{name: (name,) for name in (*PARTS, *WITHOUT, *KINDS)}, **COMBINED}


class Screened:
    """The parts that came back, in standard deviations."""

    def __init__(self, folder: Path, sets: Path) -> None:
        """Read ``START__TRAINING.npz`` files, and who is abnormal of the sets."""
        with np.load(sets) as stored:
            self.abnormal = {k.partition("/")[0]: stored[k] for k in stored if k.endswith("/abnormal")}
            self.held = {k.partition("/")[0]: len(stored[k]) for k in stored if k.endswith("/held")}
        self.rows: dict[str, Array] = {}
        for path in sorted(folder.glob("*__*.npz")):
            with np.load(path) as stored:
                self.rows |= {f"{path.stem.partition('__')[0]}/{key}": stored[key] for key in stored}

    def heads(self) -> list[tuple[str, str, str, int]]:
        """Return start, training, set and seed of each head."""
        found = {tuple(key.split("/")[:4]) for key in self.rows if key.endswith("/late/held")}
        return sorted((start, fine, name, int(seed)) for start, fine, name, seed in found)

    def part(self, head: tuple[str, str, str, int], name: str, view: str) -> Array | None:
        """Return a part of a head, or of no head, where it was measured."""
        start, fine, protocol, seed = head
        places = (
            f"{start}/{fine}/{protocol}/{seed}",
            f"{SHIPPED}/plain/{protocol}/0",
            f"{REBUILD}/{name}/{protocol}/0",
        )
        return next(
            (rows for place in places if (rows := self.rows.get(f"{place}/{name}/{view}")) is not None), None
        )

    def figures(self, head: tuple[str, str, str, int]) -> Iterator[tuple[str, list[float]]]:
        """Return :data:`FIGURES` of each score whose parts are there."""
        abnormal, originals = self.abnormal[head[2]], self.held[head[2]]
        for score, parts in SCORES.items():
            held = [self.part(head, part, "held") for part in parts]
            if all(rows is not None for rows in held):
                threshold = np.quantile(np.mean(held, axis=0)[:originals], 1 - FALSE_ALARM_RATE)  # type: ignore[arg-type]
                found = []
                for view in VIEWS:
                    z = np.mean([self.part(head, part, view) for part in parts], axis=0)  # type: ignore[arg-type]
                    found += [auroc(z, abnormal), float((z[~abnormal] > threshold).mean())]
                yield score, [round(float(value), 4) for value in found]


def judged(folder: Path, sets: Path) -> list[dict[str, Any]]:
    """Return a row for each head."""
    screened = Screened(folder, sets)
    return [
        {
            "start": head[0],
            "fine": head[1],
            "protocol": head[2],
            "seed": head[3],
            "scores": dict(screened.figures(head)),
        }
        for head in screened.heads()
    ]


def markdown(rows: Sequence[Mapping[str, Any]], score: str, view: str = "plain") -> str:
    """Return AUROC by start and set, means of the seeds that there are; where a set is missing, no mean."""
    names = sorted({row["protocol"] for row in rows})
    lines = [f"| start, training | {' | '.join(names)} | mean | worst |", "|---" * (len(names) + 3) + "|"]
    for start, fine in sorted({(row["start"], row["fine"]) for row in rows}, key=_order):
        cells = []
        for name in names:
            found = [
                row["scores"][score][FIGURES.index(f"auroc {view}")]
                for row in rows
                if (row["start"], row["fine"], row["protocol"]) == (start, fine, name)
                and score in row["scores"]
            ]
            cells.append(float(np.mean(found)) if found else np.nan)
        whole = not np.isnan(cells).any()
        told = [f"{cell:.3f}" if not np.isnan(cell) else "-" for cell in cells]
        ends = [f"{np.mean(cells):.3f}", f"{min(cells):.3f}"] if whole else ["-", "-"]
        lines.append(f"| {start}, {fine} | {' | '.join((*told, *ends))} |")
    return "\n".join(lines)


def _order(design: tuple[str, str]) -> tuple[int, str, str]:
    return ((RANDOM, SHIPPED).index(design[0]) if design[0] in (RANDOM, SHIPPED) else 2, *design)
