"""What a camera's faults do to the whole runner: an alarm that names it, and nothing else stops."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.still import StillLimits
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.page.board import Board
from sranogan_edge.scoring.conformal import Calibration
from tests.support.service_bench import Bench, images, wait_for
from tests.support.video_fakes import camera

UNTIL_MARK = """
mark = {mark!r}
def read(n):
    time.sleep(0.05)
    {before}
    return True, np.random.default_rng(n).integers(90, 110, (48, 64, 3), np.uint8)
"""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A runner with a board, as the live page shows it."""
    made = Bench(tmp_path)
    made.board = Board(Calibration((0.0, 1.0), 0.5), 1.0)
    yield made
    made.spool.close()


def board_of(bench: Bench) -> Board:
    """Its board."""
    assert bench.board
    return bench.board


@pytest.mark.parametrize(
    ("before", "said"),
    [
        ("if not os.path.exists(mark): time.sleep(3600)", "no frame for 2 s, so its decoder was stopped"),
        ("if not os.path.exists(mark): return False, None", "it gives no frame"),
        ("if not os.path.exists(mark): os.kill(os.getpid(), 11)", "was ended by signal 11"),
        ("if not os.path.exists(mark): return True, grey(0)", "the picture is black"),
        ("if not os.path.exists(mark): return True, grey(100)", "the picture is frozen"),
    ],
    ids=["hangs", "unplugged", "crashes", "black", "frozen"],
)
def test_a_fault_is_an_alarm_until_it_is_over(bench: Bench, before: str, said: str) -> None:
    """The alarm says which camera and why; files are scored meanwhile; a camera that is back ends it."""
    mark = bench.root / "mark"
    body = UNTIL_MARK.format(mark=str(mark), before=before)
    still = StillLimits(black_s=0.3, frozen_s=0.3)
    feed = camera(bench.root, body, still=still, **({"open_s": 2.0} if "3600" in before else {}))
    watched = images(bench.root / "watched", 20)
    board, service = (
        board_of(bench),
        bench.build(feed, WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open()),
    )
    stop = bench.in_background(service)
    wait_for(lambda: any(said in alarm for alarm in board.snapshot().alarms))
    (alarm,) = board.snapshot().alarms
    assert alarm.startswith("camera:/dev/video9: ")
    images(watched, 30)
    wait_for(lambda: (watched / "done" / "30.png").exists())
    mark.touch()
    wait_for(lambda: not board.snapshot().alarms and feed.health.state == "running")
    assert stop() == ExitCode.OK
    assert board.snapshot().feeds["camera:/dev/video9"].last_arrival is not None


def test_a_stream_that_changes_size_is_scored_on(bench: Bench) -> None:
    """Frames of both sizes have their result, and nobody is alarmed."""
    body = "def read(n):\n    time.sleep(0.02)\n    return True, grey(20 + n % 200, 48 if n < 10 else 96)"
    feed = camera(bench.root, body)
    board = board_of(bench)
    stop = bench.in_background(bench.build(feed))
    wait_for(lambda: "64 x 48 to 64 x 96" in feed.health.message)
    scored = len(board.snapshot().entries)
    wait_for(lambda: len(board.snapshot().entries) > scored + 3)
    assert stop() == ExitCode.OK
    assert not board.snapshot().alarms
    assert {entry.line.verdict for entry in board.snapshot().entries} <= {"normal", "anomalous"}
