r"""What decoding in a process of its own costs a film: the same files here and there, in turn.

::

    python -m benchmarks.runner.decoding --out benchmarks/results/decoding.json

"Before" is what the runner did when it decoded in its own process: the fields of the file, then its bytes.
"""

from __future__ import annotations

import os
import socket
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from benchmarks.record import Record
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import Wanted
from sranogan_edge.image.dicom_pixels import CR
from sranogan_edge.image.film import EVERY_FILM, fields_of_file
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS
from sranogan_edge.image.reading import read_frames

SIDES = (128, 512, 1024, 2048, 3000)
WARM = 5
TRIPS = 2000


def picture(side: int, rng: np.random.Generator, bits: int) -> Any:
    """Smooth noise, ``(side, side)``, which codecs take for an image."""
    coarse = rng.random((side // 16 + 1, side // 16 + 1), np.float32) * (2**bits - 1)
    return np.clip(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC), 0, 2**bits - 1)


def film(path: Path, stored: Any) -> Path:
    """A CR film of 12 bits, not compressed."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = UID(CR)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = UID("1.2.3")
    made.Modality, made.SamplesPerPixel, made.PhotometricInterpretation = "CR", 1, "MONOCHROME2"
    made.Rows, made.Columns = stored.shape
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = stored.astype(np.uint16).tobytes()
    made.save_as(path, enforce_file_format=True)
    return path


def files(folder: Path, rng: np.random.Generator) -> dict[str, Path]:
    """A film, a PNG and a JPEG of each size."""
    found = {}
    for side in SIDES:
        found[f"DICOM, 12 bits, {side} x {side}"] = film(folder / f"{side}.dcm", picture(side, rng, 12))
        grey = Image.fromarray(picture(side, rng, 8).astype(np.uint8))
        for suffix in ("png", "jpg"):
            grey.save(folder / f"{side}.{suffix}")
            found[f"{suffix.upper()}, 8 bits, {side} x {side}"] = folder / f"{side}.{suffix}"
    return found


def before(path: Path, wanted: Wanted) -> None:
    """As the runner did."""
    fields = fields_of_file(path, wanted.source)
    read = partial(read_frames, path.read_bytes(), source=wanted.source, max_pixels=wanted.max_pixels)
    assert wanted.films.taken(fields, read).frames


def processor_s(decoder: Decoder) -> float:
    """Seconds of a core that the decoder's process has taken; 0 where the kernel does not tell."""
    tasks = Path(f"/proc/{decoder.pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def paired(decoder: Decoder, path: Path, runs: int) -> dict[str, float]:
    """Medians in milliseconds; other work on the machine changes those of processor time least."""
    wanted = Wanted(str(path), EVERY_FILM, DEFAULT_MAX_PIXELS)
    here, there, cpu_here, cpu_there = [], [], [], []
    for run in range(runs + WARM):
        cpu_began = time.process_time(), processor_s(decoder)
        began = time.perf_counter()
        before(path, wanted)
        between, cpu_between = time.perf_counter(), time.process_time()
        assert decoder.read(path, wanted).or_raise().frames
        ended = time.perf_counter()
        if run >= WARM:
            here.append(1000 * (between - began))
            there.append(1000 * (ended - between))
            cpu_here.append(1000 * (cpu_between - cpu_began[0]))
            taken_there = processor_s(decoder) - cpu_began[1]
            cpu_there.append(1000 * (time.process_time() - cpu_between + taken_there))
    more = np.array(there) - np.array(here)
    figures = {"before_ms": np.median(here), "now_ms": np.median(there), "more_ms": np.median(more)}
    figures |= {"least_before_ms": min(here), "least_now_ms": min(there)}
    cpu_more = np.median(np.array(cpu_there) - np.array(cpu_here))
    figures |= {"processor_before_ms": np.median(cpu_here), "processor_now_ms": np.median(cpu_there)}
    figures |= {"processor_more_ms": cpu_more}
    return {name: round(float(value), 2) for name, value in figures.items()}


def round_trip_ms() -> float:
    """What a byte to another process and one back take at least: the floor of any way out of this one."""
    ours, theirs = socket.socketpair()
    echo = os.fork()
    if not echo:
        ours.close()
        while data := theirs.recv(1):
            theirs.send(data)
        os._exit(0)
    theirs.close()
    taken = []
    for _ in range(TRIPS):
        began = time.perf_counter()
        ours.send(b"x")
        ours.recv(1)
        taken.append(1000 * (time.perf_counter() - began))
        time.sleep(0.0005)  # as between films, both have to wake up
    ours.close()
    os.waitpid(echo, 0)
    return round(float(np.median(taken)), 3)


def main(
    runs: Annotated[int, typer.Option(min=1, help="Of each file.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the pictures.")] = 5,
    out: Annotated[Path, typer.Option(help="The result's file.")] = Path("benchmarks/results/decoding.json"),
) -> None:
    """Measure, print, write."""
    record = Record("runner.decoding", seed)
    floor = round_trip_ms()
    decoder = Decoder()
    began = time.perf_counter()
    decoder.make_ready()
    start_s = round(time.perf_counter() - began, 2)
    found = {}
    with tempfile.TemporaryDirectory(prefix="sranogan-decoding-") as folder:
        for name, path in files(Path(folder), np.random.default_rng(seed)).items():
            found[name] = paired(decoder, path, runs)
            print(f"{name:32s} {found[name]}", flush=True)
    decoder.close()
    record.write(out, runs=runs, start_s=start_s, round_trip_ms=floor, films=found)


if __name__ == "__main__":
    typer.run(main)
