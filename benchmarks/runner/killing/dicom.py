"""The kill proof of the DICOM feed: real clients send while the receiver is killed, and send again."""

from __future__ import annotations

import random
import re
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pynetdicom import AE

from benchmarks.runner.killing.lives import PATIENCE_S, POISON, KillReport, Lives
from sranogan_edge.image.dicom_pixels import DX

MOST_OBJECTS_A_LIFE, LONGEST_LIFE_S = 12, 5.0
OF_RESULTS = 0.5  # share of the lives that end by the results they made; the others by what was taken
BATCH = 8  # objects of one storescu call
CALLED, PORTS = "SRANOGAN", range(20_000, 30_000)  # below those that the system gives to clients
POISON_EVERY, UNREADABLE_EVERY = 125, 40
UNREADABLE = -1
FIRST_SCORE = 1000  # object n is a grey image of the level 1000 + n
SIDE_PX = 32
SCANNER_PATIENCE_S = 2.0  # pynetdicom does not always notice that the other side is dead
_PAUSE_S = 0.02
Send = Callable[[list[Path]], Iterable[tuple[Path, bool]]]


class Client(threading.Thread):
    """A scanner: sends what it has until each object is acknowledged."""

    def __init__(self, name: str, send: Send) -> None:
        super().__init__(name=name, daemon=True)
        self.waiting: list[Path] = []
        self.acknowledged: set[Path] = set()
        self.sendings = 0
        self.error: Exception | None = None
        self.over = threading.Event()
        self._send = send

    def run(self) -> None:
        """Send the oldest that wait, in batches, and again what was not acknowledged."""
        try:
            while not self.over.is_set():
                batch = self.waiting[:BATCH]
                for path, taken in self._send(batch) if batch else ():
                    self.sendings += 1
                    if taken:
                        self.acknowledged.add(path)
                        self.waiting.remove(path)
                self.over.wait(_PAUSE_S)
        except Exception as error:  # a bug of this test must not look like patience
            self.error = error


class Clinic(Lives):
    """The receiver, its clients, and what they have to send."""

    def __init__(self, root: Path, storescu: str, seed: int = 5) -> None:
        self.port = free_port()
        super().__init__(root, f"dicom:127.0.0.1:{self.port}?calling=PYNET1,PYNET2,DCMTK", seed)
        self.made: dict[Path, tuple[str, int]] = {}  # UID and score by file
        self._shelf = root / "scanner"
        self._shelf.mkdir()
        self.clients = [
            Client("pynetdicom 1", lambda paths: send_pynetdicom(self.port, "PYNET1", paths)),
            Client("pynetdicom 2", lambda paths: send_pynetdicom(self.port, "PYNET2", paths)),
            Client("storescu", lambda paths: send_storescu(storescu, self.port, paths)),
        ]
        for client in self.clients:
            client.start()

    def release(self, count: int) -> None:
        """Give the clients more objects; each client keeps its own."""
        for _ in range(count):
            number = len(self.made)
            path = self._shelf / f"{number:05d}.dcm"
            score = FIRST_SCORE + number
            if number % POISON_EVERY == POISON_EVERY // 2:
                score = POISON
            elif number % UNREADABLE_EVERY == 7:
                score = UNREADABLE
            self.made[path] = write_object(path, max(score, 0), 8 * SIDE_PX if score < 0 else SIDE_PX), score
            self.clients[number % len(self.clients)].waiting.append(path)

    def work(self, runner: subprocess.Popen[bytes]) -> None:
        """Wait until some objects more are acknowledged, or have their results, and a moment."""
        count = self.random.randint(0, MOST_OBJECTS_A_LIFE)
        of_results = self.random.random() < OF_RESULTS
        reached, patience = (self.ended, PATIENCE_S) if of_results else (self.acknowledged, LONGEST_LIFE_S)
        begun, deadline = reached(), time.monotonic() + patience
        while reached() - begun < count and runner.poll() is None and self.left():
            if time.monotonic() > deadline:
                break
            time.sleep(0.002)
        time.sleep(self.random.uniform(0, 0.1))

    def check_clients(self) -> None:
        """Raise what ended a client."""
        for client in self.clients:
            if client.error:
                raise client.error

    def acknowledged(self) -> int:
        """Objects that were answered "success"."""
        return sum(len(client.acknowledged) for client in self.clients)

    def unsent(self) -> bool:
        """Whether a client has something that was not acknowledged."""
        return any(client.waiting for client in self.clients)

    def ended(self) -> int:
        """Objects with a result in ``results.jsonl``."""
        try:
            return (self.root / "out" / "results.jsonl").read_bytes().count(b"\n")
        except OSError:
            return 0

    def left(self) -> bool:
        """Whether an object was not acknowledged, or has no result yet."""
        self.check_clients()
        return self.unsent() or self.ended() < len(self.made)

    def close(self) -> None:
        """End the clients."""
        for client in self.clients:
            client.over.set()
        for client in self.clients:
            client.join(30)

    def report(self, ended_before_last_kill: int) -> KillReport:
        """Compare the spool and the results with what the clients were told."""
        query = "SELECT {} FROM objects o {}"
        uid = "json_extract(o.identity, '$.instance_uid')"
        states = {u: (s, w) for u, s, w in self.rows(query.format(f"{uid}, state, reason", ""))}
        objects = Counter(u for (u,) in self.rows(query.format(uid, "")))
        results = Counter(u for (u,) in self.rows(query.format(uid, "JOIN results USING (sequence)")))
        lines = self.lines()
        assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
        told = Counter(line["identity"]["instance_uid"] for line in lines)
        scores = dict(self.made.values())
        kinds = Counter(
            kind_of(scores[u], line["score"], *states[u])
            for line in lines
            for u in (line["identity"]["instance_uid"],)
        )
        sure = {self.made[path][0] for client in self.clients for path in client.acknowledged}
        return KillReport(
            feed="dicom",
            kills=self.kills,
            kills_while_starting=self.kills_while_starting,
            deaths_by_poison=self.deaths_by_poison,
            objects=len(self.made),
            sendings=sum(client.sendings for client in self.clients),
            acknowledged=len(sure),
            done=kinds["done"],
            dead_poison=kinds["poison"],
            dead_unreadable=kinds["unreadable"],
            dead_by_kills=kinds["killed"],
            lost=sum(not results[u] or not told[u] for u in sure),
            twice=sum(max(objects[u], results[u], told[u]) > 1 for u in scores),
            wrong=kinds["wrong"],
            ended_before_last_kill=ended_before_last_kill,
            sink_repeats=self.sink_repeats(),
            seconds=time.monotonic() - self.began,
        )


