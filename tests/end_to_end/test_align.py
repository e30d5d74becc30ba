"""Parts that lie turned in their pictures: trained with ``--align``, exported, scored, evaluated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from keras_sranogan.audit.audit import audit_scorers
from keras_sranogan.data.load import load_images
from keras_sranogan.data.normals import Reader, read_normals
from keras_sranogan.data.open import open_source
from keras_sranogan.evaluation.evaluate import EvaluationOptions, evaluate_model
from keras_sranogan.evaluation.scorers import open_scorer, score_images
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import TrainSettings
from keras_sranogan.training.train import train
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.open import open_detector
from sranogan_edge.errors import RunError, SettingsError
from sranogan_edge.image.align import Aligner
from sranogan_export.recipe import ExportOptions
from sranogan_export.write_bundle import export_run
from tests.support.turned_parts import FAULT, HEIGHT, WIDTH, Lie, part, write_parts

MadeOnce = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder of parts, and of such with a hole."""
    return write_parts(tmp_path_factory.mktemp("data") / "parts")


def aligning(settings: TrainSettings) -> TrainSettings:
    """The settings, with alignment."""
    return replace(settings, preprocess=replace(settings.preprocess, align=True))


@pytest.fixture(scope="module")
def run(parts: Path, settings: TrainSettings, made_once: MadeOnce) -> Run:
    """Train the tiny model on aligned parts."""
    source = open_source(str(parts))
    return Run(made_once("aligned.run", lambda folder: train(source, folder, aligning(settings), Silent())))


@pytest.fixture(scope="module")
def bundle(run: Run, made_once: MadeOnce) -> Path:
    """Give its int8 bundle."""
    options = ExportOptions(recipe="int8", engine="none", steps=0)
    return made_once("aligned.sranogan", lambda path: export_run(run, options, path, Silent()))


@pytest.fixture(scope="module")
def detector(bundle: Path) -> Detector:
    """Give it, opened and proven."""
    return open_detector(bundle)


class Heard(Silent):
    """Progress that keeps what was said."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.said: list[str] = []

    def say(self, text: str) -> None:
        """Keep it."""
        self.said.append(text)


def test_normals_are_read_aligned(parts: Path, settings: TrainSettings) -> None:
    """Both parts of the normals, which differ less then; how many could be aligned is told."""
    source, heard = open_source(str(parts)), Heard()
    plain = read_normals(Reader(source, settings, Silent(), 0.05))
    data = read_normals(Reader(source, aligning(settings), heard, 0.05))
    assert data.aligner is not None
    assert [item.key for item in data.fit.items] == [item.key for item in plain.fit.items]
    for aligned, came in ((data.fit, plain.fit), (data.held_out, plain.held_out)):
        assert aligned.x[:].std(axis=0).mean() < 0.5 * came.x[:].std(axis=0).mean()
    assert data.alignment == {"images": 60, "failed": 0}
    data.warn(heard)
    assert "60 of 60 normals could be aligned; 0 are taken as they came" in heard.said
    assert plain.alignment == {}


def test_many_normals_that_cannot_be_aligned_are_a_warning(
    parts: Path, settings: TrainSettings, tmp_path: Path
) -> None:
    """More than one in ten: what to do is told."""
    import cv2

    folder = write_parts(tmp_path / "mixed", train=60, test=1)
    for number in range(12):
        noise = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH), np.uint8)
        cv2.imwrite(str(folder / "train" / "NORMAL" / f"noise{number}.png"), noise)
    heard = Heard()
    data = read_normals(Reader(open_source(str(folder)), aligning(settings), Silent(), 0.05))
    data.warn(heard)
    assert data.alignment == {"images": 72, "failed": 12}
    assert any(
        "12 of 72 normals could not be aligned" in one and "without --align" in one for one in heard.said
    )


@pytest.mark.slow
def test_run_and_bundle_know_the_same_reference(run: Run, detector: Detector) -> None:
    """It is kept in the run's folder, and the provenance says how many normals were aligned by it."""
    aligner, carried = run.aligner(), detector.bundle.aligner
    assert aligner is not None
    assert carried is not None
    assert aligner.to_bytes() == carried.to_bytes()
    assert run.provenance["alignment"] == {"images": 60, "failed": 0}
    assert "to the mean normal" in detector.bundle.model_card
    assert run.settings.preprocess == detector.bundle.preprocess


