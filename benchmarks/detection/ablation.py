r"""What each piece of the method contributes to detection: take it out, fit the densities again, measure.

::

    python -m benchmarks.detection.ablation s/0 ../shared/data/chest_xray --split val --work /tmp/ablation \
        --out benchmarks/results/chest_xray_val_ablation.json

Keras, float32. Each way to reconstruct is computed once and kept in ``--work``, so that an interrupted
command goes on. Labels are used to report; densities are fitted on the run's held-out normals alone.
"""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.detection.ablation_bench import NORMALS, Bench, Rows, Scores, Variant, read_sets, variants
from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation.intervals import auroc_interval
from keras_sranogan.machine import machine, timestamp
from keras_sranogan.progress import Terminal
from keras_sranogan.run import Run
from sranogan_edge.errors import SettingsError
from sranogan_edge.scoring.density import WHOLE_PARTS

RESAMPLES = 1000
INTERVAL = (0.025, 0.975)
# What stands in the place of each part; the image's own band energies may take the residual's place.
SCORES: dict[str, tuple[str, Mapping[str, str]]] = {
    "all": ("all parts", {name: name for name in WHOLE_PARTS}),
    **{name: (f"{name} alone", {name: name}) for name in WHOLE_PARTS},
    "image": ("band energies of the image alone, no reconstruction", {"residual": "image"}),
    **{f"no_{gone}": (f"without {gone}", {p: p for p in WHOLE_PARTS if p != gone}) for gone in WHOLE_PARTS},
    "image_head_map": (
        "band energies of the image alone in the residual's place",
        {name: "image" if name == "residual" else name for name in WHOLE_PARTS},
    ),
}
L1_ROWS = {
    "l1_g": "sum of absolute x - g(x) at the search size",
    "l1_sr": "sum of absolute x - SR(c(g(x))) at the search size",
}
FEW_NOTE = (
    "Rows marked * are on fewer images, to save hours: densities of the held-out normals and one jittered "
    "copy of each, and every second image of the split. They are compared with the row 'as trained *'."
)
FIGURES = ("auroc", "auroc_low_pass", "auroc_shifted")


HEADER = """| {0} | AUROC | low-pass | shifted normals | minus the reference (95 % interval) |
|---|---|---|---|---|"""


