"""Whose fault it is that nothing is scored, what counts against an object, and what a full disk begins."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sranogan_edge.alarms import Alarms
from sranogan_edge.errors import DecoderMissingError, SpoolFullError
from sranogan_edge.service.faults import Faults
from tests.support.service_bench import Bench, Camera


class Judge:
    """Stands in for a judge whose golden cases are as they should be, or not."""

    def __init__(self) -> None:
        self.broken, self.asked = False, 0

    def prove(self) -> None:
        self.asked += 1
        if self.broken:
            raise RuntimeError("the driver is gone")


@pytest.fixture
def judge() -> Any:
    """Give one that works."""
    return Judge()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS])
def test_what_this_process_lacks_counts_against_nobody(judge: Any, number: int) -> None:
    """No attempt is lost, no golden case asked, and it is tried again."""
    faults = Faults(Alarms())
    for _ in range(3):
        assert faults.failed("film", OSError(number, os.strerror(number)), judge) is False
    assert (judge.asked, faults.device, faults.pause_s > 0) == (0, "", True)


def test_an_object_that_the_device_cannot_bear_counts_each_time(judge: Any) -> None:
    """Its golden cases are as they should be: the pause is the first one, however often it fails."""
    faults = Faults(Alarms())
    for _ in range(6):
        assert faults.failed("film", RuntimeError("bad film"), judge) is True
        assert (faults.device, 0 < faults.pause_s <= 1.0) == ("", True)
    assert judge.asked == 6
    assert faults.failed("film", OSError(errno.EIO, "I/O error"), judge) is True  # no lack of ours


def test_a_device_that_fails_counts_against_the_object_in_hand_alone(judge: Any) -> None:
    """It may be what broke it; what comes after waits, longer each time, until something is scored."""
    alarms = Alarms()
    faults = Faults(alarms)
    judge.broken = True
    assert [faults.failed("film", RuntimeError("no device"), judge) for _ in range(6)] == [True] + [False] * 5
    assert "the driver is gone" in faults.device
    assert faults.pause_s > 4  # 0.5, 1, 2, 4, 8, 16 s, the upper half of each
    assert any("nor can the bundle's golden cases" in told for told in alarms.now)
    faults.over()
    assert (faults.device, faults.pause_s, list(alarms.now)) == ("", 0.0, [])
    assert faults.failed("film", RuntimeError("no device"), judge) is True  # it begins anew
    assert faults.pause_s <= 1.0


def test_without_a_decoder_it_is_the_device(judge: Any) -> None:
    """Golden cases need none, so they are not asked."""
    faults = Faults(Alarms())
    error = DecoderMissingError("no process for films can be started.")
    assert [faults.failed("film", error, judge) for _ in range(2)] == [True, False]
    assert (judge.asked, faults.device) == (0, "no process for films can be started.")


def test_a_full_disk_is_pruned_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However short ago that was done last: what may go makes room."""
    bench, pruned = Bench(tmp_path), list[float]()
    service = bench.build(Camera(0))

    def prune() -> int:
        pruned.append(time.monotonic())
        return 0

    pruner = SimpleNamespace(prune=prune, unfinished=False, lost=0, lost_in_all=0)
    monkeypatch.setattr(service, "_pruner", pruner)
    service._prune()
    service._prune()
    assert len(pruned) == 1  # the next time in a minute
    service.stop()
    service._wait_for_room(SpoolFullError("the disk is full"))
    assert len(pruned) == 2
    bench.spool.close()
