"""Hostile associations with a running runner's DICOM receiver, and a scanner that sends good objects."""

from __future__ import annotations

import io
import sqlite3
import struct
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

from benchmarks.runner.hostile.feeding import LinesOf
from benchmarks.runner.hostile.films import film
from benchmarks.runner.hostile.kinds import draws, of_target
from benchmarks.runner.hostile.pdus import Talk
from benchmarks.runner.hostile.wire import recorded, replayed
from benchmarks.runner.hostile.world import World, until
from benchmarks.runner.killing.dicom import CALLED, send_pynetdicom, write_object
from sranogan_edge.image.dicom_pixels import CR

__all__ = ["Associating", "Associations", "of_spool"]

CLIENTS, PATIENCE_S, BETWEEN_GOOD_S = 16, 60.0, 1.0
LISTENING = 0.3  # share of the clients that hear the receiver out; the others hang up
FIRST_LEVEL, SIDE_PX = 1000, 32
_STORED = b"\0\0\0\1\2\0\0\0\x01\x80"  # (0000,0100), the command: an answer to C-STORE
_RELEASED = b"\6\0\0\0\0\4"
_STATUS = b"\0\0\0\x09\2\0\0\0"
_OUTCOMES = {2: "accepted", 3: "rejected", 7: "aborted"}


@dataclass
class Associations:
    """What became of them.

    Attributes:
        inputs: hostile ones.
        by_kind: outcome by kind, and how many.
        good: objects of a sound scanner among them, all scored once and right.
        objects: that the receiver took into the spool, hostile ones too, each of which has one result.
        longest_s: of one association, from connecting to its end.
        wrong: promises that were broken, in words.
    """

    inputs: int = 0
    by_kind: dict[str, dict[str, int]] = field(default_factory=dict)
    good: int = 0
    objects: int = 0
    longest_s: float = 0.0
    wrong: list[str] = field(default_factory=list)


class Associating:
    """Clients of the receiver, many at once."""

    def __init__(self, world: World, seed: int) -> None:
        self.world, self.seed, self.report = world, seed, Associations()
        self.kinds = of_target("pdu")
        self.counts: dict[str, Counter[str]] = {kind.name: Counter() for kind in self.kinds}
        self.made: dict[str, float] = {}  # score by UID
        self._lock = threading.Lock()
        (world.root / "scanner").mkdir(exist_ok=True)
        self.talk = recorded(world.dicom_port, self._speak)

    def send(self, until_s: float) -> None:
        """Send until then."""
        with ThreadPoolExecutor(CLIENTS + 1) as clients:
            work = [clients.submit(self._hostile, number, until_s) for number in range(CLIENTS)]
            work.append(clients.submit(self._good, until_s))
            for one in work:
                one.result()

    def _speak(self, port: int) -> None:
        """One whole association: echo, store of the film that others are damaged copies of, release."""
        scanner = AE("XRAY1")
        scanner.add_requested_context(Verification)
        scanner.add_requested_context(CR, pydicom.uid.ExplicitVRLittleEndian)
        association = scanner.associate("127.0.0.1", port, ae_title=CALLED)
        association.send_c_echo()
        association.send_c_store(pydicom.dcmread(io.BytesIO(film(rows=SIDE_PX))))
        association.release()

    def _hostile(self, client: int, until_s: float) -> None:
        rng = np.random.default_rng((self.seed, client))
        drawn = draws(self.kinds, rng)
        while time.monotonic() < until_s and self.world.alive():
            kind, begun = next(drawn), time.monotonic()
            talk: Talk = [one for one in kind.make(rng, self.talk) if one] or [b"\0"]
            source = f"127.1.{client}.{int(rng.integers(1, 255))}"
            try:
                wait_for = _RELEASED if rng.random() < LISTENING else None
                heard = replayed(self.world.dicom_port, talk, PATIENCE_S, wait_for, source=source)
                outcome = _outcome(heard)
            except TimeoutError:
                outcome = "kept waiting"
                self.report.wrong.append(f"{kind.name}: its connection was kept for {PATIENCE_S:g} s")
            except OSError as error:
                outcome = f"no connection ({type(error).__name__})"
            with self._lock:
                self.counts[kind.name][outcome] += 1
                self.report.inputs += 1
                self.report.longest_s = round(max(self.report.longest_s, time.monotonic() - begun), 2)

    def _good(self, until_s: float) -> None:
        """A scanner that sends good objects, each again until it has its answer."""
        number = 0
        while time.monotonic() < until_s and self.world.alive():
            number += 1
            path = self.world.root / "scanner" / f"{number:05d}.dcm"
            self.made[write_object(path, FIRST_LEVEL + number, SIDE_PX)] = FIRST_LEVEL + number
            if not until(lambda path=path: self._sent(path), PATIENCE_S, self.world.alive):
                self.report.wrong.append(f"good object {number}: not taken within {PATIENCE_S:g} s")
            time.sleep(BETWEEN_GOOD_S)

    def _sent(self, path: Path) -> bool:
        return any(taken for _, taken in send_pynetdicom(self.world.dicom_port, "GOOD", [path]))

    def counted(self) -> Associations:
        """What became of them; to be called once the runner has ended, or has nothing more to do."""
        report = self.report
        report.by_kind = {name: dict(sorted(count.items())) for name, count in self.counts.items()}
        lines = LinesOf(self.world.root)()
        found: dict[str, list[Any]] = {}
        for line in lines:
            found.setdefault(line["identity"].get("instance_uid", ""), []).append(line["score"])
        for uid, score in self.made.items():
            if [one for one in found.get(uid, ()) if one is not None] != [score]:
                report.wrong.append(f"a good object of score {score} has the results {found.get(uid)}")
            else:
                report.good += 1
        report.objects = sum(str(line["file"]).startswith("dicom:") for line in lines)
        taken, waiting = of_spool(self.world.root)
        if waiting or taken != len(lines):
            report.wrong.append(f"{taken} objects were taken, {waiting} wait, {len(lines)} have a result")
        return report


def of_spool(root: Path) -> tuple[int, int]:
    """How many objects it ever took, and how many of them have not ended."""
    with sqlite3.connect(f"file:{root / 'spool' / 'spool.sqlite'}?mode=ro", uri=True, timeout=30) as database:
        ((taken,),) = database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'objects'").fetchall()
        query = "SELECT count(*) FROM objects WHERE state IN ('received', 'scoring')"
        ((waiting,),) = database.execute(query).fetchall()
    return int(taken), int(waiting)


def _outcome(heard: bytes) -> str:
    """What the receiver answered, in a word or two."""
    first = _OUTCOMES.get(heard[0], "another answer") if heard else "closed"
    if first != "accepted":
        return first
    at = heard.rfind(_STORED)
    if at >= 0 and (status := heard.find(_STATUS, at)) >= 0 and len(heard) >= status + 10:
        (code,) = struct.unpack_from("<H", heard, status + len(_STATUS))
        return "stored" if code == 0 else f"object refused, 0x{code:04X}"
    return "aborted" if heard.endswith(b"\7\0\0\0\0\4" + heard[-4:]) else "accepted"
