"""The thread that lists an archive into its ledger, ahead of those that score."""

from __future__ import annotations

import threading

from sranogan_edge.archive.item import Item, Source
from sranogan_edge.archive.ledger import Ledger
from sranogan_edge.errors import DataError

__all__ = ["Listing"]


class Listing:
    """Writes shard after shard, from where an earlier run was stopped; in memory it has one at a time."""

    def __init__(self, source: Source, ledger: Ledger) -> None:
        """Begin, unless the list is complete."""
        self._source, self._ledger = source, ledger
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="listing", daemon=True)
        if not ledger.complete:
            self._thread.start()

    @property
    def ended(self) -> bool:
        """Whether no shard will come; raises what ended the list too early.

        Raises:
            FeedError: the archive cannot be listed.
            DataError: there are no images in it.
            ResultsError: the ledger cannot be written.
        """
        ended = not self._thread.is_alive()
        if self._error:
            raise self._error
        return ended

    def close(self) -> None:
        """End the list where it is."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(10)

    def _run(self) -> None:
        try:
            self._list()
        except BaseException as error:  # the run raises it, in its own thread
            self._error = error

    def _list(self) -> None:
        ledger, source = self._ledger, self._source
        before, shard = ledger.passed_over(), list[Item]()
        for item in source.items(ledger.last, ledger.known()):
            if self._stop.is_set():
                return
            shard.append(item)
            if len(shard) == ledger.per_shard:
                ledger.add(shard, before + source.passed_over)
                shard.clear()
        passed_over = before + source.passed_over
        if shard:
            ledger.add(shard, passed_over)
        if not ledger.listed:
            told = ", ".join(f"{count} {reason}" for reason, count in passed_over.items())
            raise DataError(
                f"no images in the {source.identity}{f'. Passed over: {told}' if told else ''}. "
                "Name a folder with images, parquet:FOLDER or tar:FOLDER."
            )
        ledger.finish_list(passed_over)
