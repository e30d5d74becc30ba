r"""The soak: many frames through the whole runner, its memory and its file handles watched from outside.

::

    python -m benchmarks.runner.soak --frames 100000 --name standin
    python -m benchmarks.runner.soak --frames 4000 --bundle chest-int8.sranogan --name int8
    python -m benchmarks.pages.soak_page

A film of phantoms is decoded again and again (``benchmarks/film.py``), as fast as its frames are taken,
while image files are dropped into a watched folder; results go to ``results.jsonl``, a JSONL and an SQLite
sink, the board and the drift monitor, and the page is asked as a browser would.
``benchmarks/pages/soak_page.py`` draws the runs.
"""

from __future__ import annotations

import json
import math
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from scipy import stats

from benchmarks.film import write_film
from benchmarks.record import Record
from keras_sranogan.data.phantom import render_normal

FILM_FRAMES = 3000
DROPS_PER_S = 5.0
SAMPLE_S = 2.0
WARM_UP = 0.25  # share of the frames that the slope leaves out
BLOCKS = (
    12  # of neighbouring samples, whose means are fitted: samples one after the other are not independent
)
PER_FRAMES = 100_000
SITE_NORMALS = 40


@dataclass(frozen=True)
class Sample:
    """The runner's process at one moment."""

    seconds: float
    images: int  # results so far: frames and objects
    rss_mib: float
    handles: int
    threads: int
    children: int


@dataclass(frozen=True)
class Slope:
    """A straight line through the medians of blocks, with its 95 % confidence interval."""

    per_100000: float
    low: float
    high: float


def slope_of(images: Sequence[float], values: Sequence[float]) -> Slope:
    """Fit what ``values`` grow by in 100,000 images.

    By Theil and Sen: the median of the slopes between any two blocks, its interval after Kendall's test. A
    peak that goes away again is no growth, so medians stand for the blocks.

    Raises:
        ValueError: fewer samples than blocks.
    """
    if len(images) < BLOCKS:
        raise ValueError(f"{len(images)} samples are too few for {BLOCKS} blocks")
    x, y = (
        [float(np.median(part)) for part in np.array_split(np.asarray(column, float), BLOCKS)]
        for column in (images, values)
    )
    slope, _, low, high = stats.theilslopes(y, x, alpha=0.95)
    return Slope(*(round(PER_FRAMES * float(value), 3) for value in (slope, low, high)))


def settled(samples: Sequence[Sample]) -> list[Sample]:
    """The samples after the warm-up."""
    return [one for one in samples if one.images >= WARM_UP * samples[-1].images]


def sample(pid: int, images: int, began: float) -> Sample:
    """Read /proc of the process."""
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
    )
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return Sample(
        seconds=round(time.monotonic() - began, 1),
        images=images,
        rss_mib=round(int(status["VmRSS"].split()[0]) / 1024, 2),
        handles=len(os.listdir(f"/proc/{pid}/fd")),
        threads=int(status["Threads"]),
        children=len(children),
    )


def drop_images(folder: Path, over: threading.Event) -> None:
    """Let image files arrive, one in fifty of them no image."""
    pictures = [cv2.imencode(".png", render_normal(12, n).pixels)[1].tobytes() for n in range(20)]
    number = 0
    while not over.wait(1 / DROPS_PER_S):
        part = folder / f"{number:07d}.png.part"
        part.write_bytes(pictures[number % 20] if number % 50 else b"no image")
        part.rename(folder / f"{number:07d}.png")
        number += 1
        for place in ("done", "failed"):  # somebody empties them: a soak is not about a full disk
            for old in sorted((folder / place).glob("*.png"))[:-200] if number % 100 == 0 else ():
                old.unlink()


def watched(task: dict[str, Any], frames: int, root: Path, limit_s: float) -> Iterator[Sample]:
    """Run the runner until it has ``frames`` results, or for ``limit_s``; stop it cleanly."""
    given = root / "task.json"
    given.write_text(json.dumps(task))
    log = (root / "log").open("w")
    runner = subprocess.Popen([sys.executable, "-m", "benchmarks.runner.soak_runner", str(given)], stderr=log)
    over, began, images = threading.Event(), time.monotonic(), 0
    dropping = threading.Thread(target=drop_images, args=(Path(task["watched"]), over), daemon=True)
    dropping.start()
    try:
        while images < frames and time.monotonic() - began < limit_s:
            time.sleep(SAMPLE_S)
            if runner.poll() is not None:
                raise RuntimeError(f"the runner ended: {(root / 'log').read_text()[-3000:]}")
            with suppress(OSError):  # not serving yet
                images = ask(task["page"])
                yield sample(runner.pid, images, began)
        over.set()
        dropping.join()
        runner.send_signal(signal.SIGTERM)
        if runner.wait(120):
            raise RuntimeError(
                f"the runner left with {runner.returncode}: {(root / 'log').read_text()[-3000:]}"
            )
    finally:
        over.set()
        runner.kill()


