"""What a slip on the command line leads to: a message at once, before a backend or a runtime is imported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SCRIPTS: dict[str, str] = {
    name: target
    for folder in (".", "edge", "export")
    for name, target in tomllib.loads((REPOSITORY / folder / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]["scripts"].items()
}
CALLED = """
import contextlib, importlib, io, json, os, sys
HEAVY = {"tensorflow", "keras", "jax", "torch", "ai_edge_litert", "tflite_runtime", "onnxruntime", "sklearn",
         "matplotlib", *sys.argv[2:]}
class Refused(BaseException): pass
class Gate:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in HEAVY: raise Refused(f"{name} was imported")
sys.meta_path.insert(0, Gate())
found = []
for line in json.loads(sys.argv[1]):
    module, _, function = line.pop(0).partition(":")
    sys.argv = line
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try: getattr(importlib.import_module(module), function)()
        except SystemExit as ended: code = ended.code
        except Refused as refused: code, _ = 99, print(refused)
    found.append([code, " ".join(out.getvalue().split())])
print(json.dumps(found))
"""


def called(tmp_path: Path, *lines: list[str], without: tuple[str, ...] = ()) -> list[tuple[int, str]]:
    """Run command lines in one process that lets in no training stack; give exit codes and what was said.

    ``without`` names what it does not let in besides.
    """
    asked = json.dumps([[SCRIPTS[line[0]], *line] for line in lines])
    # plain text: a terminal's width or colour would break sentences
    plain = {**os.environ, "COLUMNS": "1000", "NO_COLOR": "1", "TERM": "dumb"}
    done = subprocess.run(
        [sys.executable, "-c", CALLED, asked, *without],
        cwd=tmp_path,
        env=plain,
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return [(code, text) for code, text in found]


def options_of(name: str) -> list[str]:
    """Name the long options of a command."""
    import importlib

    from typer.main import get_command

    module = importlib.import_module(SCRIPTS[name].partition(":")[0])
    app = getattr(module, f"{name.removeprefix('sranogan-')}_app", None) or module.app
    return [one for parameter in get_command(app).params for one in parameter.opts if one.startswith("--")]


def swapped(option: str) -> str:
    """Write ``option`` with two letters in each other's place, as fingers do."""
    return f"{option[:3]}{option[4]}{option[3]}{option[5:]}" if len(option) > 4 else f"{option}z"


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_each_option_misspelt_is_asked_for_by_its_name(name: str, tmp_path: Path) -> None:
    """Of every option of every command: two letters swapped, or one dash, ends with 2 and the right word.

    Not even arrays and pictures are imported for that: they are more than half of what it would take.
    """
    options = [one for one in options_of(name) if swapped(one) != one]
    slips = [(one, slip) for one in options for slip in (swapped(one), one[1:])]
    assert slips
    found = called(tmp_path, *([name, slip] for _, slip in slips), without=("numpy", "cv2", "PIL"))
    for (option, slip), (code, text) in zip(slips, found, strict=True):
        assert code == 2, (slip, text)
        assert f"no such option: {slip}" in text
        assert "did you mean" in text, (slip, text)
        if slip == option[1:]:
            assert f"did you mean '{option}'" in text


def test_versions_are_told_without_a_backend(tmp_path: Path) -> None:
    """Every command has ``--version``, and imports nothing heavy for it."""
    from sranogan_edge import __version__

    names = sorted(SCRIPTS)
    found = called(tmp_path, *([name, "--version"] for name in names))
    assert found == [(0, f"{name} {__version__}") for name in names]


