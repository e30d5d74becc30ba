"""A patient who is to be forgotten, or all before a day: out of every file of the runner, and nobody else."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pydicom", reason="the extra dicom is not installed")
pytest.importorskip("urllib3", reason="the extra webhook is not installed")
from typer.testing import CliRunner

from sranogan_edge.commands.score import app
from sranogan_edge.errors import ExitCode, SpoolInUseError
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.service.forget import Wanted, forget
from sranogan_edge.service.run import serve_settings
from sranogan_edge.settings.tree import Settings, SpoolSettings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.spool.lock import FolderLock
from sranogan_edge.spool.spool import Spool, SpoolLimits
from tests.support.service_bench import Bench, images, lines, wait_for

SECRET = {"SRANOGAN_WEBHOOK_SECRET": "s" * 32}
GOING, STAYING = "GEHEIM-1", "OTHER-2"


@pytest.fixture
def settings(tmp_path: Path, make_dicom: Callable[..., bytes]) -> Settings:
    """Give the settings of a runner that scored films of two patients, and one of nobody's, and ended."""
    (tmp_path / "in").mkdir()
    bench = Bench(tmp_path / "bench")
    bench.spool.close()
    made = Settings(
        tmp_path / "none.sranogan",
        (WatchFeedSettings(f"watch:{tmp_path / 'in'}", settle_s=0.05, poll_s=0.02),),
        out=tmp_path / "out",
        sinks=(
            sink_of(f"sqlite:{tmp_path}/r.sqlite"),
            sink_of(f"jsonl:{tmp_path}/lines"),
            sink_of("http://127.0.0.1:9/hook"),
        ),
        spool=SpoolSettings(folder=tmp_path / "spool"),
    )
    spool = Spool(tmp_path / "spool", SpoolLimits(min_free_bytes=0))
    for patient, mean in ((GOING, 90), (STAYING, 95), (GOING, 250)):
        film = make_dicom(np.full((20, 20), mean, np.uint16), PatientID=patient)
        (tmp_path / "in" / f"{patient}-{mean}.dcm").write_bytes(film)
        spool.put(film, {"patient_id": patient}, source=f"dicom:11112/{patient}.{mean}", feed="dicom:11112")
    (tmp_path / "in" / f"torn-{GOING}.dcm").write_bytes(film[: len(film) // 2])
    spool.close()
    images(tmp_path / "in", 100)
    results = tmp_path / "out" / "results.jsonl"
    threading.Thread(target=_stop_when_scored, args=(results, 8)).start()
    serve_settings(made, judge=bench.judge, environ=SECRET)
    assert len(lines(results)) == 8
    return made


def _stop_when_scored(results: Path, number: int) -> None:
    wait_for(lambda: len(lines(results)) >= number)
    os.kill(os.getpid(), signal.SIGTERM)


def found_in(root: Path, text: str) -> list[str]:
    """The files below ``root`` that hold ``text``, in name or content."""
    paths = [path for path in root.rglob("*") if path.is_file()]
    return sorted(
        str(path.relative_to(root))
        for path in paths
        if text in path.name or text.encode() in path.read_bytes()
    )


def test_a_patient_is_nowhere_any_more(settings: Settings, tmp_path: Path) -> None:
    """Neither number nor name of a file is in any byte of any file; the others have all that they had."""
    before = lines(settings.out / "results.jsonl")
    assert len(found_in(tmp_path, GOING)) > 10
    kept = len(list((settings.out / "heat_maps").iterdir()))
    done = forget(settings, Wanted(GOING))
    assert found_in(tmp_path, GOING) == []
    after = lines(settings.out / "results.jsonl")
    assert after == [line for line in before if GOING not in json.dumps(line)]
    assert len(after) == 3
    assert len(list((settings.out / "heat_maps").iterdir())) == kept - 4
    with closing(sqlite3.connect(tmp_path / "r.sqlite")) as db:
        assert db.execute("SELECT COUNT(*) FROM results").fetchone() == (3,)
    assert len(lines(tmp_path / "lines" / "results.jsonl")) == 3
    assert f"{STAYING}-95.dcm" in os.listdir(tmp_path / "in" / "done")
    assert done.removed["objects and results in the spool"] == 5
    assert done.removed["results that wait for sinks"] == 5
    assert done.removed[str(tmp_path / "in" / "done")] == 2
    assert any("what was sent is there" in note for note in done.notes)
    assert any("1 files do not say whose they are" in note for note in done.notes)
    assert not forget(settings, Wanted(GOING)).removed.total()  # again: nothing is left to go


def test_the_runner_goes_on_afterwards(settings: Settings, tmp_path: Path) -> None:
    """What is left is not scored again, and the next film is written behind the others."""
    forget(settings, Wanted(GOING))
    bench = Bench(tmp_path / "bench2")
    bench.spool.close()
    images(tmp_path / "in", 120)
    threading.Thread(target=_stop_when_scored, args=(settings.out / "results.jsonl", 4)).start()
    serve_settings(settings, judge=bench.judge, environ=SECRET)
    found = [Path(line["file"]).name for line in lines(settings.out / "results.jsonl")]
    assert len(found) == len(set(found)) == 4
    assert found[-1] == "120.png"


def test_all_before_a_day_goes(settings: Settings, tmp_path: Path) -> None:
    """Of whomever; what came later stays."""
    assert not forget(settings, Wanted(before=time.time() - 3600)).removed.total()
    done = forget(settings, Wanted(before=time.time() + 60))
    assert done.removed[str(settings.out / "results*.jsonl")] == 8
    for name in (GOING, STAYING, "100.png"):
        assert found_in(tmp_path, name) == []
    assert list((settings.out / "heat_maps").iterdir()) == []


def test_a_runner_at_work_is_not_disturbed(settings: Settings) -> None:
    """While another process holds spool or results, nothing is taken out."""
    lock = FolderLock(settings.spool_folder, "x")
    try:
        with pytest.raises(SpoolInUseError, match="stop it first"):
            forget(settings, Wanted(GOING))
    finally:
        lock.close()
    assert len(lines(settings.out / "results.jsonl")) == 8


def test_the_command_reports(settings: Settings, tmp_path: Path) -> None:
    """It needs no bundle, prints what went by place, and refuses an empty number."""
    said = [
        "--out",
        str(settings.out),
        "--spool",
        str(settings.spool_folder),
        "--sink",
        f"sqlite:{tmp_path}/r.sqlite",
    ]
    runner = CliRunner()
    told = runner.invoke(app, ["--forget", GOING, *said])
    assert told.exit_code == ExitCode.OK, told.output
    assert "5 removed: objects and results in the spool" in told.output
    assert f"5 removed: {settings.out / 'results*.jsonl'}" in told.output
    assert "not here: the log" in told.output
    assert runner.invoke(app, ["--forget", " ", *said]).exit_code == ExitCode.USAGE
    assert "3 removed: " in runner.invoke(app, ["--older-than", "0", *said]).output
