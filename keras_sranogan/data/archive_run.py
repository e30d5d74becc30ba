"""The images of an archive that was scored (sranogan-score --engine), by split and class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from keras_sranogan.data.layout import ALL, is_unclear, normal_names
from keras_sranogan.data.names import means_abnormal, means_normal, means_split
from sranogan_edge.archive.finished import FinishedRun, finished_run
from sranogan_edge.archive.labels import add_labels
from sranogan_edge.archive.rows import Rows, rows_of
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.bundle.site_calibration import calibration_for
from sranogan_edge.errors import DataError, RunError, SettingsError
from sranogan_edge.scoring.conformal import Calibration

__all__ = ["ArchiveImages", "ScoresOf", "opened_archive"]

MOST_CLASSES = 200  # more are no classes, but patients or studies
DEEPEST = 32  # single folders around all
_RELATIVE = "CASE WHEN starts_with(source, $root) THEN substr(source, length($root) + 1) ELSE source END"
_CURE = (
    "Name a table of them with --labels (columns file or sha256, and label), keep images in folders of their "
    "classes, or, where all are normal, pass --normal-class '*'."
)


@dataclass(frozen=True)
class ScoresOf:
    """What is asked for.

    Attributes:
        model: the bundle that scored.
        out: the folder of the scores.
        labels: a table of the images' classes; None: their folders say it.
        normal_class: the class of the normals; ``*``: all are.
        split: of the folders, where these are splits.
        calibration: of the site that judged; None: the bundle's own did.
    """

    model: Path
    out: Path
    labels: Path | None = None
    normal_class: str = "NORMAL"
    split: str = "test"
    calibration: Path | None = None


@dataclass(frozen=True)
class ArchiveImages:
    """The view ``images`` of ``rows``: each with its ``class_name``, others left out.

    Attributes:
        rows: of the run, to be asked.
        run: whose they are.
        bundle: that scored them, set to the steps that were taken.
        calibration: in force.
        classes: the names, sorted.
        normal: those of the normals.
        left_out: images that have no class, or are of another split.
    """

    rows: Rows
    run: FinishedRun
    bundle: Bundle
    calibration: Calibration
    classes: tuple[str, ...]
    normal: frozenset[str]
    left_out: int

    @property
    def is_normal(self) -> str:
        """A condition that normals fulfil."""
        return f"class_name IN ({_listed(sorted(self.normal))})"


@contextmanager
def opened_archive(asked: ScoresOf) -> Iterator[ArchiveImages]:
    """Open an archive's scores with the classes of its images.

    Raises:
        RunError: the model is a run folder, or not there.
        SettingsError, CalibrationError: another bundle or calibration than the one that judged.
        DataError: no finished run, or no classes, or none of normals.
    """
    run = finished_run(asked.out)
    if not asked.model.is_file():
        raise RunError(
            f"{asked.model}: an archive is scored by a bundle, and this is none. Name the bundle that "
            f"scored {asked.out}: {run.about['bundle']}."
        )
    bundle = read_bundle(asked.model)
    run.check_bundle(bundle.sha256, asked.model)
    with rows_of(run) as rows:
        bundle = bundle.with_steps(rows.steps)
        calibration = _in_force(run, bundle, asked.calibration)
        add_labels(rows, asked.labels)
        classes = _classes(rows, asked)
        normal = (
            frozenset(classes) if asked.normal_class == ALL else normal_names(classes, asked.normal_class)
        )
        _check_normal(run, classes, normal, asked.normal_class)
        left_out = run.images - rows.one("SELECT count(*) FROM images")
        yield ArchiveImages(rows, run, bundle, calibration, tuple(sorted(classes)), normal, left_out)


def _in_force(run: FinishedRun, bundle: Bundle, file: Path | None) -> Calibration:
    if file is None and run.calibration is None:
        return bundle.calibration
    if file is None:
        raise SettingsError(
            f"{run.out} was scored by a site's calibration ({str(run.calibration)[:12]}). Name its file with "
            "--calibration."
        )
    site = calibration_for(bundle, file)
    if site.digest != run.calibration:
        judged = run.calibration[:12] if run.calibration else "the bundle's own"
        raise SettingsError(
            f"{file} ({site.digest[:12]}) is not the calibration by which {run.out} was scored ({judged}). "
            "Name that one, or leave --calibration out where there was none."
        )
    return site.calibration


def _classes(rows: Rows, asked: ScoresOf) -> list[str]:
    """Make the view ``images``; return the names of its classes."""
    if asked.labels:
        rows.run_query("CREATE VIEW images AS SELECT *, label AS class_name FROM labelled")
        return _distinct(rows, "label", "labelled")
    if asked.normal_class == ALL:
        rows.run_query("""CREATE VIEW images AS SELECT *, 'NORMAL' AS class_name FROM labelled""")
        return ["NORMAL"]
    root = _quoted(rows.run.root)
    rows.run_query(
        f"""CREATE VIEW placed AS SELECT *, string_split({_RELATIVE.replace("$root", root)}, '/') AS place
        FROM labelled"""
    )
    for depth in range(1, DEEPEST):
        found = _folders(rows, depth)
        splits = {name: split for name in found if (split := means_split(name))}
        if splits:
            return _classes_of_split(rows, depth, splits, asked)
        if len(found) > 1 or any(means_normal(name) or means_abnormal(name) for name in found):
            rows.run_query(_view(depth, "TRUE"))
            return found
    raise _no_classes(rows)


def _classes_of_split(rows: Rows, depth: int, splits: Mapping[str, str], asked: ScoresOf) -> list[str]:
    chosen = [name for name, split in splits.items() if split == asked.split]
    if not chosen:
        raise DataError(
            f"{asked.out}: no images of the split {asked.split!r}; there are: {', '.join(sorted(splits))}. "
            "Name one with --split."
        )
    of_split = f"place[{depth}] IN ({_listed(chosen)})"
    rows.run_query(_view(depth + 1, of_split))
    return _distinct(rows, "class_name", "images")


def _view(depth: int, condition: str) -> str:
    """The images below folders that are so deep; which lie in none have no class."""
    return f"""CREATE VIEW images AS SELECT * EXCLUDE place, place[{depth}] AS class_name FROM placed
    WHERE len(place) > {depth} AND {condition}"""


def _folders(rows: Rows, depth: int) -> list[str]:
    """Names of the folders that are so deep; raises DataError where images lie beside them, or too many."""
    found = rows.ask(
        f"""SELECT DISTINCT CASE WHEN len(place) > {depth} THEN place[{depth}] END FROM placed
        LIMIT {MOST_CLASSES + 1}"""
    )
    names = [name for (name,) in found]
    if None in names or len(names) > MOST_CLASSES:
        raise _no_classes(rows)
    return names


def _distinct(rows: Rows, column: str, view: str) -> list[str]:
    found = rows.ask(f"SELECT DISTINCT {column} FROM {view} ORDER BY 1 LIMIT {MOST_CLASSES + 1}")
    if len(found) > MOST_CLASSES:
        raise DataError(
            f"{rows.run.out}: more than {MOST_CLASSES} classes, such as {found[0][0]} and {found[1][0]}. "
            f"{_CURE}"
        )
    return [str(name) for (name,) in found]


def _check_normal(run: FinishedRun, classes: Sequence[str], normal: frozenset[str], wanted: str) -> None:
    listed = ", ".join(sorted(classes)[:8]) + (" ..." if len(classes) > 8 else "")
    if not normal:
        raise DataError(
            f"{run.out}: no class {wanted!r}; found {listed}. Name the normals' with --normal-class. {_CURE}"
        )
    if wanted != ALL and is_unclear(normal, wanted):
        raise DataError(
            f"{run.out}: {' and '.join(sorted(normal))} may both be the normal class. Say which with "
            "--normal-class."
        )


def _no_classes(rows: Rows) -> DataError:
    example = rows.ask("SELECT source FROM rows ORDER BY source LIMIT 1")[0][0]
    return DataError(
        f"{rows.run.out}: what its images show is not known: they lie in no folders of classes, such as "
        f"{example}. {_CURE}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_quoted, names))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
