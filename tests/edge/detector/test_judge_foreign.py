"""A bundle without a site's calibration: what it calls foreign by its own normals, and when it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images
from typer.testing import CliRunner

from keras_sranogan.data.phantom import render_abnormal, render_normal
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.commands.check import check_settings
from sranogan_edge.commands.score import app
from sranogan_edge.detector.detector import Detector
from sranogan_edge.detector.judge import Judge
from sranogan_edge.detector.load import CalibrationSettings, DomainSettings, Loader, ScoringSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.frame import Frame, Photometric
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.settings.tree import Settings
from sranogan_edge.site.calibrate import fit, write_calibration

XNNPACK = ScoringSettings(backend="xnnpack")


def films(folder: Path, count: int) -> list[Path]:
    """Noise, an image a file: what no chest model should call normal."""
    folder.mkdir()
    rng = np.random.default_rng(4)
    for number in range(count):
        pixels = rng.integers(0, 256, (96, 96), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return sorted(folder.iterdir())


def photograph() -> Frame:
    """A flower, in colour."""
    return Frame(np.ascontiguousarray(load_sample_images().images[1]), 8, Photometric.RGB)


def noise() -> Frame:
    """Another one than :func:`films`."""
    pixels = np.random.default_rng(5).integers(0, 256, (96, 96), dtype=np.uint8)
    return Frame(pixels, 8, Photometric.MONOCHROME2)


@pytest.fixture
def judge(knowing_bundle: Path) -> Judge:
    """Give what a runner without a calibration judges by."""
    loader = Loader(XNNPACK)
    return loader.judge(loader.detector(knowing_bundle))


def test_foreign_images(judge: Judge) -> None:
    """A photograph and noise are told by the bundle alone, with their score, p-value and threshold."""
    for frame in (photograph(), noise()):
        answer = judge.answer([frame])
        line = answer.line("a.png", judge.scorer, None, "")
        assert line.verdict == "out of domain"
        assert line.reason
        assert line.reason.startswith("not like the training data: ")
        assert line.score == answer.verdict.score
        assert line.threshold == judge.threshold
        assert line.p_value == answer.verdict.p_value
        assert not answer.statistics  # drift is watched by a site's calibration only


def test_twenty_normals_tell_what_is_far_off(knowing_bundle: Path) -> None:
    """By the signs of 20 normals and their copies noise and a negative are foreign, films are not."""
    whole = read_bundle(knowing_bundle)
    budget = whole.budgets[whole.steps]
    assert budget.signs is not None
    few = replace(
        budget,
        signs={name: values[:40] for name, values in budget.signs.items()},
        calibration=Calibration(budget.calibration.scores[:20], 0.05),
    )
    bundle = replace(whole, budgets={whole.steps: few})
    judge = Judge.of(Detector(bundle, Loader(XNNPACK).detector(knowing_bundle).graphs))
    assert judge.foreign_by.startswith("by the bundle's 20 held-out normals; 20 normals are few")
    assert judge.answer([noise()]).out_of_domain
    for number in range(8):
        film = render_normal(1, number, 96).pixels
        assert judge.answer([Frame(255 - film, 8, Photometric.MONOCHROME2)]).out_of_domain
        assert not judge.answer([Frame(film, 8, Photometric.MONOCHROME2)]).out_of_domain


def test_films_are_judged(judge: Judge) -> None:
    """Normal and abnormal films have their verdicts."""
    for number in range(8):
        for film in (render_normal(1, number, 96), render_abnormal(1, number, "nodule", 96)):
            assert not judge.answer([Frame(film.pixels, 8, Photometric.MONOCHROME2)]).out_of_domain


def test_switched_off(knowing_bundle: Path) -> None:
    """With domain = "none" a photograph has a verdict."""
    loader = Loader(XNNPACK, domain=None)
    detector = loader.detector(knowing_bundle)
    for judge in (loader.judge(detector), loader.uncalibrated(detector)):
        assert judge.answer([photograph()]).out_of_domain == ""
    assert Loader(XNNPACK).uncalibrated(detector).answer([photograph()]).out_of_domain


def test_a_bundle_that_knows_no_signs(tiny_bundle: Path) -> None:
    """It gives verdicts, as it always did."""
    loader = Loader(XNNPACK)
    assert loader.judge(loader.detector(tiny_bundle)).answer([photograph()]).out_of_domain == ""


def test_a_calibration_goes_first(knowing_bundle: Path, tmp_path: Path) -> None:
    """What its normals are like is not foreign, whatever the bundle's own say; what they are not like is."""
    detector = Loader(XNNPACK).detector(knowing_bundle)
    site = fit(detector, films(tmp_path / "site", 40), false_alarm_rate=0.1, source="noise")
    write_calibration(site, tmp_path / "site.json")
    judge = Loader(XNNPACK, CalibrationSettings(tmp_path / "site.json")).judge(detector)
    assert judge.site
    assert judge.answer([noise()]).out_of_domain == ""
    film = render_normal(1, 0, 96)
    assert judge.answer([Frame(film.pixels, 8, Photometric.MONOCHROME2)]).out_of_domain


def test_what_is_off_is_said(knowing_bundle: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """The summary says by what foreign images are told; where none is, the terminal does, too."""
    (file,) = films(tmp_path / "in", 1)
    for bundle, options, expected, told in (
        (knowing_bundle, (), "by the bundle's 60 held-out normals", False),
        (tiny_bundle, (), "off: the bundle lacks its normals' signs", True),
        (tiny_bundle, ("--no-domain",), "off: switched off", False),
    ):
        done = CliRunner().invoke(app, [str(bundle), str(file), "--out", str(tmp_path / "out"), *options])
        assert done.exit_code == 0, done.output
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert summary["foreign_by"].startswith(expected)
        assert ("images unlike the training data are not told" in done.output) == told


def test_sranogan_score_on_files(knowing_bundle: Path, tmp_path: Path) -> None:
    """The line of a file says so; --no-domain leaves it out."""
    (file,) = films(tmp_path / "in", 1)
    for options, verdict in (((), "out of domain"), (("--no-domain",), "normal anomalous")):
        out = tmp_path / f"out{len(options)}"
        call = [str(knowing_bundle), str(file), "--out", str(out), *options]
        done = CliRunner().invoke(app, call)
        assert done.exit_code == 0, done.output
        (line,) = (json.loads(text) for text in (out / "results.jsonl").read_text().splitlines())
        assert line["verdict"] in (verdict if options else [verdict])
        assert ("not like the training data" in done.output) == (not options)


def test_check_config_says_what_foreign_images_are_told_by(
    knowing_bundle: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """The bundle's normals; or why they are not looked for."""
    for bundle, domain, expected in (
        (knowing_bundle, DomainSettings(), ("ok", "by the bundle's own normals")),
        (knowing_bundle, None, ("note", "not looked for")),
        (tiny_bundle, DomainSettings(), ("note", "foreign images are not looked for: ")),
    ):
        feeds = (WatchFeedSettings(f"watch:{tmp_path / 'in'}"),)
        settings = Settings(bundle, feeds, out=tmp_path / "out", scoring=XNNPACK, domain=domain)
        (found,) = (one for one in check_settings(settings) if one.what == "domain")
        assert found.state == expected[0]
        assert found.message.startswith(expected[1])
