"""What the runner keeps of a patient, or from before a day, taken out of every place where it keeps it.

The runner is stopped meanwhile. A result is known by its key, or its name and time, wherever it went on this
machine; a film by its patient's number, as its sender said or its header does.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sranogan_edge.errors import ImageError, ResultsError
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.feeds.watch_folder import CLAIMS, DONE, FAILED, DropFolder
from sranogan_edge.files import private_files, write_whole
from sranogan_edge.image.own_outputs import HEAT_MAPS, RESULTS, made_beside
from sranogan_edge.results.line import scored_before
from sranogan_edge.service.patient import patient_of
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.jsonl import JsonlSinkSettings
from sranogan_edge.sinks.sink import key_of
from sranogan_edge.sinks.sqlite import SqliteSinkSettings
from sranogan_edge.spool.lock import FolderLock, lock_results

__all__ = ["Forgotten", "Wanted", "forget", "report"]

_STOP = "stop it first."
_Line = Mapping[str, Any]


@dataclass(frozen=True)
class Wanted:
    """What is to go.

    Attributes:
        patient: number of a patient; empty names none.
        before: Unix seconds: what ended earlier; None: of the patient, whenever it was.
    """

    patient: str = ""
    before: float | None = None


@dataclass
class Forgotten:
    """What went.

    Attributes:
        removed: how many, by place.
        notes: what cannot be told here, or lies elsewhere.
    """

    removed: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def forget(settings: Settings, wanted: Wanted) -> Forgotten:
    """Take ``wanted`` out of the spool, results, heat maps, sinks on this machine and watched folders.

    Raises:
        SpoolInUseError: the runner is at work.
        ResultsError: a place cannot be read or written; what went before is gone.
    """
    with ExitStack() as held:
        held.enter_context(private_files())
        for folder in (settings.spool_folder, settings.out):
            if folder.is_dir():
                lock = FolderLock(folder, _STOP) if folder == settings.spool_folder else lock_results(folder)
                held.callback(lock.close)
        try:
            return _Forgetting(settings, wanted).run()
        except (OSError, sqlite3.Error) as error:
            raise ResultsError(
                f"not all is forgotten ({error}). Correct that, and call it again: it goes on."
            ) from error


class _Forgetting:
    def __init__(self, settings: Settings, wanted: Wanted) -> None:
        self._settings, self._wanted, self._done = settings, wanted, Forgotten()
        self._keys: set[str] = set()  # of results that go, wherever they went
        self._moments: set[tuple[Any, Any]] = set()
        self._pictures: set[str] = set()
        self._patients: dict[int, str] = {}  # by result, as the films of folders say

    def run(self) -> Forgotten:
        settings = self._settings
        files = _lines_files(settings.out)
        for line in (one for path in files for one in _lines(path)):
            if self._is_wanted(line, line.get("identity", {})):
                self._remember(line)
        self._spool(settings.spool_folder)
        for path in files:
            self._file(path, str(settings.out / "results*.jsonl"))
        if self._done.removed[str(settings.out / "results*.jsonl")]:
            for path in made_beside(settings.out):
                self._unlink(path, "tables, contact sheets and summaries of files that were scored")
            self._done.notes.append("pages that --report wrote: they are where they were named")
        for sink in settings.sinks:
            if isinstance(sink, JsonlSinkSettings):
                for path in _lines_files(sink.path):
                    self._file(path, str(sink))
            elif isinstance(sink, SqliteSinkSettings):
                self._sqlite(sink.path, str(sink), {"results": None})
            else:
                self._done.notes.append(f"{sink}: what was sent is there: ask for its removal where it went")
        for outbox in sorted((settings.spool_folder / "sinks").glob("outbox-*.sqlite")):
            self._sqlite(outbox, "results that wait for sinks", {"waiting": "body", "refused": "body"})
        for name in self._pictures:
            self._unlink(settings.out / HEAT_MAPS / Path(name).name, str(settings.out / HEAT_MAPS))
        for feed in settings.feeds:
            if isinstance(feed, WatchFeedSettings) and feed.path.is_dir():
                self._watched(feed)
        self._done.notes.append("the log: journalctl --vacuum-time, or whatever keeps it")
        return self._done

    def _is_wanted(self, line: _Line, identity: object) -> bool:
        if self._wanted.patient:
            of = identity.get("patient_id", "") if isinstance(identity, dict) else ""
            if of != self._wanted.patient:
                return False
        return self._wanted.before is None or scored_before(line, self._wanted.before)

    def _remember(self, line: _Line) -> None:
        with suppress(TypeError):  # a line of an earlier version, or nobody's
            self._keys.add(key_of(line))
        self._moments.add((line.get("file"), line.get("scored_at")))
        if isinstance(line.get("heat_map"), str):
            self._pictures.add(line["heat_map"])

    def _is_known(self, line: _Line) -> bool:
        known = (line.get("file"), line.get("scored_at")) in self._moments or line.get("key") in self._keys
        by_age = not self._wanted.patient and self._is_wanted(line, {})
        return known or by_age or self._is_wanted(line, line.get("identity", {}))

    def _spool(self, folder: Path) -> None:
        file = folder / "spool.sqlite"
        if not file.is_file():
            return
        with closing(sqlite3.connect(file, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA secure_delete=ON")
            rows = db.execute(
                "SELECT o.sequence, o.name, o.state, o.identity AS own, r.number, r.line, r.identity "
                "FROM objects o LEFT JOIN results r USING (sequence) UNION ALL "
                "SELECT NULL, '', 'done', '{}', number, line, identity FROM results WHERE sequence IS NULL"
            ).fetchall()
            self._patients = _patients_of(db)
            going = [row for row in rows if self._row_goes(row, folder)]
            db.execute("BEGIN IMMEDIATE")
            for row in going:
                db.execute("DELETE FROM results WHERE number = ?", (row["number"],))
                db.execute("DELETE FROM objects WHERE sequence = ?", (row["sequence"],))
            db.execute("COMMIT")
            _squeeze(db)
        for row in going:
            if row["line"]:
                self._remember(json.loads(row["line"]))
            for path in _paths(folder, row["name"]) if row["name"] else ():
                self._unlink(path, "bytes in the spool")
        self._done.removed["objects and results in the spool"] += len(going)

    def _row_goes(self, row: sqlite3.Row, folder: Path) -> bool:
        if self._wanted.before is not None and (row["state"] not in ("done", "dead") or not row["line"]):
            return False
        line = json.loads(row["line"]) if row["line"] else {}
        identity = {**json.loads(row["own"]), **json.loads(row["identity"] or "{}")}
        identity.setdefault("patient_id", self._patients.get(row["number"], ""))
        if self._wanted.patient and not identity["patient_id"] and row["name"]:
            found = (path for path in _paths(folder, row["name"])[:3] if path.is_file())
            identity["patient_id"] = next((self._patient(path) for path in found), "")
        return self._is_wanted(line, identity)

    def _file(self, path: Path, place: str) -> None:
        """Leave the lines of a file that stay; what is no line of ours stays."""
        texts = path.read_bytes().splitlines(keepends=True)
        kept = [text for text in texts if (line := _line(text)) is None or not self._is_known(line)]
        if len(kept) < len(texts):
            write_whole(path, b"".join(kept))
        self._done.removed[place] += len(texts) - len(kept)

    def _sqlite(self, path: Path, place: str, tables: Mapping[str, str | None]) -> None:
        """Delete rows of ``tables``: by their columns, or by a column that holds the line."""
        if not path.is_file():
            return
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.row_factory = sqlite3.Row
            db.execute("PRAGMA secure_delete=ON")
            for table, column in tables.items():
                rows = db.execute(f"SELECT * FROM {table}").fetchall()
                lines = ((row["id"], _line(row[column]) if column else dict(row)) for row in rows)
                going = [(number,) for number, line in lines if line is not None and self._is_known(line)]
                db.executemany(f"DELETE FROM {table} WHERE id = ?", going)
                self._done.removed[place] += len(going)
            _squeeze(db)

    def _watched(self, feed: WatchFeedSettings) -> None:
        drop, unknown = DropFolder(feed.path), 0
        for into in (DONE, FAILED, *([CLAIMS] if self._wanted.before is None else [])):
            for inside, ended, opened in drop.settled(into):
                if self._wanted.patient:
                    with opened() as file:
                        of = patient_of(file, str(feed.path / into / inside))
                    unknown += of is None
                    if of != self._wanted.patient:
                        continue
                if self._wanted.before is None or ended < self._wanted.before:
                    drop.remove(into, inside)
                    self._done.removed[str(feed.path / into)] += 1
        if unknown:
            self._done.notes.append(
                f"{feed}: {unknown} files do not say whose they are (no DICOM): they stay"
            )

    def _patient(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                return patient_of(file, str(path)) or ""
        except (ImageError, OSError):
            return ""

    def _unlink(self, path: Path, place: str) -> None:
        try:
            path.unlink()
        except FileNotFoundError:
            return
        self._done.removed[place] += 1


def _paths(folder: Path, name: str) -> list[Path]:
    """Where an object's bytes may be, and the note about it."""
    return [
        folder / part for part in (f"objects/{name}", f"dead/{name}", f"incoming/{name}", f"dead/{name}.txt")
    ]


def _lines_files(folder: Path) -> list[Path]:
    """``results.jsonl``, those before it, and those that were set aside."""
    stem, _, suffix = RESULTS.partition(".")
    return sorted(path for path in folder.glob(f"{stem}*.{suffix}") if path.is_file())


def _lines(path: Path) -> Iterator[_Line]:
    with path.open("rb") as file:
        yield from (line for text in file if (line := _line(text)) is not None)


def _line(text: bytes | str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _patients_of(db: sqlite3.Connection) -> dict[int, str]:
    """Whose results are, by their numbers, as far as they can be found by that."""
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'lookups'").fetchone():
        return {}
    found = db.execute("SELECT number, patient_id FROM lookups WHERE patient_id IS NOT NULL")
    return {int(number): str(patient) for number, patient in found}


def _squeeze(db: sqlite3.Connection) -> None:
    """Leave nothing of what was deleted in the file, nor in its log."""
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def report(done: Forgotten) -> Iterable[str]:
    """Yield what to tell, line by line."""
    for place, number in sorted(done.removed.items()):
        yield f"{number:>7,} removed: {place}"
    yield f"{sum(done.removed.values()):>7,} removed in all"
    yield from (f"not here: {note}" for note in done.notes)
