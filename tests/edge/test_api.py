"""The front door for people who write Python: what is exported, taken, refused; it scores as the command."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

import sranogan_edge
from sranogan_edge import Detector, Frame, Verdict, open_detector, read_bundle, read_frames
from sranogan_edge.commands.score import app
from sranogan_edge.errors import (
    BundleFormatError,
    ImageError,
    PixelsError,
    SettingsError,
    UnreadableImageError,
)

ROOT = Path(__file__).resolve().parents[2]
EXPORTED = [
    "Detector",
    "Frame",
    "SranoganError",
    "Verdict",
    "__version__",
    "open_detector",
    "read_bundle",
    "read_frames",
]


@pytest.fixture(scope="module")
def detector(tiny_bundle: Path) -> Detector:
    """Give the tiny bundle's detector, by way of the front door."""
    return open_detector(tiny_bundle)


def film(seed: int = 0) -> NDArray[np.uint8]:
    """Grey of 96 x 80 pixels with something on it."""
    rows, columns = np.mgrid[0:96, 0:80]
    noise = np.random.default_rng(seed).normal(0, 6, (96, 80))
    drawn: NDArray[Any] = 120 + 60 * np.sin(rows / 11) * np.cos(columns / 9) + noise
    return np.asarray(drawn.clip(0, 255), np.uint8)


def png(path: Path, pixels: NDArray[Any]) -> Path:
    """Write ``pixels`` (B, G, R where they are colour)."""
    assert cv2.imwrite(str(path), pixels)
    return path


def test_exported_names() -> None:
    """What is exported is there under its name, is listed, and nothing else is promised."""
    assert sorted(sranogan_edge.__all__) == EXPORTED
    assert set(EXPORTED) <= set(dir(sranogan_edge))
    for name in EXPORTED:
        assert getattr(sranogan_edge, name) is not None
    assert sranogan_edge.Detector is Detector
    with pytest.raises(AttributeError, match="no attribute 'open_detektor'"):
        sranogan_edge.open_detektor  # noqa: B018  # asking for it is the test


