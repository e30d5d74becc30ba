"""The whole audit: read and score every control, measure, judge, and write what was asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_sranogan.audit.columns import Column, Reader
from keras_sranogan.audit.controls import all_controls
from keras_sranogan.audit.figures import Figures, all_figures
from keras_sranogan.audit.plots import draw_audit
from keras_sranogan.audit.report import markdown_section, render_audit
from keras_sranogan.audit.verdict import judge
from keras_sranogan.data.item import DataSource
from keras_sranogan.data.open import passed_over_by
from keras_sranogan.evaluation.scorers import Scorer, open_scorer
from keras_sranogan.html.page import Places
from keras_sranogan.machine import circumstances
from sranogan_edge.errors import SettingsError

if TYPE_CHECKING:
    from keras_sranogan.progress import Progress

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class AuditOptions:
    """What to audit.

    Attributes:
        split: of the data source.
        max_bad_share: the share of images that may be unreadable.
        seed: of the bootstrap and of what the controls draw.
    """

    split: str = "test"
    max_bad_share: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise SettingsError(f"--seed must be at least 0; received {self.seed}.")


@dataclass(frozen=True, eq=False)
class Audit:
    """The outcome.

    Attributes:
        figures: ready for JSON.
        measured: the same, typed.
        columns: what was read and scored, the plain one first.
    """

    figures: dict[str, Any]
    measured: Figures
    columns: list[Column]

    def draw(self) -> dict[str, bytes]:
        """The pictures, PNG bytes by file name."""
        return draw_audit(self.measured, self.columns)


def audit_models(
    models: Sequence[Path], source: DataSource, options: AuditOptions, progress: Progress, places: Places
) -> dict[str, Any]:
    """Audit run folders or bundles of one design on one split; return the figures.

    Raises:
        SettingsError: a model is named twice, or the models see different images.
        DataError: no such split, or too many unreadable images.
        RunError, BundleError, BackendError: a model cannot be used.
        ResultsError: a result cannot be written.
    """
    started = time.monotonic()
    _check_distinct(models)
    places.make_folders()
    progress.start("loading the models", len(models))
    scorers = {}
    for number, model in enumerate(models, start=1):
        scorers[str(model)] = open_scorer(model, anogan_steps=1)  # plain AnoGAN is not searched here
        progress.advance(number)
    audit = audit_scorers(scorers, source, options, progress)
    figures = {**audit.figures, "minutes": round((time.monotonic() - started) / 60, 2)}
    drawn = audit.draw() if places.show_pictures else {}
    places.write(
        figures,
        drawn,
        report=lambda: render_audit(figures, drawn),
        card=lambda: markdown_section(figures),
    )
    return figures


def audit_scorers(
    scorers: Mapping[str, Scorer], source: DataSource, options: AuditOptions, progress: Progress
) -> Audit:
    """Audit models by name; nothing is written."""
    started, opened = time.monotonic(), list(scorers.values())
    _check_alike(scorers)
    reader = Reader(opened, source, options.max_bad_share, options.seed, progress)
    first, *others = all_controls(opened[0].preprocess)
    plain = reader.plain(first, source.items(options.split))
    columns = [plain, *(reader.changed(control, plain) for control in others)]
    measured = all_figures(columns, [scorer.calibration for scorer in opened], options.seed)
    figures = {
        "schema_version": SCHEMA_VERSION,
        "verdict": asdict(judge(measured)),
        **asdict(measured),
        "skipped": {column.control.name: column.skipped for column in columns},
        "passed_over": [str(one) for one in passed_over_by(source)],
        **_circumstances(scorers, source.name, options),
        "minutes": round((time.monotonic() - started) / 60, 2),
    }
    return Audit(figures, measured, columns)


def _check_distinct(models: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for model in models:
        if seen.setdefault(model.resolve(), model) is not model:
            raise SettingsError(
                f"{model} is named twice. Several models must be several trainings of one design."
            )


def _check_alike(scorers: Mapping[str, Scorer]) -> None:
    (first, one), *others = scorers.items()
    for name, other in others:
        if other.preprocess != one.preprocess:
            raise SettingsError(
                f"{first} and {name} see different images ({one.preprocess} and {other.preprocess}). Several "
                "models must be trainings of one design; audit other ones by themselves."
            )
        if _reference(other) != _reference(one):
            raise SettingsError(
                f"{first} and {name} align images to different references, each to the mean of its own "
                "normals. Audit them one at a time."
            )


def _reference(scorer: Scorer) -> bytes:
    """What a model aligns images to, as bytes; none where it does not."""
    return scorer.aligner.to_bytes() if scorer.aligner else b""


def _circumstances(scorers: Mapping[str, Scorer], data: str, options: AuditOptions) -> dict[str, Any]:
    return {
        "models": [
            {
                "model": name,
                "kind": scorer.facts.kind,
                "settings": scorer.facts.settings,
                "provenance": scorer.facts.provenance,
            }
            for name, scorer in scorers.items()
        ],
        **circumstances(data, options.split, options.seed),
    }
