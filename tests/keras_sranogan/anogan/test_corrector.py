from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_sranogan.anogan.corrector import START_GAIN, build_corrector, start_from_encoder
from keras_sranogan.anogan.discriminator import feature_extractor
from keras_sranogan.anogan.latent_search import LatentSearch
from keras_sranogan.anogan.networks import GanParts, build_gan
from keras_sranogan.anogan.train_corrector import corrector_stage
from keras_sranogan.data.open import open_source
from keras_sranogan.detector.reconstruct import Reconstructor
from keras_sranogan.presets import preset
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import (
    AnoganSettings,
    CorrectorSettings,
    SearchKind,
    SearchSettings,
    TrainSettings,
)
from keras_sranogan.training.train import train
from sranogan_edge.errors import RunError, SettingsError
from sranogan_edge.image.preprocess import PreprocessSpec

DATA = "phantom?train=60&val=12&test=12&size=96"  # what tiny_run is trained on
SETTINGS = TrainSettings(
    preprocess=PreprocessSpec(size=32),
    anogan=AnoganSettings(latent_dim=6, base_width=4, max_width=8, feature_block=1),
    corrector=CorrectorSettings(search_steps=3, steps=60, batch=8, learning_rate=3e-3),
)


@pytest.fixture(scope="module")
def parts() -> GanParts:
    """Stage 1, untrained: a search needs no more."""
    keras.utils.set_random_seed(3)
    return build_gan(SETTINGS)


@pytest.fixture(scope="module")
def x_low(parts: GanParts) -> np.ndarray:
    """Sixteen images that G can make."""
    z = np.random.default_rng(5).normal(size=(16, 6)).astype(np.float32)
    return np.asarray(parts.averaged(z, training=False))


@pytest.fixture
def corrector(parts: GanParts) -> keras.Model:
    """R as training begins with it."""
    made = build_corrector(16, SETTINGS.anogan)
    start_from_encoder(made, parts.encoder)
    return made


def search(parts: GanParts, kind: SearchKind, corrector: keras.Model | None) -> LatentSearch:
    """Build a search of this kind."""
    features = feature_extractor(parts.discriminator, 1)
    return LatentSearch(parts.averaged, features, parts.encoder, SETTINGS.search_of(kind), corrector)


def test_begins_as_the_encoders_difference(
    parts: GanParts, x_low: np.ndarray, corrector: keras.Model
) -> None:
    """Before training R is START_GAIN (E(x) - E(G(z))), the normalisation folded in."""
    for variable in parts.encoder.non_trainable_variables:  # statistics that are not those of a new layer
        variable.assign(variable + 0.1)
    start_from_encoder(corrector, parts.encoder)
    one, other = x_low[:8], x_low[8:]
    apart = parts.encoder(one, training=False) - parts.encoder(other, training=False)
    np.testing.assert_allclose(corrector([one, other], training=False), START_GAIN * apart, atol=1e-5)


def test_equal_images_give_no_step(x_low: np.ndarray) -> None:
    """Whatever its weights, R stays where G(z) is x already."""
    step = build_corrector(16, SETTINGS.anogan)([x_low, x_low], training=False)
    np.testing.assert_array_equal(step, np.zeros((16, 6)))


@pytest.mark.parametrize("size", [16, 64, 128])
def test_shapes(size: int) -> None:
    """At each size R takes two images and gives a latent vector."""
    model = build_corrector(size, AnoganSettings(latent_dim=7, base_width=2, max_width=4))
    assert [tuple(given.shape) for given in model.inputs] == [(None, size, size, 1)] * 2
    assert model.output_shape == (None, 7)


def test_learns_to_lower_the_loss(parts: GanParts, x_low: np.ndarray, corrector: keras.Model) -> None:
    """After training the learned search ends nearer than it did before, and nearer than the encoder."""
    before = search(parts, "learned", corrector)(x_low).loss.mean()
    frozen = [variable.numpy() for part in vars(parts).values() for variable in part.variables]
    stage = corrector_stage(corrector, parts, x_low, SETTINGS)
    for number in range(stage.steps):
        metrics = stage.step(number)
    found = search(parts, "learned", corrector)(x_low)
    assert found.loss.mean() < 0.95 * before
    assert found.loss.mean() < 0.9 * found.start_loss.mean()
    assert set(metrics) == {"start", "end"}
    after = [variable.numpy() for part in vars(parts).values() for variable in part.variables]
    for one, other in zip(frozen, after, strict=True):
        np.testing.assert_array_equal(one, other)


