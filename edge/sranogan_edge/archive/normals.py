"""The normals among an archive's rows, as a calibration takes them: nothing is scored again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sranogan_edge.archive.finished import FinishedRun, finished_run
from sranogan_edge.archive.labels import add_labels
from sranogan_edge.archive.measured import unpacked_measurements
from sranogan_edge.archive.output import STATISTIC_COLUMNS
from sranogan_edge.archive.rows import Rows, rows_of
from sranogan_edge.bundle.bundle import Bundle
from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.errors import DataError, SettingsError
from sranogan_edge.scoring.density import Density
from sranogan_edge.scoring.foreign import own_rule
from sranogan_edge.site.adapt import Local
from sranogan_edge.site.calibrate import calibration_of, check_adapts
from sranogan_edge.site.scored import Scored, check_enough_scored

__all__ = ["calibration_of_archive", "rule_of_share"]

Tell = Callable[[str], None]
MOST_NORMALS = 10_000  # of a calibration: each runner reads all, and compares with them
MOST_MEASURED = 5_000  # whose measurements are in memory, and compared with each other
NAMED = 20  # of images that are not used
_FETCHED = 1_000


def calibration_of_archive(
    bundle: Bundle,
    out: Path,
    *,
    false_alarm_rate: float,
    usual: Path | None = None,
    labels: Path | None = None,
    normal_class: str = "NORMAL",
    told: Tell = lambda message: None,
    adapt: bool = False,
    anyway: bool = False,
    named: Path = Path(),
) -> SiteCalibration:
    """Return the calibration that follows from an archive's scores: as of the same images in a folder.

    Args:
        bundle: that scored them.
        out: the folder of the scores.
        false_alarm_rate: the share of normals that may be flagged.
        usual: scores of images as they usually come, for the drift monitor.
        labels: which of the images are normal (:func:`add_labels`); None: all are.
        normal_class: their label, in any case.
        told: is called with what the user should know.
        adapt: the bundle's densities to the normals, too.
        anyway: even where these look as if they were no normals.
        named: what the bundle is called.

    Raises:
        SettingsError: another bundle's scores, those of a site's calibration, or ``usual`` with ``adapt``.
        DataError: no finished run, no or too few normals, or without the measurements that ``adapt`` needs.
    """
    check_adapts(bundle, adapt=adapt)
    if adapt and usual:
        raise SettingsError(
            "--usual with --adapt needs the images themselves. Leave one out, or name folders of images."
        )
    places = [_own(out, bundle, named)] + ([_own(usual, bundle, named)] if usual else [])
    with rows_of(places[0]) as rows:
        bundle, backend = bundle.with_steps(rows.steps), rows.backend
        add_labels(rows, labels)
        if not labels:
            told(f"no --labels: each of the {places[0].images:,} images of {out} is taken for normal")
        scored = _Normals(rows, bundle, normal_class if labels else None, told).scored(adapt=adapt)

    def usual_by(density: Density | None) -> Scored | None:
        if not usual:
            return None
        with rows_of(places[1]) as others:
            if others.steps != bundle.steps:
                raise SettingsError(
                    f"{usual} was scored with {others.steps} search steps, and {out} with {bundle.steps}. "
                    "Score both with the same."
                )
            add_labels(others, None)
            return _Normals(others, bundle, None, told).scored(adapt=False)

    return calibration_of(
        bundle,
        backend,
        scored,
        false_alarm_rate=false_alarm_rate,
        source=str(out),
        usual=usual_by,
        told=told,
        adapt=adapt,
        anyway=anyway,
    )


def _own(out: Path, bundle: Bundle, named: Path) -> FinishedRun:
    """Return the run whose scores are the bundle's own, or raise."""
    run = finished_run(out)
    run.check_bundle(bundle.sha256, named)
    if run.calibration:
        raise SettingsError(
            f"{out} was scored by a site's calibration ({run.calibration[:12]}), which may have changed the "
            "scores. Score the archive without --calibration into another folder, and calibrate by that."
        )
    return run


def rule_of_share(count: int, most: int) -> str:
    """Return a condition on ``sha256`` that about ``most`` of ``count`` images fulfil; empty where all may.

    Which ones has nothing to do with what they show, and equal images are in or out together.
    """
    if count <= most:
        return ""
    return f" AND sha256 < '{int(most / count * 2**32):08x}'"


