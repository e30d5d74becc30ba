"""``python -m benchmarks.screen pack`` here, ``run`` where the GPU is, then ``table`` here again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.screen.designs import KINDS, REBUILD, SHIPPED
from benchmarks.screen.judging import on_the_cpu, rebuilt_standard, small, standardised, without_head
from benchmarks.transfer.judge import Standard
from benchmarks.transfer.protocols import Images
from keras_sranogan.machine import machine

Array = NDArray[np.float32]
Parts = dict[str, Standard]
Sets = dict[str, Images]
How = tuple[Path, Path, float]  # folder of the results, drawn images, scale of all numbers of steps
WRITE_EVERY_S = 40
SEEDS = 3
RESULTS = Path("benchmarks/results/screening.json")
CACHE = Path.home() / ".cache/sranogan/transfer"
app = typer.Typer(help=__doc__, add_completion=False)


@app.command()
def pack(to: Annotated[Path, typer.Argument()], cache: Path = CACHE) -> None:
    """Write the images of all protocols into one file that travels."""
    from benchmarks.screen.pack import pack as write

    write(to, cache)


@app.command()
def draw(to: Annotated[Path, typer.Argument()], share: float = 1.0) -> None:
    """Draw the images that starts are taught on, or a share of them."""
    from benchmarks.screen.drawn import draw_all

    draw_all(to, int(3000 * share), int(800 * share), int(1500 * share))


@app.command()
def run(
    sets: Annotated[Path, typer.Argument(help="what pack wrote")],
    out: Annotated[Path, typer.Argument(help="folder of the results")],
    name: Annotated[str, typer.Argument(help="start: shipped, random, or one of designs.STARTS")],
    fines: Annotated[
        list[str], typer.Argument(help="trainings on the sets, of designs.FINES, in this order")
    ],
    seconds: Annotated[float, typer.Option(help="begin nothing after this time")] = 400,
    only: Annotated[str, typer.Option(help="protocols that begin so")] = "",
    drawn: Annotated[Path, typer.Option(help="what draw wrote")] = Path("drawn.npz"),
    scale: Annotated[float, typer.Option(help="of all numbers of steps, to try this out")] = 1.0,
) -> None:
    """Train heads from one start on every set, and judge them; a line of JSON for each."""
    began = time.monotonic()
    workers = ProcessPoolExecutor(4, mp_context=get_context("spawn"), initializer=on_the_cpu)
    from benchmarks.screen.pack import unpack

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began:6.1f} {name}: {text}", flush=True)

    images = {key: one for key, one in unpack(sets).items() if key.startswith(only)}
    kept = Kept(out / f"{name}__{fines[0]}.npz")
    work = _rebuild if name == REBUILD else _heads
    for about, standard in work(name, fines, images, workers, (out, drawn, scale), tell):
        if time.monotonic() - began > seconds:
            break
        kept.add(about, standard)
    kept.write(wait=True)
    tell("all done")


def _heads(
    name: str, fines: list[str], images: Sets, workers: Executor, how: How, tell: Callable[[str], None]
) -> Iterator[tuple[str, Future[Parts]]]:
    from benchmarks.screen.teach import Bench

    if name == SHIPPED:
        for key, one in images.items():
            yield f"plain/{key}/0", workers.submit(without_head, one)
    bench = Bench(name, *how, tell)
    for fine in fines:
        for seed in range(SEEDS):
            for key, one in images.items():
                measured = bench.head(fine, one, seed)
                yield f"{fine}/{key}/{seed}", workers.submit(standardised, measured, one, seed)
        tell(f"{fine} done")


def _rebuild(
    _: str, kinds: list[str], images: Sets, workers: Executor, how: How, tell: Callable[[str], None]
) -> Iterator[tuple[str, Future[Parts]]]:
    from benchmarks.screen.rebuild import Rebuilder

    seen = {
        key: one.result() for key, one in {k: workers.submit(small, v) for k, v in images.items()}.items()
    }
    for kind in kinds:
        rebuilder = Rebuilder(KINDS[kind])
        for key, one in images.items():
            rows = {name: x for name, x in seen[key].items() if name != "fit"}
            made = rebuilder(seen[key]["fit"], np.concatenate(list(rows.values())), 0, how[2])
            ends = np.cumsum([len(x) for x in rows.values()])[:-1]
            parts = dict(zip(rows, np.split(made, ends), strict=True))
            yield f"{kind}/{key}/0", workers.submit(rebuilt_standard, kind, rows, parts, one, 0)
        tell(f"{kind} done")


class Kept:
    """Parts in standard deviations, in one file that is written again as they come."""

    def __init__(self, path: Path) -> None:
        """Begin with none."""
        self.path, self.done, self.waiting = path, dict[str, Array](), list[tuple[str, Future[Parts]]]()
        self.written = time.monotonic()

    def add(self, about: str, parts: Future[Parts]) -> None:
        """Keep parts that may still be on their way."""
        self.waiting.append((about, parts))
        if time.monotonic() - self.written > WRITE_EVERY_S:
            self.write(wait=False)

    def write(self, *, wait: bool) -> None:
        """Write those that have come, or all."""
        ready = [pair for pair in self.waiting if wait or pair[1].done()]
        self.waiting = [pair for pair in self.waiting if pair not in ready]
        for about, future in ready:
            for part, one in future.result().items():
                self.done[f"{about}/{part}/held"] = one.held.astype(np.float32)
                for view, rows in one.judged.items():
                    self.done[f"{about}/{part}/{view}"] = rows.astype(np.float32)
        np.savez_compressed(self.path, **self.done)  # type: ignore[arg-type]
        self.written = time.monotonic()


@app.command()
def judge(
    folder: Annotated[Path, typer.Argument(help="what came back")],
    sets: Annotated[Path, typer.Argument(help="what pack wrote")],
    commands: Annotated[list[str], typer.Option("--command", help="that made what came back; once for each")],
    minutes: Annotated[float, typer.Option(help="that the card was held")] = 0.0,
    card: str = "NVIDIA H200",
    results: Path = RESULTS,
) -> None:
    """Write the figures of all that was screened; ``machine`` is the one that judges, not the card's."""
    from benchmarks.screen.table import FIGURES, judged

    found = {
        "commands": [*commands, "python -m benchmarks.screen judge OUT SETS"],
        "seed": 0,
        "seeds": list(range(SEEDS)),
        "minutes": minutes,
        "card": card,
        "provenance": {"machine": machine()},
        "figures": FIGURES,
    }
    head = json.dumps(found, indent=1).removesuffix("\n}")
    rows = ",\n".join(json.dumps(row) for row in judged(folder, sets))
    results.write_text(f'{head},\n "rows": [\n{rows}\n ]\n}}\n', encoding="utf-8")


@app.command()
def table(
    score: Annotated[str, typer.Option(help="one of table.SCORES")] = "late + map + residual",
    view: str = "plain",
    results: Path = RESULTS,
) -> None:
    """Print one score's AUROC as a table in Markdown."""
    from benchmarks.screen.table import markdown

    typer.echo(markdown(json.loads(results.read_text(encoding="utf-8"))["rows"], score, view))


if __name__ == "__main__":
    app()