Line = Callable[[Path], list[str]]
NONSENSE: list[tuple[str, str]] = [
    ("sranogan-train phantom --out run --preset stanard", "(did you mean 'standard'?)"),
    ("sranogan-train phantom --out run --size 100", "--size must be one of 32, 64"),
    ("sranogan-train phantom --out run --size big", "valid integer"),
    ("sranogan-train phantom --out run --anomalies spotz", "(did you mean 'spots'?)"),
    ("sranogan-train phantom --out run --precision float23", "(did you mean 'float32'?)"),
    ("sranogan-train phantom --out run --seed -1", "--seed must be from 0"),
    ("sranogan-train phantom --out run --contamination 2", "--contamination must be from 0"),
    ("sranogan-train phantom --out run --contamination nan", "received nan"),
    ("sranogan-train phantom --out run --max-bad-share nan", "--max-bad-share must be from 0"),
    ("sranogan-train phantom --out run --settings none.toml", "none.toml: cannot be read"),
    ("sranogan-train phantom?trian=3 --out run", "trian"),
    ("sranogan-train phantom --out run --mlflow sqlte:///m.db", "(did you mean 'sqlite'?)"),
    ("sranogan-train phantom --out run --mlflow mlruns", "--mlflow must be a URI such as sqlite:///"),
    ("sranogan-train phantom --out run --mlflow http://", "--mlflow names no host"),
    ("sranogan-export trained --out b.sranogan --mlflow htp://host", "(did you mean 'http'?)"),
    ("sranogan-train phantom", "--out"),
    ("sranogan-evaluate a.sranogan phantom --split tset", "has no split 'tset'"),
    ("sranogan-evaluate a.sranogan phantom --anogan-steps 0", "--anogan-steps"),
    ("sranogan-evaluate a.sranogan phantom --max-bad-share 7", "--max-bad-share must be from 0"),
    ("sranogan-audit a.sranogan phantom --seed -1", "--seed"),
    ("sranogan-compare a.sranogan", "name two or more models"),
    ("sranogan-compare a.sranogan trained --data phantom --split tset", "has no split 'tset'"),
    ("sranogan-export trained --out b.sranogan --qat kears", "(did you mean 'keras'?)"),
    ("sranogan-export trained --out b.sranogan --budgets a,b", "--budgets must be whole numbers"),
    ("sranogan-export trained --out b.sranogan --int8 --float16", "name one of --int8"),
    ("sranogan-export trained --out b.sranogan --audit none.json", "--audit none.json: no such file"),
    ("sranogan-score a.sranogan images --backend xnpack", "(did you mean 'xnnpack'?)"),
    ("sranogan-score a.sranogan camra:0", "(did you mean 'camera'?)"),
    ("sranogan-score a.sranogan images --regions cocoa", "(did you mean 'coco'?)"),
    ("sranogan-score a.sranogan watch:images --regions coco", "--regions sums up files that end"),
    ("sranogan-score a.sranogan images --sink mqt://host", "(did you mean 'mqtt'?)"),
    ("sranogan-score a.sranogan images --calibration none.json", "--calibration none.json: no such file"),
    ("sranogan-score a.sranogan images --bundle-key none.pem", "--bundle-key none.pem: no such file"),
    (
        "sranogan-score a.sranogan images --calibration a.sranogan --calibration-key none.pem",
        "--calibration-key none.pem: no such file",
    ),
    ("sranogan-score --config none.toml", "none.toml"),
    ("sranogan-score", "name a BUNDLE"),
    ("sranogan-calibrate a.sranogan images --false-alarm-rate 3", "must be between 0 and 1"),
    ("sranogan-calibrate a.sranogan images --sign none.pem", "--sign none.pem: no such file"),
    ("sranogan-bench a.sranogan --backend onxx", "(did you mean 'onnx'?)"),
    ("sranogan-bench a.sranogan --repeat many", "valid integer"),
    ("sranogan-demo here", "unexpected extra argument"),
]


def test_nonsense_is_told_at_once(tmp_path: Path) -> None:
    """Values that cannot be, and files of options that are not there, end with exit code 2."""
    from PIL import Image

    from keras_sranogan.presets import preset

    (tmp_path / "a.sranogan").write_bytes(b"no bundle")
    (tmp_path / "trained" / "detector").mkdir(parents=True)
    (tmp_path / "trained" / "detector" / "calibration.json").touch()
    (tmp_path / "trained" / "settings.json").write_text(json.dumps(preset("demo").to_dict()))
    (tmp_path / "images").mkdir()
    Image.new("L", (64, 64)).save(tmp_path / "images" / "a.png")
    found = called(tmp_path, *(line.split(" ") for line, _ in NONSENSE))
    for (line, message), (code, text) in zip(NONSENSE, found, strict=True):
        assert code == 2, (line, text)
        assert message.lower() in text.lower(), (line, text)


MISSING: list[tuple[str, int, str]] = [
    ("sranogan-train nowhere --out run", 3, "nowhere: no such folder"),
    ("sranogan-train phantm --out run", 3, "(did you mean 'phantom'?)"),
    ("sranogan-train phantom --out begun", 7, "begun holds a run already. Add --resume"),
    ("sranogan-train phantom --out file/run", 6, "file is a file"),
    ("sranogan-evaluate nowhere phantom", 7, "nowhere: no such run folder or bundle"),
    ("sranogan-evaluate begun phantom", 7, "begun is not finished"),
    ("sranogan-evaluate file nowhere", 3, "nowhere: no such folder"),
    ("sranogan-audit nowhere phantom", 7, "nowhere: no such run folder or bundle"),
    ("sranogan-compare nowhere file", 7, "nowhere: no such run folder or bundle"),
    ("sranogan-export nowhere --out b.sranogan", 7, "nowhere is not a finished run folder"),
    ("sranogan-export begun --out b.sranogan", 7, "begun is not finished"),
    ("sranogan-score none.sranogan nowhere", 3, "nowhere: no such file or folder"),
    ("sranogan-score none.sranogan images", 5, "cannot read the bundle none.sranogan"),
    ("sranogan-calibrate none.sranogan nowhere", 3, "nowhere: no such file or folder"),
    ("sranogan-bench none.sranogan", 5, "cannot read the bundle none.sranogan"),
    ("sranogan-demo --out file", 6, "file is a file"),
]


def test_what_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    """Folders, runs and bundles that are not there end with the exit code of their kind."""
    from PIL import Image

    from keras_sranogan.presets import preset

    (tmp_path / "file").touch()
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "settings.json").write_text(json.dumps(preset("demo").to_dict()))
    (tmp_path / "images").mkdir()
    Image.new("L", (64, 64)).save(tmp_path / "images" / "a.png")
    found = called(tmp_path, *(line.split(" ") for line, _, _ in MISSING))
    for (line, expected, message), (code, text) in zip(MISSING, found, strict=True):
        assert (code, message in text) == (expected, True), (line, code, text)
