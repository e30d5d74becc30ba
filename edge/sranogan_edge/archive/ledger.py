"""What of an archive is listed and what is done, in the folder of its scores, true after any kill.

``OUT/part-NUMBER.parquet`` is the truth: a shard of the list is done when its file is there. Beside them, in
``OUT/_sranogan/``: ``run.json`` says what is scored and by what, ``shards/NUMBER.json.gz`` holds so many
images of the list each, ``listed.json`` tells that there are no more. Each is written whole or not at all, a
shard before anybody works on it, and never changed. See docs/guide/archives.md.
"""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from sranogan_edge.archive.item import Item
from sranogan_edge.archive.names import LISTED, PART, RUN, SHARD, SHARDS
from sranogan_edge.archive.output import HEAT, cannot_write, write_part
from sranogan_edge.errors import ResultsError, SettingsError, SpoolInUseError
from sranogan_edge.files import sync_folder, write_json, write_whole
from sranogan_edge.image.own_outputs import LEDGER
from sranogan_edge.spool.lock import FolderLock

__all__ = ["Ledger"]

LEDGER_VERSION = 1
PICTURES = "_heat_maps"  # readers of a folder of Parquet files pass over what begins so
_HOLDER = "holder.json"
_LEFT = ".part"  # the end of the name of a file that was not finished


