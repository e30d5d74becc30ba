r"""What memory a training takes at its most, task by task, by the number of images and where these are.

::

    python -m benchmarks.detection.training_memory --out benchmarks/results/training_memory.json

Each training is a process of its own, on drawn surfaces that lie in a folder as PNG. Its networks are the
narrowest and take a few steps: what grows is of the images. The peak is Linux's (``VmHWM``), set back when a
task begins.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer

from benchmarks.record import Record
from keras_sranogan.data.open import open_source
from keras_sranogan.data.phantom.source import PhantomOptions, PhantomSource
from keras_sranogan.progress import Silent

COUNTS, SIDE_PX = (2000, 8000), 128
MIB = 2**20
app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Peaks(Silent):
    """Progress that notes the peak of memory, in MiB, and the seconds of each task."""

    def __init__(self) -> None:
        """Begin with what stands before the first task."""
        self.tasks: dict[str, dict[str, float]] = {}
        self._task, self._since = "starting", time.monotonic()

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Note the task that has ended, and begin another."""
        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
        peak = int(fields["VmHWM"].split()[0]) * 1024 / MIB
        seconds = time.monotonic() - self._since
        self.tasks[self._task] = {"peak_mib": round(peak, 1), "seconds": round(seconds, 1)}
        Path("/proc/self/clear_refs").write_text("5")
        self._task, self._since = task, time.monotonic()


def trained(images: Path, run: Path, images_in: str) -> dict[str, Any]:
    """Train in this process and return what each task took."""
    from keras_sranogan import settings as of
    from keras_sranogan.startup import start_backend
    from keras_sranogan.training.train import train

    start_backend()
    settings = of.TrainSettings(
        precision="float32",
        anogan=of.AnoganSettings(base_width=4, max_width=8, steps=40, batch=8, encoder_steps=40),
        corrector=of.CorrectorSettings(search_steps=1, steps=40, batch=8),
        search=of.SearchSettings(kind="encoder", steps=0),
        refiner=of.RefinerSettings(filters=4, steps=40, batch=8),
        srgan=of.SrganSettings(filters=4, blocks=1, discriminator_width=4, steps=40, batch=8),
        head=of.HeadSettings(width=8, steps=40, pairs=8),
    )
    peaks = Peaks()
    train(open_source(str(images)), run, settings, peaks, images_in=images_in)  # type: ignore[arg-type]  # checked there
    peaks.start("", 0)
    return peaks.tasks


def measured(images: Path, count: int, images_in: str) -> dict[str, Any]:
    """Train on the first ``count`` of the images in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        some = Path(folder) / "images"
        some.mkdir()
        for path in sorted(images.iterdir())[:count]:
            (some / path.name).symlink_to(path)
        again = [sys.executable, "-m", "benchmarks.detection.training_memory", "--one", folder]
        said = subprocess.run([*again, "--in", images_in], check=True, stdout=subprocess.PIPE).stdout
    return dict(json.loads(said.splitlines()[-1]))


def per_image_kib(fewer: dict[str, Any], more: dict[str, Any]) -> dict[str, float]:
    """Return by how much each task's peak grows with an image."""
    images = more["images"] - fewer["images"]
    return {
        task: round((more["tasks"][task]["peak_mib"] - one["peak_mib"]) * 1024 / images, 1)
        for task, one in fewer["tasks"].items()
    }


@app.command()
def main(
    out: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
    counts: Annotated[list[int] | None, typer.Option("--count", help="Images, fewest first.")] = None,
    modes: Annotated[list[str] | None, typer.Option("--in", help="memory, disk or both.")] = None,
    one: Annotated[Path | None, typer.Option(help="Train in this folder on its images/, and print.")] = None,
) -> None:
    """Measure, and print each training's peaks."""
    modes = modes or ["memory", "disk"]
    if one:
        print(json.dumps(trained(one / "images", one / "run", modes[0])))
        return
    counts, record = counts or [*COUNTS], Record("detection.training_memory", 0)
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        source = PhantomSource(PhantomOptions(train=max(counts), size=SIDE_PX), "texture")
        for number, item in enumerate(source.items("train")):
            cv2.imwrite(str(Path(folder) / f"{number:06d}.png"), source.frame(item).pixels)
        for images_in in modes:
            for count in counts:
                tasks = measured(Path(folder), count, images_in)
                runs.append({"images": count, "images_in": images_in, "tasks": tasks})
                print(json.dumps(runs[-1]), flush=True)
    grown = {
        mode: per_image_kib(*pair)
        for mode in modes
        for pair in pairwise([run for run in runs if run["images_in"] == mode])
    }
    print(json.dumps(grown, indent=2))
    if out:
        record.write(out, side_px=SIDE_PX, runs=runs, kib_an_image=grown)


if __name__ == "__main__":
    app()
