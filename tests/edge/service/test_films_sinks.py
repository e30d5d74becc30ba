"""What sinks do with a film that is not asked for: told as any result, but no DICOM object is made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("highdicom", reason="the extra dicom is not installed")
pytest.importorskip("urllib3", reason="the extra webhook is not installed")

from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.service.delivery import ResultsLog, SinkReader
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkContext
from tests.support.asked_films import ASKED, Make, films
from tests.support.dicom_archive import Archive, free_port
from tests.support.mqtt_broker import Broker, Listener
from tests.support.remote_results import SECRET, wait_until
from tests.support.service_bench import Bench
from tests.support.web_hook import hook

REASON = "BodyPartExamined is 'HAND'; asked for: CHEST"
VERDICTS = {"chest.dcm": "normal", "hand.dcm": "not asked for", "nameless.dcm": "not asked for"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a runner that writes heat maps."""
    made = Bench(tmp_path)
    made.judge = replace(made.judge, heat_limit=1.0)
    yield made
    made.spool.close()


def verdicts(bodies: list[bytes]) -> dict[str, str]:
    """What was told of each film; of the hand, with its reason, and without a score."""
    found = {Path(each["file"]).name: each for each in map(json.loads, bodies)}
    assert len(found) == len(bodies)
    hand = found["hand.dcm"]
    assert (hand["reason"], hand["score"], hand["error"], hand["heat_map"]) == (REASON, None, None, None)
    assert hand["body_part_examined"] == "HAND"
    return {name: each["verdict"] for name, each in found.items()}


def test_sinks_of_lines_have_it_and_the_archive_has_not(
    bench: Bench, tmp_path: Path, make_dicom: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSONL, SQLite and webhook get three results, the archive the objects of one; nothing is set apart."""
    monkeypatch.setenv("SRANOGAN_WEBHOOK_SECRET", SECRET.decode())
    archive = Archive(port := free_port())
    folder = films(tmp_path / "in", make_dicom)
    with hook() as (url, got):
        uris = (f"jsonl:{tmp_path / 'lines'}", f"sqlite:{tmp_path / 'r.sqlite'}", url)
        sinks = {
            name: sink_of(uri).open(SinkContext(tmp_path / "outboxes", pictures=bench.out))
            for name, uri in zip("abc", uris, strict=True)
        }
        sinks["d"] = sink_of(f"dicom://127.0.0.1:{port}/PACS").open(
            SinkContext(tmp_path / "outboxes", pictures=bench.out)
        )
        readers = {name: SinkReader(sink) for name, sink in sinks.items()}
        log = ResultsLog(tmp_path / "results.jsonl")
        service = bench.build(feed_of(str(folder), **vars(ASKED)).open(), log=log, **readers)
        assert service.run() == ExitCode.OK
        wait_until(lambda: len(got) == 3)
    archive.close()
    posted = [body.rpartition(b"}")[0] + b"}" for body in got]
    assert verdicts(posted) == VERDICTS
    assert verdicts((tmp_path / "lines" / "results.jsonl").read_bytes().splitlines()) == VERDICTS
    with sqlite3.connect(tmp_path / "r.sqlite") as database:
        rows = database.execute("SELECT file, verdict, reason, score FROM results").fetchall()
    assert {Path(row[0]).name: row[1] for row in rows} == VERDICTS
    assert [row[2:] for row in rows if row[0].endswith("hand.dcm")] == [(REASON, None)]
    assert len(archive.kept) == 2
    assert {each.PatientID for each in archive.kept} == {"P1"}
    health = readers["d"].health
    assert (health.written, health.refused, health.apart) == (1, 0, 0)


def test_a_broker_is_told(
    bench: Bench, tmp_path: Path, make_dicom: Make, service: Callable[[str], str]
) -> None:
    """MQTT has all three, with the reason."""
    pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
    broker = Broker(service("mosquitto"), tmp_path)
    broker.start()
    try:
        listener = Listener(broker)
        sink = sink_of(f"mqtt://127.0.0.1:{broker.port}/ward").open(
            SinkContext(tmp_path / "outboxes", pictures=bench.out)
        )
        feed = feed_of(str(films(tmp_path / "in", make_dicom)), **vars(ASKED)).open()
        log = ResultsLog(tmp_path / "results.jsonl")
        assert bench.build(feed, log=log, sink=SinkReader(sink)).run() == ExitCode.OK
        wait_until(lambda: len(listener.of("ward/result")) == 3)
        assert verdicts(listener.of("ward/result")) == VERDICTS
        listener.close()
    finally:
        broker.stop()
