"""What the Parquet files of an archive's scores say, summed up by DuckDB in memory that does not grow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from sranogan_edge.archive.rows import database
from sranogan_edge.errors import ResultsError
from sranogan_edge.results.html_parts import BINS, range_of

__all__ = ["Group", "Summary", "Worst", "summed_up"]

MOST_GROUPS, MOST_WORST = 200, 100
QUANTILES = (0.5, 0.95, 0.99)
_GROUPS = {  # heading: what a group is
    "date": "strftime(acquisition_date, '%Y-%m')",
    "manufacturer": "manufacturer",
    "scanner": "concat_ws(' ', manufacturer, station)",
    "institution": "institution",
}


@dataclass(frozen=True)
class Group:
    """Images that have something in common.

    Attributes:
        name: what it is.
        images: how many.
        scored: how many of them have a score.
        anomalous: how many are.
        foreign: how many are not like the training data.
        failed: how many have an error.
        mean_score: of those with a score; None where there are none.
        highest_score: the same.
    """

    name: str
    images: int
    scored: int
    anomalous: int
    foreign: int
    failed: int
    mean_score: float | None
    highest_score: float | None


@dataclass(frozen=True)
class Worst:
    """One of the images with the highest scores."""

    source: str
    score: float
    p_value: float | None
    verdict: str
    reason: str | None
    heat_map: str | None


@dataclass(frozen=True)
class Summary:
    """An archive's scores.

    Attributes:
        all: every image, as one group.
        not_asked_for: how many were not scored because nobody asked for them.
        by: groups by ``date`` (month), ``manufacturer`` and ``scanner``, where films say these.
        errors: kind, how many, one of them.
        threshold: in force; None where there is none.
        quantiles: share of images and the score below which they lie, about.
        counts: of images in equal parts from ``low`` to ``high``.
        low: the lowest of scores and threshold.
        high: the highest.
        worst: the highest scores first.
        scored_by: bundle, search steps, backend, version of the package, one each.
    """

    all: Group
    not_asked_for: int
    by: Mapping[str, Sequence[Group]]
    errors: Sequence[tuple[str, int, str]]
    threshold: float | None
    quantiles: Sequence[tuple[float, float]]
    counts: Sequence[int]
    low: float
    high: float
    worst: Sequence[Worst]
    scored_by: Sequence[tuple[str, int, str, str]]


def summed_up(parts: Sequence[Path]) -> Summary:
    """Sum up part files, at least one; raises ResultsError where one cannot be read."""
    try:
        with database(parts) as opened:
            return _Reader(opened).summary()
    except duckdb.Error as error:
        raise ResultsError(f"{parts[0].parent}: its Parquet files cannot be summed up: {error}") from error


class _Reader:
    """Asks the view ``rows``."""

    def __init__(self, opened: duckdb.DuckDBPyConnection) -> None:
        self._ask = opened.execute

    def summary(self) -> Summary:
        everything = self._groups("'all'")[0]
        threshold, low, high = self._one("max(threshold), min(score), max(score)")
        counts: list[int] = []
        if low is not None:
            low, high = range_of(low, high, threshold)
            counts = self._histogram(low, high)
        (not_asked_for,) = self._one("count(*) FILTER (WHERE verdict = 'not asked for')")
        return Summary(
            all=everything,
            not_asked_for=not_asked_for,
            by={name: found for name, key in _GROUPS.items() if (found := self._groups(key, known=True))},
            errors=self._errors(),
            threshold=threshold,
            quantiles=self._quantiles(),
            counts=counts,
            low=low or 0.0,
            high=high or 0.0,
            worst=self._worst(),
            scored_by=self._ask(
                "SELECT DISTINCT bundle, steps, backend, version FROM rows ORDER BY ALL LIMIT 20"
            ).fetchall(),
        )

    def _one(self, columns: str) -> tuple[Any, ...]:
        found = self._ask(f"SELECT {columns} FROM rows").fetchone()
        assert found is not None
        return found

    def _groups(self, key: str, *, known: bool = False) -> list[Group]:
        """Group by an expression; of many groups the largest, in the order of their names."""
        where = f"WHERE coalesce({key}, '') != ''" if known else ""
        rows = self._ask(
            f"""SELECT {key} AS name, count(*) AS images, count(score),
                count(*) FILTER (WHERE verdict = 'anomalous'), count("foreign"),
                count(*) FILTER (WHERE verdict = 'error'), avg(score), max(score)
            FROM rows {where} GROUP BY name ORDER BY images DESC, name LIMIT {MOST_GROUPS}"""
        ).fetchall()
        return sorted((Group(*one) for one in rows), key=lambda group: group.name)

    def _histogram(self, low: float, high: float) -> list[int]:
        counts = [0] * BINS
        rows = self._ask(
            """SELECT least(floor((score - $low) / ($high - $low) * $bins)::INTEGER, $bins - 1), count(*)
            FROM rows WHERE score IS NOT NULL GROUP BY 1""",
            {"low": low, "high": high, "bins": BINS},
        ).fetchall()
        for number, count in rows:
            counts[number] = count
        return counts

    def _quantiles(self) -> list[tuple[float, float]]:
        found = self._one(", ".join(f"approx_quantile(score, {share})" for share in QUANTILES))
        return [(share, one) for share, one in zip(QUANTILES, found, strict=True) if one is not None]

    def _errors(self) -> list[tuple[str, int, str]]:
        return self._ask(
            """SELECT error_kind, count(*) AS images, min(error) FROM rows WHERE error_kind IS NOT NULL
            GROUP BY error_kind ORDER BY images DESC, error_kind"""
        ).fetchall()

    def _worst(self) -> list[Worst]:
        rows = self._ask(
            f"""SELECT source, score, p_value, verdict, reason, heat_map FROM rows WHERE score IS NOT NULL
            ORDER BY score DESC, source LIMIT {MOST_WORST}"""
        ).fetchall()
        return [Worst(*one) for one in rows]
