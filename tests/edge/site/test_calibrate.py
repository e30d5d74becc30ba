"""Calibration on site: what it does to rates, what it refuses, and what it says."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.commands import calibrate as calibrate_cli
from sranogan_edge.detector.load import Loader
from sranogan_edge.errors import DataError, ImageError, SettingsError
from sranogan_edge.image.film import FilmOptions
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.site import scored
from sranogan_edge.site.calibrate import difference, fit, normals_needed, read_calibration, write_calibration
from tests.support.calibrated_sites import site, small_bundle


@dataclass
class Scores:
    """Stands in for a detector: an image's score is its mean grey value."""

    bundle: Bundle
    backend: object = field(default_factory=lambda: SimpleNamespace(label="a stopwatch"))
    grids: dict[int, int] = field(default_factory=dict)  # by score: 1, or -1 for one turned upside down

    def measure(self, frame: object) -> SimpleNamespace:
        mean = float(frame.pixels.mean())  # type: ignore[attr-defined]  # a frame
        halves = np.repeat(np.array([0, self.grids.get(round(mean), 1)], np.float32), 512).reshape(32, 32)
        seen = SimpleNamespace(heat=np.stack([halves, halves]))
        return SimpleNamespace(score=mean, reconstruction=seen, tiles=None)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Scores:
    """Give a stand-in whose only statistic is the score."""

    def statistics(frame: object, verdict: SimpleNamespace, *rest: object) -> Mapping[str, float]:
        return {"score": verdict.score}

    monkeypatch.setattr(scored, "statistics_of", statistics)
    return Scores(small_bundle(scores=tuple(np.linspace(-3, -1, 50))))


def images(folder: Path, count: int, first: int = 0) -> list[Path]:
    """Images of different grey values."""
    files = [folder / f"{number:03}.png" for number in range(first, first + count)]
    for number, file in enumerate(files, start=first):
        cv2.imwrite(str(file), np.full((32, 32), number, np.uint8))
    return files


@pytest.mark.parametrize(
    ("rate", "needed"),
    [(0.05, 19), (0.01, 99), (0.1, 9), (0.5, 1), (0.3, 3), (0.001, 999), (1 / 49, 48), (1 / 93, 92)],
)
def test_as_many_normals_as_the_rate_needs(rate: float, needed: int) -> None:
    """With so many normals the threshold is finite; with one fewer it is not."""
    assert normals_needed(rate) == needed
    assert math.isfinite(Calibration(tuple(map(float, range(needed))), rate).threshold)
    if needed > 1:
        assert math.isinf(Calibration(tuple(map(float, range(needed - 1))), rate).threshold)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, float("nan")])
def test_no_such_rate(rate: float) -> None:
    """A rate outside (0, 1) is refused."""
    with pytest.raises(SettingsError, match="between 0 and 1"):
        normals_needed(rate)


def test_the_rate_holds_on_a_shifted_scanner() -> None:
    """Where a scanner's normals score 2 higher, the new threshold flags 5 % of them, not most."""
    rng = np.random.default_rng(0)
    flagged = []
    for _ in range(300):
        local = site(tuple(rng.normal(2, 1.3, 60)), false_alarm_rate=0.05)
        flagged.append((rng.normal(2, 1.3, 100) > local.calibration.threshold).mean())
    assert 0.035 < np.mean(flagged) <= 0.056


def test_fit_counts_and_tells(detector: Scores, tmp_path: Path) -> None:
    """Files that are there twice are used once, unreadable ones are named, and both are counted."""
    files = images(tmp_path, 40)
    (tmp_path / "twice.png").write_bytes(files[0].read_bytes())
    (tmp_path / "bad.png").write_bytes(b"no image")
    told: list[str] = []
    made = fit(
        detector,  # type: ignore[arg-type]  # a stand-in
        [*files, tmp_path / "twice.png", tmp_path / "bad.png"],
        false_alarm_rate=0.1,
        source="here",
        told=told.append,
    )
    assert (made.images, made.skipped, made.bundle, made.steps) == (40, 2, "b" * 64, 4)
    assert made.calibration.threshold == 36
    assert any("twice.png has the same bytes" in message for message in told)
    assert any("bad.png: not a JPEG" in message for message in told)
    assert any("score higher than the normals of the training" in message for message in told)
    assert any("images find little. A shift by one standard deviation" in message for message in told)