class _Normals:
    """Reads the view ``labelled``."""

    def __init__(self, rows: Rows, bundle: Bundle, label: str | None, told: Tell) -> None:
        self._rows, self._bundle, self._told = rows, bundle, told
        self._where = "TRUE" if label is None else "lower(label) = lower($label)"
        self._given = {} if label is None else {"label": label}
        if not rows.has_statistics:
            raise DataError(
                f"{rows.run.out}: written by an earlier version of this package, without what a calibration "
                "needs. Score the archive again into another folder."
            )
        if label is not None and not self._counts()[0]:
            raise self._none_labelled(label)

    def scored(self, *, adapt: bool) -> Scored:
        """Read them; ``adapt`` with their measurements. Raises DataError."""
        images, count, failed, measured = self._counts()
        found = Scored([], [], [], [], self._some("error"), [], self._some("not asked for"))
        check_enough_scored(count, failed, found)
        untold = images - count - len(found.unreadable) - len(found.not_asked_for)
        most = MOST_MEASURED if adapt else MOST_NORMALS
        if adapt and measured < count:
            raise DataError(
                f"{self._rows.run.out}: {count - measured:,} of {count:,} images lack the measurements that "
                "--adapt needs. Score the normals with --keep-measurements into another folder, or leave "
                "--adapt out."
            )
        if count > most:
            self._told(f"of {count:,} images about {most:,} are used, drawn by the SHA-256 of their bytes")
        grids = measured == count <= MOST_MEASURED
        seen: set[str] = set()
        local: list[Local] | None = [] if adapt else None
        for row in self._fetched(rule_of_share(count, most), measurements=grids or adapt):
            if row["sha256"] in seen:
                found.twice.append(row["source"])
                continue
            seen.add(row["sha256"])
            self._add(row, found, local)
        if not grids and not adapt:
            self._told(
                "how alike images are that follow each other is not known: drift takes them for independent"
            )
        return Scored(
            rows=found.rows,
            frames=found.frames,
            grids=found.grids,
            digests=found.digests,
            unreadable=found.unreadable,
            twice=found.twice,
            not_asked_for=found.not_asked_for,
            local=local,
            untold=untold,
        )

    def _add(self, row: dict[str, Any], found: Scored, local: list[Local] | None) -> None:
        names = [name for name in (*STATISTIC_COLUMNS, "score") if row[name] is not None]
        statistics = {name: float(row[name]) for name in names}
        found.rows.append(statistics)
        found.frames.append(int(row["judged_frames"]))
        found.digests.append(str(row["sha256"]))
        if row["measurements"] is None:
            return
        try:
            grid, measured = unpacked_measurements(row["measurements"], self._bundle.density.parts)
        except ValueError as error:
            raise DataError(
                f"{row['source']}: its measurements in {self._rows.run.out} are damaged ({error}). Score the "
                "archive into another folder."
            ) from error
        found.grids.append(grid)
        if local is None:
            return
        rule = own_rule(self._bundle)
        foreign = rule.judge(statistics).message if rule else ""
        colourful = self._bundle.preprocess.colour is not bool(row["colour"])
        local.append(Local(str(row["source"]), int(row["frames"]), measured, foreign, colourful))

    def _fetched(self, share: str, *, measurements: bool) -> Iterator[dict[str, Any]]:
        names = ["source", "sha256", "score", *STATISTIC_COLUMNS, "judged_frames", "frames", "colour"]
        kept = "measurements" if measurements else "NULL AS measurements"
        found = self._rows.run_query(
            f"""SELECT {", ".join(names)}, {kept} FROM labelled
            WHERE {self._where} AND score IS NOT NULL{share} ORDER BY filename, file_row_number""",
            self._given,
        )
        while batch := found.fetchmany(_FETCHED):
            for row in batch:
                yield dict(zip((*names, "measurements"), row, strict=True))

    def _counts(self) -> tuple[int, int, int, int]:
        """Images, those with a score, those that failed, those with a score and measurements."""
        found = self._rows.ask(
            f"""SELECT count(*), count(score), count(*) FILTER (WHERE verdict = 'error'), count(measurements)
            FROM labelled WHERE {self._where}""",
            self._given,
        )[0]
        images, scored, failed, measured = map(int, found)
        return images, scored, failed, measured

    def _some(self, verdict: str) -> list[str]:
        """Say of a few images with this verdict why they are not used."""
        why = "error" if verdict == "error" else "concat(source, ': ', reason)"
        found = self._rows.ask(
            f"""SELECT {why} FROM labelled WHERE {self._where} AND verdict = '{verdict}'
            ORDER BY filename, file_row_number LIMIT {NAMED}""",
            self._given,
        )
        return [str(one) for (one,) in found]

    def _none_labelled(self, label: str) -> DataError:
        found = self._rows.ask("SELECT label, count(*) FROM labelled GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 8")
        listed = ", ".join(f"{name} ({count:,})" for name, count in found)
        return DataError(
            f"{self._rows.run.out}: no image has the label {label!r}; there are: {listed}. Name the normals' "
            "label with --normal-class."
        )
