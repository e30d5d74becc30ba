"""How well a model tells normals from abnormals, beside plain AnoGAN and trivial statistics.

Labels are used here to report. Nothing is fitted, and the threshold comes from held-out normals alone
(but for ``best_accuracy_protocol``, which says so).
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from keras_sranogan.audit.audit import AuditOptions, audit_scorers
from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import load_images
from keras_sranogan.data.near_training import near_training
from keras_sranogan.data.open import passed_over_by
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.by_defect import by_defect
from keras_sranogan.evaluation.evaluation import Evaluation, Reading
from keras_sranogan.evaluation.intervals import auroc_interval
from keras_sranogan.evaluation.marked import read_marked
from keras_sranogan.evaluation.pixels import ImagePixels
from keras_sranogan.evaluation.plots import draw_all
from keras_sranogan.evaluation.report import Report, render_report
from keras_sranogan.evaluation.scored import OnHeat, Scored, nothing_with_heat
from keras_sranogan.evaluation.scorers import PlainAnogan, Scorer, open_scorer, score_images
from keras_sranogan.html.page import Places
from keras_sranogan.machine import circumstances
from sranogan_edge.errors import RunError, SettingsError
from sranogan_edge.image.frame import Frame
from sranogan_edge.image.preprocess import as_displayed, low_pass

if TYPE_CHECKING:
    from keras_sranogan.progress import Progress

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class EvaluationOptions:
    """What to evaluate.

    Attributes:
        split: of the data source.
        anogan_steps: of the plain AnoGAN search from a random start; for runs only.
        low_pass: also score every image without its fine detail, as a control.
        max_bad_share: the share of images that may be unreadable.
        seed: of the random starts, and of an audit.
        audit: also look for shortcuts, and add what is found to figures, page and pictures.
    """

    split: str = "test"
    anogan_steps: int = 100
    low_pass: bool = True
    max_bad_share: float = 0.05
    seed: int = 0
    audit: bool = False

    def __post_init__(self) -> None:
        if self.anogan_steps < 1 or self.seed < 0:
            raise SettingsError(
                "--anogan-steps must be at least 1 and --seed at least 0; "
                f"received {self.anogan_steps} and {self.seed}."
            )


def evaluate_model(
    model: Path,
    source: DataSource,
    options: EvaluationOptions | None = None,
    progress: Progress | None = None,
    *,
    json: Path | None = None,
    report: Path | None = None,
    pictures: Path | None = None,
) -> Report:
    """Evaluate a run folder or a bundle on one split; return the figures and write what was asked for.

    ``options`` None are the usual ones; without ``progress`` nothing is told on the way. The
    headline ``anogan_auroc`` judges by the sum of absolute differences at the search size.

    Raises:
        DataError: no such split, or too many unreadable images.
        RunError, BundleError, BackendError: the model cannot be used.
        ResultsError: a result cannot be written.
    """
    from keras_sranogan.progress import Silent

    started = time.monotonic()
    options, progress = options or EvaluationOptions(), progress or Silent()
    places = Places(json, report, pictures)
    places.make_folders()
    progress.start("loading the model", 1)
    scorer = open_scorer(model, anogan_steps=options.anogan_steps)
    progress.advance(1)
    evaluation = evaluate_scorer(scorer, source, options, progress)
    figures = Report({**evaluation.figures, **_circumstances(model, scorer, source.name, options)})
    drawn = draw_all(evaluation) if places.show_pictures else {}
    if options.audit:
        wanted = AuditOptions(options.split, options.max_bad_share, options.seed)
        audit = audit_scorers({str(model): scorer}, source, wanted, progress)
        figures["audit"], drawn = audit.figures, drawn | (audit.draw() if drawn else {})
    figures["minutes"] = round((time.monotonic() - started) / 60, 2)
    places.write(figures, drawn, report=lambda: render_report(figures, drawn))
    return figures


def evaluate_scorer(
    scorer: Scorer, source: DataSource, options: EvaluationOptions, progress: Progress
) -> Evaluation:
    """Score one split and measure; nothing is written."""
    items = source.items(options.split)
    reading = _read(scorer, source, items, options, progress, without_detail=False)
    x, judged = reading.images.x, reading.images.items
    marked = read_marked(source, judged, reading.shapes, scorer.preprocess, progress)
    pixels: list[ImagePixels] = []

    def keep(number: int, heat: NDArray[np.float32]) -> None:
        if marked:
            pixels.append(marked.pixels(number, heat))

    scored = _score(scorer, reading, progress, "scoring", keep)
    progress.start("plain AnoGAN", len(x))
    anogan = scorer.plain_anogan(x, scored, options.seed, progress.advance)
    control = _control(scorer, source, items, options, progress) if options.low_pass else None
    named = {"sr_anogan": scored.score, "anogan": anogan.score}
    near = near_training(x, judged, [scorer.facts.prints])
    defects = by_defect(judged, scored.score, pixels, marked.areas if marked else None)
    figures = {
        **metrics.detection(scored.score, reading.abnormal, scorer.calibration, reading.groups),
        **_low_pass(control),
        **_plain_anogan(reading, scored, anogan),
        "baselines": metrics.merge_baselines(
            metrics.baseline_aurocs(reading.statistics, reading.abnormal),
            metrics.baseline_aurocs(control[0].statistics, control[0].abnormal) if control else {},
        ),
        **metrics.by_class(reading.labels, reading.abnormal, named),
        "flagged": metrics.flagged_by_class(reading.labels, scored.score, scorer.calibration.threshold),
        **{name: defects["all"][name] for name in ("pixel_auroc", "pixel_aupro", "pixel_auspro")},
        "defects": defects,
        "images": _by_image(reading, scored),
        "skipped": [f"{skipped.key}: {skipped.reason}" for skipped in reading.images.skipped],
        "passed_over": [str(one) for one in passed_over_by(source)],
        "duplicates": reading.images.duplicates,
        "near_training": asdict(near) if near else None,
        "notes": [
            *metrics.notes(reading.abnormal, scorer.calibration.threshold),
            *(marked.notes if marked else ()),
        ],
    }
    threshold = scorer.calibration.threshold
    masks = marked.as_judged(reading.images.alignments) if marked else None
    return Evaluation(figures, reading, scored, anogan, masks, threshold, scorer.heat_limit)


def _by_image(reading: Reading, scored: Scored) -> list[dict[str, Any]]:
    """What sranogan-compare reads of a saved evaluation; a patient is a number."""
    rows = zip(reading.images.items, reading.groups, scored.score, strict=True)
    return [
        {
            "key": item.key,
            "label": item.label,
            "abnormal": not item.is_normal,
            "group": int(group),
            "score": float(score),
        }
        for item, group, score in rows
    ]


def _read(
    scorer: Scorer,
    source: DataSource,
    items: list[Item],
    options: EvaluationOptions,
    progress: Progress,
    *,
    without_detail: bool,
) -> Reading:
    """Decode every image once: for the model and for the trivial statistics."""
    found: dict[str, dict[str, float]] = {}
    shapes: dict[str, tuple[int, int]] = {}
    tile_px = scorer.preprocess.tile_side_px if scorer.preprocess.tiled else None

    def measure(frame: Frame, item: Item) -> Frame:
        height, width = frame.pixels.shape[:2]
        shapes[item.key] = height, width
        frame = low_pass(as_displayed(frame), tile_px=tile_px) if without_detail else frame
        found[item.key] = metrics.image_statistics(frame)
        if item.path is not None and not without_detail:
            found[item.key]["file_bytes"] = float(item.path.stat().st_size)
        return frame

    progress.start("reading the low-pass control" if without_detail else "reading images", len(items))
    images = load_images(
        source,
        items,
        scorer.preprocess,
        aligner=scorer.aligner,
        transform=measure,
        max_bad_share=options.max_bad_share,
        on_progress=progress.advance,
    )
    rows = [found[item.key] for item in images.items]
    names = [name for name in metrics.BASELINES if all(name in row for row in rows)]
    statistics = {name: np.array([row[name] for row in rows]) for name in names}
    return Reading(images, statistics, tuple(shapes[item.key] for item in images.items))


def _score(
    scorer: Scorer, reading: Reading, progress: Progress, task: str, on_heat: OnHeat = nothing_with_heat
) -> Scored:
    progress.start(task, len(reading.images.x))
    scored = score_images(scorer, reading.images, progress.advance, on_heat)
    bad = int((~np.isfinite(scored.score)).sum())
    if bad:
        raise RunError(f"{bad} of {len(scored.score)} scores are not finite. Train the model again.")
    return scored


def _control(
    scorer: Scorer, source: DataSource, items: list[Item], options: EvaluationOptions, progress: Progress
) -> tuple[Reading, NDArray[np.float64]]:
    reading = _read(scorer, source, items, options, progress, without_detail=True)
    return reading, _score(scorer, reading, progress, "scoring the low-pass control").score


def _low_pass(control: tuple[Reading, NDArray[np.float64]] | None) -> dict[str, Any]:
    if control is None:
        return {"auroc_low_pass": None, "auroc_low_pass_ci": None}
    score, abnormal, groups = control[1], control[0].abnormal, control[0].groups
    return {
        "auroc_low_pass": metrics.auroc(score, abnormal),
        "auroc_low_pass_ci": auroc_interval(score, abnormal, groups),
    }


def _plain_anogan(reading: Reading, scored: Scored, anogan: PlainAnogan) -> dict[str, Any]:
    abnormal, loss = reading.abnormal, anogan.paper_loss
    return {
        "anogan_auroc": metrics.auroc(anogan.score, abnormal),
        "anogan_auroc_ci": auroc_interval(anogan.score, abnormal, reading.groups),
        "anogan_method": anogan.method,
        "anogan": {
            "auroc_paper_loss": metrics.auroc(loss, abnormal) if loss is not None else None,
            "auroc_own_search": metrics.auroc(scored.search_distance, abnormal),
            "settings": anogan.settings,
        },
    }


def _circumstances(model: Path, scorer: Scorer, data: str, options: EvaluationOptions) -> dict[str, Any]:
    return {
        "model": str(model),
        "model_kind": scorer.facts.kind,
        **circumstances(data, options.split, options.seed),
        "settings": scorer.facts.settings,
        "provenance": scorer.facts.provenance,
        "reconstruction_quality": scorer.facts.reconstruction_quality,
        "schema_version": SCHEMA_VERSION,
    }
