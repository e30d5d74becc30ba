r"""Draw the soak: resident memory and file handles over the results, as docs/images/soak.png.

::

    python -m benchmarks.pages.soak_page \
        benchmarks/results/soak_standin.json benchmarks/results/soak_int8.json
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import matplotlib as mpl
import typer
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from benchmarks.runner.soak import WARM_UP

__all__ = ["draw"]


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    """Two charts for each run: MiB, and handles with threads."""
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure((9, 2.7 * len(runs)), layout="constrained")
        for row, (run, axes) in enumerate(
            zip(runs, figure.subplots(len(runs), 2, squeeze=False), strict=True)
        ):
            columns = dict(zip(run["sample_columns"], zip(*run["samples"], strict=True), strict=True))
            images, slope = columns["images"], run["rss_mib_slope"]
            memory, counts = axes
            memory.plot(images, columns["rss_mib"], lw=0.8, color="#0b63a5")
            memory.set_ylim(0, 1.25 * max(columns["rss_mib"]))
            memory.set_ylabel("resident memory (MiB)")
            memory.set_title(
                f"{run['networks']}, {run['results']:,} results: {slope['per_100000']:+.2f} MiB in 100,000 "
                f"[{slope['low']:+.2f}, {slope['high']:+.2f}]",
                fontsize=9,
                loc="left",
            )
            counts.plot(images, columns["handles"], lw=0.8, color="#b3261e", label="file handles")
            counts.plot(images, columns["threads"], lw=0.8, color="#1b6b45", label="threads")
            counts.set_ylim(0, 1.25 * max(columns["handles"]))
            counts.set_ylabel("number")
            counts.legend(frameon=False, ncols=2, loc="lower right")
            for place in axes:
                place.axvspan(0, WARM_UP * max(images), color="#0000000d", lw=0)
                place.xaxis.set_major_locator(MaxNLocator(5))
                place.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
                if row == len(runs) - 1:
                    place.set_xlabel("results (grey: warm-up, not in the slope)")
        figure.savefig(path, dpi=110)


def main(
    results: Annotated[list[Path], typer.Argument(help="What benchmarks/runner/soak.py wrote.")],
    out: Annotated[Path, typer.Option(help="The picture to write.")] = Path("docs/images/soak.png"),
) -> None:
    """Write the picture."""
    draw([json.loads(path.read_text()) for path in results], out)


if __name__ == "__main__":
    typer.run(main)