@pytest.mark.slow
def test_python_and_device_score_to_the_bit(bundle: Path, detector: Detector, parts: Path) -> None:
    """What evaluation reads and scores is what the device makes of the frame."""
    source, scorer = open_source(str(parts)), open_scorer(bundle, anogan_steps=1)
    images = load_images(source, source.items("test"), scorer.preprocess, aligner=scorer.aligner)
    scored = score_images(scorer, images, lambda done: None)
    verdicts = [detector.score(source.frame(item)) for item in images.items]
    assert scored.score.tolist() == [verdict.score for verdict in verdicts]
    assert images.alignments == tuple(verdict.alignment for verdict in verdicts)


@pytest.mark.slow
def test_the_heat_lies_on_the_fault_as_it_came(bundle: Path, detector: Detector, parts: Path) -> None:
    """The hottest place of a turned part is its hole, in the image as it came; in evaluation, too."""
    off = []
    for seed in range(3000, 3010):
        lie = Lie.drawn(seed)
        heat = detector.score(part(seed, lie, fault=True)).heat
        row, column = np.unravel_index(heat.argmax(), heat.shape)
        found = ((column + 0.5) * WIDTH / heat.shape[1], (row + 0.5) * HEIGHT / heat.shape[0])
        off.append(np.hypot(*np.subtract(found, lie.moved(*FAULT))))
    assert np.median(off) < 15
    source, scorer = open_source(str(parts)), open_scorer(bundle, anogan_steps=1)
    items = [item for item in source.items("test") if not item.is_normal]
    images = load_images(source, items, scorer.preprocess, aligner=scorer.aligner)
    maps: dict[int, np.ndarray] = {}
    score_images(scorer, images, lambda done: None, maps.__setitem__)
    for number, item in enumerate(images.items):
        np.testing.assert_array_equal(maps[number], detector.score(source.frame(item)).heat)


@pytest.mark.slow
def test_run_and_bundle_are_evaluated(run: Run, bundle: Path, parts: Path) -> None:
    """Through all of evaluation, the low-pass control included."""
    for model in (run.folder, bundle):
        figures = evaluate_model(model, open_source(str(parts)), EvaluationOptions(anogan_steps=2))
        assert 0 <= figures["auroc"] <= 1
        assert figures["auroc_low_pass"] is not None


@pytest.mark.slow
def test_a_run_without_its_reference_is_refused(run: Run, tmp_path: Path) -> None:
    """A folder that lost it cannot judge."""
    (tmp_path / "settings.json").write_bytes((run.folder / "settings.json").read_bytes())
    with pytest.raises(RunError, match=r"reference\.npz"):
        Run(tmp_path).aligner()


@pytest.mark.slow
def test_models_of_several_references_are_not_audited_together(bundle: Path, parts: Path) -> None:
    """Each sees the images as it aligns them: one at a time, the message says."""
    one, other = (open_scorer(bundle, anogan_steps=1) for _ in range(2))
    assert other.aligner is not None
    other.aligner = Aligner(other.aligner.reference[::-1].copy(), 0.5)
    with pytest.raises(SettingsError, match="one at a time"):
        audit_scorers({"one": one, "other": other}, open_source(str(parts)), None, Silent())  # type: ignore[arg-type]


def test_images_to_be_aligned_need_a_reference(parts: Path, settings: TrainSettings) -> None:
    """Nobody aligns to nothing unawares."""
    source = open_source(str(parts))
    with pytest.raises(SettingsError, match="reference"):
        load_images(source, source.items("test"), aligning(settings).preprocess)