class Ledger:
    """The ledger of one folder of scores; use as a context manager, which keeps other runs out.

    Attributes:
        out: the folder.
        run: what ``run.json`` says.
        listed: how many shards the list has so far.
        images: how many images they hold.
        complete: whether the list has ended.
    """

    def __init__(self, out: Path, about: Mapping[str, Any], per_shard: int) -> None:
        """Open, or begin, the scores of an archive.

        Args:
            out: the folder of the scores; is made.
            about: what is scored and by what; ``source`` and ``bundle`` are named where they differ from what
                the folder holds.
            per_shard: images of a shard; what the folder was begun with holds on.

        Raises:
            ResultsError: another run writes there, it cannot be written to, or is damaged.
            SettingsError: the folder holds the scores of something else, or other Parquet files.
        """
        self.out, self._folder = out, out / LEDGER
        try:
            self._begin_folder()
            self._lock = self._locked()
        except OSError as error:
            raise cannot_write(out, error) from error
        try:
            self.run = self._same_run(about, per_shard)
            self._remove_unfinished()
            self.listed = self._shards()
            self._done = self._parts()
            self.complete = (self._folder / LISTED).exists()
            self.images = int(self._kept(self.listed - 1)["until"]) if self.listed else 0
        except BaseException as error:
            self._lock.close()
            if isinstance(error, OSError):
                raise cannot_write(out, error) from error
            raise

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        """Let other runs in."""
        with contextlib.suppress(OSError):
            (self._folder / _HOLDER).unlink(missing_ok=True)
        self._lock.close()

    @property
    def per_shard(self) -> int:
        """Images of a shard, but for the last."""
        return int(self.run["images_of_a_part"])

    @property
    def last(self) -> Item | None:
        """The last image of the list so far."""
        return self.items(self.listed - 1)[-1] if self.listed else None

    @property
    def done(self) -> int:
        """How many shards are done."""
        return len(self._done)

    def open_shards(self) -> Iterator[int]:
        """The numbers of the shards that are listed and not done, as of now."""
        return (number for number in range(self.listed) if number not in self._done)

    def is_done(self, number: int) -> bool:
        """Whether the scores of a shard are there."""
        return number in self._done

    def parts(self) -> list[Path]:
        """The files with scores, in order."""
        return [self._part(number) for number in sorted(self._done)]

    def items(self, number: int) -> list[Item]:
        """The images of a shard; raises ResultsError where its file cannot be read."""
        return [Item.from_json(one) for one in self._kept(number)["items"]]

    def known(self) -> Iterator[Item]:
        """All images of the list so far."""
        for number in range(self.listed):
            yield from self.items(number)

    def passed_over(self) -> Counter[str]:
        """How many files and folders were passed over by the list so far, by reason."""
        if not self.complete:
            return Counter(self._kept(self.listed - 1)["passed_over"]) if self.listed else Counter()
        path = self._folder / LISTED
        try:
            return Counter(json.loads(path.read_text(encoding="utf-8"))["passed_over"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(path, str(error)) from error

    def add(self, items: Sequence[Item], passed_over: Mapping[str, int]) -> int:
        """Write the next shard; return its number. Raises ResultsError."""
        path, until = self._shard(self.listed), self.images + len(items)
        kept = [one.to_json() for one in items]
        values = {"items": kept, "until": until, "passed_over": dict(passed_over)}
        try:
            write_whole(path, gzip.compress(json.dumps(values).encode(), 6, mtime=0))
        except OSError as error:
            raise cannot_write(path, error) from error
        self.images = until
        self.listed += 1
        return self.listed - 1

    def finish_list(self, passed_over: Mapping[str, int]) -> None:
        """Say that the list has ended; raises ResultsError."""
        path = self._folder / LISTED
        try:
            write_json(path, {"images": self.images, "passed_over": dict(passed_over), "at": _now()})
        except OSError as error:
            raise cannot_write(path, error) from error
        self.complete = True

    def commit(self, number: int, table: pa.Table) -> pa.Table:
        """Write the scores of a shard, pictures first; return the rows. Raises ResultsError."""
        rows = self._with_pictures(number, table)
        write_part(self._part(number), rows, self._folder)
        self._done.add(number)
        return rows

    def _with_pictures(self, number: int, table: pa.Table) -> pa.Table:
        pictures, rows = table.column(HEAT), table.drop_columns([HEAT])
        if pictures.null_count == len(pictures):
            return rows
        folder = self.out / PICTURES / f"{number:08}"
        names: list[str | None] = []
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for place, picture in enumerate(pictures):
                png, path = picture.as_py(), folder / f"{place:06}.png"
                if png is not None:
                    write_whole(path, png)
                names.append(None if png is None else path.relative_to(self.out).as_posix())
        except OSError as error:
            raise cannot_write(folder, error) from error
        column = rows.schema.get_field_index("heat_map")
        return rows.set_column(column, rows.schema.field(column), pa.array(names, pa.string()))

    def _begin_folder(self) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        if not self._folder.exists() and next(self.out.glob("*.parquet"), None):
            raise SettingsError(
                f"{self.out} holds Parquet files of something else. Name another folder: --out."
            )
        (self._folder / SHARDS).mkdir(parents=True, exist_ok=True)

    def _locked(self) -> FolderLock:
        try:
            lock = FolderLock(self._folder, "two would score the same images.", by="run")
        except SpoolInUseError as error:
            raise SpoolInUseError(
                f"{self.out} is written to by another run ({self._holder()}). Wait for its end, or name "
                "another folder with --out."
            ) from error
        holder = {"process": os.getpid(), "host": socket.gethostname(), "since": _now()}
        with contextlib.suppress(OSError):  # on a full disk the lock holds all the same; it only names nobody
            (self._folder / _HOLDER).write_text(json.dumps(holder), encoding="utf-8")
        return lock

    def _holder(self) -> str:
        try:
            held = json.loads((self._folder / _HOLDER).read_text(encoding="utf-8"))
            return f"process {held['process']} on {held['host']}, since {held['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "it does not say which"

    def _same_run(self, about: Mapping[str, Any], per_shard: int) -> dict[str, Any]:
        path = self._folder / RUN
        if not path.exists():
            run = {**about, "ledger_version": LEDGER_VERSION, "images_of_a_part": per_shard, "begun": _now()}
            write_json(path, run)
            return run
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(run, dict) or not isinstance(run["images_of_a_part"], int):
                raise ValueError("it is none of ours")
        except (ValueError, KeyError) as error:
            raise _damaged(path, str(error)) from error
        asked = {**about, "ledger_version": LEDGER_VERSION}
        if differs := [name for name in asked if run.get(name) != asked[name] and name not in _MAY_DIFFER]:
            told = "; ".join(f"{name}: {_told(run.get(name))}, now {_told(asked[name])}" for name in differs)
            raise SettingsError(
                f"{self.out} holds scores of the {run.get('source')} by the bundle {run.get('bundle')}; "
                f"asked for are those of the {asked['source']} by the bundle {asked['bundle']}. What "
                f"differs: {told}. Name another folder with --out, or give the command as before."
            )
        return run

    def _parts(self) -> set[int]:
        found = {int(kind[1]) for one in os.listdir(self.out) if (kind := PART.fullmatch(one))}
        if found and max(found) >= self.listed:
            raise _damaged(self._part(max(found)), "it is in no list of the ledger")
        return found

    def _shards(self) -> int:
        """How many shards there are; raises ResultsError where one is missing."""
        folder = self._folder / SHARDS
        found = {int(kind[1]) for one in os.listdir(folder) if (kind := SHARD.fullmatch(one))}
        if found != set(range(len(found))):
            missing = min(set(range(len(found))) - found)
            raise _damaged(folder, f"file {missing} of the list is missing")
        return len(found)

    def _remove_unfinished(self) -> None:
        """Take away what a kill left half-written."""
        for folder in (self._folder, self._folder / SHARDS):
            for path in folder.glob(f"*{_LEFT}"):
                path.unlink(missing_ok=True)
        sync_folder(self.out)

    def _kept(self, number: int) -> dict[str, Any]:
        """What the file of a shard says."""
        path = self._shard(number)
        try:
            kept = json.loads(gzip.decompress(path.read_bytes()))
            if not {"items", "until", "passed_over"} <= kept.keys():
                raise ValueError("it is none of ours")
            return dict(kept)
        except (OSError, EOFError, ValueError, AttributeError) as error:
            raise _damaged(path, str(error)) from error

    def _part(self, number: int) -> Path:
        return self.out / f"part-{number:08}.parquet"

    def _shard(self, number: int) -> Path:
        return self._folder / SHARDS / f"{number:08}.json.gz"


_MAY_DIFFER = ("named", "bundle")  # how they are spelled; their contents are compared


def _damaged(path: Path, why: str) -> ResultsError:
    return ResultsError(f"{path}: the ledger was damaged ({why}). Score the archive into another folder.")


def _told(value: object) -> str:
    return json.dumps(value) if isinstance(value, (dict, list)) else str(value)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
