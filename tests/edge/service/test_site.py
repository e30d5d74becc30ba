"""The runner with a site's calibration: verdicts, other images than those, drift, the page's threshold."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sranogan_edge.alarms import Alarms
from sranogan_edge.bundle.site_calibration import SiteCalibration
from sranogan_edge.detector.in_force import Site
from sranogan_edge.errors import ExitCode, ResultsError
from sranogan_edge.feeds.feed import Arrival, FeedHealth
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.image.frame import Frame
from sranogan_edge.results.line import ResultLine, result_line
from sranogan_edge.scoring.foreign import DomainRule
from sranogan_edge.scoring.measurement import Measurement
from sranogan_edge.service.delivery import Reader, ResultsLog, SinkReader
from sranogan_edge.service.threshold import AppliedThreshold
from sranogan_edge.sinks.jsonl import JsonlSink, JsonlSinkSettings
from sranogan_edge.sinks.sink import SinkHealth
from sranogan_edge.sinks.sqlite import SqliteSink
from sranogan_edge.site.drift import DriftSettings
from tests.support.even_frames import DIGEST, SCORER, frame
from tests.support.service_bench import RULE, Bench, Camera, StandIn, fill, images, lines


def measure(frame: Frame, made: Measurement) -> dict[str, float]:
    """The statistics of what a stand-in measures: the mean is the brightness and the score."""
    return {"brightness": made.score / 255, "score": made.score}


def site(seed: int = 0) -> Site:
    """A calibration of 200 normals of mean about 100."""
    scores = np.random.default_rng(seed).normal(100, 10, 200)
    columns = {"brightness": tuple(scores / 255), "score": tuple(scores)}
    made = SiteCalibration("b" * 64, 4, "stand-in", 0.05, columns, "0" * 64, "normals")
    return Site(made, DIGEST, DomainRule.of(made), measure)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a runner whose judge has a site's calibration."""
    made = Bench(tmp_path)
    own = site()
    made.judge = replace(made.judge, scorer=SCORER, rule=own.rule, site=own)
    yield made
    made.spool.close()


def test_not_like_the_training_data_in_every_sink(bench: Bench) -> None:
    """The answer, its reason and the calibration stand in each kind of result; the others stay verdicts."""
    folder = images(bench.root / "in", 100, 250)
    readers: dict[str, Reader] = {
        "log": ResultsLog(bench.root / "results.jsonl"),
        "jsonl": SinkReader(JsonlSink(JsonlSinkSettings(f"jsonl:{bench.root / 'lines'}"))),
        "sqlite": SinkReader(SqliteSink(bench.root / "results.sqlite")),
    }
    assert bench.build(feed_of(str(folder)).open(), **readers).run() == ExitCode.OK
    for file in (bench.root / "results.jsonl", bench.root / "lines" / "results.jsonl"):
        film, photograph = lines(file)
        assert (film["verdict"], film["reason"], film["calibration"]) == ("normal", None, DIGEST)
        assert (photograph["verdict"], photograph["score"]) == ("out of domain", 250.0)
        assert photograph["reason"].startswith("not like the training data: mean brightness 0.98")
        assert photograph["feed"] == str(folder)
        assert photograph["schema_version"] == 1
    with sqlite3.connect(bench.root / "results.sqlite") as database:
        rows = database.execute(
            "SELECT verdict, reason, calibration, feed FROM results ORDER BY id"
        ).fetchall()
    assert rows[1][0] == "out of domain"
    assert "mean brightness" in rows[1][1]
    assert rows[0][2:] == (DIGEST, str(folder))


def test_lines_of_an_earlier_version_are_read() -> None:
    """A result that waited in the spool while the runner was updated has none of the new fields."""
    made = asdict(result_line("a.png", RULE.decide(StandIn().measure(frame(10))), SCORER, None))
    old = {
        name: made[name] for name in made if name not in ("calibration", "reason", "feed", "frames", "frame")
    }
    assert ResultLine(**old) == replace(ResultLine(**made), calibration=None)