def test_the_package_alone_loads_nothing() -> None:
    """Importing the package, or its errors, loads no NumPy, OpenCV or runtime: lean installs get in."""
    script = (
        "import sys, sranogan_edge, sranogan_edge.errors; "
        "print(sorted({'numpy', 'cv2', 'PIL', 'ai_edge_litert', 'typer'} & set(sys.modules)), "
        "sorted(name for name in sys.modules if name.startswith('sranogan_edge')))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] ['sranogan_edge', 'sranogan_edge.errors', 'sranogan_edge.lazy']"


@pytest.mark.parametrize("name", ["Detector", "Verdict", "open_detector", "read_frames"])
def test_each_name_can_be_the_first(name: str) -> None:
    """In a fresh process each name loads by itself: no circle of imports needs another one to come first."""
    script = f"from sranogan_edge import {name}; print({name}.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == name


def test_paths_bytes_and_arrays_score_as_the_command_does(
    detector: Detector, tiny_bundle: Path, tmp_path: Path
) -> None:
    """A file by name, its bytes, its pixels and its frame score what ``sranogan-score`` says, to the bit."""
    folder = tmp_path / "films"
    folder.mkdir()
    colour = np.stack([film(1), film(2), film(3)], axis=2)
    deep = film(4).astype(np.uint16) * 257
    arrays: dict[str, NDArray[Any]] = {
        "grey": film(),
        "colour": colour[..., ::-1],
        "deep": deep,
        "black and white": film(5) > 120,
    }
    for name, array in arrays.items():
        stored = array[..., ::-1] if array.ndim == 3 else array
        stored = np.where(stored, 255, 0).astype(np.uint8) if stored.dtype == bool else stored
        png(folder / f"{name}.png", stored)
    found = CliRunner().invoke(app, [str(tiny_bundle), str(folder), "--out", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    lines = map(json.loads, (tmp_path / "out" / "results.jsonl").read_text().splitlines())
    said = {Path(line["file"]).stem: line for line in lines}
    for name, array in arrays.items():
        file = folder / f"{name}.png"
        ways: list[Any] = [
            str(file),
            file,
            file.read_bytes(),
            bytearray(file.read_bytes()),
            array,
            Frame.of(array),
        ]
        ways += [array[..., None]] if array.ndim == 2 else []
        for way in ways:
            verdict = detector.score(way)
            assert verdict.score == said[name]["score"], (name, type(way))
            limit = verdict.threshold if math.isfinite(verdict.threshold) else None
            assert (verdict.p_value, limit) == (said[name]["p_value"], said[name]["threshold"])
    assert len({line["score"] for line in said.values()}) == len(arrays)


def test_fractions_score_like_whole_numbers(detector: Detector) -> None:
    """A film as float32 from 0 to 1 scores as its 16-bit copy does; from 0 to 255 it is an error."""
    fractions = film().astype(np.float32) / 255
    assert detector.score(fractions).score == detector.score(film().astype(np.uint16) * 257).score
    assert detector.score(fractions).score == pytest.approx(detector.score(film()).score, rel=0.1)
    with pytest.raises(PixelsError, match="Divide by the full scale"):
        detector.score(film().astype(np.float32))


def test_dicom_of_several_frames_is_one_image(
    detector: Detector, tmp_path: Path, make_dicom: Callable[..., bytes]
) -> None:
    """Of a DICOM object the highest frame speaks, judged as the highest of so many, by path and by bytes."""
    pytest.importorskip("pydicom", reason="the extra dicom is not installed")
    file = tmp_path / "loop.dcm"
    file.write_bytes(make_dicom(np.stack([film(6), film(7), film(8)])))
    alone = [detector.score(film(seed)).score for seed in (6, 7, 8)]
    calibration = detector.bundle.calibration
    for way in (file, file.read_bytes()):
        verdict = detector.score(way)
        assert verdict.score == max(alone)
        assert verdict.threshold == calibration.threshold_of(3)
        assert verdict.p_value == calibration.p_value_of(3, verdict.score)
    assert len(read_frames(file)) == 3


def test_what_is_foreign_is_told(knowing_bundle: Path, tmp_path: Path) -> None:
    """Noise has its score and the words of the command: it is not like the training data."""
    noise = np.random.default_rng(5).integers(0, 256, (96, 96), np.uint8)
    file = png(tmp_path / "noise.png", noise)
    found = CliRunner().invoke(app, [str(knowing_bundle), str(file), "--out", str(tmp_path / "out")])
    assert found.exit_code == 0, found.output
    line = json.loads((tmp_path / "out" / "results.jsonl").read_text())
    verdict = open_detector(knowing_bundle).score(noise)
    assert line["verdict"] == "out of domain"
    assert (verdict.score, verdict.out_of_domain) == (line["score"], line["reason"])
    assert verdict.out_of_domain.startswith("not like the training data: ")


def test_measuring_knows_no_threshold(detector: Detector) -> None:
    """What is measured is the same whatever the rule; the rule alone tells normal from anomalous."""
    made = detector.measure(Frame.of(film()))
    for limit in (made.score - 1, made.score + 1):
        verdict = replace(detector.rule, override=limit).decide(made)
        assert (verdict.score, verdict.threshold) == (made.score, limit)
        assert verdict.anomalous == (made.score > limit)
        assert verdict.p_value == detector.bundle.calibration.p_value(made.score)
        assert detector.rule.again(verdict).threshold == detector.rule.threshold
    assert detector.rule.override is None


def test_many_go_on_after_a_bad_one(detector: Detector, tmp_path: Path) -> None:
    """Bad images come back as their errors, in their places, one at a time as they are asked for."""
    good = png(tmp_path / "good.png", film())
    text = tmp_path / "text.png"
    text.write_text("no image")
    asked: list[int] = []

    def images() -> Any:
        bad: list[Any] = [tmp_path / "missing.png", text, tmp_path, b"", film().astype(int), None, "a\0b"]
        for number, image in enumerate([good, *bad, film()]):
            asked.append(number)
            yield image

    found = detector.score_many(images())
    first = next(found)
    assert asked == [0]
    rest = list(found)
    assert isinstance(first, Verdict)
    kinds = [*[UnreadableImageError] * 4, PixelsError, PixelsError, UnreadableImageError, Verdict]
    assert [type(one) for one in rest] == kinds
    assert "missing.png: no such file" in str(rest[0])
    assert "received int64" in str(rest[4])
    assert "received NoneType" in str(rest[5])
    assert rest[-1].score == first.score  # type: ignore[union-attr]  # it is a verdict


@pytest.mark.parametrize("one", ["films", Path("films"), b"bytes", Frame.of(film())])
def test_many_of_one_is_refused_at_once(detector: Detector, one: Any) -> None:
    """A folder's name or a single image in place of several is refused before any is asked for."""
    with pytest.raises(SettingsError, match="takes several images; received one"):
        detector.score_many(one)


def test_an_array_of_films_is_many(detector: Detector) -> None:
    """The first axis of an array counts its images."""
    stack = np.stack([film(1), film(2)])
    assert [v.score for v in detector.score_many(stack) if isinstance(v, Verdict)] == [
        detector.score(film(1)).score,
        detector.score(film(2)).score,
    ]


def test_what_opens_a_detector(tiny_bundle: Path, budgets_bundle: Path, tmp_path: Path) -> None:
    """A path as str, a path, and a bundle that was read open the same; steps choose a budget."""
    ways = (str(tiny_bundle), tiny_bundle, read_bundle(tiny_bundle))
    assert len({open_detector(one).score(film()).score for one in ways}) == 1
    steps = sorted(read_bundle(budgets_bundle).budgets)
    assert [open_detector(budgets_bundle, steps=one, threads=2).bundle.steps for one in steps] == steps
    with pytest.raises(SettingsError, match="no budget of 77"):
        open_detector(budgets_bundle, steps=77)
    with pytest.raises(SettingsError, match="no backend 'cpu'"):
        open_detector(tiny_bundle, backend="cpu")
    with pytest.raises(SettingsError, match="threads must be a whole number from 1 up; received 0"):
        open_detector(tiny_bundle, threads=0)
    with pytest.raises(SettingsError, match="name the bundle's file, or give a Bundle; received bytes"):
        open_detector(tiny_bundle.read_bytes())  # type: ignore[arg-type]  # that is the mistake
    (tmp_path / "no.sranogan").write_bytes(b"no")
    with pytest.raises(BundleFormatError):
        open_detector(tmp_path / "no.sranogan")


def test_max_pixels_of_the_bundle_holds(detector: Detector, tmp_path: Path) -> None:
    """A file that declares more pixels than the bundle takes is refused by its header."""
    bundle = replace(detector.bundle, preprocess=replace(detector.bundle.preprocess, max_pixels=1000))
    with pytest.raises(ImageError, match="above the budget of 1,000"):
        open_detector(bundle).score(png(tmp_path / "a.png", film()))


def examples(page: str) -> list[str]:
    """The Python blocks of a page."""
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


def test_examples_of_the_page_run(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each example of docs/api.md that scores does what its page says, one after the other."""
    (tmp_path / "chest.sranogan").write_bytes(tiny_bundle.read_bytes())
    png(tmp_path / "film.png", film())
    monkeypatch.chdir(tmp_path)
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"array": film(1)}
    has_pandas = find_spec("pandas") is not None  # an extra
    scoring = [code for code in examples(page) if "keras_sranogan" not in code]
    scoring = [code for code in scoring if has_pandas or "pandas" not in code]
    for code in scoring:
        exec(code, names)
    said = capsys.readouterr().out
    assert len(scoring) == 3 + has_pandas
    (message,) = re.findall(r"# (array: .*) Divide by", page)
    assert message in said
    assert "not scored: missing.png: no such file" in said
    assert f"{open_detector(tiny_bundle).score(film()).score}\n" in said


def test_the_readme_has_the_three_lines(detector: Detector, tiny_bundle: Path) -> None:
    """The lines that README shows are those that work."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (lines,) = [code for code in examples(readme) if "open_detector" in code]
    names: dict[str, Any] = {"array": film()}
    exec(lines.replace("chest.sranogan", str(tiny_bundle)), names)
    assert names["verdict"].score == detector.score(film()).score
