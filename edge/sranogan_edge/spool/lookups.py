"""By what results are found: kept beside them by triggers of the spool's own file.

``lookups`` has a row for each result that is there, ``days`` how many there are by day and verdict. A runner
of an earlier version keeps both, too; what retention or ``--forget`` takes out leaves them with the result.
Results of a spool that had neither are added some at a time, the newest first, while its runner works:
``lookups_left`` has the number below which they are still to come; without a row none are.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping

from sranogan_edge.spool.entry import storable

__all__ = ["LEFT", "NUMBERS", "add_lookups", "note_numbers", "prepare_lookups"]

NUMBERS = ("patient_id", "accession_number", "study_uid", "instance_uid")  # of an identity; each is looked up

_log = logging.getLogger(__name__)


def _of(row: str) -> str:
    """The columns of ``lookups`` from a row of ``results``; no value of a line can make them fail."""
    file = f"coalesce(json_extract({row}.line, '$.file'), '')"
    name = f"lower(substr({file}, length(rtrim({file}, replace({file}, '/', ''))) + 1))"
    scored_at = f"CAST(coalesce(strftime('%s', json_extract({row}.line, '$.scored_at')), 0) AS INTEGER)"
    verdict = f"coalesce(json_extract({row}.line, '$.verdict'), '')"
    numbers = (f"json_extract({row}.identity, '$.{one}')" for one in NUMBERS)
    return ", ".join((f"{row}.number", scored_at, verdict, name, *numbers))


_COLUMNS = "".join(f"    {one} TEXT COLLATE NOCASE,\n" for one in NUMBERS).rstrip(",\n")
_BY_NUMBER = "".join(
    f"CREATE INDEX lookups_by_{one} ON lookups ({one}, scored_at, number, verdict) WHERE {one} IS NOT NULL;\n"
    for one in NUMBERS
)
# How many results are still to come, at most: some of these numbers may be gone. 0: none are.
LEFT = "SELECT coalesce((SELECT max(below - (SELECT min(number) FROM results), 0) FROM lookups_left), 0)"
_TO_COME = "CREATE TABLE IF NOT EXISTS lookups_left (below INTEGER NOT NULL)"
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE lookups (
    number INTEGER PRIMARY KEY,
    scored_at INTEGER NOT NULL,  -- Unix time in seconds
    verdict TEXT NOT NULL,
    name TEXT NOT NULL,  -- of the file, without its folders, A to Z as a to z
{_COLUMNS}
);
CREATE TABLE days (
    day INTEGER NOT NULL, verdict TEXT NOT NULL, results INTEGER NOT NULL, PRIMARY KEY (day, verdict)
) WITHOUT ROWID;
INSERT INTO lookups_left SELECT coalesce(max(number), 0) + 1 FROM results;
CREATE INDEX lookups_by_time ON lookups (scored_at, number, name);
CREATE INDEX lookups_by_verdict ON lookups (verdict, scored_at, number, name);
CREATE INDEX lookups_by_name ON lookups (name, scored_at, number, verdict);
{_BY_NUMBER}
CREATE TRIGGER results_looked_up AFTER INSERT ON results BEGIN
    INSERT INTO lookups SELECT {_of("new")};
    INSERT INTO days SELECT scored_at / 86400, verdict, 1 FROM lookups WHERE number = new.number
    ON CONFLICT (day, verdict) DO UPDATE SET results = results + 1;
END;
CREATE TRIGGER results_let_go AFTER DELETE ON results BEGIN
    UPDATE days SET results = results - 1 WHERE (day, verdict) =
        (SELECT scored_at / 86400, verdict FROM lookups WHERE number = old.number);
    DELETE FROM lookups WHERE number = old.number;
END;
COMMIT;
"""


_SOME = "number >= :first AND number < :below"
_ADD = f"INSERT INTO lookups SELECT {_of('results')} FROM results WHERE {_SOME}"
_COUNT = (
    f"INSERT INTO days SELECT scored_at / 86400, verdict, COUNT(*) FROM lookups WHERE {_SOME} GROUP BY 1, 2 "
    "ON CONFLICT (day, verdict) DO UPDATE SET results = results + excluded.results"
)


def prepare_lookups(db: sqlite3.Connection) -> bool:
    """Make them where they are missing; on a full disk, the next start does. Returns whether they are there.

    What was stored before is not in them yet (:func:`add_lookups`).

    Raises:
        sqlite3.Error: otherwise.
    """
    try:
        db.execute(_TO_COME)
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'lookups'").fetchone():
            db.executescript(_SCHEMA)
    except sqlite3.OperationalError as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        _log.warning("results cannot be searched until the next start (%s)", error)
        return False
    return True


def add_lookups(db: sqlite3.Connection, most: int) -> None:
    """Add the newest ``most`` of those results that are still to come; inside a transaction."""
    newest = "SELECT number FROM results WHERE number < below ORDER BY number DESC LIMIT ?"
    found = f"SELECT below, (SELECT min(number) FROM ({newest})) FROM lookups_left"
    for below, first in db.execute(found, (most,)).fetchall():
        if first is not None:
            some = {"first": first, "below": below}
            for statement in (_ADD, _COUNT, "UPDATE lookups_left SET below = :first"):
                db.execute(statement, some)


def note_numbers(db: sqlite3.Connection, number: int, numbers: Mapping[str, str]) -> None:
    """Have result ``number`` found by ``numbers``, too, by the names of :data:`NUMBERS`."""
    values = storable(tuple(numbers.get(one) for one in NUMBERS))
    changes = ", ".join(f"{one} = coalesce({one}, ?)" for one in NUMBERS)
    db.execute(f"UPDATE lookups SET {changes} WHERE number = ?", (*values, number))
