"""The answer for an object of several frames."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from sranogan_edge.detector import in_force
from sranogan_edge.detector.judge import Judge
from sranogan_edge.errors import ImageError
from sranogan_edge.image.frame import Frame
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.scoring.rule import Rule
from tests.support.calibrated_sites import small_bundle
from tests.support.even_frames import SCORER, frame
from tests.support.service_bench import StandIn


class Picky(StandIn):
    """Cannot judge frames of mean 13."""

    def measure(self, frame: Frame, pulse: Callable[[], object] = lambda: None) -> Measurement:
        if frame.pixels.mean() == 13:
            raise ImageError("frame of one value")
        return super().measure(frame, pulse)


def test_the_highest_frame_speaks_for_its_object() -> None:
    """Frames that cannot be judged are named; where none can, the object cannot."""
    own = Calibration(tuple(float(score) for score in range(200)), 0.05)
    judge = Judge(Picky(), SCORER, 1_000_000, 1.0, Rule(own))
    beats: list[None] = []
    answer = judge.answer([frame(v) for v in (20, 13, 240, 30)], pulse=lambda: beats.append(None))
    line = answer.line("film.dcm", SCORER, None, "dicom:1")
    assert (line.score, line.verdict, line.frames, line.frame) == (240.0, "anomalous", 4, 3)
    assert line.reason == "1 of 4 frames could not be judged: frame of one value"
    assert len(beats) == 4
    with pytest.raises(ImageError, match="one value"):
        judge.answer([frame(13), frame(13)])
    assert judge.answer([frame(1)]).line("a.png", SCORER, None, "").frame is None


def test_more_frames_need_more_to_be_anomalous() -> None:
    """P-value and threshold are of the highest of so many; where no score could do, the reason says so."""
    own = Calibration(tuple(float(score) for score in range(100)), 0.1)
    judge = Judge(Picky(), SCORER, 1_000_000, 1.0, Rule(own))
    for count, limit in ((1, own.threshold), (4, own.threshold_of(4)), (30, math.inf)):
        frames = [frame(13), *[frame(100)] * count] if count > 1 else [frame(100)]
        line = judge.answer(frames).line("film.dcm", SCORER, None, "")
        assert line.threshold == (limit if math.isfinite(limit) else None)
        assert (line.verdict == "anomalous") == (count < 30)
        if count > 1:
            assert line.p_value == own.p_value_of(count, 100.0) == pytest.approx(count / (100 + count))
        assert ("100 normals are too few to call the highest of 30" in (line.reason or "")) == (count == 30)
    assert judge.answer([frame(100)] * 30, threshold=99.0).verdict.anomalous


def test_regions_are_found_at_the_rate_of_the_calibration_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    """A site's, where there is one: a place is as rarely called hot as an image anomalous."""
    asked: list[float] = []

    def noted(density: object, spec: object, rate: float, threshold: float | None) -> None:
        asked.append(rate)

    monkeypatch.setattr(in_force, "region_finder", noted)
    bundle = small_bundle()
    for own in (bundle.calibration, Calibration((1.0, 2.0, 3.0), 0.25)):
        in_force.with_regions(Rule(own), bundle)
    assert asked == [0.1, 0.25]
