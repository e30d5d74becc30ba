"""Evaluation end to end, on drawn images and a scorer that is real arithmetic without a network."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from keras_sranogan.data.item import DataSource, Item
from keras_sranogan.data.load import load_images
from keras_sranogan.data.near_training import NearTraining, near_text, near_training
from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation import plots
from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_model, evaluate_scorer
from keras_sranogan.evaluation.evaluation import Evaluation
from keras_sranogan.evaluation.scorers import open_scorer
from keras_sranogan.progress import Silent
from sranogan_edge.errors import (
    BundleFormatError,
    DataError,
    ResultsError,
    RunError,
    SettingsError,
    UnreadableImageError,
)
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.density import WHOLE_PARTS
from tests.support.mean_image_scorer import MeanImageScorer

if TYPE_CHECKING:
    from keras_sranogan.run import Run

SPEC = "phantom?train=60&val=12&test=12&size=96"


class PartOf:
    """A source that shows some items of another, and breaks those that it is told to."""

    def __init__(
        self, source: DataSource, keep: Callable[[Item], bool], broken: Sequence[str] = (), masks: bool = True
    ) -> None:
        self.name, self.anomalies = source.name, source.anomalies
        self._source, self._keep, self._broken, self._masks = source, keep, broken, masks

    def splits(self) -> tuple[str, ...]:
        return self._source.splits()

    def items(self, split: str) -> list[Item]:
        return [item for item in self._source.items(split) if self._keep(item)]

    def frame(self, item: Item) -> Frame:
        if item.key in self._broken:
            raise UnreadableImageError(f"{item.key}: not an image")
        return self._source.frame(item)

    def mask(self, item: Item) -> NDArray[np.bool_] | None:
        return self._source.mask(item) if self._masks else None


@pytest.fixture(scope="module")
def source() -> DataSource:
    """A few drawn chest films."""
    return open_source(SPEC)


@pytest.fixture(scope="module")
def scorer(source: DataSource) -> MeanImageScorer:
    """Fitted to the normals of the source."""
    return MeanImageScorer(source)


@pytest.fixture(scope="module")
def evaluation(scorer: MeanImageScorer, source: DataSource) -> Evaluation:
    """One evaluation with default options."""
    return evaluate_scorer(scorer, source, EvaluationOptions(), Silent())


@pytest.fixture
def with_scorer(monkeypatch: pytest.MonkeyPatch, scorer: MeanImageScorer) -> None:
    """Every model path opens the fitted scorer."""
    monkeypatch.setattr(
        "keras_sranogan.evaluation.evaluate.open_scorer", lambda model, *, anogan_steps: scorer
    )


@pytest.mark.usefixtures("with_scorer")
def test_every_promised_key_reaches_the_json(source: DataSource, tmp_path: Path) -> None:
    """The JSON file is strict JSON and holds every figure that readers rely on."""
    path = tmp_path / "new" / "figures.json"
    figures = evaluate_model(Path("model"), source, EvaluationOptions(), Silent(), json=path)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    found = json.loads(path.read_text(), parse_constant=refuse)
    promised = (
        "auroc auroc_ci auroc_low_pass auroc_low_pass_ci auprc threshold sensitivity specificity f1 "
        "baselines anogan_auroc anogan_auroc_ci anogan_method n_normal n_abnormal best_accuracy_protocol "
        "per_class ordering calibration pixel_auroc pixel_aupro skipped duplicates near_training command "
        "model model_kind data split seed machine provenance minutes reconstruction_quality"
    )
    assert set(promised.split()) <= set(found)
    assert found == json.loads(json.dumps(figures))
    assert (found["n_normal"], found["n_abnormal"], found["model_kind"]) == (12, 12, "mean image")


def test_the_figures_agree_with_each_other(evaluation: Evaluation) -> None:
    """AUROC lies in its interval, counts add up, and the threshold gives the stated specificity."""
    figures = evaluation.figures
    low, high = figures["auroc_ci"]
    assert low <= figures["auroc"] <= high
    assert sum(found["n"] for found in figures["per_class"].values()) == 24
    normal = evaluation.scored.score[~evaluation.reading.abnormal]
    assert figures["specificity"] == pytest.approx(float((normal <= figures["threshold"]).mean()))
    assert figures["calibration"]["normals_flagged"] == int((normal > figures["threshold"]).sum())


def test_the_same_seed_gives_the_same_figures(
    scorer: MeanImageScorer, source: DataSource, evaluation: Evaluation
) -> None:
    """Nothing in an evaluation is left to chance."""
    assert evaluate_scorer(scorer, source, EvaluationOptions(), Silent()).figures == evaluation.figures


def test_without_low_pass_the_control_is_null(scorer: MeanImageScorer, source: DataSource) -> None:
    """A control that was not asked for is null, for the model and for the trivial statistics."""
    figures = evaluate_scorer(scorer, source, EvaluationOptions(low_pass=False), Silent()).figures
    assert figures["auroc_low_pass"] is None
    assert figures["auroc_low_pass_ci"] is None
    assert {found["auroc_low_pass"] for found in figures["baselines"].values()} == {None}


@pytest.mark.parametrize("normal", [True, False])
def test_one_class_alone_is_reported_without_auroc(
    scorer: MeanImageScorer, source: DataSource, normal: bool
) -> None:
    """A split of normals only, or abnormals only, gives what can be said, a note, and all pictures."""
    part = PartOf(source, lambda item: item.is_normal is normal)
    done = evaluate_scorer(scorer, part, EvaluationOptions(), Silent())
    assert done.figures["auroc"] is None
    assert done.figures["auroc_ci"] is None
    assert (done.figures["sensitivity"] is None) is normal
    assert (done.figures["specificity"] is None) is not normal
    assert "images only" in done.figures["notes"][0]
    assert len(plots.draw_all(done)) == 4


def test_an_infinite_threshold_is_null_and_explained(source: DataSource) -> None:
    """With too few held-out normals nothing is flagged, and the report says why."""
    scorer = MeanImageScorer(source)
    scorer.calibration = Calibration((1.0, 2.0), 0.05)
    done = evaluate_scorer(scorer, source, EvaluationOptions(low_pass=False), Silent())
    assert math.isinf(done.threshold)
    assert done.figures["threshold"] is None
    assert (done.figures["sensitivity"], done.figures["specificity"]) == (0, 1)
    assert "threshold is infinite" in done.figures["notes"][0]
    assert plots.draw_scores(done)


def test_unreadable_images_are_named_not_fatal(scorer: MeanImageScorer, source: DataSource) -> None:
    """A broken image is left out of every figure and named with its reason."""
    bad = source.items("test")[0].key
    part = PartOf(source, lambda item: True, broken=[bad])
    figures = evaluate_scorer(scorer, part, EvaluationOptions(), Silent()).figures
    assert figures["skipped"] == [f"{bad}: {bad}: not an image"]
    assert (figures["n_normal"], figures["n_abnormal"]) == (11, 12)


def test_without_masks_there_is_no_pixel_figure(
    scorer: MeanImageScorer, source: DataSource, evaluation: Evaluation
) -> None:
    """Localisation is judged where defects are marked, and only there."""
    part = PartOf(source, lambda item: True, masks=False)
    figures = evaluate_scorer(scorer, part, EvaluationOptions(low_pass=False), Silent()).figures
    assert figures["pixel_auroc"] is None
    assert figures["pixel_aupro"] is None
    assert evaluation.figures["pixel_auroc"] > 0.5


def test_scores_that_are_not_numbers_are_refused(source: DataSource) -> None:
    """A damaged model ends in an error, not in figures."""
    scorer = MeanImageScorer(source)
    scorer.mean = scorer.mean * np.float32(np.nan)
    with pytest.raises(RunError, match="not finite"):
        evaluate_scorer(scorer, source, EvaluationOptions(), Silent())


def test_too_many_unreadable_images_end_it(scorer: MeanImageScorer, source: DataSource) -> None:
    """Above the allowed share of unreadable images there are no figures."""
    part = PartOf(source, lambda item: True, broken=[item.key for item in source.items("test")[:4]])
    with pytest.raises(DataError, match="4 of 24"):
        evaluate_scorer(scorer, part, EvaluationOptions(), Silent())


@pytest.mark.usefixtures("with_scorer")
def test_a_place_that_cannot_be_written_is_a_results_error(source: DataSource, tmp_path: Path) -> None:
    """Unwritable results are reported before any time is spent on scoring."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match="cannot write"):
        evaluate_model(Path("m"), source, EvaluationOptions(), Silent(), pictures=tmp_path / "file" / "in")


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A wrong model path says what could be named instead; a file that is no bundle is refused."""
    with pytest.raises(RunError, match="no such run folder or bundle"):
        open_scorer(tmp_path / "nothing", anogan_steps=1)
    (tmp_path / "file").write_text("no bundle")
    with pytest.raises(BundleFormatError):
        open_scorer(tmp_path / "file", anogan_steps=1)


def test_options_that_cannot_work_are_refused() -> None:
    """No search steps, or a negative seed, is a usage error."""
    with pytest.raises(SettingsError):
        EvaluationOptions(anogan_steps=0)
    with pytest.raises(SettingsError):
        EvaluationOptions(seed=-1)


@pytest.mark.slow
def test_a_trained_run_is_evaluated_end_to_end(tiny_run: Run, source: DataSource, tmp_path: Path) -> None:
    """A real run folder gives figures, a page and pictures, with plain AnoGAN by the paper's method."""
    page, pictures = tmp_path / "page.html", tmp_path / "pictures"
    options = EvaluationOptions(anogan_steps=3)
    figures = evaluate_model(tiny_run.folder, source, options, Silent(), report=page, pictures=pictures)
    assert figures["model_kind"] == "run"
    assert 0 <= figures["auroc"] <= 1
    assert figures["anogan"]["settings"]["start"] == "random"
    assert figures["anogan"]["auroc_paper_loss"] is not None
    assert figures["reconstruction_quality"] is not None
    assert "data:image/png;base64," in page.read_text()
    made = {path.name for path in pictures.iterdir()}
    assert made == {"roc.png", "scores.png", "per_class.png", "panels.png"}


