"""What goes from the spool and when: the oldest, a little at a time, never what somebody still needs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.service.delivery import SinkReader
from sranogan_edge.spool.retention import Pruner, Retention
from sranogan_edge.spool.spool import Cursor, Spool
from tests.support.service_bench import Bench, Camera, Sink, images

FOR_EVER = Retention(max_age_s=None, max_count=None, min_free_bytes=None)


def prune(spool: Spool, retention: Retention, pictures: Path | None = None) -> int:
    """Ask once."""
    return Pruner(spool, retention, pictures).prune()


def finish(spool: Spool, heat_map: str | None = None) -> None:
    """Let the next object end."""
    entry = spool.next()
    assert entry is not None
    spool.finish(entry, {"heat_map": heat_map})


def ended(spool: Spool, count: int, origin: Path | None = None) -> None:
    """Let ``count`` objects arrive and end."""
    for _ in range(count):
        spool.put(bytes(1000), {}, origin=origin)
        finish(spool)


def kept(spool: Spool) -> list[int]:
    """Numbers of the results that are there."""
    return [result.number for result in spool.outbox.results(limit=10_000)]


def test_by_count_and_age(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest finished go, bytes and results; what is not done, and what a sink lacks, stays."""
    ended(spool, 5)
    spool.put(b"waits", {})
    everything = Retention(max_age_s=0.0, max_count=0, min_free_bytes=1 << 60)
    spool.outbox.advance("slow", Cursor(3))
    assert prune(spool, Retention(max_count=5)) == 0
    assert prune(spool, Retention(max_count=4)) == 1
    assert kept(spool) == [2, 3, 4, 5]
    assert prune(spool, Retention(max_age_s=1000.0)) == 0
    monkeypatch.setattr(spool, "_opened", spool._opened - 2000)  # half an hour later
    assert prune(spool, Retention(max_age_s=1000.0)) == 2  # the slow sink lacks the others
    assert prune(spool, everything) == 0
    spool.outbox.forget_sinks([])
    assert prune(spool, everything) == 2
    assert spool.counts() == {"received": 1, "scoring": 0, "done": 0, "dead": 0}
    assert len(list((spool.folder / "objects").iterdir())) == 1


class Usage:
    """A disk with 10,000 bytes free; the one of the pictures has 4,000."""

    @staticmethod
    def disk_usage(folder: Path) -> object:
        return type("Free", (), {"free": 4_000 if folder.name == "pictures" else 10_000})


