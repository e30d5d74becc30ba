"""A bundle replaced while the runner scores: proven first, refused with an alarm, and the way back."""

from __future__ import annotations

import json
import math
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle, write_bundle
from sranogan_edge.detector.judge import Judge, calibrated
from sranogan_edge.detector.load import Loader
from sranogan_edge.errors import StaleThresholdError
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.page.audit import AuditTrail
from sranogan_edge.page.board import Board
from sranogan_edge.service.delivery import ResultsLog
from sranogan_edge.service.loop import Service, ServiceSettings
from sranogan_edge.service.swap import Swap
from sranogan_edge.spool.spool import Spool, SpoolLimits
from tests.support.service_bench import Bench, lines, wait_for
from tests.support.swap_place import XNNPACK, Place, film, successor


@pytest.fixture
def running(place: Place) -> Iterator[Swap]:
    """Give a swap that watches."""
    swap = place.swap()
    swap.first()
    swap.start()
    yield swap
    swap.close()


def test_a_new_bundle_takes_over_while_images_are_scored(place: Place, others: Path, bundle: Bundle) -> None:
    """Every image has one result, each names its bundle, and none waits for the change."""
    swap = place.swap()
    judge = swap.first()
    spool = Spool(place.root / "spool", SpoolLimits(min_free_bytes=0))
    log = ResultsLog(place.root / "results.jsonl")
    watched = place.root / "in"
    watched.mkdir()
    feed = WatchFeedSettings(f"watch:{watched}", settle_s=0.02, poll_s=0.01).open()
    settings = ServiceSettings(bundle=place.file)
    board = Board(bundle.calibration, 1.0, on_threshold=lambda value, by: None)
    before = board.snapshot().calibration_version
    board.set_threshold(-9.0, version=before)
    service = Service(
        judge,
        spool,
        [feed],
        {"log": log},
        settings,
        board=board,
        alarms=place.alarms,
        swap=swap,
        audit=(audit := AuditTrail(place.root)),
    )
    stop = Bench.in_background(service)
    second = read_bundle(others / "second").sha256
    for number in range(400):
        film(watched / f"{number:03}.png", number)
        if number == 3:
            wait_for(lambda: bool(lines(log.path)))
            place.put(others / "second")
        if number > 3 and lines(log.path)[-1]["bundle"] == second:
            break
        time.sleep(0.02)
    wait_for(lambda: len(lines(log.path)) == number + 1)
    assert stop() == 0
    spool.close()
    found = [line["bundle"] for line in lines(log.path)]
    change = found.index(second)
    assert found == [bundle.sha256] * change + [second] * (len(found) - change)
    assert len({line["file"] for line in lines(log.path)}) == len(found)
    assert all(line["error"] is None for line in lines(log.path))
    shown = board.snapshot()
    assert second[:12] in shown.about["bundle"]
    assert shown.about["digest"] == second
    assert shown.about["model"] == place.file.stem
    assert shown.threshold == bundle.calibration.threshold
    changes = [(one.action, one.old[:12], one.new[:12]) for one in audit.events()[0]]
    assert changes[0][0] == "start"
    assert changes[1:] == [
        ("bundle", "", bundle.sha256[:12]),
        ("calibration", "", "the bundle's"),
        ("bundle", bundle.sha256[:12], second[:12]),
    ]
    with pytest.raises(StaleThresholdError, match="has taken over since you chose"):
        board.set_threshold(-9.0, version=before)


@pytest.mark.parametrize(("name", "why"), [("garbage", "not a bundle"), ("wrong", "golden case 1 of ")])
def test_what_is_refused_changes_nothing_but_raises_an_alarm(
    place: Place, others: Path, running: Swap, name: str, why: str
) -> None:
    """The alarm says why, in the file's own name, and ends with a bundle that is good."""
    place.put(others / name)
    wait_for(lambda: bool(place.alarms.now))
    (alarm,) = place.alarms.now
    assert why in alarm
    assert alarm.endswith("The one in use goes on.")
    assert "incoming" not in alarm
    assert running.successor() is None
    assert sorted(p.name for p in place.kept.in_use.parent.glob("chest*")) == ["chest.sranogan"]
    place.put(others / "second")
    assert successor(running).scorer.bundle == read_bundle(others / "second").sha256
    assert not place.alarms.now


