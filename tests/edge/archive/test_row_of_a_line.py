"""What a row of an archive's scores takes of a result, of the film and of what was judged."""

from __future__ import annotations

import datetime
from dataclasses import replace

import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

from sranogan_edge.archive.output import STATISTIC_COLUMNS, Judged, row_of
from sranogan_edge.image.film import FilmFields
from tests.support.result_lines import line


def test_the_time_is_that_of_the_whole_and_the_kind_of_an_error_its_name() -> None:
    """The total is not added to its steps; an error's words stand in a column of their own."""
    made = replace(line(1), milliseconds={"search": 2.0, "total": 5.0})
    assert row_of(made, FilmFields(), sha256=None, size=None)["milliseconds"] == 5.0
    failed = replace(made, error="OversizedImageError: a.png: too large: 9", milliseconds={})
    row = row_of(failed, FilmFields(), sha256=None, size=None)
    assert (row["error_kind"], row["error"]) == ("OversizedImageError", failed.error)
    assert (row["milliseconds"], row["sha256"], row["bytes"]) == (None, None, None)


@pytest.mark.parametrize(
    ("stated", "date"),
    [("20240229", datetime.date(2024, 2, 29)), ("20230229", None), ("", None), ("2024", None)],
)
def test_a_day_is_one_of_the_calendar(stated: str, date: datetime.date | None) -> None:
    """As the film says it; what is none is left out, and so is a station without a name."""
    row = row_of(line(1), FilmFields(acquisition_date=stated, manufacturer="Maker"), sha256="ab", size=7)
    assert (row["acquisition_date"], row["manufacturer"], row["station"]) == (date, "Maker", None)
    assert (row["sha256"], row["bytes"], row["source"]) == ("ab", 7, "1.png")


def test_what_was_judged_stands_beside_the_score() -> None:
    """Each statistic in its column, and how many frames there were; an empty reason is none."""
    values = {name: float(number) for number, name in enumerate(STATISTIC_COLUMNS)}
    judged = Judged("", {**values, "score": 9.0}, 3, b"packed")
    row = row_of(line(1), FilmFields(), sha256="ab", size=7, judged=judged)
    assert {name: row[name] for name in STATISTIC_COLUMNS} == values
    assert (row["foreign"], row["judged_frames"], row["measurements"]) == (None, 3, b"packed")
    foreign = row_of(line(1), FilmFields(), sha256="ab", size=7, judged=replace(judged, foreign="too dark"))
    assert foreign["foreign"] == "too dark"
