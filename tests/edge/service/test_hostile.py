"""Hostile films among good ones: each is refused with its name, nothing waits for it, and nothing is lost."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.runner.hostile import codecs, films
from sranogan_edge.decoding import decoder as decoder_module
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.service.delivery import ResultsLog
from tests.support import spinning_worker
from tests.support.service_bench import Bench, images, lines, wait_for

REPOSITORY = Path(__file__).parents[3]
RNG = np.random.default_rng(0)


def test_hostile_films_among_good_ones(bench: Bench) -> None:
    """Each has one line with its name and reason; the good ones are scored."""
    folder = images(bench.root / "in", 30, 60, 90)
    hostile = {
        "31.jp2": codecs.many_precincts(RNG),
        "32.jpg": codecs.jpeg_of_scans(RNG, 500, 64),
        "61.dcm": films.film(more=films.empty_elements(300_000)),
        "62.dcm": films.film(more=films.sequence(films.item(b"") * 50_000, defined=False)),
        "63.dcm": films.deep(RNG),
    }
    for name, data in hostile.items():
        (folder / name).write_bytes(data)
    log = bench.root / "results.jsonl"
    service = bench.build(feed_of(str(folder)).open(), log=ResultsLog(log))
    assert service.run() == ExitCode.SOME_FAILED
    found = {Path(line["file"]).name: line for line in lines(log)}
    assert len(found) == len(lines(log)) == 8
    assert [found[f"{value}.png"]["score"] for value in (30, 60, 90)] == [30, 60, 90]
    for name in hostile:
        assert found[name]["verdict"] == "error"
        assert found[name]["error"].startswith(f"OversizedImageError: {folder / name}: ")


def test_a_film_that_ends_its_decoder_is_one_line(bench: Bench) -> None:
    """A decoder that hangs costs its film a few seconds and one attempt, and the next films nothing."""
    folder = images(bench.root / "in", 30, 60)
    bench.decoder = Decoder(DecodingSettings(limit_s=1.5))
    hang(bench.decoder)
    log = bench.root / "results.jsonl"
    service = bench.build(feed_of(str(folder)).open(), log=ResultsLog(log))
    assert service.run() == ExitCode.SOME_FAILED
    bench.decoder.close()
    first, second = lines(log)
    assert first["verdict"] == "error"
    assert "the process that decodes it was ended after 1.5 s" in first["error"]
    assert str(folder / "30.png") in first["error"]
    assert second["score"] == 60
    assert bench.spool.entry(1).attempts == 1
    assert {asdict(bench.spool.entry(n))["state"] for n in (1, 2)} == {"dead", "done"}


def test_a_film_that_spins_is_ended_by_the_limit_of_a_core(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel ends its process, however long the runner would wait: dead-lettered, the next is scored."""
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr(decoder_module, "WORKER", spinning_worker.__name__)
    folder = images(bench.root / "in", 60)
    (folder / "30.png").write_bytes(spinning_worker.SPIN)
    bench.decoder = Decoder(DecodingSettings(limit_s=0.1))
    bench.decoder.make_ready()
    bench.decoder.settings = DecodingSettings(limit_s=600.0)  # the runner's clock, and the next process's
    spinning = bench.decoder.pid
    log = bench.root / "results.jsonl"
    service = bench.build(feed_of(str(folder)).open(), log=ResultsLog(log))
    assert service.run() == ExitCode.SOME_FAILED
    assert bench.decoder.pid not in (None, spinning)
    bench.decoder.close()
    first, second = lines(log)
    path = folder / "30.png"
    assert first["error"].startswith(
        f"DecodingError: {path}: the process that decodes it was ended: "
        "it took more seconds of a core than it may."
    )
    assert "raise decoding.limit_s" in first["error"]
    assert second["score"] == 60
    assert [bench.spool.entry(n).state for n in (1, 2)] == ["dead", "done"]
    assert bench.spool.entry(1).attempts == 1


def hang(decoder: Decoder) -> None:
    """Stop its process once it is ready, as one that no longer answers."""
    decoder.make_ready()
    assert decoder.pid
    os.kill(decoder.pid, signal.SIGSTOP)


def test_a_stop_comes_through_while_a_decoder_hangs(bench: Bench) -> None:
    """The object in hand ends within its limit, and the runner after it."""
    folder = images(bench.root / "in", 30, 60)
    bench.decoder = Decoder(DecodingSettings(limit_s=2.0))
    hang(bench.decoder)
    log, nothing = bench.root / "results.jsonl", bench.spool.counts()
    stop = bench.in_background(bench.build(feed_of(str(folder)).open(), log=ResultsLog(log)))
    wait_for(lambda: bench.spool.counts() == {**nothing, "received": 1, "scoring": 1})
    assert stop() == ExitCode.OK
    bench.decoder.close()
    assert len(lines(log)) == 1
    assert bench.spool.waiting() == 1


def test_kills_of_the_decoder_lose_nothing(bench: Bench) -> None:
    """Whoever kills it, between films or in them: each film has one line, and all but a few their score."""
    folder, kills = bench.root / "in", 6
    folder.mkdir()
    for value in range(10, 70):
        Image.fromarray(np.full((900, 900), value, np.uint8)).save(folder / f"{value}.png")
    bench.decoder = Decoder()
    log = bench.root / "results.jsonl"
    stop = bench.in_background(bench.build(feed_of(str(folder)).open(), log=ResultsLog(log)))
    rng = np.random.default_rng(5)
    for _ in range(kills):
        wait_for(lambda: bench.decoder is not None and bench.decoder.is_ready)
        time.sleep(rng.random() * 0.1)
        if number := bench.decoder.pid:
            os.kill(number, signal.SIGKILL)
    wait_for(lambda: len(lines(log)) == 60)
    stop()
    bench.decoder.close()
    found = {Path(line["file"]).name: line for line in lines(log)}
    refused = [line["error"] for line in found.values() if line["verdict"] == "error"]
    assert len(found) == 60
    assert all("was ended by signal 9" in error for error in refused)  # killed twice while it was in hand
    assert len(refused) <= kills // 2
    scored = {name: line["score"] for name, line in found.items() if line["score"] is not None}
    assert all(score == int(Path(name).stem) for name, score in scored.items())


def test_films_wait_while_no_decoder_can_be_started(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the device that fails, with an alarm; films are scored once it works again."""
    folder = images(bench.root / "in", 30, 60)
    log = bench.root / "results.jsonl"
    bench.decoder, good = None, decoder_module.WORKER
    monkeypatch.setattr(decoder_module, "WORKER", "sranogan_edge.no_such_module")
    service = bench.build(feed_of(str(folder)).open(), log=ResultsLog(log))
    stop = bench.in_background(service)
    wait_for(lambda: any("cannot be started" in alarm for alarm in service.alarms.now))
    time.sleep(0.1)
    assert not lines(log)
    monkeypatch.setattr(decoder_module, "WORKER", good)
    wait_for(lambda: len(lines(log)) == 2)
    assert not service.alarms.now
    stop()
    assert [line["score"] for line in lines(log)] == [30, 60]
