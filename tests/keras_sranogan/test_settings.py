from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from keras_sranogan.presets import preset
from keras_sranogan.settings import (
    MAX_CONTAMINATION,
    MAX_SEED,
    AnoganSettings,
    DetectorSettings,
    HeadSettings,
    SearchSettings,
    TrainSettings,
)
from sranogan_edge.errors import SettingsError
from sranogan_edge.image.preprocess import PreprocessSpec

PRESETS = ("demo", "standard", "paper")


@pytest.mark.parametrize("size", [64, 128, 256])
@pytest.mark.parametrize("name", PRESETS)
def test_presets_survive_json(name: str, size: int) -> None:
    """Every preset is valid at every documented size, and equals itself after a way through JSON."""
    settings = preset(name, size=size, seed=7)
    assert (settings.preprocess.size, settings.search_size, settings.seed) == (size, size // 2, 7)
    assert TrainSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_runs_that_do_not_say_what_the_head_saw() -> None:
    """Heads of earlier runs saw the image as small as the search has it; they are rebuilt so."""
    values = preset("standard").to_dict()
    assert TrainSettings.from_dict(values).head.sees == "image"
    del values["head"]["sees"]
    assert TrainSettings.from_dict(values).head_side == 64


def test_runs_that_do_not_say_what_the_encoder_learned() -> None:
    """Encoders of earlier runs only reconstructed, and a run goes on as it began."""
    values = preset("standard").to_dict()
    assert TrainSettings.from_dict(values).anogan.restores
    del values["anogan"]["restores"]
    assert not TrainSettings.from_dict(values).anogan.restores


def test_every_value_survives_json() -> None:
    """Values that no preset has come back too, nested ones included."""
    settings = TrainSettings(
        precision="float32",
        preprocess=PreprocessSpec(size=64, contrast="none", fit="pad"),
        anogan=AnoganSettings(latent_dim=5, spectral=True),
        search=SearchSettings(steps=0, start="random", restarts=3, optimiser="momentum"),
        head=HeadSettings(anomalies="defects", width=8),
        detector=DetectorSettings(
            parts=("map", "residual"), folds=2, false_alarm_rate=0.5, contamination=0.1
        ),
    )
    assert TrainSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_presets_differ_as_documented() -> None:
    """Demo is smaller and shorter; paper has no enhanced contrast and a long search from a random start."""
    demo, standard, paper = (preset(name) for name in PRESETS)
    assert (demo.preprocess.size, standard.preprocess.size, paper.preprocess.size) == (128, 128, 128)
    for part in ("anogan", "refiner", "srgan", "head", "corrector"):
        assert getattr(demo, part).steps < getattr(standard, part).steps
    assert demo.anogan.max_width < standard.anogan.max_width
    assert (standard.preprocess.contrast, standard.search.start) == ("clahe", "encoder")
    assert (paper.preprocess.contrast, paper.search.start, paper.search.steps) == ("none", "random", 500)
    assert (paper.anogan.latent_dim, paper.anogan.restores) == (128, False)
    assert (standard.anogan.latent_dim, standard.anogan.restores) == (64, True)
    same = {part: getattr(standard, part) for part in ("preprocess", "search", "anogan")}
    assert replace(paper, preset="standard", **same) == standard


def test_preset_takes_what_the_command_asks_for() -> None:
    """Anomalies and contamination reach the stage that they are of; without them a preset keeps its own."""
    asked = preset("demo", anomalies="defects", contamination=0.05)
    assert (asked.head.anomalies, asked.detector.contamination) == ("defects", 0.05)
    assert asked.head.steps == preset("demo").head.steps
    assert (preset("demo").head.anomalies, preset("demo").detector.contamination) == ("spots", 0)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"learning_rate": 1}, "learning_rate"),
        ({"anogan": {"widht": 3}}, "widht"),
        ({"search": {"steps": 1, "lambda": 2}}, "lambda"),
    ],
)
def test_unknown_key_is_refused(values: dict[str, Any], named: str) -> None:
    """A setting that does not exist is named, with those that do."""
    with pytest.raises(SettingsError, match=f"unknown .*{named}; there are "):
        TrainSettings.from_dict(values)


@pytest.mark.parametrize("size", [0, -1, 16, 100, 127, 1024])
def test_bad_size_is_refused(size: int) -> None:
    """A size that the networks cannot have is refused, 0 too, with the sizes that they can."""
    with pytest.raises(SettingsError, match="size") as caught:
        preset("demo", size=size)
    assert str(size) in str(caught.value)


@pytest.mark.parametrize("seed", [-1, MAX_SEED + 1])
def test_bad_seed_is_refused(seed: int) -> None:
    """A seed that the generators of initial weights would not take is refused at once."""
    with pytest.raises(SettingsError, match=f"--seed must be from 0 to {MAX_SEED}; received {seed}"):
        preset("demo", seed=seed)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": -1}, "steps=-1"),
        ({"restarts": 0}, "restarts=0"),
        ({"feature_weight": 1.5}, "feature_weight=1.5"),
        ({"restarts": 2}, "start=random"),
        ({"start": "middle"}, "start must be one of encoder, random; received 'middle'"),
        ({"optimiser": "sgd"}, "optimiser must be one of adam, momentum; received 'sgd'"),
    ],
)
def test_bad_search_is_refused(values: dict[str, Any], message: str) -> None:
    """A search that cannot run is refused with what was received."""
    with pytest.raises(SettingsError, match=message):
        SearchSettings(**values)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: TrainSettings.from_dict({"precision": "float16"}),
            "--precision must be one of float32, mixed_bfloat16",
        ),
        (lambda: preset("large"), "--preset must be one of demo, standard, paper; received 'large'"),
        (lambda: preset("demo", anomalies="cats"), "--anomalies must be one of opacities, defects"),  # type: ignore[arg-type]  # the point
        (lambda: DetectorSettings(parts=()), "the score needs parts, of residual, head, map, peak; received"),
        (lambda: DetectorSettings(parts=("head", "tail")), r"received \('head', 'tail'\)"),
        (lambda: DetectorSettings(contamination=-0.1), "--contamination must be from 0 to"),
        (lambda: DetectorSettings(contamination=MAX_CONTAMINATION + 0.01), "--contamination must be"),
        (lambda: preset("demo", contamination=float("nan")), "--contamination must be from 0 to"),
        (lambda: DetectorSettings(folds=1), "folds=1"),
        (
            lambda: DetectorSettings(highest=-1),
            r"detector.highest must be from 0 \(all\) to 3, .*received -1",
        ),
        (lambda: DetectorSettings(parts=("head",), highest=2), r"highest must be from 0 \(all\) to 1,"),
        (lambda: DetectorSettings(false_alarm_rate=0), "false_alarm_rate=0"),
    ],
)
def test_bad_choice_is_refused(build: Any, message: str) -> None:
    """A wrong preset, precision or detector setting is refused with the choices that there are."""
    with pytest.raises(SettingsError, match=message):
        build()
