"""What a run of files leaves beside its lines: a table, a contact sheet, a summary, and a page."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from sranogan_edge.errors import ResultsError
from sranogan_edge.files import write_whole
from sranogan_edge.image.own_outputs import REGIONS, SHEET, SUMMARY, TABLE
from sranogan_edge.results.coco import CocoRegions
from sranogan_edge.results.contact_sheet import sheet_png
from sranogan_edge.results.line import ResultLine
from sranogan_edge.results.report import report_html
from sranogan_edge.results.summary import Summary, write_summary
from sranogan_edge.results.table import write_table

__all__ = ["write_beside", "write_regions", "write_report", "writing_beside"]


def write_beside(lines: Sequence[ResultLine], figures: Summary, folder: Path) -> None:
    """Write ``results.csv``, ``contact_sheet.png`` and ``summary.json`` into the folder of the results.

    Raises:
        ResultsError: one cannot be written; ``results.jsonl`` is complete.
    """
    with writing_beside(folder / TABLE, "Free some space."):
        write_table(lines, folder / TABLE)
    with writing_beside(folder / SHEET, "Free some space."):
        sheet = sheet_png(lines, folder)
        if sheet:
            write_whole(folder / SHEET, sheet)
    write_summary(figures, folder / SUMMARY)


def write_regions(regions: CocoRegions, folder: Path) -> Path:
    """Write ``regions.json`` into the folder of the results and return it; raises ResultsError."""
    with writing_beside(folder / REGIONS, "Free some space."):
        regions.write(folder / REGIONS)
    return folder / REGIONS


def write_report(lines: Sequence[ResultLine], figures: Summary, folder: Path, path: Path) -> None:
    """Write the page of a run to ``path``; raises ResultsError where it cannot be written."""
    with writing_beside(path, "Name another place with --report."):
        page = report_html(lines, figures, sheet_png(lines, folder))
        write_whole(path, page.encode())


@contextlib.contextmanager
def writing_beside(path: Path, cure: str, results: str = "lines in results.jsonl") -> Iterator[None]:
    """Raise ResultsError, with the ``cure``, where what stands beside complete results cannot be written."""
    try:
        yield
    except OSError as error:
        raise ResultsError(
            f"cannot write {path}: {error.strerror or error}. The {results} are complete. {cure}"
        ) from error
