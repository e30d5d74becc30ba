"""A runner that may open no more files: that is never a film's fault."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sranogan_edge.errors import ExitCode, OutOfHandlesError
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.image.film import fields_of_file
from sranogan_edge.service.delivery import ResultsLog
from sranogan_edge.spool.database import SpoolDatabase
from sranogan_edge.spool.spool import Spool, SpoolLimits
from tests.support.service_bench import Bench, lines, wait_for


@contextmanager
def no_more_handles() -> Iterator[None]:
    """Whatever is opened in the block fails with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1, hard))
    held = []
    try:
        while True:
            try:
                held.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        for handle in held:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Give a good film."""
    path = tmp_path / "film.png"
    Image.fromarray(np.full((20, 20), 100, np.uint8)).save(path)
    return path


def test_the_spool_takes_it_later(tmp_path: Path, film: Path) -> None:
    """It is told apart from a film that cannot be read, and nothing is left behind."""
    spool = Spool(tmp_path / "spool", SpoolLimits(min_free_bytes=0))
    with no_more_handles(), pytest.raises(OutOfHandlesError, match="cannot open another file"):
        spool.put(film, {})
    assert spool.put(film, {}).path is not None
    assert len(list((tmp_path / "spool" / "objects").iterdir())) == 1
    spool.close()


def test_its_database_is_not_called_damaged(tmp_path: Path) -> None:
    """Nobody is told to move the spool aside for it."""
    with no_more_handles(), pytest.raises(OutOfHandlesError, match="cannot open another file"):
        SpoolDatabase(tmp_path / "spool.sqlite")


def test_it_is_no_film_that_says_nothing_of_itself(film: Path) -> None:
    """Else it would not be asked for."""
    with no_more_handles(), pytest.raises(OSError, match="Too many open files"):
        fields_of_file(film, "film")


def test_a_good_film_waits_and_is_scored(tmp_path: Path, film: Path) -> None:
    """However often it is tried meanwhile: no attempt counts, the alarm says why, then it has its score."""
    bench = Bench(tmp_path)
    log = ResultsLog(tmp_path / "results.jsonl")
    service = bench.build(feed_of(str(film)).open(), log=log)
    entry = bench.spool.put(film, {}, source="film")
    judge = service._scoring.judge
    with no_more_handles():
        for _ in range(5):
            service._scoring.faults._again_at = float("-inf")  # each pause is over
            assert service._scoring.object(lambda store: store()) is None
    assert bench.spool.entry(entry.sequence).attempts == 0
    assert "the process that decodes films cannot be started" in service.alarms.now[0]
    assert "Too many open files" in service.alarms.now[0]
    assert judge is service._scoring.judge
    service._scoring.faults._again_at = float("-inf")
    assert service.run() == ExitCode.OK
    wait_for(lambda: len(lines(log.path)) == 2)
    assert {line["verdict"] for line in lines(log.path)} == {"normal"}
    assert service.alarms.now == ()
    bench.spool.close()
