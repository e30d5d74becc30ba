"""How well an archive's scores tell normals from abnormals: nothing is scored again.

Each figure is what the same images give by :mod:`keras_sranogan.evaluation.evaluate`; what needs their pixels
(the low-pass control, trivial statistics, masks) is left out.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.data.archive_run import ArchiveImages, ScoresOf, opened_archive
from keras_sranogan.data.load import Skipped, check_share
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.evaluate import SCHEMA_VERSION
from keras_sranogan.evaluation.intervals import auroc_interval
from keras_sranogan.evaluation.report import Report, render_report
from keras_sranogan.evaluation.scorers import BUNDLE_ANOGAN
from keras_sranogan.html.page import Places
from keras_sranogan.machine import circumstances
from sranogan_edge.archive.normals import rule_of_share
from sranogan_edge.errors import DataError

__all__ = ["evaluate_archive"]

MOST_IMAGES = 1_000_000  # whose scores are in memory, some 400 bytes each; of more so many are drawn
NAMED = 20  # images that could not be used
NO_PATIENTS = (
    "Who an image is of is not known (no column patient in --labels): each was taken for a patient of its "
    "own, and intervals are too narrow where several are of one."
)


@dataclass(frozen=True, eq=False)
class _Scores:
    """Of N images, in the order of the archive's list.

    Attributes:
        score: ``(N,)`` float64.
        anogan: ``(N,)`` float64, plain AnoGAN's.
        labels: their classes.
        abnormal: ``(N,)``.
        groups: ``(N,)`` whose image each is; None where nobody said.
        duplicates: how many have the bytes of another.
        drawn: of how many; 0 where these are all.
    """

    score: NDArray[np.float64]
    anogan: NDArray[np.float64]
    labels: list[str]
    abnormal: NDArray[np.bool_]
    groups: NDArray[np.int64] | None
    duplicates: int
    drawn: int


def evaluate_archive(asked: ScoresOf, places: Places, max_bad_share: float) -> Report:
    """Return the figures of an archive's scores, and write what was asked for.

    Raises:
        DataError: no finished run, no classes, none of normals, or too many unreadable images.
        SettingsError, RunError, CalibrationError: another bundle or calibration than the one that judged.
        ResultsError: a result cannot be written.
    """
    started = time.monotonic()
    places.make_folders()
    with opened_archive(asked) as images:
        skipped = _skipped(images, max_bad_share)
        figures = Report(_figures(images, _scores(images), skipped, asked))
    figures["minutes"] = round((time.monotonic() - started) / 60, 2)
    places.write(figures, {}, report=lambda: render_report(figures, {}))
    return figures


def _skipped(images: ArchiveImages, max_bad_share: float) -> list[str]:
    """Name images that could not be judged; raises DataError where they are too many."""
    rows = images.rows
    count, failed = rows.ask(
        """SELECT count(*) FILTER (WHERE verdict != 'not asked for'),
            count(*) FILTER (WHERE verdict = 'error')
        FROM images"""
    )[0]
    some = rows.ask(
        f"""SELECT source, error FROM images WHERE verdict = 'error' ORDER BY filename, file_row_number
        LIMIT {NAMED}"""
    )
    if not count:
        raise DataError(f"{images.run.out}: no images to evaluate. Check the split and the labels.")
    named = [Skipped(source, why) for source, why in some]
    check_share(str(images.run.out), count, named, max_bad_share, failed=failed)
    return [f"{one.key}: {one.reason}" for one in named] + (
        [f"and {failed - len(named):,} more"] if failed > len(named) else []
    )


def _scores(images: ArchiveImages) -> _Scores:
    rows, numbers = images.rows, {name: number for number, name in enumerate(images.classes)}
    total = rows.one("SELECT count(score) FROM images")
    share = rule_of_share(total, MOST_IMAGES)
    chosen = f"score IS NOT NULL{share}"
    names = ", ".join("'" + name.replace("'", "''") + "'" for name in images.classes)
    found = rows.run_query(
        f"""SELECT score, anogan_score, list_position([{names}], class_name) - 1 AS number,
            hash(patient) AS patient, patient IS NULL AS nobody
        FROM images WHERE {chosen} ORDER BY filename, file_row_number"""
    ).fetchnumpy()
    place = np.asarray(found["number"], np.int64)
    if not len(place):
        raise DataError(f"{images.run.out}: none of the images has a score. Look at the rows' errors.")
    nobody = np.asarray(found["nobody"], np.bool_)
    _, groups = np.unique(found["patient"], return_inverse=True)
    normal = np.isin(place, [numbers[name] for name in images.normal if name in numbers])
    return _Scores(
        score=np.asarray(found["score"], np.float64),
        anogan=np.asarray(found["anogan_score"], np.float64),
        labels=[images.classes[number] for number in place],
        abnormal=~normal,
        groups=None if nobody.all() else np.where(nobody, groups.max() + 1 + np.arange(len(groups)), groups),
        duplicates=rows.one(f"SELECT count(*) - count(DISTINCT sha256) FROM images WHERE {chosen}"),
        drawn=total if share else 0,
    )


def _figures(images: ArchiveImages, found: _Scores, skipped: list[str], asked: ScoresOf) -> dict[str, Any]:
    bundle, threshold = images.bundle, images.calibration.threshold
    named = {"sr_anogan": found.score, "anogan": found.anogan}
    anogan = metrics.auroc(found.anogan, found.abnormal)
    details = dict(bundle.details)
    provenance = {**details.pop("provenance", {}), "bundle_sha256": bundle.sha256}
    return {
        **metrics.detection(found.score, found.abnormal, images.calibration, found.groups),
        **{"auroc_low_pass": None, "auroc_low_pass_ci": None},
        "anogan_auroc": anogan,
        "anogan_auroc_ci": auroc_interval(found.anogan, found.abnormal, found.groups),
        "anogan_method": BUNDLE_ANOGAN,
        "anogan": {
            "auroc_paper_loss": None,
            "auroc_own_search": anogan,
            "settings": dict(details.get("search", {})),
        },
        "baselines": {},
        **metrics.by_class(found.labels, found.abnormal, named),
        "flagged": metrics.flagged_by_class(found.labels, found.score, threshold),
        **dict.fromkeys(("pixel_auroc", "pixel_aupro", "pixel_auspro", "near_training")),
        "skipped": skipped,
        "duplicates": found.duplicates,
        "notes": [*metrics.notes(found.abnormal, threshold), *_notes(images, found)],
        "model": str(asked.model),
        "model_kind": "bundle",
        **circumstances(str(asked.out), "labelled" if asked.labels else asked.split, 0),
        "settings": {
            "preprocess": bundle.preprocess.to_dict(),
            "search_size": bundle.search_size,
            **details,
        },
        "provenance": provenance,
        "reconstruction_quality": None,
        "archive": {"run": dict(images.run.about), "images": images.run.images, "left_out": images.left_out},
        "schema_version": SCHEMA_VERSION,
    }


def _notes(images: ArchiveImages, found: _Scores) -> list[str]:
    notes = [] if found.groups is not None else [NO_PATIENTS]
    if images.left_out:
        notes.append(
            f"{images.left_out:,} of {images.run.images:,} images are of no class that was asked for, and "
            "left out."
        )
    if several := images.rows.one("SELECT count(*) FROM images WHERE frames > 1"):
        notes.append(
            f"{several:,} objects have several frames: the figures judge the highest score of each by the "
            "threshold of one frame, and the rows' verdicts by that of so many."
        )
    if found.drawn:
        notes.append(
            f"Of {found.drawn:,} images {len(found.score):,} are evaluated, drawn by the SHA-256 of their "
            "bytes."
        )
    return notes
