"""The rows of an archive's scores, asked by DuckDB in memory that does not grow with them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb

from sranogan_edge.archive.finished import FinishedRun
from sranogan_edge.archive.output import ARCHIVE_SCHEMA_VERSION
from sranogan_edge.errors import DataError

__all__ = ["MEMORY", "Rows", "database", "rows_of"]

MEMORY = "512MB"
WITH_STATISTICS = 2  # schema version from which rows have them


@contextmanager
def database(parts: Sequence[Path], spill: Path | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a database with the view ``rows`` of part files; beyond its memory it uses the folder ``spill``.

    Raises:
        duckdb.Error: one cannot be read.
    """
    with closing(duckdb.connect(":memory:", config={"memory_limit": MEMORY, "threads": 2})) as opened:
        opened.execute(f"SET temp_directory = '{_quoted(spill or '')}'; SET preserve_insertion_order = false")
        opened.execute("SET enable_progress_bar = false")  # else it draws one on standard output
        files = [str(part) for part in parts]
        opened.read_parquet(files, file_row_number=True, filename=True).create_view("rows")
        yield opened


class Rows:
    """The rows of a finished run; the view is called ``rows``.

    Attributes:
        run: whose they are.
        steps: of the search.
        backend: what ran the graphs; of machines that differ several.
    """

    def __init__(self, run: FinishedRun, opened: duckdb.DuckDBPyConnection) -> None:
        """Look whether they are of one run; raises DataError where they are not."""
        self.run, self._opened = run, opened
        count = self.one("SELECT count(*) FROM rows")
        if count != run.images:
            raise DataError(
                f"{run.out}: {run.images:,} images are listed, and {count:,} rows are there: a part was "
                "changed. Score the archive into another folder."
            )
        if self.one("SELECT max(schema_version) FROM rows") > ARCHIVE_SCHEMA_VERSION:
            raise DataError(f"{run.out}: written by a later version of this package. Install that one.")
        by = self.ask("SELECT DISTINCT bundle, steps, calibration FROM rows LIMIT 3")
        bundle, self.steps, calibration = by[0]
        stated = run.about["bundle_sha256"], run.calibration
        if len(by) > 1 or (bundle, calibration) != stated:
            told = "; ".join(
                f"bundle {one[:12]}, {steps} steps, calibration {str(site)[:12]}" for one, steps, site in by
            )
            raise DataError(
                f"{run.out}: parts of several runs are mixed ({told}; the ledger says "
                f"{str(stated[0])[:12]}). Scores of two bundles do not compare: score the archive into a "
                "folder of its own."
            )
        self.backend = ", ".join(one for (one,) in self.ask("SELECT DISTINCT backend FROM rows ORDER BY 1"))

    def ask(self, query: str, parameters: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """Return all that ``query`` finds."""
        return self.run_query(query, parameters).fetchall()

    def one(self, query: str, parameters: Mapping[str, Any] | None = None) -> Any:
        """Return the first column of the first row."""
        return self.ask(query, parameters)[0][0]

    def run_query(self, query: str, parameters: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Return what ``query`` finds, to be fetched."""
        return self._opened.execute(query, dict(parameters or {}))

    @property
    def has_statistics(self) -> bool:
        """Whether all rows that have a score have their statistics."""
        return bool(self.one("SELECT min(schema_version) FROM rows") >= WITH_STATISTICS)


@contextmanager
def rows_of(run: FinishedRun) -> Iterator[Rows]:
    """Open the rows of ``run``.

    Raises:
        DataError: they cannot be read, or are not of one run.
    """
    try:
        with tempfile.TemporaryDirectory() as spill, database(run.parts, Path(spill)) as opened:
            yield Rows(run, opened)
    except duckdb.Error as error:
        raise DataError(f"{run.out}: its Parquet files cannot be read: {error}") from error


def _quoted(path: Path | str) -> str:
    return str(path).replace("'", "''")