def test_a_bundle_that_is_gone_is_an_alarm(place: Place, running: Swap, tiny_bundle: Path) -> None:
    """The one in use goes on, and the alarm ends when the file is there again."""
    place.file.unlink()
    wait_for(lambda: bool(place.alarms.now))
    assert str(place.file) in place.alarms.now[0]
    place.put(tiny_bundle)
    wait_for(lambda: not place.alarms.now)


def test_a_bundle_that_is_not_signed_with_our_key(place: Place, bundle: Bundle, others: Path) -> None:
    """Where a key is asked for, only what is signed with it takes over."""
    key = place.root / "key"
    key.write_bytes(b"a secret of more than thirty-two bytes")
    write_bundle(bundle, place.file, key)
    write_bundle(replace(bundle, model_card="signed as well"), place.root / "signed", key)
    place.scoring = replace(XNNPACK, bundle_key_file=key)
    swap = place.swap()
    swap.first()
    swap.start()
    place.put(others / "second")
    wait_for(lambda: bool(place.alarms.now))
    assert "not signed" in place.alarms.now[0]
    place.put(place.root / "signed")
    assert successor(swap).scorer.bundle == read_bundle(place.root / "signed", key).sha256
    assert not place.alarms.now
    swap.close()


def test_the_way_back(place: Place, others: Path, running: Swap, bundle: Bundle) -> None:
    """The bundle before is kept beside the spool; copied over the file, it takes over again."""
    place.put(others / "second")
    assert successor(running).scorer.bundle != bundle.sha256
    before = place.kept.in_use.with_name("chest.sranogan.1")
    wait_for(before.exists)
    assert read_bundle(before).sha256 == bundle.sha256
    place.put(before)
    assert successor(running).scorer.bundle == bundle.sha256


def test_a_look_when_asked_only(place: Place, others: Path) -> None:
    """Without a time between looks, a signal makes one; what was refused is then tried again."""

    class Asked(threading.Event):
        """Notes how long the watch would wait without being asked: None is for ever."""

        def wait(self, timeout: float | None = None) -> bool:
            patience.append(timeout)
            return super().wait(timeout)

    patience: list[float | None] = []
    swap = place.swap(every_s=None)
    swap._asked = Asked()
    swap.first()
    swap.start()
    place.put(others / "garbage")
    swap.look()
    wait_for(lambda: bool(place.alarms.now))
    place.put(others / "second")
    wait_for(lambda: len(patience) == 2)
    assert swap.successor() is None
    swap.look()
    assert successor(swap).scorer.bundle == read_bundle(others / "second").sha256
    swap.close()
    assert set(patience) == {None}


def test_the_calibration_of_the_other_bundle_is_void(
    place: Place, others: Path, calibration: Path, bundle: Bundle
) -> None:
    """The new bundle's own threshold holds, with an alarm, also after a restart; the way back restores it."""
    shutil.copy(calibration, place.site)
    swap = place.swap()
    first = swap.first()
    assert first.scorer.calibration is not None
    assert first.site is not None
    swap.start()
    place.put(others / "second")
    second = successor(swap)
    assert (second.scorer.calibration, second.site) == (None, None)
    assert second.threshold == bundle.calibration.threshold
    (alarm,) = place.alarms.now
    assert alarm.startswith("the site's calibration is void, the bundle's own threshold is in force")
    swap.close()
    again = place.swap()
    assert again.first().scorer == second.scorer
    assert "is void" in place.alarms.now[0]
    again.start()
    place.put(place.kept.in_use.with_name("chest.sranogan.1"))
    assert successor(again).scorer == first.scorer
    assert not place.alarms.now
    again.close()


def test_a_new_calibration_takes_over_without_a_new_bundle(
    place: Place, calibration: Path, running: Swap
) -> None:
    """Written in place of the other one; one that is damaged changes nothing but raises an alarm."""
    running.close()
    shutil.copy(calibration, place.site)
    swap = place.swap()
    first = swap.first()
    swap.start()
    text = calibration.read_text()
    place.site.write_text(text.replace('"source"', '"sourcf"'))
    wait_for(lambda: bool(place.alarms.now))
    assert "changed since it was written" in place.alarms.now[0]
    place.site.write_text(text + " ")  # another file of the same contents
    other = successor(swap)
    assert other.scorer.calibration != first.scorer.calibration
    assert other.threshold == first.threshold
    assert not place.alarms.now
    swap.close()


