r"""Changes the code in small ways, and counts which of them its tests notice; counts as JSON, by part.

::

    make mutants PARTS="conformal metrics split"
    python -m benchmarks.mutants conformal --out benchmarks/results

Needs mutmut (requirements/mutants.txt). The parts that are not named keep what they had in the file. A part
that is not done within ``--minutes`` is left out of it. ``--sample`` tries that many changes of each part,
drawn evenly: for parts whose tests start processes and servers, of which all would take a day. ``--again``
tries what was not noticed the last time, once there are tests for it.
"""

from __future__ import annotations

import json
import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.mutants.parts import PARTS
from benchmarks.mutants.stage import NOTICED, REPOSITORY, Outcome, chosen, make, mutate, read_results, stage
from benchmarks.record import Record
from keras_sranogan.machine import machine, timestamp

SEED = 0  # of Hypothesis, and of the sample where no other is asked for; mutmut itself draws nothing


def added(before: Mapping[str, Any], outcome: Outcome) -> Outcome:
    """Return what became of all mutants of a part, of which those that were not noticed were tried again."""
    counts = Counter({status: n for status, n in before["counts"].items() if status in NOTICED})
    counts.update(outcome.counts)
    counts.update(survived=len(before["equivalent"]))
    return Outcome(dict(counts), outcome.unnoticed, {**before["equivalent"], **outcome.equivalent})


def main(
    parts: Annotated[list[str], typer.Argument(help=f"Of {', '.join(PARTS)}.")],
    minutes: Annotated[float, typer.Option(min=0.1, help="For each part.")] = 60.0,
    sample: Annotated[int | None, typer.Option(min=1, help="Changes of each part; default: all.")] = None,
    seed: Annotated[int, typer.Option(help="Of the sample: another one draws other changes.")] = SEED,
    again: Annotated[bool, typer.Option(help="Only what was not noticed the last time.")] = False,
    children: Annotated[int, typer.Option(min=1, help="Mutants that are tested at a time.")] = 2,
    out: Annotated[Path, typer.Option(help="Folder of mutants.json.")] = Path("benchmarks/results"),
) -> None:
    """Mutate, count, add to the file.

    Leaves with 2 at a name that there is not, or code that changed since the last time where it is asked for
    ``again``; with 1 where the time ran out.
    """
    if unknown := [name for name in parts if name not in PARTS]:
        raise typer.BadParameter(f"no part is called {', '.join(unknown)}; there are {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that mutmut ends with us
    record, path, unfinished = Record("mutants", seed), out / "mutants.json", False
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["parts"] if path.is_file() else {}
    for name in parts:
        folder, began = REPOSITORY / "build" / "mutants" / name, time.monotonic()
        stage(PARTS[name], folder)
        made = make(folder)
        before = found.get(name) if again else None
        if again and not (before and before["of"] == len(made)):
            raise typer.BadParameter(f"{name} has other changes than the last time: run it without --again")
        tried = list(before["unnoticed"]) if before else chosen(made, sample, seed)
        if tried and not mutate(folder, tried, minutes * 60, children):
            print(f"{name}: not done within {minutes:g} minutes, and left out")
            unfinished = True
            continue
        outcome = read_results(folder, tried)
        drawn = f" --sample {sample} --seed {seed}" if sample else ""
        command = f"python -m benchmarks.mutants {name}{drawn}"
        if before:
            outcome, command = added(before, outcome), f"{before['command']}; the same with --again"
        found[name] = {
            "command": command,
            "files": PARTS[name].files,
            "tests": PARTS[name].tests,
            "of": len(made),
            "mutants": sum(outcome.counts.values()),
            "rate": outcome.rate,
            "counts": outcome.counts,
            "unnoticed": outcome.unnoticed,
            "equivalent": outcome.equivalent,
            "minutes": round((time.monotonic() - began) / 60, 1),
            "made": timestamp(),
            "machine": machine(),
        }
        tries = sum(outcome.counts.values())
        print(f"{name}: {outcome.rate:.1%} of {tries} tried of {len(made)}: {outcome.counts}")
        record.write(path, parts={one: found[one] for one in PARTS if one in found})
    raise typer.Exit(int(unfinished))


if __name__ == "__main__":
    typer.run(main)
