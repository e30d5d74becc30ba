"""Settings from a file: any that a run saves; what is unknown is told with the nearest name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keras_sranogan.presets import preset
from keras_sranogan.settings import TrainSettings
from keras_sranogan.settings_file import changed_by, merged, read_settings_file
from sranogan_edge.errors import SettingsError


def written(tmp_path: Path, text: str, name: str = "s.json", encoding: str = "utf-8") -> Path:
    """A file with this text."""
    path = tmp_path / name
    path.write_text(text, encoding=encoding)
    return path


def leaves(values: dict[str, Any], *above: str) -> list[tuple[str, ...]]:
    """The path of every setting."""
    found = []
    for name, value in values.items():
        found += leaves(value, *above, name) if isinstance(value, dict) else [(*above, name)]
    return found


ALL = leaves(TrainSettings().to_dict())


@pytest.mark.parametrize("path", [path for path in ALL if path != ("preset",)], ids=".".join)
def test_every_setting_that_a_run_saves_can_be_named(tmp_path: Path, path: tuple[str, ...]) -> None:
    """Each alone, in JSON, takes the value of another preset or its own, and the rest stays."""
    value: Any = preset("paper", size=64).to_dict()
    for name in path:
        value = value[name]
    nested: Any = value
    for name in reversed(path):
        nested = {name: nested}
    found = changed_by(preset("standard"), read_settings_file(written(tmp_path, json.dumps(nested))))
    expected = preset("standard").to_dict()
    place: Any = expected
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    assert found.to_dict() == expected


def test_the_settings_of_a_run_are_such_a_file(tmp_path: Path) -> None:
    """What a run saved gives the same settings over any preset."""
    saved = preset("demo", size=64, seed=3, anomalies="defects", contamination=0.1)
    values = read_settings_file(written(tmp_path, json.dumps(saved.to_dict())))
    assert changed_by(preset("paper"), values) == saved
    assert len(ALL) > 55


def test_toml_says_the_same(tmp_path: Path) -> None:
    """Tables of TOML, with a byte-order mark and Windows' line breaks, nest as JSON does."""
    text = "seed = 5\r\n[anogan]\r\nsteps = 9\r\nlearning_rate = 1\r\n[detector]\r\nparts = ['map']\r\n"
    found = changed_by(preset("standard"), read_settings_file(written(tmp_path, text, "s.toml", "utf-8-sig")))
    usual = preset("standard")
    assert found == replace(
        usual,
        seed=5,
        anogan=replace(usual.anogan, steps=9, learning_rate=1.0),
        detector=replace(usual.detector, parts=("map",)),
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"sede": 1}, r"no such setting: sede \(did you mean seed\?\)\. There are preset, seed"),
        ({"anogan": {"stepps": 1}}, r"anogan\.stepps \(did you mean anogan\.steps\?\)\. In anogan there are"),
        ({"anogn": {"steps": 1}}, r"anogn \(did you mean anogan\?\)"),
        ({"contamination": 0.1}, r"contamination \(did you mean detector\.contamination, one inside"),
        ({"anogan.steps": 5}, r"anogan\.steps \(did you mean anogan\.steps, one inside the other"),
        ({"xyzzy": 5}, r"no such setting: xyzzy\. There are"),
        ({"anogan": 5}, "anogan holds settings of its own, by name; received 5"),
        ({"anogan": {"steps": "many"}}, "anogan.steps must be a whole number from 0 up.*received 'many'"),
        ({"anogan": {"steps": 2.5}}, "whole number .* received 2.5"),
        ({"anogan": {"steps": True}}, "whole number .* received True"),
        ({"anogan": {"steps": -1}}, "whole number from 0 up.* received -1"),
        ({"srgan": {"batch": 0}}, "srgan.batch must be a whole number from 1 up.* received 0"),
        ({"anogan": {"augment": 1}}, "true or false.* received 1"),
        ({"head": {"learning_rate": None}}, "head.learning_rate must be a number from 0 up.* received None"),
        ({"head": {"learning_rate": float("nan")}}, "received nan"),
        ({"head": {"anomalies": "ghosts"}}, "opacities, defects, spots, mixture, flaws; received 'ghosts'"),
        ({"head": {"anomalies": 3}}, "head.anomalies must be a text.* received 3"),
        ({"detector": {"parts": "map"}}, "a list of names.* received 'map'"),
        ({"detector": {"parts": ["nose"]}}, "the score needs parts"),
        ({"preprocess": {"size": 100}}, "--size must be one of"),
        ({"calibration_share": 1.0}, "above 0 and below 1; received 1.0"),
    ],
)
def test_what_cannot_work_is_refused(values: dict[str, Any], told: str) -> None:
    """Unknown names at any depth, and values of another kind, are told by their path, with what there is."""
    with pytest.raises(SettingsError, match=told):
        changed_by(preset("standard"), values)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("s.json", "{", "is no JSON"),
        ("s.json", "[1]", "names with values"),
        ("s.json", '{"sede": 1}', "did you mean seed"),
        ("s.toml", "seed 1", "is no TOML"),
        ("s.yaml", "seed: 1", r"in a \.json or \.toml file; received '\.yaml'"),
    ],
)
def test_a_file_that_says_nothing_is_refused(tmp_path: Path, name: str, text: str, told: str) -> None:
    """Another format, broken syntax, or no names: the file is named, and what was wrong."""
    with pytest.raises(SettingsError, match=told):
        read_settings_file(written(tmp_path, text, name))


def test_no_file_and_other_encodings_are_told(tmp_path: Path) -> None:
    """A missing file and one in UTF-16 are errors with a cure."""
    with pytest.raises(SettingsError, match=r"cannot be read .* Check the path"):
        read_settings_file(tmp_path / "none.json")
    with pytest.raises(SettingsError, match="UTF-16, not in UTF-8"):
        read_settings_file(written(tmp_path, "{}", encoding="utf-16"))


def test_what_is_above_counts() -> None:
    """Nested names are merged, and where both have one the second holds."""
    below = {"seed": 1, "anogan": {"steps": 1, "batch": 2}}
    above = {"anogan": {"steps": 3}, "head": {"width": 4}}
    assert merged(below, above) == {"seed": 1, "anogan": {"steps": 3, "batch": 2}, "head": {"width": 4}}