def choose(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Return ``names`` that are ``wanted``, all where nothing is; raises SettingsError for an unknown one."""
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        raise SettingsError(f"--rows: no row {', '.join(unknown)}; there are {', '.join(names)}.")
    return [name for name in names if name in wanted or not wanted]


def measure(
    full: Bench, few: Bench, wanted: Sequence[str], ways: Mapping[str, Variant]
) -> Iterator[dict[str, Any]]:
    """Yield the rows asked for; the reference of each difference is computed whether asked for or not."""
    names = choose([*SCORES, *L1_ROWS, *ways], wanted)
    usual = full.made(ways["as_trained"])
    parts: dict[str, Rows] = {"residual": usual["residual"], **full.image_parts}
    reference = full.figures(full.judged({name: parts[name] for name in WHOLE_PARTS}))
    for name in SCORES:
        if name in names:
            title, place = SCORES[name]
            score = full.judged({slot: parts[of] for slot, of in place.items()})
            yield _row("parts", name, title, full.figures(score), reference, full)
    for name, title in L1_ROWS.items():
        if name in names:
            yield _row("parts", name, title, full.figures(_summed(usual[name])), reference, full)
    for name, way in ways.items():
        if name in names:
            yield from _reconstructed(few if way.few else full, name, way, ways)


def _summed(rows: Rows) -> Callable[[str], Scores]:
    return lambda name: rows[name].astype(np.float64)


def _reconstructed(
    bench: Bench, name: str, way: Variant, ways: Mapping[str, Variant]
) -> Iterator[dict[str, Any]]:
    """Rows of one way to reconstruct: all parts, the residual alone, and plain sums of differences."""
    made, usual = bench.made(way), bench.made(ways["as_trained"])
    others = {part: bench.image_parts[part] for part in WHOLE_PARTS if part != "residual"}
    for group, more in (("reconstruction, all parts", others), ("reconstruction, residual alone", {})):
        here, there = (
            bench.figures(bench.judged({"residual": one["residual"], **more})) for one in (made, usual)
        )
        yield _row(group, name, way.title, here, there, bench)
    here, there = (bench.figures(_summed(one["l1_g"])) for one in (made, usual))
    yield _row("reconstruction, sum of absolute x - g(x)", name, way.title, here, there, bench)


def _row(
    group: str, name: str, title: str, found: dict[str, Any], reference: dict[str, Any], bench: Bench
) -> dict[str, Any]:
    abnormal = bench.sets.abnormal
    return {
        "group": group,
        "name": name,
        "title": title,
        "images": {
            "normals": int((~abnormal).sum()),
            "abnormals": int(abnormal.sum()),
            "fitted_on": len(bench.sets.x[NORMALS]),
        },
        **{key: value for key, value in found.items() if key != "scores"},
        "auroc_ci": auroc_interval(found["scores"], abnormal),
        "difference": difference(found["scores"], reference["scores"], abnormal),
    }


def difference(here: Scores, there: Scores, abnormal: NDArray[np.bool_]) -> dict[str, Any] | None:
    """AUROC of ``here`` minus that of ``there``, with the 95 % interval of resampled images (paired).

    AUROC is the share of pairs of an abnormal and a normal that are in order, ties half.
    """
    if abnormal.all() or not abnormal.any():
        return None
    gained = _in_order(here, abnormal) - _in_order(there, abnormal)
    rng = np.random.default_rng(0)
    abnormals, normals = (rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) for n in gained.shape)
    found = np.sum(abnormals @ gained * normals, axis=1) / gained.size
    return {"auroc": float(gained.mean()), "auroc_ci": np.quantile(found, INTERVAL).tolist()}


def _in_order(scores: Scores, abnormal: NDArray[np.bool_]) -> NDArray[np.float64]:
    """``(abnormals, normals)``: 1 where the abnormal scores higher, 0.5 where both score the same."""
    return np.heaviside(scores[abnormal][:, None] - scores[~abnormal][None], 0.5)


def tables(result: Mapping[str, Any]) -> str:
    """Return the Markdown of a result: one table a group; the reference is the row it is 0 of."""
    lines: list[str] = []
    for group in dict.fromkeys(row["group"] for row in result["rows"]):
        lines += ["", *HEADER.format(group).splitlines()]
        lines += [_line(row) for row in result["rows"] if row["group"] == group]
    return "\n".join([*lines[1:], "", *result["notes"], ""])


def _line(row: Mapping[str, Any]) -> str:
    apart = row["difference"]
    values = " | ".join(f"{row[key]:.3f}" for key in FIGURES)
    if apart is None:
        return f"| {row['title']} | {values} | |"
    low, high = apart["auroc_ci"]
    between = f"{apart['auroc']:+.3f} ({low:+.3f} to {high:+.3f})" if low or high else "reference"
    return f"| {row['title']} | {values} | {between} |"


def main(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    data: Annotated[str, typer.Argument(help="As for sranogan-evaluate.")],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    work: Annotated[Path, typer.Option(help="Folder for what is computed (not for the repository).")],
    split: Annotated[str, typer.Option(help="Labelled split to report on.")] = "val",
    rows: Annotated[list[str] | None, typer.Option(help="A row to measure; all where none is named.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="Of the shifted normals.")] = 1,
    fewer: Annotated[
        bool,
        typer.Option("--fewer", help="Measure all other searches on fewer images, not the longest alone."),
    ] = False,
    table: Annotated[Path | None, typer.Option(help="Markdown to write as well.")] = None,
) -> None:
    """Measure what each piece of one run contributes."""
    started, source, folder = time.monotonic(), open_source(data), Run(run)
    with Terminal() as progress:
        sets, networks = read_sets(folder, source, split, draws, progress), folder.networks()
        full = Bench(folder, networks, sets, work, progress)
        few = Bench(folder, networks, sets.few(), work, progress)
        ways, measured = variants(folder.settings.search, few=fewer), list[dict[str, Any]]()
        for row in measure(full, few, rows or [], ways):  # written as they come: some take long
            measured.append(row)
            result = {
                "commands": [shlex.join(["python", "-m", "benchmarks.detection.ablation", *sys.argv[1:]])],
                "seed": folder.settings.seed,
                "minutes": round((time.monotonic() - started) / 60, 2),
                "evaluated_at": timestamp(),
                "provenance": {"data": source.name, "split": split, "machine": machine()},
                "draws": draws,
                "notes": [FEW_NOTE] if any(one["title"].endswith("*") for one in measured) else [],
                "rows": measured,
            }
            _write(result, out, table)


def _write(result: dict[str, Any], out: Path, table: Path | None) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if table is not None:
        table.write_text(tables(result), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
