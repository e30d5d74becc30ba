"""All figures of an audit, from what was read and scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keras_sranogan.audit.associations import Association, Removed, associations, remove
from keras_sranogan.audit.calibration import Calibrated, Calibration, Shifted, calibrated, flagged, shifted
from keras_sranogan.audit.columns import Column
from keras_sranogan.audit.controls import PLAIN, SHIFTED_NORMALS
from keras_sranogan.audit.patients import Patients, patients
from keras_sranogan.audit.ranking import Left, Ranking, Scores, intervals, rank, share_left
from keras_sranogan.audit.seeds import Seeds, seeds
from keras_sranogan.audit.statistics import SHORTCUTS, STATISTICS
from keras_sranogan.data.near_training import NearTraining
from keras_sranogan.evaluation.metrics import auroc

ALL_SHORTCUTS = "all"


@dataclass(frozen=True)
class ControlFigures:
    """The model under one control.

    Attributes:
        title, meaning, reads, removes_content: of the control.
        ranking: AUROC there.
        left: share of the plain advantage that is left, on the same images.
        n_normal, n_abnormal: images that could be used.
        problem: why there are no figures.
    """

    title: str
    meaning: str
    reads: str
    removes_content: bool
    ranking: Ranking
    left: Left
    n_normal: int
    n_abnormal: int
    problem: str


@dataclass(frozen=True)
class StatisticFigures:
    """One trivial statistic under every control, in its fixed direction.

    Attributes:
        meaning: in words.
        direction: which end is anomalous; below 0.5 it separates the other way round.
        of: ``"pixels"``, ``"size"`` or ``"file"``.
        auroc: per control where it is known.
        auroc_ci: 95 % intervals.
    """

    meaning: str
    direction: str
    of: str
    auroc: dict[str, float | None]
    auroc_ci: dict[str, list[float] | None]


@dataclass(frozen=True)
class Figures:
    """Everything that an audit measures; what the data at hand cannot give is None or missing."""

    n_normal: int
    n_abnormal: int
    controls: dict[str, ControlFigures]
    statistics: dict[str, StatisticFigures]
    associations: dict[str, dict[str, Association]]
    normal_labels: list[str]
    removed: dict[str, Removed]
    patients: Patients | None
    calibration: Calibrated | None
    shifted: Shifted | None
    seeds: Seeds | None
    near_training: NearTraining | None = None


def all_figures(columns: Sequence[Column], calibrations: Sequence[Calibration], seed: int) -> Figures:
    """Measure; the first column is the plain one."""
    plain, abnormal = columns[0], columns[0].abnormal
    by_control = {column.control.name: _control(column, plain, seed) for column in columns}
    normals = plain.scores[:, ~abnormal]
    groups = [item.group for item in plain.items if item.is_normal]
    labels = [item.label for item in plain.items]
    sets = {ALL_SHORTCUTS: SHORTCUTS, **{name: (name,) for name in SHORTCUTS}}
    removed = {
        key: remove(plain.scores, abnormal, plain.statistics, names, seed) for key, names in sets.items()
    }
    return Figures(
        n_normal=int((~abnormal).sum()),
        n_abnormal=int(abnormal.sum()),
        controls=by_control,
        statistics={name: _statistic(name, columns, seed) for name in STATISTICS if name in plain.statistics},
        associations=associations(plain.scores, labels, plain.statistics),
        normal_labels=sorted({item.label for item in plain.items if item.is_normal}),
        removed={key: one for key, one in removed.items() if one is not None},
        patients=patients(normals, flagged(normals, calibrations), groups, seed) if groups else None,
        calibration=calibrated(normals, calibrations) if groups else None,
        shifted=_shifted(columns, calibrations),
        seeds=seeds(
            {name: found.ranking.per_model for name, found in by_control.items()}, plain.scores, abnormal
        ),
        near_training=plain.near,
    )


def _control(column: Column, plain: Column, seed: int) -> ControlFigures:
    control, abnormal = column.control, column.abnormal
    return ControlFigures(
        title=control.title,
        meaning=control.meaning,
        reads=control.reads,
        removes_content=control.removes_content,
        ranking=rank(column.scores, abnormal, seed),
        left=share_left(_same(plain, column), column.scores, abnormal, seed),
        n_normal=int((~abnormal).sum()),
        n_abnormal=int(abnormal.sum()),
        problem=column.problem,
    )


def _same(plain: Column, column: Column) -> Scores:
    """Plain scores of the images that the column kept, in its order."""
    place = {item.key: k for k, item in enumerate(plain.items)}
    return plain.scores[:, [place[item.key] for item in column.items]]


def _statistic(name: str, columns: Sequence[Column], seed: int) -> StatisticFigures:
    baseline, of = STATISTICS[name]
    found: dict[str, float | None] = {}
    bounds: dict[str, list[float] | None] = {}
    for column in columns:
        if name in column.statistics:
            values = baseline.score(column.statistics[name]).astype(np.float64)
            found[column.control.name] = auroc(values, column.abnormal)
            (bounds[column.control.name],) = intervals(values[None], column.abnormal, seed)
    return StatisticFigures(baseline.meaning, baseline.direction, of, found, bounds)


def _shifted(columns: Sequence[Column], calibrations: Sequence[Calibration]) -> Shifted | None:
    plain = columns[0]
    for column in columns:
        if column.control.name == SHIFTED_NORMALS and not column.abnormal.all():
            normal = ~column.abnormal
            return shifted(_same(plain, column)[:, normal], column.scores[:, normal], calibrations)
    return None


def best_statistic(figures: Figures, *kinds: str, control: str = PLAIN) -> tuple[str, float] | None:
    """The statistic of these kinds that separates the classes best, either way round: name and AUROC.

    The AUROC is that of the better direction, 0.5 or more.
    """
    known = {
        name: max(value, 1 - value)
        for name, found in figures.statistics.items()
        if found.of in kinds and (value := found.auroc.get(control)) is not None
    }
    name = max(known, key=lambda one: known[one], default=None)
    return None if name is None else (name, known[name])
