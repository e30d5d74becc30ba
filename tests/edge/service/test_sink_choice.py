"""Which results a sink gets: from when on (``since``), and of which verdict (``only``)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import SettingsError
from sranogan_edge.results.line import NOT_ASKED_FOR, OUT_OF_DOMAIN, ResultLine
from sranogan_edge.service.delivery import Delivery, SinkReader
from sranogan_edge.settings.read import read_settings
from sranogan_edge.sinks.choice import Choice, start_of
from sranogan_edge.sinks.kinds import SINKS, sink_of
from sranogan_edge.spool.spool import Spool
from tests.support.result_lines import line
from tests.support.spools import reopened

BEFORE = 'bundle = "b"\n[[feeds]]\nuri = "watch:in"\n[[sinks]]\nuri = "sqlite:r.sqlite"\n'
VERDICTS = ("normal", "anomalous", OUT_OF_DOMAIN, NOT_ASKED_FOR, "error")
URIS = {
    "jsonl": "jsonl:lines",
    "sqlite": "sqlite:r.sqlite",
    **{scheme: f"{scheme}://broker" for scheme in ("mqtt", "mqtts")},
    **{scheme: f"{scheme}://127.0.0.1/hook" for scheme in ("http", "https")},
    **{scheme: f"{scheme}://pacs:104/PACS" for scheme in ("dicom", "dicoms")},
}


class Kept:
    """A sink that keeps the names of what it got."""

    def __init__(self) -> None:
        self.files: list[str] = []

    def write(self, line: ResultLine) -> None:
        self.files.append(line.file)

    def close(self) -> None:
        pass


def record(spool: Spool, *numbers: int, **changes: Any) -> None:
    """Store results that were scored at so many minutes past noon."""
    for number in numbers:
        made = line(number, scored_at=f"2026-01-01T12:{number:02d}:00Z", **changes)
        spool.outbox.record(asdict(made), {})


def got(spool: Spool, choice: Choice, *later: int, cursor: str = "sink") -> list[int]:
    """Deliver in one run what is there, and ``later``; return the numbers that the sink got."""
    sink = Kept()
    delivery = Delivery(spool.outbox, {"sink": SinkReader(sink, cursor, choice)})
    record(spool, *later)
    delivery.announce()
    delivery.close()
    return [int(name.partition(".")[0]) for name in sink.files]


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        ("now", [7, 8]),
        ("all", [1, 2, 3, 4, 5, 7, 8]),
        ("2026-01-01T12:03:00Z", [3, 4, 5, 7, 8]),
        ("2026-01-01T12:03:00z", [3, 4, 5, 7, 8]),
        ("2026-01-01T12:02:30", [3, 4, 5, 7, 8]),
        ("2026-01-01T14:04:00+02:00", [4, 5, 7, 8]),
        ("2026-01-01", [1, 2, 3, 4, 5, 7, 8]),
        ("2026-02-01", [7, 8]),
    ],
)
def test_a_new_sink_begins_where_it_says(spool: Spool, since: str, expected: Sequence[int]) -> None:
    """Of what was there before its first start it gets what since names; of what comes, all."""
    record(spool, 1, 2, 3, 4, 5)
    assert got(spool, Choice(since), 7, 8) == expected


@pytest.mark.parametrize("since", ["now", "all", "2026-01-01T12:03:00Z"])
def test_a_restart_keeps_the_place(spool: Spool, since: str) -> None:
    """What came while the runner was down arrives at the next start, and nothing a second time."""
    record(spool, 1, 2)
    got(spool, Choice(since), 3)
    record(spool, 4)
    spool = reopened(spool)
    try:
        assert got(spool, Choice(since), 5) == [4, 5]
        assert got(spool, Choice("all")) == []  # another word later gives nothing twice
    finally:
        spool.close()


def test_a_sink_that_comes_back_is_new(spool: Spool) -> None:
    """One that was taken out, while another was there, begins again where since says."""
    record(spool, 1)
    got(spool, Choice("all"))
    got(spool, Choice("now"), 2, cursor="another")
    assert got(spool, Choice("now"), 3) == [3]


@pytest.mark.parametrize(
    ("only", "expected"),
    [("all", list(VERDICTS)), ("anomalous", ["anomalous"]), ("normal", ["normal"])],
)
def test_only_one_verdict(spool: Spool, only: Any, expected: Sequence[str]) -> None:
    """A sink gets the results of its verdict alone, and is not behind for those that it does not get."""
    for number, verdict in enumerate(VERDICTS):
        record(spool, number, verdict=verdict)
    sink = Kept()
    delivery = Delivery(spool.outbox, {"sink": SinkReader(sink, "sink", Choice("all", only))})
    delivery.close()
    assert sink.files == [f"{VERDICTS.index(verdict)}.png" for verdict in expected]
    assert delivery.health["sink"].waiting == 0
    assert spool.outbox.taken() == spool.outbox.newest()


@pytest.mark.parametrize("uri", URIS.values(), ids=URIS)
def test_every_kind_takes_both(uri: str) -> None:
    """Each kind of sink has both options, with the defaults that the guide states."""
    assert URIS.keys() == SINKS.keys()
    options: dict[str, Any] = {"allow_http": True} if uri.startswith("http:") else {}
    assert sink_of(uri, **options).choice == Choice("now", "all")
    chosen = sink_of(uri, since="2026-01-31", only="anomalous", **options)
    assert chosen.choice == Choice("2026-01-31", "anomalous")


NONSENSE = (
    "",
    "yesterday",
    "2026-13-01",
    "12:00",
    "Now",
    "0001-01-01T00:00:00+23:00",
    "2026-01-31T08:00:00ZZ",
)


@pytest.mark.parametrize("since", NONSENSE)
def test_a_time_that_is_none(since: str) -> None:
    """It is refused with what may stand there, whoever makes the settings."""
    with pytest.raises(SettingsError, match='since must be "now", "all", or a time such as'):
        sink_of("sqlite:r.sqlite", since=since)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('since = "yesterday"', 'since must be "now", "all", or a time'),
        ("since = 5", "must be text"),
        ('only = "Anomalous"', "must be one of 'all', 'anomalous', 'normal'"),
        ('onyl = "normal"', "Nearest is only"),
    ],
)
def test_nonsense_in_the_file_names_its_key(tmp_path: Path, written: str, message: str) -> None:
    """The settings file is refused with the place of the key, and what may stand there."""
    file = tmp_path / "s.toml"
    file.write_text(
        f'bundle = "b"\n[[feeds]]\nuri = "watch:in"\n[[sinks]]\nuri = "sqlite:r.sqlite"\n{written}\n'
    )
    with pytest.raises(SettingsError) as refused:
        read_settings(file, environ={})
    assert message in str(refused.value)
    assert f"sinks[0].{written.partition(' ')[0]}" in str(refused.value)


@pytest.mark.parametrize(
    "time", ['"2026-01-31T08:00:00Z"', "2026-01-31T08:00:00Z", "2026-01-31T09:00:00+01:00"]
)
def test_a_time_with_and_without_quotes(tmp_path: Path, time: str) -> None:
    """TOML has times of its own: they are as good as text."""
    file = tmp_path / "s.toml"
    file.write_text(
        f'bundle = "b"\n[[feeds]]\nuri = "watch:in"\n[[sinks]]\nuri = "sqlite:r.sqlite"\nsince = {time}\n'
    )
    (sink,) = read_settings(file, environ={}).sinks
    assert start_of(sink.since) == "2026-01-31T08:00:00Z"


def test_a_time_without_a_zone_is_utc_wherever_the_device_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight o'clock is that of the results' own times, not that of the clock on the wall."""
    monkeypatch.setenv("TZ", "XYZ+5")  # five hours behind
    time.tzset()
    try:
        assert start_of("2026-01-31T08:00:00") == "2026-01-31T08:00:00Z"
        assert start_of("2026-01-31T08:00:00-05:00") == "2026-01-31T13:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_result_without_a_verdict_is_of_none() -> None:
    """A sink of one verdict gets that one; a sink of all gets it, too."""
    for one, takers in (
        ({}, ["all"]),
        ({"verdict": None}, ["all"]),
        ({"verdict": "error"}, ["all"]),
        ({"verdict": "normal"}, ["all", "normal"]),
        ({"verdict": "anomalous"}, ["all", "anomalous"]),
    ):
        assert [only for only in ("all", "anomalous", "normal") if Choice(only=only).takes(one)] == takers
