"""What is known of an archive's images from elsewhere: labels, patients, dates, scanners, sites."""

from __future__ import annotations

from pathlib import Path

import duckdb

from sranogan_edge.archive.rows import Rows
from sranogan_edge.errors import DataError

__all__ = ["EXTRAS", "add_labels"]

KEYS = ("file", "source", "sha256")
EXTRAS = ("patient", "date", "scanner", "site")
_MORE = "a header such as file,label (or sha256,label), with patient, date, scanner and site as far as known"


def add_labels(rows: Rows, file: Path | None) -> None:
    """Make the view ``labelled``: the rows with ``label`` and :data:`EXTRAS`; those without a label left out.

    The extras are null where the table does not say them.

    Args:
        rows: of a finished run.
        file: CSV (or TSV) or Parquet, with a column ``file`` (what of the name is below the archive, or all
            of it), ``source`` (all of it) or ``sha256``, and ``label``; None: each row has the label null.

    Raises:
        DataError: it cannot be read, lacks a column, says two things of one image, or names none of them.
    """
    if file is None:
        nothing = ", ".join(f"NULL::VARCHAR AS {name}" for name in ("label", *EXTRAS))
        rows.run_query(f"CREATE VIEW labelled AS SELECT *, {nothing} FROM rows")
        return
    try:
        key = _read(rows, file)
    except duckdb.Error as error:
        raise DataError(f"{file}: cannot be read as a table: {error}. Give it {_MORE}.") from error
    rows.run_query(
        f"""CREATE VIEW labelled AS SELECT rows.*, labels.* EXCLUDE (key, labels)
        FROM rows JOIN labels ON rows.{key} = labels.key"""
    )
    _check(rows, file)


def _read(rows: Rows, file: Path) -> str:
    """Make the table ``labels``, of one row for each key; return the column of the rows that the key is."""
    reader = "read_parquet($file)" if file.suffix.lower() == ".parquet" else _CSV
    described = rows.ask(f"DESCRIBE SELECT * FROM {reader}", {"file": str(file)})
    found = {name.strip().lower(): name for name, *_ in described}
    keyed = next((one for one in KEYS if one in found), None)
    if keyed is None or "label" not in found:
        raise DataError(f"{file}: its columns are {', '.join(found)}. Give it {_MORE}.")

    def text(name: str) -> str:
        quoted = found[name].replace('"', '""')
        return f"""nullif(trim("{quoted}"::VARCHAR), '')"""

    key = f"lower({text(keyed)})" if keyed == "sha256" else text(keyed)
    parameters = {"file": str(file)}
    if keyed == "file":
        key = f"CASE WHEN starts_with({key}, $root) THEN {key} ELSE $root || {key} END"
        parameters["root"] = rows.run.root
    chosen = ", ".join(f"min({text(name) if name in found else 'NULL'}) AS {name}" for name in EXTRAS)
    rows.run_query(
        f"""CREATE TABLE labels AS
        SELECT {key} AS key, count(DISTINCT {text("label")}) AS labels, min({text("label")}) AS label,
            {chosen}
        FROM {reader} WHERE {text(keyed)} IS NOT NULL AND {text("label")} IS NOT NULL GROUP BY 1""",
        parameters,
    )
    return "sha256" if keyed == "sha256" else "source"


_CSV = "read_csv($file, header = true, all_varchar = true)"


def _check(rows: Rows, file: Path) -> None:
    unclear = rows.ask("SELECT key FROM labels WHERE labels > 1 ORDER BY key LIMIT 1")
    if unclear:
        raise DataError(f"{file}: says two things of {unclear[0][0]}. Leave one line for each image.")
    if not rows.one("SELECT count(*) FROM labelled"):
        named = rows.ask("SELECT key FROM labels ORDER BY key LIMIT 1")
        here = rows.ask("SELECT source FROM rows ORDER BY source LIMIT 1")[0][0]
        example = f"such as {named[0][0]}; " if named else "none at all; "
        raise DataError(
            f"{file}: labels none of the {rows.run.images:,} images of {rows.run.out}: it names {example}"
            f"images here are called {here}. Name them so, or by the SHA-256 of their bytes (column sha256)."
        )
