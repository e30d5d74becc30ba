"""Train and judge designs on every set, and print the table.

::

    make transfer                                     # the table, from the committed figures
    python -m benchmarks.transfer run mixture-128     # makes what is missing of one design's figures
    python -m benchmarks.transfer chain shipped       # the same of whole chains, an hour a set on 2 cores
    python -m benchmarks.transfer page                # brings docs/method/detection.md up to date
    python -m benchmarks.transfer start               # makes the weights that heads start from, anew
    python -m benchmarks.transfer heat                # judges the planes of heat maps, and their weights

Normals alone are learned from, and give every density and threshold; labels only report. Killed and started
again it goes on with the judgement that it was at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchmarks.transfer.chains import CHAINS
from benchmarks.transfer.designs import DESIGNS
from benchmarks.transfer.protocols import ALL, IN_TILES, PROTOCOLS
from benchmarks.transfer.table import markdown, read_results, site_markdown
from benchmarks.transfer.table import page as page_tables
from keras_sranogan.settings import check_choice
from keras_sranogan.startup import start_backend
from sranogan_edge.errors import ExitCode
from sranogan_edge.terminal import run as run_command
from sranogan_edge.terminal import say

RESULTS = Path(__file__).resolve().parents[1] / "results" / "transfer"
CHAIN_RESULTS = RESULTS / "chain"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "method" / "detection.md"
BEGIN, END = "<!-- table:begin -->\n", "<!-- table:end -->"
CACHE = Path.home() / ".cache" / "sranogan" / "transfer"

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def table(
    view: Annotated[str, typer.Option(help="plain or low_pass.")] = "plain",
    figure: Annotated[str, typer.Option(help="auroc or false_alarms.")] = "auroc",
) -> None:
    """Print the table of what was judged."""
    cells = read_results(RESULTS, view, figure)
    typer.echo(
        markdown(cells, figure)
        if cells
        else f"{RESULTS} holds no figures yet: run a design first (run --help)"
    )
    if after := site_markdown(RESULTS):
        typer.echo(f"\nAfter a site's own normals, 20 and 100 of the judged set's:\n\n{after}")


@app.command()
def page(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 where it differs.")] = False,
) -> None:
    """Bring the tables of docs/method/detection.md up to date."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    new = before + BEGIN + page_tables(RESULTS) + END + rest.split(END)[1]
    if check:
        raise typer.Exit(int(new != text))
    PAGE.write_text(new, encoding="utf-8")


@app.command()
def judge() -> None:
    """Judge all designs anew by what was kept of their heads, after a change of the scores."""

    def work() -> ExitCode:
        from benchmarks.transfer.fast import judge_again

        for path in sorted(RESULTS.glob("*__*.json")):
            done = judge_again(path, CACHE)
            typer.echo(f"{path.name}: {'judged' if done else 'its parts are not here: it stays as it is'}")
        return ExitCode.OK

    run_command(work)


@app.command()
def run(
    designs: Annotated[list[str], typer.Argument(help="Names of designs.")],
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0 on.")] = 3,
    protocol: Annotated[list[str] | None, typer.Option(help="Only these; all by default.")] = None,
) -> None:
    """Train and judge designs on every set that is here."""

    def work() -> ExitCode:
        say(*start_backend())
        from benchmarks.transfer.fast import run_fast

        for name in protocol or []:
            check_choice("--protocol", name, tuple(ALL))
        for one in designs:
            check_choice("DESIGNS", one, tuple(DESIGNS))
        for design in designs:
            usual = IN_TILES if DESIGNS[design].tile_px else tuple(PROTOCOLS)
            for seed in range(seeds):
                for name in protocol or usual:
                    typer.echo(f"{design}, seed {seed}, {name}")
                    run_fast(design, name, seed, RESULTS, CACHE)
        return ExitCode.OK

    run_command(work)


@app.command()
def chain(
    names: Annotated[list[str], typer.Argument(help="Of benchmarks.transfer.chains.CHAINS.")],
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0 on.")] = 1,
    protocol: Annotated[list[str] | None, typer.Option(help="Only these; all by default.")] = None,
    runs: Annotated[Path, typer.Option(help="Where run folders are made, or gone on with.")] = CACHE / "runs",
) -> None:
    """Train and judge whole chains; KERAS_BACKEND=jax takes a card where there is one."""

    def work() -> ExitCode:
        for name in protocol or []:
            check_choice("--protocol", name, tuple(PROTOCOLS))
        for one in names:
            check_choice("NAMES", one, tuple(CHAINS))
        say(*start_backend())
        from benchmarks.transfer.chain import run_chain
        from keras_sranogan.progress import Terminal

        with Terminal() as progress:
            for seed in range(seeds):
                for name in protocol or PROTOCOLS:
                    for one in names:
                        progress.say(f"{one}, seed {seed}, {name}")
                        run_chain(one, name, seed, CHAIN_RESULTS, runs, progress)
        return ExitCode.OK

    run_command(work)


@app.command()
def start() -> None:
    """Teach a head on drawn images, for those of real ones to start from; half an hour on 2 busy cores."""

    def work() -> ExitCode:
        say(*start_backend())
        from benchmarks.transfer.start import make_start

        typer.echo(f"{make_start(RESULTS.parent / 'head_start.json')}")
        return ExitCode.OK

    run_command(work)


@app.command()
def heat(
    seeds: Annotated[int, typer.Option(help="How many seeds, from 0 on.")] = 3,
    tiles: Annotated[
        bool, typer.Option("--tiles", help="Of the heads of tiles, on the sets in tiles.")
    ] = False,
) -> None:
    """Judge the planes that heat maps are made of, with several weights, on the sets with masks."""

    def work() -> ExitCode:
        say(*start_backend())
        from benchmarks.transfer.planes import JUDGED, JUDGED_IN_TILES, run_planes

        file, judged = ("heat_planes_tiles.json", JUDGED_IN_TILES) if tiles else ("heat_planes.json", JUDGED)
        typer.echo(f"{run_planes(RESULTS.parent / file, CACHE, judged, seeds)}")
        return ExitCode.OK

    run_command(work)


if __name__ == "__main__":
    app()
