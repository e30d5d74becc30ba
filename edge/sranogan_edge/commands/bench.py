"""``sranogan-bench``: how fast a bundle is on this device."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sranogan_edge.bench.settings import BenchSettings
from sranogan_edge.errors import ExitCode
from sranogan_edge.runtime.backends import BACKENDS
from sranogan_edge.terminal import Command, Version, main, run

EXIT_CODES = """
Exit codes: 0 everything was measured; 4 some configurations could not be measured (the report says
why); 5 the bundle was refused; 6 the JSON cannot be written; 8 no backend that was asked for works
here; 2 wrong usage; 130 interrupted (what was measured until then is reported).
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(cls=Command, epilog=EXIT_CODES)
def bench(
    bundle: Annotated[Path, typer.Argument(help="The bundle that sranogan-export wrote (NAME.sranogan).")],
    backend: Annotated[
        list[str] | None, typer.Option(help=f"One of {', '.join(BACKENDS)}; may be repeated. [default: auto]")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="CPU threads; may be repeated. [default: 1]")
    ] = None,
    steps: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Search steps; may be repeated. [default: all that the bundle has]"),
    ] = None,
    repeat: Annotated[
        int, typer.Option(min=1, help="Frames that are timed, in each configuration.")
    ] = BenchSettings.repeats,
    warm_up: Annotated[
        int, typer.Option(min=0, help="Frames before them that are not timed.")
    ] = BenchSettings.warm_up,
    frame: Annotated[
        str, typer.Option(help="Side in pixels of the frames, or WIDTHxHEIGHT, such as 4000x3000.")
    ] = str(BenchSettings.frame_side),
    json: Annotated[Path | None, typer.Option(help="Write all that was measured to this file.")] = None,
    version: Version = False,
) -> None:
    """Measure how fast a bundle is on this device.

    Every backend, number of threads and step budget is measured in a process of its own: start-up, memory,
    and milliseconds of each stage from a frame in memory to score, p-value and heat map. What the graphs
    multiply a second stands beside the peak of this machine, measured with plain convolutions.
    """

    def call() -> ExitCode:
        from sranogan_edge.commands.bench_bundle import (  # a typing error is answered without it
            bench_bundle,
            frame_of,
        )

        settings = BenchSettings(repeat, warm_up, *frame_of(frame))
        return bench_bundle(bundle, backend or ["auto"], threads or [1], steps, settings, json)

    run(call)


def bench_main() -> None:
    """Entry point of ``sranogan-bench``."""
    main(app, "sranogan-bench")


if __name__ == "__main__":
    bench_main()
