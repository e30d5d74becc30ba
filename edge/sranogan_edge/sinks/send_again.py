"""``python -m sranogan_edge.sinks.send_again SPOOL``: what sinks set apart is tried once more."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sranogan_edge.errors import ResultsError, SettingsError, SranoganError
from sranogan_edge.sinks.outbox import AGAIN, PATIENCE_S

__all__ = ["SetApart", "main", "set_apart_in"]


@dataclass(frozen=True)
class SetApart:
    """A result that a sink will not take by itself.

    Attributes:
        file: the image, as its result calls it.
        reason: why.
        again: whether the runner was asked to try it again.
    """

    file: str
    reason: str
    again: bool


def set_apart_in(spool: Path, *, again: bool = False) -> list[SetApart]:
    """Return what the sinks of ``spool`` set apart, oldest first for each; the runner may work meanwhile.

    Args:
        spool: the runner's spool folder.
        again: ask the runner to try all of it again.

    Raises:
        SettingsError: it is no spool whose runner has such sinks.
        ResultsError: a file cannot be read, or not be written to.
    """
    outboxes = sorted((spool / "sinks").glob("outbox-*.sqlite"))
    if not outboxes:
        raise SettingsError(
            f"{spool}: holds no outbox of a sink. Name the folder of --spool or of [spool] folder; only "
            "MQTT, webhook and DICOM sinks have one."
        )
    return [one for outbox in outboxes for one in _in(outbox, again)]


def _in(outbox: Path, again: bool) -> list[SetApart]:
    try:
        with closing(sqlite3.connect(f"file:{outbox}?mode=rw", uri=True, timeout=PATIENCE_S)) as database:
            database.execute(AGAIN)
            if again:
                database.execute("INSERT OR IGNORE INTO again SELECT id FROM refused")
            database.commit()
            columns = "body, reason, again.id IS NOT NULL"
            rows = database.execute(
                f"SELECT {columns} FROM refused LEFT JOIN again USING (id) ORDER BY refused.id"
            ).fetchall()
    except sqlite3.Error as error:
        raise ResultsError(
            f"{outbox}: {error}. Call it as the user that the runner runs as, and free some space if need be."
        ) from error
    return [SetApart(json.loads(body)["file"], reason, bool(asked)) for body, reason, asked in rows]


def main(arguments: Sequence[str] | None = None) -> int:
    """List and ask; returns the exit code, 0, 2 or 6; SystemExit 2 where the arguments are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m sranogan_edge.sinks.send_again",
        description="Have the runner try again to send what its sinks set apart: results that an archive, a "
        "webhook or a broker refused for good. A runner that works does so within a minute, else the next "
        "one; what fails again stays apart, with the new reason.",
        epilog="Exit codes: 0 done; 2 wrong usage; 6 an outbox cannot be read or written.",
    )
    parser.add_argument("spool", type=Path, help="the runner's spool folder")
    parser.add_argument("--list", action="store_true", help="only tell what is set apart, and why")
    named = parser.parse_args(arguments)
    try:
        found = set_apart_in(named.spool, again=not named.list)
    except SranoganError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    for one in found:
        waits = " (to be sent again)" if one.again else ""
        print(f"{one.file}{waits}: {one.reason.removeprefix(f'{one.file}: ')}")
    print(
        f"{len(found)} results are set apart" + ("" if named.list or not found else "; all are tried again")
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
