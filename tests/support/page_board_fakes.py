"""Boards to look at: results of phantom images, good days and bad days, without a model."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import cv2
import numpy as np

from sranogan_edge.feeds.feed import FeedHealth
from sranogan_edge.page.board import Board
from sranogan_edge.results.line import ResultLine, Scorer, error_line, result_line
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.heat import HEAT_SHAPE
from sranogan_edge.scoring.measurement import Reconstruction
from sranogan_edge.scoring.rule import Verdict
from sranogan_edge.sinks.sink import SinkHealth

STAGES = {"preprocess": 0.7, "search": 9.4, "reconstruct": 3.1, "features": 1.2, "residual": 2.0, "head": 1.1}
SCORER = Scorer("b" * 64, 4, "ai-edge-litert 2.3.0 (XNNPACK)")
Render = Callable[[int], np.ndarray]


def disc(number: int) -> np.ndarray:
    """An image ``(128, 128)`` in [0, 1] that differs from number to number."""
    rows, columns = np.mgrid[0:128, 0:128]
    return np.exp(-((rows - 64) ** 2 + (columns - 40 - number % 48) ** 2) / 900)


def fake_verdict(number: int, score: float, threshold: float, render: Render = disc) -> Verdict:
    """What a detector could have answered."""
    x = np.asarray(render(number), np.float32)
    resolved = np.asarray(cv2.GaussianBlur(x, (0, 0), 2.0), np.float32)
    heat = np.zeros(x.shape, np.float32)
    if score > threshold:
        cv2.circle(heat, (84, 80), 11, 2.0 * min(score, 5) / threshold, -1)
        heat = np.asarray(cv2.GaussianBlur(heat, (0, 0), 7), np.float32)
    taken = {stage: ms * (0.9 + 0.2 * ((number * 7) % 10) / 10) for stage, ms in STAGES.items()}
    taken["total"] = sum(taken.values())
    small = np.zeros((64, 64, 1), np.float32)
    made = Reconstruction(
        x[..., None], small, small, resolved[..., None], {}, np.zeros(HEAT_SHAPE, np.float32), 5e4, taken
    )
    p_value = float(np.exp(-max(score, 0)))
    return Verdict(score, {"residual": score}, p_value, score > threshold, threshold, heat, made, taken)


def filled_board(
    count: int = 60,
    *,
    alarm: bool = False,
    settable: bool = True,
    render: Render = disc,
    name: str = "film",
    about: Mapping[str, str] | None = None,
) -> Board:
    """A board after ``count`` images: mostly normal, some anomalous, an error, a photograph."""
    rng = np.random.default_rng(0)
    calibration = Calibration(tuple(sorted(rng.normal(-0.3, 0.8, 200))), 0.05)
    described = about or {"bundle": "chest.sranogan (int8, 4 search steps)", "backend": SCORER.backend}
    board = Board(calibration, 1.5, described, on_threshold=(lambda value, by: None) if settable else None)
    board.set_ready(True)
    for number in range(count):
        score = float(rng.normal(3.0, 0.8) if number % 9 == 5 else rng.normal(-0.3, 0.7))
        show(board, number, score, render, name)
    if alarm:
        board.set_alarms(
            (
                "mean brightness is lower than in the calibration: half of the last 100 images above 0.31, "
                "of its normals above 0.48",
                "camera:/dev/video0 is stalled: no frame for 12 s",
            )
        )
    camera = (
        FeedHealth("stalled", time.time() - 12, 37, 2, "no frame for 12 s", reason="silent")
        if alarm
        else FeedHealth("running", time.time() - 0.2, 3, 0)
    )
    scanner = FeedHealth("waiting", time.time() - 41, 0, 0)
    broker = SinkHealth("failing", 7, 120, 3, 2, "no broker", 1, "film-0007: answered 400")
    broker = broker if alarm else SinkHealth()
    board.set_feeds({"camera:/dev/video0": camera, "dicom:11112": scanner}, {"mqtt://broker": broker})
    board.set_queue(2)
    return board


def show(board: Board, number: int, score: float, render: Render = disc, name: str = "film") -> None:
    """Put one result on ``board``: every 31st is an error, every 23rd no film at all."""
    file = f"/var/lib/sranogan/incoming/{name}-{number:04}.png"
    line: ResultLine
    if number % 31 == 30:
        line = error_line(file, ValueError("the image is truncated or corrupt. Copy it again."), SCORER)
        board.scored(replace(line, feed="dicom:11112"), None)
        return
    outside = number % 23 == 22
    verdict = fake_verdict(number, score + 9 * outside, board.threshold, render)
    why = "not like the training data: likeness to the mean normal image -0.11, below 0.46 (usual 0.88)"
    line = result_line(file, verdict, SCORER, None, out_of_domain=why if outside else "")
    board.scored(replace(line, feed="camera:/dev/video0" if number % 3 else "dicom:11112"), verdict)
