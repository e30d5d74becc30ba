r"""Train, evaluate, export, evaluate the device's graphs, score extra folders: one command, one JSON.

::

    python benchmarks/detection/quality.py ../shared/data/chest_xray --split val --work /tmp/quality \
        --extra originals=../shared/data/chest_xray_originals --extra covid=../shared/data/covid \
        --out benchmarks/results/chest_xray_val_seed0.json

Every step is one of the package's own commands; finished steps are kept, so it can be run again
after an interruption. Labels are used by the evaluation alone.
"""

from __future__ import annotations

import json
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

BIN = Path(sys.executable).parent


def call(command: str, accept: tuple[int, ...] = (0,)) -> float:
    """Run one of the package's commands; return its minutes."""
    print("$", command, flush=True)
    name, *arguments = shlex.split(command)
    started = time.monotonic()
    code = subprocess.run([str(BIN / name), *arguments], check=False).returncode
    if code not in accept:
        raise SystemExit(f"{name} ended with exit code {code}")
    return round((time.monotonic() - started) / 60, 2)


def summarise(results: Path) -> dict[str, Any]:
    """Return mean and quartiles of the scores, and the counts, of a ``results.jsonl``."""
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    figures: dict[str, Any] = {
        "images": len(lines),
        "failed": sum(line["verdict"] == "error" for line in lines),
        "anomalous": sum(line["verdict"] == "anomalous" for line in lines),
    }
    for key in ("score", "anogan_score"):
        values = [line[key] for line in lines if line[key] is not None]
        figures[key] = {"mean": statistics.fmean(values), "quartiles": statistics.quantiles(values, n=4)}
    totals = [line["milliseconds"]["total"] for line in lines if line["milliseconds"]]
    figures["milliseconds_median"] = statistics.median(totals)
    return figures


def main(
    data: Annotated[str, typer.Argument(help="As for sranogan-train.")],
    work: Annotated[
        Path, typer.Option(help="Folder for the run, the bundle and the pictures (not for the repository).")
    ],
    out: Annotated[Path, typer.Option(help="The JSON to write.")],
    split: Annotated[str, typer.Option(help="Labelled split to report on.")] = "val",
    preset: Annotated[str, typer.Option(help="As for sranogan-train.")] = "standard",
    seed: Annotated[int, typer.Option(help="As for sranogan-train.")] = 0,
    extra: Annotated[
        list[str] | None, typer.Option(help="NAME=FOLDER to score with the bundle, without labels.")
    ] = None,
) -> None:
    """Measure one preset on one data set, from training to the device's graphs."""
    w = shlex.quote(str(work))
    model = f"{shlex.quote(data)} --split {split}"
    commands = {
        "train": f"sranogan-train {shlex.quote(data)} --preset {preset} --seed {seed} --out {w}/run --resume",
        "evaluate_keras": f"sranogan-evaluate {w}/run {model} {_outputs(w, 'keras')}",
        "export": f"sranogan-export {w}/run --int8 --out {w}/int8.sranogan --json {w}/export.json",
        "evaluate_int8": f"sranogan-evaluate {w}/int8.sranogan {model} {_outputs(w, 'int8')}",
    }
    minutes = {name: call(command) for name, command in commands.items()}
    folders = {}
    for name, _, folder in (pair.partition("=") for pair in extra or []):
        step, scores = f"score_{name}", f"{w}/scores_{name}"
        commands[step] = f"sranogan-score {w}/int8.sranogan {shlex.quote(folder)} --out {scores}"
        minutes[step] = call(commands[step], accept=(0, 4))
        folders[name] = summarise(work / f"scores_{name}" / "results.jsonl")
    result = {"commands": list(commands.values()), "seed": seed, "minutes": minutes}
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**result, **_collected(work), "folders": folders}, indent=2) + "\n")


def _outputs(work: str, name: str) -> str:
    return f"--json {work}/{name}.json --pictures {work}/{name}_pictures --report {work}/{name}.html"


def _collected(work: Path) -> dict[str, Any]:
    """Return what the commands left in ``work``."""
    files = {
        "keras": "keras.json",
        "int8": "int8.json",
        "export": "export.json",
        "reconstruction_quality": "run/reconstruction_quality.json",
        "provenance": "run/provenance.json",
    }
    progress = json.loads((work / "run" / "progress.json").read_text())
    return {
        "training_minutes": {**progress, "total": round(sum(progress.values()), 2)},
        **{name: json.loads((work / file).read_text()) for name, file in files.items()},
    }


if __name__ == "__main__":
    typer.run(main)
