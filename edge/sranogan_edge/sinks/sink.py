"""What every place for results declares and has in common: write, close, and how it fares.

Sinks on this machine (JSONL, SQLite) have a result on the disk before ``write`` returns.
Sinks beyond it (MQTT, webhook) have it in an outbox on the disk by then, and send it from there.
All raise ``ResultsError`` where they cannot: the spool holds what they could not take.
"""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from sranogan_edge.place import Place
from sranogan_edge.results.line import ResultLine
from sranogan_edge.sinks.choice import Choice, Only

__all__ = [
    "CarefulSink",
    "ObjectSink",
    "Sink",
    "SinkContext",
    "SinkHealth",
    "SinkSettings",
    "SinkState",
    "key_of",
    "record_key",
    "record_of",
]

SinkState = Literal["ok", "failing", "closed"]


@dataclass(frozen=True)
class SinkHealth:
    """How a sink fares.

    Attributes:
        state: ``failing`` keeps what it cannot take and tries again.
        written: results that arrived where they belong, since it was opened.
        waiting: results that are kept for later.
        lost: the oldest of those, let go since it was opened because no more may be kept.
        refused: results since then that the other side will never take (a webhook's 400), kept apart.
        message: why it fails; empty where all is well.
        apart: results that are kept apart, those of earlier runs too.
        refusal: why the newest of ``refused`` is; empty without any.
    """

    state: SinkState = "ok"
    written: int = 0
    waiting: int = 0
    lost: int = 0
    refused: int = 0
    message: str = ""
    apart: int = 0
    refusal: str = ""


class Sink(Protocol):
    """A place for results."""

    def write(self, line: ResultLine) -> None:
        """Keep one result on the disk; raises ResultsError where it cannot."""

    def close(self) -> None:
        """Let go; may be called twice."""


@runtime_checkable
class ObjectSink(Sink, Protocol):
    """A sink that looks at the object itself (DICOM results name the patient and study of their image)."""

    def write_object(self, line: ResultLine, path: Path) -> None:
        """Take one result of the object whose bytes are in the file ``path``, instead of :meth:`write`."""


@runtime_checkable
class CarefulSink(ObjectSink, Protocol):
    """A sink that can do without a result which it fails at, and take it up again."""

    def set_apart(self, line: ResultLine, path: Path, reason: str) -> None:
        """Keep a result that is never taken beside the others; raises ResultsError where that cannot be."""

    def send_again(self) -> None:
        """Take what somebody wants to be tried again; raises ResultsError as :meth:`write_object`."""


def record_key(line: ResultLine) -> str:
    """One key for one result: the same line again is a repeat; a new file of an old name is none."""
    return hashlib.sha256(json.dumps(line.to_dict(), sort_keys=True).encode()).hexdigest()


def key_of(line: Mapping[str, Any]) -> str:
    """Return the key of a line that is ready for JSON, whatever stands beside the fields of a result."""
    names = {one.name for one in fields(ResultLine)}
    return record_key(ResultLine(**{name: value for name, value in line.items() if name in names}))


def record_of(line: ResultLine) -> dict[str, Any]:
    """Return ``line`` and its key, ready for JSON."""
    return {"key": record_key(line), **line.to_dict()}


@dataclass(frozen=True)
class SinkContext:
    """What a sink is opened with beside its settings.

    Attributes:
        outboxes: folder for results that wait to be sent, or were refused; one file a sink.
        pictures: folder that the heat maps of the results lie below; None sends none.
        environ: where a secret stands for which no file is named; None is the process's own.
    """

    outboxes: Path
    pictures: Path | None = None
    environ: Mapping[str, str] | None = None


@dataclass(frozen=True)
class SinkSettings(Place):
    """One sink.

    Attributes:
        uri: see docs/guide/sinks.md; a password in it is refused.
        since: what a sink that is new gets of the results that are there: now (none, only what comes), all,
            or those since a time such as 2026-01-31T08:00:00Z. Later starts go on where it was.
        only: anomalous or normal hands it the results of this verdict alone; all, those without one, too.
    """

    since: str = "now"
    only: Only = "all"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.choice  # noqa: B018 - which refuses what cannot be

    @property
    def choice(self) -> Choice:
        """Which results it gets; raises SettingsError where ``since`` or ``only`` cannot be."""
        return Choice(self.since, self.only)

    @property
    def key(self) -> str:
        """Its name in the spool's folder, where no secret of the URI is to be read."""
        return hashlib.sha256(self.uri.encode()).hexdigest()[:16]

    @property
    def file(self) -> Path | None:
        """The file of this machine that it writes to; None where it writes to none."""
        return self.path

    def outbox(self, context: SinkContext) -> Path:
        """Where results wait to be sent, or are kept that were refused."""
        return context.outboxes / f"outbox-{self.key}.sqlite"

    @abstractmethod
    def open(self, context: SinkContext) -> Sink:
        """Open it.

        Raises:
            MissingExtraError: a package that it needs is not installed.
            ResultsError: it cannot be written to.
            SettingsError: a part of the URI, an option or a secret cannot be.
        """