def test_encoder_takes_no_step(parts: GanParts, x_low: np.ndarray) -> None:
    """The search of kind encoder is G(E(x))."""
    found = search(parts, "encoder", None)(x_low)
    np.testing.assert_allclose(found.z, parts.encoder(x_low, training=False), atol=1e-6)
    np.testing.assert_array_equal(found.loss, found.start_loss)


def test_learned_search_needs_a_corrector(parts: GanParts) -> None:
    """Without R the learned search is refused, and the message tells how to get one."""
    with pytest.raises(RunError, match=r"no corrector.*sranogan-train command with --resume"):
        search(parts, "learned", None)


def test_kinds_of_a_run() -> None:
    """Each kind has its usual number of steps, unless another is asked for."""
    settings = preset("standard")
    steps = {kind: settings.search_of(kind).steps for kind in ("gradient", "learned", "encoder")}
    assert steps == {"gradient": 8, "learned": settings.corrector.search_steps, "encoder": 0}
    assert settings.search_of() == settings.search
    assert settings.search_of("learned", 2) == replace(settings.search, kind="learned", steps=2)
    long = replace(settings, search=SearchSettings(steps=5))
    assert (long.search_of("gradient").steps, long.search_of("learned").steps) == (5, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "guess"}, "--search must be one of gradient, learned, encoder; received 'guess'"),
        ({"kind": "learned", "start": "random"}, "kind learned begins at the encoder"),
        ({"kind": "encoder", "steps": 3}, "takes 0 steps; received steps=3"),
    ],
)
def test_impossible_kind_is_refused(values: dict[str, object], message: str) -> None:
    """A kind that does not exist, or does not go with the rest, is refused."""
    with pytest.raises(SettingsError, match=message):
        SearchSettings(**values)  # type: ignore[arg-type]  # by name
    with pytest.raises(SettingsError, match="search_steps=0"):
        CorrectorSettings(search_steps=0)


@pytest.fixture
def older(tiny_run: Run, tmp_path: Path) -> Run:
    """The tiny run as it was made before there was a learned search."""
    shutil.copytree(tiny_run.folder, tmp_path / "run")
    run = Run(tmp_path / "run")
    shutil.rmtree(run.folder / "corrector")
    (run.folder / "models/corrector.keras").unlink()
    values = json.loads((run.folder / "settings.json").read_text())
    del values["corrector"], values["search"]["kind"]
    (run.folder / "settings.json").write_text(json.dumps(values))
    progress = {name: minutes for name, minutes in run.progress.items() if name != "corrector"}
    (run.folder / "progress.json").write_text(json.dumps(progress))
    return run


def test_older_run_loads(older: Run, settings: TrainSettings) -> None:
    """A run without a corrector still searches by gradient; the learned search is refused."""
    networks, chosen = older.networks(), older.settings
    assert networks.corrector is None
    assert chosen.search == settings.search
    Reconstructor(networks, chosen.search, chosen.preprocess)
    with pytest.raises(RunError, match="no corrector"):
        Reconstructor(networks, chosen.search_of("learned"), chosen.preprocess)


def test_older_run_is_completed(older: Run, tiny_run: Run, settings: TrainSettings) -> None:
    """Resuming an older run trains the corrector alone, to the weights of a run made in one go."""
    untouched = list((older.folder / "models").iterdir())
    untouched += [older.folder / "detector/density.npz", older.folder / "detector/calibration.json"]
    before = {path: path.stat().st_mtime_ns for path in untouched}
    train(open_source(DATA), older.folder, settings, Silent(), resume=True)
    assert {path: path.stat().st_mtime_ns for path in untouched} == before
    assert older.settings == settings
    found, expected = older.networks().corrector, tiny_run.networks().corrector
    assert found is not None
    assert expected is not None
    for one, other in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_changed_setting_of_an_older_run_is_refused(older: Run, settings: TrainSettings) -> None:
    """What an older run did know must still be the same."""
    other = replace(settings, anogan=replace(settings.anogan, steps=41))
    with pytest.raises(RunError, match=r"other settings \(anogan.steps: 40 then, 41 now\)"):
        Run.create(older.folder, other, resume=True)