def test_a_judge_proves_its_device_by_the_golden_cases(tiny_bundle: Path) -> None:
    """Whenever it is asked; graphs that fail now are told by whatever they raise."""
    detector = Loader(XNNPACK).detector(tiny_bundle)
    judge = Judge.of(detector)
    judge.prove()

    def lost(inputs: object) -> NoReturn:
        raise RuntimeError("driver lost")

    broken: Any = {**detector.graphs.by_name, "search": lost}
    detector.graphs = replace(detector.graphs, by_name=broken)
    with pytest.raises(RuntimeError, match="driver lost"):
        judge.prove()


def test_p_values_and_threshold_are_the_sites(tiny_bundle: Path, calibration: Path) -> None:
    """A judge with a calibration answers by it, and has statistics of each image; without one, not."""
    detector = Loader(XNNPACK).detector(tiny_bundle)
    judge = calibrated(detector, calibration)
    file = film(calibration.parent / "one.png", 7)
    from sranogan_edge.image.decode import decode_file

    frame = decode_file(file)
    answer, plain = judge.answer([frame]), Judge.of(detector).answer([frame])
    own = judge.rule.calibration
    assert answer.verdict.score == plain.verdict.score
    assert (answer.verdict.threshold, answer.verdict.p_value) == (
        own.threshold,
        own.p_value(answer.verdict.score),
    )
    assert plain.verdict.threshold == detector.bundle.calibration.threshold != own.threshold
    assert answer.statistics["score"] == answer.verdict.score
    assert set(answer.statistics) >= {"brightness", "likeness"}
    assert not plain.statistics
    assert not answer.out_of_domain  # it is one of the normals


def test_a_signal_to_the_command(place: Place, others: Path, calibration: Path, bundle: Bundle) -> None:
    """SIGHUP to the real command: garbage is an alarm, a good bundle takes over with its own threshold."""
    shutil.copy(calibration, place.site)
    watched, log, told = place.root / "in", place.root / "out" / "results.jsonl", place.root / "stderr"
    watched.mkdir()
    command = [sys.executable, "-m", "sranogan_edge.commands.score", str(place.file), f"watch:{watched}"]
    command += ["--backend", "xnnpack", "--out", str(place.root / "out"), "--serve", "127.0.0.1:0"]
    with told.open("wb") as stderr:
        runner = subprocess.Popen(
            [*command, "--calibration", str(place.site)], stderr=stderr, stdin=subprocess.DEVNULL
        )
    try:
        film(watched / "1.png", 1)
        wait_for(lambda: len(lines(log)) == 1)
        url = re.search(r"http://127\.0\.0\.1:\d+/", told.read_text())
        assert url
        first = state(url[0])
        assert "20 normals of this site" in first["about"]["calibration"]
        place.put(others / "garbage")
        runner.send_signal(signal.SIGHUP)
        wait_for(lambda: "not a bundle" in " ".join(state(url[0])["alarms"]))
        place.put(others / "second")
        runner.send_signal(signal.SIGHUP)
        wait_for(lambda: "took over from bundle" in told.read_text())
        film(watched / "2.png", 2)
        wait_for(lambda: len(lines(log)) == 2)
        second = state(url[0])
        assert second["about"]["calibration"] == "the bundle's own"
        own = bundle.calibration.threshold
        assert second["threshold"] == (own if math.isfinite(own) else None)
        assert math.isfinite(first["threshold"])
        assert "calibration is void" in second["alarms"][0]
        runner.terminate()
        assert runner.wait(60) == 0
    finally:
        runner.kill()
    assert [line["bundle"] for line in lines(log)] == [
        bundle.sha256,
        read_bundle(others / "second").sha256,
    ]
    assert [line["calibration"] is None for line in lines(log)] == [False, True]


def state(url: str) -> Any:
    """What the page shows."""
    with urllib.request.urlopen(f"{url}api/state", timeout=30) as answer:
        return json.loads(answer.read())
