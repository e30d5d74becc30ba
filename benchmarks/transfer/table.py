"""The table of designs: sets and protocols in columns, then the mean over them, and the worst."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.transfer.chains import CHAIN_SCORES, CHAINED, CHAINS
from benchmarks.transfer.designs import DESIGNS, PRODUCT
from benchmarks.transfer.judge import CHOSEN, CHOSEN_IN_TILES, SCORES
from benchmarks.transfer.protocols import IN_TILES, PROTOCOLS
from benchmarks.transfer.site import COUNTS

SITE_FIGURES = {"auroc": "AUROC", "false_alarms": "false alarms"}
SHOWN_IN_TILES = (
    "image, k = 0",
    "residual, k = 4",
    "residual, k = 4, and the image",
    "late",
    "map",
    "peak of the map",
    "usual cells of late features",
    CHOSEN,
    "late + peak + residual",
    "late + peak + residual + map",
    "late + peak + image",
    "late + peak + residual and image",
    "late, peak, residual and image by softplus",
    CHOSEN_IN_TILES,
    "usual cells of late + peak + residual and image",
    "usual cells of late, peak, residual and image: the highest two",
    "late + peak + residual + usual cells of late",
    "late + peak + residual + cells of late",
    "peak + residual + usual cells of late",
)
Cells = Mapping[tuple[str, str], Mapping[str, list[float]]]  # by design and score: by protocol, one a seed


def read_results(folder: Path, view: str, figure: str) -> dict[tuple[str, str], dict[str, list[float]]]:
    """Return a figure of every judgement in ``folder``."""
    cells: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for path in sorted(folder.glob("*__*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        for score, views in found["scores"].items():
            if figure in views[view]:
                cells[found["design"], score][found["protocol"]].append(views[view][figure])
    return cells


def read_site(folder: Path) -> dict[tuple[str, str], dict[str, dict[str, list[float]]]]:
    """Return what a site's own normals change: by design and score, by protocol, each figure, one a seed.

    Figures are ``auroc`` and ``false_alarms`` "before" and "after N", on the same images.
    """
    found: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = {}
    for path in sorted(folder.glob("*__*.json")):
        judged = json.loads(path.read_text(encoding="utf-8"))
        for score, counts in judged.get("site", {}).items():
            row = found.setdefault((judged["design"], score), {}).setdefault(
                judged["protocol"], defaultdict(list)
            )
            for count, figures in counts.items():
                for figure in SITE_FIGURES:
                    row[f"{figure} after {count}"].append(figures[figure])
            if counts:  # of the most normals: they leave the fewest to judge
                for figure in SITE_FIGURES:
                    row[f"{figure} before"].append(counts[max(counts, key=int)][f"{figure}_before"])
    return found


def site_markdown(folder: Path, show: Sequence[str] = ("design", "score")) -> str:
    """Return the table of what a site's own normals change, a row a protocol; empty without figures."""
    times = ("before", *(f"after {count}" for count in COUNTS))
    columns = [f"{figure} {when}" for figure in SITE_FIGURES for when in times]
    names = [f"{SITE_FIGURES[figure]}, {when}" for figure in SITE_FIGURES for when in times]
    head, lines = [*show, "set", *names], []
    found = read_site(folder)
    for design, score in _order(found):
        says = {"design": _says()[design], "score": score}
        for protocol in PROTOCOLS:
            if row := found[design, score].get(protocol):
                cells = [_cell(row.get(column, [])) for column in columns]
                lines.append(f"| {' | '.join([*(says[one] for one in show), protocol, *cells])} |")
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *lines]) if lines else ""


def page(folder: Path) -> str:
    """Return the tables of ``docs/method/detection.md``: designs by the score in use, then its parts."""
    plain = read_results(folder, "plain", "auroc")
    tiled = {name for name, one in DESIGNS.items() if one.tile_px}
    chosen = {key: row for key, row in plain.items() if key[1] == CHOSEN and key[0] not in tiled}
    in_tiles = {key for key in plain if key[0] in tiled and key[1] in SHOWN_IN_TILES}
    tables = {f"Designs, AUROC of {CHOSEN}": markdown(chosen, show=("design",))}
    for title, view, figure in (("low-pass", "low_pass", "auroc"), ("false alarms", "plain", "false_alarms")):
        cells = read_results(folder, view, figure)
        tables[f"Designs, {title}"] = markdown({key: cells[key] for key in chosen}, figure, ("design",))
    for title, view, figure in (
        ("AUROC", "plain", "auroc"),
        ("low-pass", "low_pass", "auroc"),
        ("false alarms", "plain", "false_alarms"),
    ):
        cells = {key: row for key, row in read_results(folder, view, figure).items() if key in in_tiles}
        tables[f"In tiles, {title}"] = markdown(cells, figure, among=IN_TILES)
    parts = {key: row for key, row in plain.items() if key[0] == PRODUCT}
    says = DESIGNS[PRODUCT].says
    tables[f"Parts and their combinations, AUROC ({says})"] = markdown(parts, show=("score",))
    tables["After a site's own normals"] = site_markdown(folder)
    whole = ("plain", "auroc"), ("low_pass", "auroc"), ("plain", "false_alarms")
    for title, (view, figure) in zip(("AUROC", "low-pass", "false alarms"), whole, strict=True):
        chained = read_results(folder / "chain", view, figure)
        tables[f"Whole chains, {title}"] = markdown(chained, figure, among=CHAINED, scores=CHAIN_SCORES)
    return "\n\n".join(f"### {title}\n\n{text}" for title, text in tables.items() if text) + "\n"


def markdown(
    cells: Cells,
    figure: str = "auroc",
    show: Sequence[str] = ("design", "score"),
    among: Sequence[str] = (),
    scores: Iterable[str] = SCORES,
) -> str:
    """Return the table: means over seeds, ± their spread; mean and worst where all protocols were judged.

    These are those ``among``, or all that there are.
    """
    among = among or tuple(PROTOCOLS)
    columns = [name for name in among if any(name in row for row in cells.values())]
    head = [*show, *columns, "mean", "worst"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    worst = np.max if figure == "false_alarms" else np.min
    for design, score in _order(cells, scores):
        row = cells[design, score]
        means = [float(np.mean(row[name])) if name in row else float("nan") for name in columns]
        complete = len(columns) == len(among) and not np.isnan(means).any()
        ends = [f"**{np.mean(means):.3f}**", f"{worst(means):.3f}"] if complete else ["", ""]
        names = {"design": _says()[design], "score": score}
        shown = [*(names[one] for one in show), *(_cell(row.get(name, [])) for name in columns), *ends]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return ""
    spread = f" ±{np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _order(
    cells: Mapping[tuple[str, str], object], scores: Iterable[str] = SCORES
) -> Iterable[tuple[str, str]]:
    designs, names = list(_says()), list(scores)
    return sorted(cells, key=lambda key: (designs.index(key[0]), names.index(key[1])))


def _says() -> dict[str, str]:
    of_chains = {name: one.says for name, one in CHAINS.items()}
    return {name: one.says for name, one in DESIGNS.items()} | of_chains