@pytest.mark.slow
def test_a_bundle_is_evaluated_by_the_path_of_the_device(
    tiny_run: Run, export_tiny: Callable[[str], Path], source: DataSource
) -> None:
    """A float bundle's figures come from its own graphs, and its scores are those of its run."""
    by_bundle = open_scorer(export_tiny("float32"), anogan_steps=1)
    by_run = open_scorer(tiny_run.folder, anogan_steps=1)
    options = EvaluationOptions(low_pass=False, anogan_steps=1)
    bundle, run = (evaluate_scorer(scorer, source, options, Silent()) for scorer in (by_bundle, by_run))
    assert by_bundle.facts.kind == "bundle"
    assert "device" in bundle.figures["anogan_method"]
    assert bundle.anogan.score.tolist() == bundle.scored.search_distance.tolist()
    assert bundle.scored.score == pytest.approx(run.scored.score, abs=0.05)
    for scored in (bundle.scored, run.scored):
        assert tuple(scored.parts) == WHOLE_PARTS
        assert scored.score == pytest.approx(np.mean(list(scored.parts.values()), axis=0))
    np.testing.assert_array_equal(bundle.scored.x, run.scored.x)


def test_images_of_the_training_are_counted(tiny_run: Run) -> None:
    """A run knows its training images, held-out ones included, from others; a bundle cannot say."""
    source, scorer = open_source(SPEC), open_scorer(tiny_run.folder, anogan_steps=1)
    spec, found = scorer.preprocess, {}
    for split in ("train", "test"):
        items = source.items(split)
        found[split] = near_training(load_images(source, items, spec).x, items, [scorer.facts.prints])
    assert found["train"] == NearTraining(60, 60, 0, [item.key for item in source.items("train")[:5]])
    assert found["test"] == NearTraining(0, 24, 0, [])
    assert near_training(np.zeros((0, 32, 32, 1), np.float32), [], [None]) is None
    assert "not known" in near_text(None)
    assert "None of the 24 images" in near_text(asdict(found["test"]))
    assert "60 of the 60 images are, or nearly are, images of the training" in near_text(
        asdict(found["train"])
    )