def test_too_few_normals_are_refused_with_the_number(detector: Scores, tmp_path: Path) -> None:
    """The refusal has what is needed, what is there, and a rate that these would do for."""
    with pytest.raises(DataError, match=r"8 images .* at least 9\. Add 1, or ask for a rate of 0\.112 or"):
        fit(detector, images(tmp_path, 8), false_alarm_rate=0.1, source="here")  # type: ignore[arg-type]
    assert normals_needed(0.112) <= 8


def test_what_is_not_used_is_no_normal(detector: Scores, tmp_path: Path) -> None:
    """Eight that are used and one that is there twice are eight."""
    files = images(tmp_path, 8)
    (tmp_path / "twice.png").write_bytes(files[0].read_bytes())
    with pytest.raises(DataError, match=r"8 images that can be used, and .* at least 9\. Add 1"):
        fit(detector, [*files, tmp_path / "twice.png"], false_alarm_rate=0.1, source="here")  # type: ignore[arg-type]


def test_a_folder_of_other_files_is_refused(detector: Scores, tmp_path: Path) -> None:
    """Where more than a tenth cannot be scored, something is wrong with the folder."""
    files = images(tmp_path, 20)
    for file in files[:3]:
        file.write_bytes(file.name.encode())
    with pytest.raises(DataError, match="3 of 20 images could not be scored"):
        fit(detector, files, false_alarm_rate=0.1, source="here")  # type: ignore[arg-type]  # a stand-in