def write_object(path: Path, level: int, declared_rows: int) -> str:
    """Write a grey DX image of one ``level``; returns its UID. With too many rows declared it is no image."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.SOPClassUID, dataset.SOPInstanceUID = DX, pydicom.uid.generate_uid()
    dataset.StudyInstanceUID = dataset.SeriesInstanceUID = pydicom.uid.generate_uid()
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P1", "Doe^Jane", "DX"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = declared_rows, SIDE_PX
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 0
    dataset.PixelData = np.full((SIDE_PX, SIDE_PX), level, np.uint16).tobytes()
    dataset["PixelData"].VR = "OW"
    dataset.save_as(path, enforce_file_format=True)
    return str(dataset.SOPInstanceUID)


def kind_of(made: int, score: float | None, state: str, reason: str) -> str:
    """What became of an object, from its score as made and as told."""
    if state == "done":
        return "done" if score == made else "wrong"
    if made == UNREADABLE:
        return "unreadable" if "given up" not in reason else "killed"
    if "given up after 3 attempts" not in reason:
        return "wrong"
    return "poison" if made == POISON else "killed"


def prove(root: Path, storescu: str, kills: int, objects: int, seed: int = 5) -> KillReport:
    """Kill the receiver so often while ``objects`` are sent; return what became of them."""
    clinic = Clinic(root, storescu, seed)
    try:
        while clinic.kills < kills:
            clinic.release(objects * (clinic.kills + 1) // kills - len(clinic.made))
            clinic.live_and_die()
        before = clinic.ended()
        clinic.finish()
    finally:
        clinic.close()
    return clinic.report(before)


def send_pynetdicom(port: int, title: str, paths: list[Path]) -> Iterable[tuple[Path, bool]]:
    """Send over one association; yields each file with whether it was acknowledged."""
    scanner = AE(title)
    scanner.acse_timeout = scanner.dimse_timeout = scanner.network_timeout = SCANNER_PATIENCE_S
    scanner.connection_timeout = SCANNER_PATIENCE_S
    scanner.add_requested_context(DX)
    association = scanner.associate("127.0.0.1", port, ae_title=CALLED)
    try:
        for path in paths if association.is_established else ():
            answer: Any = None
            if association.is_established:
                try:
                    answer = association.send_c_store(path)
                except RuntimeError:  # the association was lost while it was sent
                    answer = None
            yield path, bool(answer) and answer.get("Status") == 0x0000
    finally:
        if association.is_established:
            association.release()


def send_storescu(program: str, port: int, paths: list[Path]) -> Iterable[tuple[Path, bool]]:
    """Send with DCMTK's storescu, and read from its log which were acknowledged."""
    command = [program, "-v", "-nh", "-to", "10", "-ta", "30", "-td", "30", "-aet", "DCMTK", "-aec", CALLED]
    done = subprocess.run(
        [*command, "127.0.0.1", str(port), *map(str, paths)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    sending = None
    for line in done.stdout.splitlines():
        if found := re.match(r"I: Sending file: (.*)", line):
            if sending:
                yield Path(sending), False
            sending = found[1]
        elif sending and "Received Store Response" in line:
            yield Path(sending), "(Success)" in line
            sending = None
    if sending:
        yield Path(sending), False


def free_port() -> int:
    """A port that nobody listens on now, out of those that clients do not get."""
    for port in random.sample(PORTS, 100):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise OSError(f"no free port in {PORTS}")
