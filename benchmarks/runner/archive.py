r"""The proof of archives: so many files, scored by a run that is killed at random moments and given again.

::

    python -m benchmarks.runner.archive --bundle demo/chest.sranogan --out benchmarks/results

Phantoms as PNG and DICOM, and bad files of several kinds. The run is the command itself, with real workers;
its rows are compared with those of one that nobody disturbed.
"""

from __future__ import annotations

import io
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow.dataset as pads
import pydicom
import typer
from PIL import Image, PngImagePlugin

from benchmarks.record import Record
from keras_sranogan.data.phantom import render_abnormal, render_normal

DRAWN = 200  # phantoms; each file is one of them, with a mark of its own, so that no two have the same bytes
A_FOLDER = 500
BAD_ONE_IN = 50
DICOM_ONE_IN = 5
POLL_S = 0.05
OF_ONE_RUN = ["scored_at", "milliseconds"]


@dataclass(frozen=True)
class ArchiveReport:
    """What came of it.

    Attributes:
        files: of the archive.
        kills: by SIGKILL.
        starts: of the command, until it ended by itself.
        rows: that are there in the end.
        twice: sources that stand in more than one row.
        missing: files without a row.
        different: rows that are not those of the undisturbed run.
        verdicts: how many rows have which.
        errors: how many have which kind of error.
        undisturbed_s: seconds of the run that nobody disturbed.
        peak_mb: the most memory of a process of these runs, in 10^6 bytes.
    """

    files: int
    kills: int
    starts: int
    rows: int
    twice: int
    missing: int
    different: int
    verdicts: dict[str, int]
    errors: dict[str, int]
    undisturbed_s: float
    peak_mb: float = field(
        default_factory=lambda: resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6
    )

    def broken(self) -> list[str]:
        """The promises that it broke."""
        bad = {"twice": self.twice, "missing": self.missing, "different": self.different}
        return [f"{count} {name}" for name, count in bad.items() if count]


def draw(folder: Path, files: int) -> None:
    """Draw the archive."""
    phantoms = [
        (render_abnormal(7, n, "consolidation", 96) if n % 7 == 0 else render_normal(7, n, 96)).pixels
        for n in range(DRAWN)
    ]
    for number in range(files):
        place = folder / f"{number // A_FOLDER:05}" / f"{number:08}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        pixels = phantoms[number % DRAWN]
        if number % BAD_ONE_IN == 0:
            _bad(place, number // BAD_ONE_IN, pixels)
        elif number % DICOM_ONE_IN == 0:
            place.with_suffix("").write_bytes(_dicom(pixels, number))
        else:
            marks = PngImagePlugin.PngInfo()
            marks.add_text("number", str(number))
            Image.fromarray(pixels).save(place, pnginfo=marks)


def _bad(place: Path, number: int, pixels: Any) -> None:
    kind = number % 4
    if kind == 0:
        place.touch()
    elif kind == 1:
        place.write_text(f"{number} is no image")
    elif kind == 2:
        Image.fromarray(np.zeros_like(pixels)).save(place)
    else:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        place.write_bytes(buffer.getvalue()[: -1000 - number % 100])


def _dicom(pixels: Any, number: int) -> bytes:
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.Modality = pydicom.uid.DigitalXRayImageStorageForPresentation, "DX"
    dataset.SOPInstanceUID = f"1.2.826.0.1.3680043.8.498.{number + 1}"
    dataset.Manufacturer, dataset.StationName = f"Maker {number % 3}", f"Room {number % 7}"
    dataset.AcquisitionDate = f"2024{number % 12 + 1:02}01"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def start(bundle: Path, archive: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """Start the command."""
    options = ["--engine", "local", "--workers", str(workers), "--out", str(out)]
    command = [sys.executable, "-m", "sranogan_edge.commands.score", str(bundle), str(archive), *options]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)


def disturbed(bundle: Path, archive: Path, out: Path, workers: int, kills: int, seed: int) -> tuple[int, int]:
    """Kill it at random moments, then let it end; return how many kills and starts there were."""
    rng, parts = random.Random(seed), -(-sum(1 for one in archive.rglob("*") if one.is_file()) // 256)
    killed = starts = 0
    for _ in range(kills):
        run, starts = start(bundle, archive, out, workers), starts + 1
        done = len(list(out.glob("part-*.parquet")))
        wanted = done + rng.randint(0, max(1, parts // kills))
        while run.poll() is None and len(list(out.glob("part-*.parquet"))) < wanted:
            time.sleep(POLL_S)
        time.sleep(rng.uniform(0, 5))
        killed += run.poll() is None
        run.send_signal(signal.SIGKILL)
        run.wait()
    return killed, starts + _to_the_end(bundle, archive, out, workers)


def _to_the_end(bundle: Path, archive: Path, out: Path, workers: int) -> int:
    code = start(bundle, archive, out, workers).wait()
    assert code in (0, 4), f"the run ended with exit code {code}"
    return 1


def rows_in(out: Path) -> dict[str, list[dict[str, Any]]]:
    """The rows of each source."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in pads.dataset(str(out), format="parquet").to_table().drop_columns(OF_ONE_RUN).to_pylist():
        found.setdefault(str(row["source"]), []).append(row)
    return found


def prove(bundle: Path, root: Path, files: int, workers: int, kills: int, seed: int) -> ArchiveReport:
    """Run the proof in ``root``."""
    archive = root / "archive"
    draw(archive, files)
    begun = time.monotonic()
    _to_the_end(bundle, archive, root / "whole", workers)
    undisturbed_s = time.monotonic() - begun
    killed, starts = disturbed(bundle, archive, root / "out", workers, kills, seed)
    found, whole = rows_in(root / "out"), rows_in(root / "whole")
    names = {str(path) for path in archive.rglob("*") if path.is_file()}
    rows = [row for several in found.values() for row in several]
    return ArchiveReport(
        files=files,
        kills=killed,
        starts=starts,
        rows=len(rows),
        twice=sum(len(several) > 1 for several in found.values()),
        missing=len(names - found.keys()),
        different=sum(found.get(name) != several for name, several in whole.items()),
        verdicts=dict(Counter(str(row["verdict"]) for row in rows)),
        errors=dict(Counter(str(row["error_kind"]) for row in rows if row["error_kind"])),
        undisturbed_s=round(undisturbed_s, 1),
    )


def main(
    bundle: Annotated[Path, typer.Option(help="What scores.")],
    files: Annotated[int, typer.Option(min=1)] = 20_000,
    kills: Annotated[int, typer.Option(min=0)] = 12,
    workers: Annotated[int, typer.Option(min=1)] = 2,
    seed: Annotated[int, typer.Option()] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for archive.json.")] = None,
) -> None:
    """Prove that each file of an archive has one row, however often the run is killed."""
    record = Record("runner.archive", seed)
    with tempfile.TemporaryDirectory() as folder:
        report = prove(bundle, Path(folder), files, workers, kills, seed)
    for name, value in asdict(report).items():
        print(f"{name:16s} {value}")
    if out:
        record.write(out / "archive.json", workers=workers, report=asdict(report))
    if broken := report.broken():
        print(f"broken: {'; '.join(broken)}", file=sys.stderr)
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
