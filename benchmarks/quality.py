r"""Train, evaluate, export, evaluate the device's graphs, score extra folders: one command, one JSON.

::

    python benchmarks/quality.py ../shared/data/chest_xray --split val --work /tmp/quality \
        --extra originals=../shared/data/chest_xray_originals --extra covid=../shared/data/covid \
        --out benchmarks/results/chest_xray_val_seed0.json

Every step is one of the package's own commands; finished steps are kept, so it can be run again
after an interruption. Labels are used by the evaluation alone.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

BIN = Path(sys.executable).parent


def call(
    minutes: dict[str, float], name: str, *arguments: object, accept: tuple[int, ...] = (0,)
) -> list[str]:
    """Run a command of the package, note its minutes, and return the command line."""
    command = [str(argument) for argument in arguments]
    print("$", " ".join(command), flush=True)
    started = time.monotonic()
    code = subprocess.run([str(BIN / command[0]), *command[1:]], check=False).returncode
    if code not in accept:
        raise SystemExit(f"{command[0]} ended with exit code {code}")
    minutes[name] = round((time.monotonic() - started) / 60, 2)
    return command


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
    minutes: dict[str, float] = {}
    run, bundle = work / "run", work / "int8.sranogan"
    commands = [
        call(
            minutes,
            "train",
            "sranogan-train",
            data,
            "--preset",
            preset,
            "--seed",
            seed,
            "--out",
            run,
            "--resume",
        ),
        call(
            minutes,
            "evaluate_keras",
            "sranogan-evaluate",
            run,
            data,
            "--split",
            split,
            "--json",
            work / "keras.json",
            "--pictures",
            work / "keras_pictures",
            "--report",
            work / "keras.html",
        ),
        call(
            minutes,
            "export",
            "sranogan-export",
            run,
            "--int8",
            "--out",
            bundle,
            "--json",
            work / "export.json",
        ),
        call(
            minutes,
            "evaluate_int8",
            "sranogan-evaluate",
            bundle,
            data,
            "--split",
            split,
            "--json",
            work / "int8.json",
            "--pictures",
            work / "int8_pictures",
            "--report",
            work / "int8.html",
        ),
    ]
    folders = {}
    for name, _, folder in (pair.partition("=") for pair in extra or []):
        scores = work / f"scores_{name}"
        commands.append(
            call(minutes, f"score_{name}", "sranogan-score", bundle, folder, "--out", scores, accept=(0, 4))
        )
        folders[name] = summarise(scores / "results.jsonl")
    progress = json.loads((run / "progress.json").read_text())
    result = {
        "commands": [" ".join(command) for command in commands],
        "seed": seed,
        "minutes": minutes,
        "training_minutes": {**progress, "total": round(sum(progress.values()), 2)},
        "keras": json.loads((work / "keras.json").read_text()),
        "int8": json.loads((work / "int8.json").read_text()),
        "export": json.loads((work / "export.json").read_text()),
        "reconstruction_quality": json.loads((run / "reconstruction_quality.json").read_text()),
        "provenance": json.loads((run / "provenance.json").read_text()),
        "folders": folders,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