def test_a_feed_that_drifts_raises_an_alarm_and_the_other_does_not(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """The alarm names feed and reason; it ends with a window that is in order again."""
    rng = np.random.default_rng(1)
    bench.drift = DriftSettings(window=20)
    usual, odd = bench.root / "usual", bench.root / "odd"
    for folder, means in ((usual, (100, 100)), (odd, (120, 100))):
        for number, value in enumerate(np.repeat(means, 20) + rng.normal(0, 10, 40)):
            draw(folder / f"{number:02}.png", value)
    with caplog.at_level(logging.INFO):
        service = bench.build(feed_of(str(usual)).open(), feed_of(str(odd)).open())
        service.run()
    told = [r.message for r in caplog.records if "alarm" in r.message]
    assert [message.split(": ")[:2] for message in told] == [["alarm", str(odd)]] * 2 + [
        ["alarm over", str(odd)]
    ] * 2
    assert "mean brightness is higher than in the calibration" in told[0]
    assert service.alarms.now == ()


def test_equal_images_are_an_alarm_of_a_scanner_only(bench: Bench) -> None:
    """Five equal objects in a row are told; a camera says by itself when its picture stands still."""
    bench.drift = DriftSettings()
    folder = images(bench.root / "in", 100)
    for number in range(5):
        (folder / f"again-{number}.png").write_bytes((folder / "100.png").read_bytes())
    service = bench.build(feed_of(str(folder)).open(), Still(100, 8))
    service.run()
    (alarm,) = service.alarms.now
    assert alarm.startswith(f"{folder}: the picture is frozen: ")


def test_too_few_normals_for_drift_and_domain_score_all_the_same(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """A calibration of three normals has a threshold and nothing else; the log says so once."""
    small = replace(site().calibration, statistics={"score": (1.0, 2.0, 3.0)}, false_alarm_rate=0.25)
    own = Site(small, DIGEST, None, measure)
    bench.judge = replace(bench.judge, rule=own.rule, site=own)
    bench.drift = DriftSettings(window=10, alarms_per_10000=0.01)
    service = bench.build(feed_of(str(images(bench.root / "in", 10, 250))).open())
    assert service.run() == ExitCode.OK
    assert service.alarms.now == ()
    assert sum("not watched for drift" in record.message for record in caplog.records) == 1


class Still(Camera):
    """A camera whose frames are all equal."""

    def __init__(self, value: int, frames: int) -> None:
        super().__init__(frames)
        self.value = value

    def __iter__(self) -> Iterator[Arrival]:
        for number in range(1, self.frames + 1):
            yield Arrival(f"still {number}", 0.0, frame=frame(self.value))


def draw(path: Path, mean: float) -> None:
    """An image of this mean."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.full((20, 20), round(mean), np.uint8)).save(path)


def test_only_one_camera_frame_in_so_many_is_watched(bench: Bench) -> None:
    """With a stride of 10, a window of 10 frames is full after 91 of them, not before."""
    bench.drift = DriftSettings(window=10, frame_stride=10, alarms_per_10000=500)
    found = []
    for count in (90, 91):
        service = bench.build(Still(140, count))
        service.run()
        found.append(len(service.alarms.now))
    assert found == [0, 2]


def test_a_dicom_object_of_several_frames(bench: Bench, make_dicom: Callable[..., bytes]) -> None:
    """It has one result, of its highest frame, with that frame's number."""
    frames = np.stack([np.full((20, 20), mean, np.uint8) for mean in (90, 105, 95)])
    folder = bench.root / "in"
    folder.mkdir()
    (folder / "cine.dcm").write_bytes(make_dicom(frames))
    log = ResultsLog(bench.root / "results.jsonl")
    assert bench.build(feed_of(str(folder)).open(), log=log).run() == ExitCode.OK
    (line,) = lines(log.path)
    assert (line["score"], line["frame"], line["frames"]) == (105.0, 2, 3)


def test_the_threshold_of_the_page_is_kept_and_judged_by(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    """It holds for what comes after, over restarts, and the log says who set it."""
    log = ResultsLog(bench.root / "results.jsonl")
    service = bench.build(feed_of(str(images(bench.root / "a", 100))).open(), log=log)
    service.run()
    service._threshold.apply(99.0, "10.0.0.7")
    assert "the threshold 99 was applied on the page by 10.0.0.7" in caplog.text
    bench.build(feed_of(str(images(bench.root / "b", 100))).open(), log=log).run()
    found = [(line["verdict"], line["threshold"]) for line in lines(log.path)]
    assert found == [("normal", bench.judge.threshold), ("anomalous", 99.0)]


@pytest.mark.parametrize(
    "change", [{"bundle": "d" * 64}, {"steps": 8}, {"calibration": None}, {"calibration": "e" * 64}]
)
def test_the_threshold_is_void_with_another_bundle_or_calibration(
    tmp_path: Path, change: dict[str, object]
) -> None:
    """At the next start as in the middle of a run; it does not come back."""
    other = replace(SCORER, **change)  # type: ignore[arg-type]  # the cases name real fields
    AppliedThreshold(tmp_path, SCORER).apply(1.5, "me")
    assert AppliedThreshold(tmp_path, SCORER).value == 1.5
    assert AppliedThreshold(tmp_path, other).value is None
    running = AppliedThreshold(tmp_path, SCORER)
    assert running.value is None
    running.apply(2.5, "me")
    running.judging(other)
    assert running.value is None
    assert not (tmp_path / "threshold.json").exists()


@pytest.mark.parametrize("text", ["", "{}", "[1]", "\xff", '{"threshold": "1"}', "NaN"])
def test_a_damaged_threshold_file_is_no_threshold(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The calibration's holds, and the log says why."""
    (tmp_path / "threshold.json").write_bytes(text.encode("latin-1"))
    assert AppliedThreshold(tmp_path, SCORER).value is None
    assert "cannot be understood" in caplog.text


def test_a_threshold_that_is_no_number_in_the_file(tmp_path: Path) -> None:
    """Whole but for its value: refused as well."""
    applied = AppliedThreshold(tmp_path, SCORER)
    applied.apply(1.5, "me")
    file = tmp_path / "threshold.json"
    for wrong in ("high", None, float("inf"), [1]):
        file.write_text(json.dumps({**json.loads(file.read_text()), "threshold": wrong}))
        assert AppliedThreshold(tmp_path, SCORER).value is None


def test_a_threshold_that_cannot_be_kept_is_not_applied(small_disk: Path) -> None:
    """On a full disk the one before stays in force, in memory and on disk."""
    applied = AppliedThreshold(small_disk, SCORER)
    applied.apply(1.5, "me")
    with (small_disk / "ballast").open("wb", buffering=0) as file, pytest.raises(OSError, match="space"):
        fill(file)
    with pytest.raises(ResultsError, match="was not applied"):
        applied.apply(2.5, "me")
    assert applied.value == 1.5
    assert AppliedThreshold(small_disk, SCORER).value == 1.5


def test_a_threshold_on_a_disk_that_is_read_only_is_not_applied(disk: Path) -> None:
    """The page is told why, in words, and the one before stays in force."""
    applied = AppliedThreshold(disk, SCORER)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(ResultsError, match=r"Read-only file system.*was not applied"):
        applied.apply(2.5, "me")
    assert applied.value is None


def test_alarms_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """Numbers that change from second to second make no new alarm; another reason does."""
    alarms = Alarms()
    with caplog.at_level(logging.INFO):
        for pause in (1.0, 2.5):
            alarms.note("feed cam", f"cam: no frame; again in {pause} s")
        alarms.note("feed cam", "cam: the picture is black")
        alarms.note("sink mqtt", "mqtt: no broker")
        alarms.keep_only("sink", set())
    told = [record.message for record in caplog.records]
    assert told == [
        "alarm: cam: no frame; again in 1.0 s",
        "alarm: cam: the picture is black",
        "alarm over: cam: no frame; again in 2.5 s",
        "alarm: mqtt: no broker",
        "alarm over: mqtt: no broker",
    ]
    assert alarms.now == ("cam: the picture is black",)


def test_health_of_a_camera_is_an_alarm(bench: Bench) -> None:
    """Black, frozen, unplugged: what the feed says of itself is told, and ends."""
    camera = Camera(1)
    service = bench.build(camera)
    camera.health = FeedHealth("stalled", message="the picture is black: check the lens")
    service._tell()
    assert list(service.alarms.now) == ["camera:fake: the picture is black: check the lens"]
    camera.health = FeedHealth("running")
    service._report.tell({}, "", now=True)
    assert not service.alarms.now


def test_an_alarm_names_a_sink_once(bench: Bench) -> None:
    """A reason that begins with the sink's address is not put behind it again."""
    service = bench.build(Camera(1))
    hook = "http://10.0.0.7/hook"
    sinks = {hook: SinkHealth("failing", message=f"{hook} cannot be reached")}
    sinks["mqtt://b"] = SinkHealth("failing", message="no broker")
    service._report.tell(sinks, "", now=True)
    assert list(service.alarms.now) == [f"{hook} cannot be reached", "mqtt://b: no broker"]
