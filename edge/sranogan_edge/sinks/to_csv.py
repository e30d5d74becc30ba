"""``python -m sranogan_edge.sinks.to_csv RESULTS.sqlite TABLE.csv``: results for a spreadsheet."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sranogan_edge.errors import SranoganError
from sranogan_edge.sinks.sqlite import export_csv
from sranogan_edge.terminal import leave_with

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Export; returns the exit code, 0 or 6; SystemExit 2 where the arguments are wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m sranogan_edge.sinks.to_csv",
        description="Write the results of the sink sqlite:FILE as a CSV table with a header, for "
        "spreadsheets. Text that a spreadsheet would take for a formula gets an apostrophe in front.",
        epilog="Exit codes: 0 the table was written; 2 wrong usage; 6 the results cannot be read, or "
        "the table cannot be written.",
    )
    parser.add_argument("results", type=Path, help="file of the sink sqlite:FILE; it may be in use")
    parser.add_argument("table", type=Path, help="CSV file to write; an older one is replaced")
    named = parser.parse_args(arguments)
    try:
        rows = export_csv(named.results, named.table)
    except SranoganError as error:
        print(error, file=sys.stderr)
        return int(error.exit_code)
    print(f"{rows} results in {named.table}")
    return 0


if __name__ == "__main__":
    leave_with(main)
