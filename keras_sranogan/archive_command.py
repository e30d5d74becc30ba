"""``sranogan-evaluate`` and ``sranogan-audit`` of an archive's scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sranogan_edge.archive.names import is_archive_run
from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.files import check_named
from sranogan_edge.terminal import given, options_told

if TYPE_CHECKING:
    from keras_sranogan.data.archive_run import ScoresOf

__all__ = ["Labels", "SiteCalibrationFile", "print_audited", "print_evaluated", "scores_asked_of"]

Labels = Annotated[
    Path | None,
    typer.Option(
        help="Of an archive's scores: a table (CSV or Parquet) with file or sha256, and label; patient, "
        "date, scanner and site where they are known."
    ),
]
SiteCalibrationFile = Annotated[
    Path | None, typer.Option(help="Of an archive's scores: the site's calibration that judged.")
]
_OF_ARCHIVES = ("labels", "calibration")
_TAKEN = {
    *("model", "models", "data", "split", "json", "report", "normal_class", "verbose"),
    *_OF_ARCHIVES,
}


def scores_asked_of(context: typer.Context, models: Sequence[Path], *taken: str) -> ScoresOf | None:
    """Return which archive's scores the options of ``context`` name; None where DATA is none.

    ``taken`` are options that go with an archive's scores, beside those of both commands.

    Raises:
        SettingsError: options that do not go together, or several models.
        MissingExtraError: the extra ``archive`` is not installed.
    """
    asked, here = context.params, given(context)
    data = Path(asked["data"])
    if not is_archive_run(data):
        if found := here & set(_OF_ARCHIVES):
            raise SettingsError(
                f"{options_told(found)}: for an archive's scores, and {data} holds none. Name the folder "
                "that sranogan-score --engine wrote."
            )
        return None
    if beside := here - _TAKEN - set(taken):
        raise SettingsError(
            f"{options_told(beside)}: needs the images, and {data} holds an archive's scores. Leave it out, "
            "or name a folder of images."
        )
    if "split" in here and asked["labels"]:
        raise SettingsError("--split is of folders, and --labels says what is what. Leave one out.")
    if len(models) > 1:
        raise SettingsError(
            f"{data} holds the scores of one bundle, and {len(models)} models are named. Name that one."
        )
    check_named(labels=asked["labels"], calibration=asked["calibration"])
    with needs_extra("archive", f"{data}, an archive's scores,"):
        from keras_sranogan.data.archive_run import ScoresOf
    options = {name: asked[name] for name in ("labels", "normal_class", "split", "calibration")}
    return ScoresOf(models[0], data, **options)


def print_evaluated(
    asked: ScoresOf, json: Path | None, report: Path | None, max_bad_share: float
) -> ExitCode:
    """Evaluate, write and print."""
    from keras_sranogan.evaluation.evaluate_archive import evaluate_archive
    from keras_sranogan.evaluation.report import print_figures
    from keras_sranogan.html.page import Places

    print_figures(evaluate_archive(asked, Places(json, report), max_bad_share))
    return ExitCode.OK


def print_audited(asked: ScoresOf, json: Path | None, report: Path | None) -> ExitCode:
    """Audit, write and print."""
    from keras_sranogan.audit.audit_archive import audit_archive, print_groups
    from keras_sranogan.html.page import Places

    print_groups(audit_archive(asked, Places(json, report)))
    return ExitCode.OK
