"""A runner without a calibration: a site whose normals differ is an alarm and a metric."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.page.board import Board
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.rule import Rule
from sranogan_edge.site.drift import DriftSettings
from tests.support.service_bench import Bench

NORMALS = tuple(sorted(np.random.default_rng(0).normal(100, 10, 100).tolist()))


def folder_of(folder: Path, mean: float, count: int) -> Path:
    """Images of about this mean, which is the stand-in's score."""
    folder.mkdir()
    rng = np.random.default_rng(int(mean))
    for number in range(count):
        pixels = np.full((20, 20), rng.normal(mean, 10), np.uint8)
        pixels[0, number % 20] = number  # each its own
        Image.fromarray(pixels).save(folder / f"{number:03}.png")
    return folder


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Give a runner whose bundle held out a hundred normals, with a board."""
    made = Bench(tmp_path)
    made.judge = replace(made.judge, rule=Rule(Calibration(NORMALS, 0.05)))
    made.drift = DriftSettings()
    made.board = Board(made.judge.rule.calibration, 1.0)
    return made


def test_a_site_that_differs_is_said(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The alarm names feed and cure, stands on the board and is a metric; the other feed is well."""
    odd, usual = folder_of(bench.root / "odd", 125, 60), folder_of(bench.root / "usual", 100, 60)
    with caplog.at_level(logging.WARNING):
        service = bench.build(feed_of(str(odd)).open(), feed_of(str(usual)).open())
        service.run()
    (alarm,) = service.alarms.now
    assert alarm.startswith(f"{odd}: the images score higher than the bundle's normals: half of the last ")
    assert "adapt the bundle to 20 to 200 of them (sranogan-calibrate --adapt)" in alarm
    assert sum("score higher than the bundle's" in record.message for record in caplog.records) == 1
    assert bench.board
    service._report.tell({}, "", now=True)
    seen = bench.board.snapshot()
    assert seen.alarms == (alarm,)
    assert seen.differing == {str(odd)}
    pytest.importorskip("prometheus_client", reason="the extra page is not installed")
    from sranogan_edge.page.metrics import metrics_text

    text = metrics_text(bench.board).decode()
    assert f'sranogan_site_differs{{feed="{odd}"}} 1.0' in text
    assert f'sranogan_site_differs{{feed="{usual}"}} 0.0' in text
    service._report.judging(bench.judge)
    assert service.alarms.now == ()
    bench.spool.close()


def test_without_drift_nothing_is_watched(bench: Bench) -> None:
    """``drift = "none"`` leaves this out, too."""
    bench.drift = None
    service = bench.build(feed_of(str(folder_of(bench.root / "odd", 125, 60))).open())
    service.run()
    assert service.alarms.now == ()
    bench.spool.close()


def test_foreign_images_say_nothing_of_the_site(bench: Bench) -> None:
    """What is not like the training data is answered so, one by one; its scores mean nothing."""
    rule = replace(bench.judge.rule, foreign=lambda frame, made: "not like the training data: a cat")
    bench.judge = replace(bench.judge, rule=rule)
    service = bench.build(feed_of(str(folder_of(bench.root / "odd", 125, 60))).open())
    service.run()
    assert service.alarms.now == ()
    bench.spool.close()


def test_too_few_held_out_normals_score_all_the_same(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A bundle of one held-out normal cannot tell; the log says so, once."""
    bench.judge = replace(bench.judge, rule=Rule(Calibration((100.0,), 0.5)))
    with caplog.at_level(logging.INFO):
        service = bench.build(feed_of(str(folder_of(bench.root / "odd", 125, 30))).open())
        service.run()
    assert service.scored == 30
    assert sum("too few to tell whether a site differs" in record.message for record in caplog.records) == 1
    bench.spool.close()
