r"""Hostile inputs against the real runner, for some minutes; counts as JSON.

::

    python -m benchmarks.runner.hostile --minutes 6 --bundle demo/chest.sranogan --out benchmarks/results

A runner, all of it real but the neural networks, gets files in its watched folder, associations, and requests
to its page at the same time, good ones among them; a second life of it speaks TLS. Then files are decoded by
its decoder alone, bundle files are read as the runner reads them, and graphs proven as it proves them, in a
process each. Files lie in memory where that can be: what a disk keeps, the kill proof tells.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

import benchmarks.runner.hostile.every  # noqa: F401  # registers the kinds
from benchmarks.record import Record
from benchmarks.runner.hostile.associating import Associating, of_spool
from benchmarks.runner.hostile.decoding import decode
from benchmarks.runner.hostile.feeding import PATIENCE_S, Feeding
from benchmarks.runner.hostile.kinds import Target, draws, of_target
from benchmarks.runner.hostile.visiting import Visiting
from benchmarks.runner.hostile.world import World, until
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.detector.trial import Trial, tried
from sranogan_edge.errors import SranoganError

LIFE, LIFE_WITH_TLS, DECODED, ARCHIVES, GRAPHS = 0.55, 0.1, 0.15, 0.1, 0.1  # parts of the time
IN_MEMORY = Path("/dev/shm")


def try_bundles(
    target: Target, bundle: Path, place: Path, minutes: float, seed: int, use: Callable[[Path], object]
) -> dict[str, Any]:
    """Make bundles of one target's kinds, and count what ``use`` says of each."""
    kinds, rng, sound = of_target(target), np.random.default_rng(seed), bundle.read_bytes()
    drawn, end = draws(kinds, rng), time.monotonic() + minutes * 60
    counts: dict[str, Counter[str]] = {kind.name: Counter() for kind in kinds}
    wrong: list[str] = []
    number = 0
    while time.monotonic() < end:
        kind = next(drawn)
        number += 1
        place.write_bytes(kind.make(rng, sound))
        try:
            use(place)
            outcome = "accepted"
        except SranoganError as error:
            ended = str(error).partition("was ended by ")[2].partition(":")[0]
            outcome = f"{type(error).__name__}{f' ({ended})' if ended else ''}"
        except Exception as error:  # what the runner does not expect
            outcome = f"unexpected {type(error).__name__}"
            wrong.append(f"{kind.name}, number {number}: {type(error).__name__}: {error}")
        if kind.refused and outcome == "accepted":
            wrong.append(f"{kind.name}, number {number}: was accepted")
        counts[kind.name][outcome] += 1
    by_kind = {name: dict(sorted(count.items())) for name, count in counts.items()}
    return {"inputs": number, "by_kind": by_kind, "wrong": wrong}


def prove(bundle: Path) -> object:
    """As the runner does before it takes a bundle."""
    return tried(Trial(bundle, backend="xnnpack"))


def live(root: Path, minutes: float, seed: int, *, tls: bool) -> dict[str, Any]:
    """Feed all that comes over the network, and files, to one life of the runner; the counts of each."""
    with World(root, tls=tls) as world:
        end = time.monotonic() + minutes * 60
        page = Visiting(world, seed)
        if tls:
            page.visit(end)
            return {"page, with TLS": page.counted(), "runner, with TLS": world.life}
        films, pdus = Feeding(world, np.random.default_rng(seed)), Associating(world, seed)
        with ThreadPoolExecutor(2) as others:
            work = [others.submit(page.visit, end), others.submit(pdus.send, end)]
            films.feed(end)
            for one in work:
                one.result()
        settled(world)
    found = {"films": films.counted(), "pdus": pdus.counted(), "page": page.counted()}
    return {**found, "runner": world.life}


def settled(world: World) -> None:
    """Wait until nothing waits in the spool."""
    until(lambda: of_spool(world.root)[1] == 0, PATIENCE_S, world.alive)


def main(
    bundle: Annotated[Path, typer.Option(help="A sound bundle, to be made hostile.", exists=True)],
    minutes: Annotated[float, typer.Option(min=0.1, help="For all.")] = 6.0,
    seed: Annotated[int, typer.Option(help="Of the random numbers.")] = 5,
    place: Annotated[
        Path | None, typer.Option(help="For all files; best in memory [default: /dev/shm where it is].")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for hostile.json.")] = Path("benchmarks/results"),
) -> None:
    """Feed, count, print the counts; leave with 1 where a promise was broken."""
    record = Record("runner.hostile", seed)
    chosen = place or (IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None)
    with tempfile.TemporaryDirectory(prefix="sranogan-hostile-", dir=chosen) as folder:
        root, made = Path(folder), Path(folder) / "made.sranogan"
        found = {
            name: asdict(part)
            for tls, share in ((False, LIFE), (True, LIFE_WITH_TLS))
            for name, part in live(root, minutes * share, seed, tls=tls).items()
        }
        found["decoded"] = asdict(decode(root, minutes * DECODED, seed))
        found["bundles"] = try_bundles("archive", bundle, made, minutes * ARCHIVES, seed, read_bundle)
        found["graphs"] = try_bundles("graph", bundle, made, minutes * GRAPHS, seed, prove)
    inputs = sum(part.get("inputs", 0) for part in found.values())
    wrong = sum(len(part["wrong"]) for part in found.values())
    for name, part in found.items():
        print(f"{name}: {part.get('inputs', 0):,} hostile inputs, {len(part['wrong'])} promises broken")
        for kind, count in part.get("by_kind", {}).items():
            print(f"  {kind:45s} {', '.join(f'{many} {what}' for what, many in count.items())}")
        figures = {key: value for key, value in part.items() if not isinstance(value, (dict, list))}
        print(f"  {figures}\n", *(f"  BROKEN: {one}\n" for one in part["wrong"][:20]), end="", flush=True)
    print(f"{inputs:,} hostile inputs, {wrong} promises broken")
    record.write(out / "hostile.json", inputs=inputs, promises_broken=wrong, **found)
    raise typer.Exit(int(bool(wrong)))


if __name__ == "__main__":
    typer.run(main)
