"""Results to one sink, in order; what it alone fails at does not hold up the others."""

from __future__ import annotations

from collections.abc import Sequence

from sranogan_edge.errors import DicomUnreachableError
from sranogan_edge.results.line import ResultLine
from sranogan_edge.sinks.choice import NOW, Choice, start_of
from sranogan_edge.sinks.sink import CarefulSink, ObjectSink, Sink, SinkHealth
from sranogan_edge.spool.queue import Outbox
from sranogan_edge.spool.spool import Cursor, StoredResult

__all__ = ["SinkReader"]

_PATIENCE = 5  # attempts at one result, until it is asked whether the sink takes another one


class SinkReader:
    """Hands results to a sink, each at least once; after a crash the last few may come again."""

    def __init__(self, sink: Sink, cursor: str = "", choice: Choice | None = None) -> None:
        """Take ``sink``; its place is kept under ``cursor``, or else its name. ``choice`` None is all."""
        self._sink, self.cursor, self._choice = sink, cursor, choice or Choice()
        self._stuck, self._attempts = 0, 0  # the number of the result that fails, and how often it did
        self._ahead: set[int] = set()  # results that were handed over before their turn

    @property
    def health(self) -> SinkHealth:
        """How the sink says that it fares; all well where it says nothing."""
        health = getattr(self._sink, "health", None)
        return health if isinstance(health, SinkHealth) else SinkHealth()

    def begin(self, outbox: Outbox) -> Cursor:
        """Where a sink begins that ``outbox`` does not know: before what it is to have of what is there."""
        if self._choice.since == NOW:
            return Cursor(outbox.newest())
        start = start_of(self._choice.since)
        return Cursor(outbox.before(start) if start else 0)

    def take(self, results: Sequence[StoredResult], at: Cursor) -> tuple[Cursor, Exception | None]:
        """Write one by one; what the sink alone fails at is set apart."""
        for place, result in enumerate(results):
            if result.number in self._ahead:
                self._ahead.remove(result.number)
            elif error := self._handed(result):
                trouble = self._set_apart(result, results[place + 1 :], error)
                if trouble:
                    return at, trouble
            at = Cursor(result.number)
        return at, None

    def again(self) -> Exception | None:
        """Hand over what was set apart and is wanted again; returns why that cannot be now."""
        try:
            if isinstance(self._sink, CarefulSink):
                self._sink.send_again()
        except Exception as error:  # the sink's own trouble, as in take
            return error
        return None

    def _handed(self, result: StoredResult) -> Exception | None:
        if not self._choice.takes(result.line):
            return None
        try:
            self._write(result)
        except Exception as error:  # whatever a sink raises is its own trouble
            return error
        return None

    def _set_apart(
        self, result: StoredResult, later: Sequence[StoredResult], error: Exception
    ) -> Exception | None:
        """Set ``result`` apart where it is at fault; returns why it must wait instead.

        At fault is what fails again and again, while the sink takes a later result.
        """
        self._attempts = self._attempts + 1 if result.number == self._stuck else 1
        self._stuck = result.number
        if not isinstance(self._sink, CarefulSink) or isinstance(error, DicomUnreachableError):
            return error
        if result.path is None or self._attempts < _PATIENCE or not self._takes_one_of(later):
            return error
        try:
            reason = f"not taken in {self._attempts} attempts, while others are: {error}"
            self._sink.set_apart(ResultLine(**result.line), result.path, reason)
        except Exception as trouble:  # it cannot be kept apart: it waits
            return trouble
        return None

    def _takes_one_of(self, results: Sequence[StoredResult]) -> bool:
        """Whether the sink takes the next of ``results`` that is anything to it."""
        written = self.health.written
        for result in results:
            if self._handed(result):
                return False
            self._ahead.add(result.number)
            if self.health.written > written:
                return True
        return False

    def _write(self, result: StoredResult) -> None:
        line = ResultLine(**result.line)
        if isinstance(self._sink, ObjectSink) and result.path is not None:
            self._sink.write_object(line, result.path)
        else:
            self._sink.write(line)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()
