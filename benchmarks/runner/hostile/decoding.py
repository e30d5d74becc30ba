"""Hostile files to the process that decodes, without the rest of the runner: many a second."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.runner.hostile.feeding import ENDED, GOOD_EVERY
from benchmarks.runner.hostile.kinds import draws, of_target
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.film import Wanted
from sranogan_edge.image.film import EVERY_FILM
from sranogan_edge.image.guard import DEFAULT_MAX_PIXELS

__all__ = ["Decoded", "decode"]


@dataclass
class Decoded:
    """What became of the files.

    Attributes:
        inputs: hostile ones.
        by_kind: outcome by kind: decoded, or the error's kind, and how many.
        good: ones among them, all of them decoded as they are.
        decoders: processes that decoded, one after the other.
        ended_decoders: files that ended one.
        longest_s: of one file.
        wrong: promises that were broken, in words.
    """

    inputs: int = 0
    by_kind: dict[str, dict[str, int]] = field(default_factory=dict)
    good: int = 0
    decoders: int = 0
    ended_decoders: int = 0
    longest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


def decode(root: Path, minutes: float, seed: int) -> Decoded:
    """Decode hostile and good files for so long."""
    report, kinds, rng = Decoded(), of_target("film"), np.random.default_rng(seed)
    counts: dict[str, Counter[str]] = {kind.name: Counter() for kind in kinds}
    decoder, numbers, drawn = Decoder(), set[int](), draws(kinds, rng)
    good, path = root / "good.png", root / "made.png"
    Image.fromarray(np.full((64, 64), 77, np.uint8)).save(good)
    until = time.monotonic() + minutes * 60
    try:
        while time.monotonic() < until:
            kind = next(drawn)
            path.write_bytes(kind.make(rng))
            begun = time.monotonic()
            read = decoder.read(path, Wanted(str(path), EVERY_FILM, DEFAULT_MAX_PIXELS))
            report.longest_s = round(max(report.longest_s, time.monotonic() - begun), 2)
            report.inputs += 1
            counts[kind.name]["decoded" if read.error is None else type(read.error).__name__] += 1
            report.ended_decoders += ENDED in str(read.error)
            if read.error and str(path) not in str(read.error):
                report.wrong.append(f"{kind.name}: its error does not name it: {read.error}")
            if kind.refused and read.error is None:
                report.wrong.append(f"{kind.name}: was decoded")
            numbers.add(decoder.pid or 0)
            if report.inputs % GOOD_EVERY == 0:
                _look_at_a_good_one(decoder, good, report)
    finally:
        decoder.close()
    report.decoders = len(numbers - {0})
    report.by_kind = {name: dict(sorted(count.items())) for name, count in counts.items()}
    return report


def _look_at_a_good_one(decoder: Decoder, path: Path, report: Decoded) -> None:
    """After whatever came before it, a good file is what it is."""
    taken = decoder.read(path, Wanted(str(path), EVERY_FILM, DEFAULT_MAX_PIXELS)).taken
    report.good += 1
    if taken is None or not (taken.frames[0].pixels == 77).all():
        report.wrong.append(f"after {report.inputs} files a good one is not what it was")