def ask(page: str) -> int:
    """Look at the page as a browser does; returns the number of results."""
    for path in ("metrics", "api/live/heat.png", "api/results?q=film"):
        with (
            suppress(urllib.error.HTTPError),
            urllib.request.urlopen(f"http://{page}/{path}", timeout=20) as one,
        ):
            one.read()
    with urllib.request.urlopen(f"http://{page}/api/state", timeout=20) as answer:
        return sum(json.load(answer)["counts"].values())


def calibrate(bundle: Path, root: Path) -> Path:
    """Calibrate the bundle to phantoms."""
    normals = root / "normals"
    normals.mkdir()
    for number in range(SITE_NORMALS):
        cv2.imwrite(str(normals / f"{number}.png"), render_normal(13, number).pixels)
    site = root / "site.json"
    command = ["-m", "sranogan_edge.commands.calibrate", str(bundle), str(normals), "--out", str(site)]
    subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return site


def soak(frames: int, bundle: Path | None, root: Path, limit_s: float = math.inf) -> dict[str, Any]:
    """Run, and sum up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        page = f"127.0.0.1:{free.getsockname()[1]}"
    out, folder = root / "out", root / "watched"
    out.mkdir()
    folder.mkdir()
    length = FILM_FRAMES if bundle is None else frames + 1000
    task = {
        "film": str(write_film(root / "film.avi", length)),
        "watched": str(folder),
        "out": str(out),
        "sinks": [f"jsonl:{out / 'sink'}", f"sqlite:{out / 'results.sqlite'}"],
        "page": page,
        "bundle": str(bundle) if bundle else "",
        "calibration": str(calibrate(bundle, root)) if bundle else "",
    }
    samples = list(watched(task, frames, root, limit_s))
    files = sorted(out.glob("results*.jsonl"))  # results.jsonl itself sorts last
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    late = settled(samples)
    images = [one.images for one in late]
    return {
        "networks": "int8 bundle" if bundle else "stand-in",
        "results": len(lines),
        "of_objects": sum("film" not in line["file"] for line in lines),
        "not_scored": sum(line["verdict"] == "error" for line in lines),
        "seconds": samples[-1].seconds,
        "images_per_s": round(samples[-1].images / samples[-1].seconds, 1),
        "rss_mib_after_warm_up": [min(one.rss_mib for one in late), max(one.rss_mib for one in late)],
        "rss_mib_slope": asdict(slope_of(images, [one.rss_mib for one in late])),
        "handles_after_warm_up": [min(one.handles for one in late), max(one.handles for one in late)],
        "handles_slope": asdict(slope_of(images, [one.handles for one in late])),
        "threads_after_warm_up": [min(one.threads for one in late), max(one.threads for one in late)],
        "samples": [list(asdict(one).values()) for one in samples],
        "sample_columns": list(asdict(samples[0])),
    }


def main(
    frames: Annotated[int, typer.Option(min=100, help="Results to wait for.")] = 100_000,
    bundle: Annotated[Path | None, typer.Option(help="A real bundle [default: a stand-in].")] = None,
    minutes: Annotated[float, typer.Option(help="The longest that it may take.")] = math.inf,
    name: Annotated[str, typer.Option(help="Of the run in the result file.")] = "standin",
    out: Annotated[Path, typer.Option(help="Folder of soak_NAME.json.")] = Path("benchmarks/results"),
) -> None:
    """Soak the runner, print the slopes, write them."""
    record = Record("soak", 11)
    with tempfile.TemporaryDirectory(prefix="sranogan-soak-") as folder:
        run = soak(frames, bundle, Path(folder), 60 * minutes)
    for key, value in run.items():
        if not key.startswith("sample"):
            print(f"{key:24s} {value}")
    record.write(out / f"soak_{name}.json", **run)


if __name__ == "__main__":
    typer.run(main)