def test_usual_images_are_kept_apart(detector: Scores, tmp_path: Path) -> None:
    """Images as they usually come are for the drift monitor, with their order, and change no threshold."""
    files = images(tmp_path, 20)
    (tmp_path / "usual").mkdir()
    other = images(tmp_path / "usual", 5, first=100)
    detector.grids = {100: 1, 101: 1, 102: -1, 103: 1}
    made = fit(detector, files, false_alarm_rate=0.1, source="here", usual=other)  # type: ignore[arg-type]
    assert made.calibration.threshold < 20
    assert made.usual == {"score": (100.0, 101.0, 102.0, 103.0, 104.0)}
    assert made.successive == pytest.approx((1.0, -1.0))
    assert made.apart == pytest.approx(0.0)
    write_calibration(made, tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json") == made


def test_normals_of_several_frames(
    detector: Scores, tmp_path: Path, make_dicom: Callable[..., bytes]
) -> None:
    """Each is one sample, its highest frame; the fewest frames of one are what objects are compared by."""
    for number in range(20):
        levels = np.arange(3 + number % 2, dtype=np.uint8)[:, None, None] + number
        (tmp_path / f"{number}.dcm").write_bytes(make_dicom(levels * np.ones((20, 20), np.uint8)))
    made = fit(detector, sorted(tmp_path.iterdir()), false_alarm_rate=0.1, source="here")  # type: ignore[arg-type]
    assert sorted(made.statistics["score"]) == [number + 2 + number % 2 for number in range(20)]
    assert made.calibration.frames == made.frames == 3
    write_calibration(made, tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json") == made


def test_only_odd_normals_are_worth_a_word() -> None:
    """Normals that score as the bundle's own raise no warning; those of a shifted scanner do."""
    rng = np.random.default_rng(1)
    own = Calibration(tuple(sorted(rng.normal(0, 1, 200))), 0.05)
    assert difference(site(tuple(rng.normal(0, 1, 60))), own) is None
    higher = difference(site(tuple(rng.normal(2, 1, 60))), own)
    lower = difference(site(tuple(rng.normal(-2, 1, 60))), own)
    assert higher is not None
    assert lower is not None
    assert "score higher" in higher
    assert "score lower" in lower


def test_command(detector: Scores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command says what the rate needs, refuses too few, and writes beside the bundle."""
    monkeypatch.setattr(Loader, "proven", lambda self, bundle: detector)
    (tmp_path / "normals").mkdir()
    images(tmp_path / "normals", 19)
    arguments = [str(tmp_path / "chest.sranogan"), str(tmp_path / "normals")]
    done = CliRunner().invoke(calibrate_cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert "needs at least 19 normals" in done.output
    assert read_calibration(tmp_path / "chest.calibration.json").calibration.threshold == 18
    refused = CliRunner().invoke(calibrate_cli.app, [*arguments, "--false-alarm-rate", "0.01"])
    assert refused.exit_code == 3
    assert "at least 99. Add 80" in refused.output


def test_command_refuses_before_it_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there, what does not decode, a key and a place that do not do are told at once."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "normals").mkdir()
    (tmp_path / "key").write_text("-----BEGIN PRIVATE KEY-----\nno\n-----END PRIVATE KEY-----\n")
    for file in images(tmp_path / "normals", 20)[:3]:
        file.write_bytes(b"no image")
    before = sorted(tmp_path.rglob("*"))
    for words, code, told in (
        (["nosuch"], 3, "nosuch: no such file or folder"),
        (["normals", "--usual", "nosuch"], 3, "nosuch: no such file or folder"),
        (["normals", "--false-alarm-rate", "0.04"], 3, "normals: 17 images that can be used"),
        (["normals", "--sign", "key"], 2, "the key"),
        (["normals", "--out", "none/c.json"], 6, "Name another place with --out"),
        (["normals", "--out", "normals"], 6, "it is a folder"),
    ):
        done = CliRunner().invoke(calibrate_cli.app, ["none.sranogan", *words])
        assert (done.exit_code, told in done.output) == (code, True), done.output
    assert sorted(tmp_path.rglob("*")) == before


def test_on_a_real_bundle(tiny_bundle: Path, tmp_path: Path) -> None:
    """A real bundle takes a calibration of phantoms, all statistics are there, and scoring uses it."""
    from keras_sranogan.data.phantom import render_normal
    from sranogan_edge.detector.open import open_detector
    from sranogan_edge.scoring.statistics import STATISTICS

    for number in range(12):
        cv2.imwrite(str(tmp_path / f"{number}.png"), render_normal(7, number, 96).pixels)
    out = tmp_path / "site.json"
    command = [sys.executable, "-m", "sranogan_edge.commands.calibrate", tiny_bundle, tmp_path, "--out", out]
    subprocess.run([*map(str, command), "--false-alarm-rate", "0.1"], check=True, capture_output=True)
    assert set(read_calibration(out).statistics) == set(STATISTICS)
    bundle, own = read_bundle(tiny_bundle), read_calibration(out).calibration
    verdict = open_detector(tiny_bundle, calibration=out).score_x(bundle.golden_x[0])
    assert verdict.threshold == own.threshold != bundle.calibration.threshold
    assert verdict.p_value == own.p_value(verdict.score)


def test_a_tenth_may_be_unreadable_and_the_order_is_of_no_matter(detector: Scores, tmp_path: Path) -> None:
    """2 of 20 are; and what the calibration was fitted on has one digest, however the files were listed."""
    files = images(tmp_path, 20)
    for file in files[:2]:
        file.write_bytes(file.name.encode())
    made = [
        fit(detector, listed, false_alarm_rate=0.1, source="here")  # type: ignore[arg-type]  # a stand-in
        for listed in (files, files[::-1])
    ]
    assert [(one.images, one.skipped) for one in made] == [(18, 2)] * 2
    assert made[0].images_sha256 == made[1].images_sha256 != "0" * 64
    other = fit(detector, files[3:], false_alarm_rate=0.1, source="here")  # type: ignore[arg-type]
    assert other.images_sha256 != made[0].images_sha256


def test_frames_that_cannot_be_judged_do_not_count(
    detector: Scores, tmp_path: Path, make_dicom: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An object of four frames of which one fails is the highest of three."""
    measure = detector.measure

    def picky(frame: Frame) -> SimpleNamespace:
        if frame.pixels.mean() == 13:
            raise ImageError("frame of one value")
        return measure(frame)

    monkeypatch.setattr(detector, "measure", picky)
    for number in range(20):
        levels = np.array([13, 100, 100 + number, 90], np.uint8)[:, None, None]
        (tmp_path / f"{number}.dcm").write_bytes(make_dicom(levels * np.ones((20, 20), np.uint8)))
    made = fit(detector, sorted(tmp_path.iterdir()), false_alarm_rate=0.1, source="here")  # type: ignore[arg-type]
    assert (made.frames, min(made.statistics["score"])) == (3, 100.0)


def test_films_that_are_not_asked_for_are_counted(
    detector: Scores, tmp_path: Path, make_dicom: Callable[..., bytes]
) -> None:
    """Beside those that are there twice or cannot be read; what they were is told."""
    files = images(tmp_path, 20)
    (tmp_path / "ct.dcm").write_bytes(make_dicom(np.eye(20, dtype=np.uint8), Modality="CT"))
    (tmp_path / "bad.png").write_bytes(b"no image")
    (tmp_path / "twice.png").write_bytes(files[0].read_bytes())
    told: list[str] = []
    made = fit(
        detector,  # type: ignore[arg-type]  # a stand-in
        sorted(tmp_path.iterdir()),
        false_alarm_rate=0.1,
        source="here",
        told=told.append,
        films=FilmOptions(modalities=("DX",), take_empty=("modalities",)),
    )
    assert (made.images, made.skipped) == (20, 3)
    assert "not asked for, and not used: 1" in told