def test_by_free_space(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many of the oldest go as give the bytes that are missing, on whichever disk that is."""
    (tmp_path / "pictures").mkdir()
    ended(spool, 6)
    monkeypatch.setattr("sranogan_edge.spool.retention.shutil", Usage)
    assert prune(spool, Retention(min_free_bytes=12_500)) == 3
    assert prune(spool, Retention(min_free_bytes=10_000)) == 0
    assert prune(spool, Retention(min_free_bytes=5_000), tmp_path / "pictures") == 1
    with pytest.raises(SettingsError, match="max_count must be 0 or more"):
        Retention(max_count=-1)


def test_it_waits_for_the_original(spool: Spool, tmp_path: Path) -> None:
    """While a feed holds the file, its key stays known."""
    original = tmp_path / "film"
    original.write_bytes(b"x")
    spool.put(original, {}, key="film", origin=original)
    finish(spool)
    ended(spool, 1)
    assert prune(spool, Retention(max_count=0)) == 1
    assert kept(spool) == [1]
    original.unlink()
    assert prune(spool, Retention(max_count=0)) == 1


def test_many_go_in_slices(spool: Spool, tmp_path: Path) -> None:
    """One call removes no more than 100, and says that there are more."""
    ended(spool, 50, tmp_path / "gone")
    ended(spool, 170)
    pruner = Pruner(spool, Retention(max_count=10))
    removed = [pruner.prune()]
    while pruner.unfinished:
        removed.append(pruner.prune())
    assert removed == [100, 100, 10]
    assert kept(spool) == list(range(211, 221))


def test_a_call_costs_the_same_however_many_are_kept(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither SQLite nor the file system is asked for all of them: held, lacked by a sink, or neither."""
    asked: list[str] = []
    real = os.path.exists

    def watched(path: str) -> bool:
        asked.append(path)
        return real(path)

    monkeypatch.setattr(os.path, "exists", watched)
    costs: list[int] = []
    for _ in range(2):
        with spool._db.transaction(durable=False) as db:
            for origin in ("", str(tmp_path)):
                for _ in range(1000):
                    number = db.execute(
                        "INSERT INTO objects (key, name, source, identity, origin, size, received_at, "
                        "state, finished_uptime) "
                        "SELECT COUNT(*), 'x', 's', '{}', ?, 1, 0, 'done', COUNT(*) FROM objects",
                        (origin,),
                    ).lastrowid
                    db.execute("INSERT INTO results VALUES (?, ?, '{}', '{}')", (number, number))
        spool.outbox.advance("dead", Cursor(0))
        costs.append(0)

        def step() -> int:
            costs[-1] += 1
            return 0

        spool._db._db.set_progress_handler(step, 10)
        pruner = Pruner(spool, Retention(max_age_s=0.0, max_count=None, max_frames=0))
        assert pruner.prune() == 0
        spool._db._db.set_progress_handler(None, 10)
    assert costs[1] < 1.5 * costs[0]
    assert len([path for path in asked if path == str(tmp_path)]) == 200


def test_every_original_has_its_turn(spool: Spool, tmp_path: Path) -> None:
    """However many are held before it, an object whose original is gone is found."""
    ended(spool, 250, tmp_path)
    ended(spool, 1, tmp_path / "gone")
    pruner = Pruner(spool, Retention(max_count=0))
    assert [pruner.prune() for _ in range(4)] == [0, 0, 1, 0]
    assert kept(spool) == list(range(1, 251))


def test_an_original_that_goes_later_is_found_by_the_same_runner(spool: Spool, tmp_path: Path) -> None:
    """After the last of those that are held it begins with the first again."""
    (tmp_path / "film").touch()
    ended(spool, 1, tmp_path / "film")
    pruner = Pruner(spool, Retention(max_count=0))
    assert pruner.prune() == 0
    (tmp_path / "film").unlink()
    assert pruner.prune() == 1


def test_frames_that_are_left_are_told(spool: Spool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that removed as many as it may has left some, perhaps."""
    monkeypatch.setattr("sranogan_edge.spool.retention._FRAMES", 3)
    for _ in range(7):
        spool.outbox.record({}, {})
    pruner, told = Pruner(spool, Retention(max_frames=0)), []
    for _ in range(3):
        pruner.prune()
        told.append((pruner.unfinished, len(kept(spool))))
    assert told == [(True, 4), (True, 1), (False, 0)]


def test_heat_maps_go_with_their_objects(spool: Spool, tmp_path: Path) -> None:
    """Only with them, so that a sink which lacks the result finds it; one that is gone is no fault."""
    (tmp_path / "heat_maps").mkdir()
    pictures = [tmp_path / "heat_maps" / f"{number}.png" for number in range(4)]
    for picture in pictures:
        spool.put(b"film", {})
        picture.write_bytes(b"png")
        finish(spool, f"heat_maps/{picture.name}")
    pictures[0].unlink()
    spool.outbox.advance("archive", Cursor(3))
    assert prune(spool, Retention(max_count=2), tmp_path) == 2
    assert [picture.exists() for picture in pictures] == [False, False, True, True]
    assert prune(spool, Retention(max_count=0), tmp_path) == 1
    assert [picture.exists() for picture in pictures] == [False, False, False, True]


def test_a_kill_leaves_no_heat_map_that_nobody_removes(
    spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before the entry goes, it is found again by its entry, with or without its picture."""
    (tmp_path / "heat_maps").mkdir()
    picture = tmp_path / "heat_maps" / "1.png"
    picture.write_bytes(b"png")
    spool.put(b"film", {})
    finish(spool, "heat_maps/1.png")

    def killed(self: Path, **_: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            prune(spool, Retention(max_count=0), tmp_path)
    assert prune(spool, Retention(max_count=0), tmp_path) == 1
    assert not picture.exists()


def test_the_runner_removes_heat_maps(tmp_path: Path) -> None:
    """With settings that keep one object, the heat maps of the others go."""
    bench = Bench(tmp_path)
    bench.retention = Retention(max_count=1)
    folder = images(tmp_path / "in", 10, 20, 30)
    sink = Sink()
    bench.build(feed_of(str(folder)).open(), log=SinkReader(sink)).run()
    assert len(list((tmp_path / "heat_maps").iterdir())) == 3
    for image in folder.iterdir():
        image.unlink()
    service = bench.build(Camera(0), log=SinkReader(sink))
    assert service.run() == 0
    assert len(list((tmp_path / "heat_maps").iterdir())) == 1
    bench.spool.close()


def test_frames_are_kept_by_number(spool: Spool) -> None:
    """Camera results go, all but the newest; those that a sink lacks stay."""
    for number in range(10):
        spool.outbox.record({"n": number}, {})
    spool.outbox.advance("all", Cursor(9))
    spool.outbox.advance("slow", Cursor(2))
    pruner = Pruner(spool, Retention(max_frames=4))
    pruner.prune()
    assert kept(spool) == list(range(3, 11))
    spool.outbox.advance("slow", Cursor(9))
    pruner.prune()
    assert kept(spool) == [7, 8, 9, 10]
    assert pruner.lost_in_all == 0


@pytest.mark.parametrize("most", [6, None])
def test_a_dead_sink_costs_it_frames_and_no_objects(spool: Spool, most: int | None) -> None:
    """Above the limit the oldest frames go, counted; what was acknowledged waits for it, however long."""
    spool.outbox.advance("good", Cursor(0))
    spool.outbox.advance("dead", Cursor(0))
    ended(spool, 1)
    for number in range(2, 12):
        spool.outbox.record({"n": number}, {})
    spool.outbox.advance("good", Cursor(11))
    pruner = Pruner(spool, Retention(max_count=0, max_frames=2, max_waiting_frames=most))
    pruner.prune()
    assert kept(spool) == ([1, *range(6, 12)] if most else list(range(1, 12)))
    assert pruner.lost == (4 if most else 0)
    pruner.prune()
    assert (pruner.lost, pruner.lost_in_all) == (0, 4 if most else 0)


def test_a_dead_sink_never_costs_the_frames_that_stay_anyway(spool: Spool) -> None:
    """Where fewer may wait for it than are kept, as many are kept: the newest 6 of 10, not 2."""
    for number in range(10):
        spool.outbox.record({"n": number}, {})
    spool.outbox.advance("dead", Cursor(0))
    pruner = Pruner(spool, Retention(max_frames=6, max_waiting_frames=2))
    pruner.prune()
    assert (kept(spool), pruner.lost) == ([5, 6, 7, 8, 9, 10], 4)


def test_lost_frames_are_an_alarm(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It names the sink that lacks them, and what bounds them; the sink has the rest once it works again."""
    bench, good, bad = Bench(tmp_path), Sink(), Sink()
    bad.broken = True
    bench.build(Camera(30), good=SinkReader(good), bad=SinkReader(bad)).run()
    assert len(good.lines) == 30
    bench.retention = Retention(max_frames=3, max_waiting_frames=5)
    bench.build(Camera(0), good=SinkReader(good), bad=SinkReader(bad)).run()
    assert "alarm: bad: 25 results of camera frames were let go" in caplog.text
    bad.broken = False
    bench.build(Camera(0), good=SinkReader(good), bad=SinkReader(bad)).run()
    assert bad.lines == good.lines[-5:]
    bench.spool.close()
