"""--status and --doctor: how a runner fares and whether its peers answer, and that nothing is touched."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.commands import doctor
from sranogan_edge.commands.check_parts import Finding
from sranogan_edge.commands.doctor import peer_findings
from sranogan_edge.commands.status import status_findings
from sranogan_edge.errors import ExitCode
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.settings.tree import Settings, SpoolSettings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.spool.spool import Cursor, Spool
from tests.support.cli_runs import score
from tests.support.result_lines import line

SINK = sink_of("sqlite:results.sqlite")
HELD = """
import sys; from pathlib import Path; from sranogan_edge.spool.spool import Spool
spool = Spool(Path(sys.argv[1]))
print("held", flush=True); sys.stdin.read()
"""


def settings_of(folder: Path, *places: str, **options: Any) -> Settings:
    """Settings of a service with its spool in ``folder``, and with these feeds and sinks."""
    feeds = tuple(feed_of(one) for one in places if one.startswith(("camera", "rtsp", "watch")))
    sinks = tuple(sink_of(one) for one in places if not one.startswith(("camera", "rtsp", "watch")))
    spool = SpoolSettings(folder=folder / "spool", **options)
    return Settings(Path("b.sranogan"), feeds, folder / "out", sinks=(SINK, *sinks), spool=spool)


@contextmanager
def runner_on(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the spool in ``folder``."""
    command = [sys.executable, "-c", HELD, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        yield other
        other.stdin.close()


def work(folder: Path) -> None:
    """Score three objects and let one wait; one sink has two of three results."""
    spool = Spool(folder / "spool")
    for number in range(4):
        spool.put(b"bytes", {}, key=str(number), source=f"{number}.png")
    for number in range(3):
        entry = spool.next()
        assert entry
        made = asdict(line(number, scored_at=f"2026-01-01T12:0{number}:00Z"))
        spool.finish(entry, made, dead="no image" if number == 1 else None)
    spool.outbox.advance("results.jsonl", Cursor(3))
    spool.outbox.advance(SINK.key, Cursor(2))
    spool.close()


def by_part(findings: list[Finding]) -> dict[str, Finding]:
    """The findings by part; of one that comes twice, the last."""
    return {f"{one.what} {one.value}" if one.what == "sink" else one.what: one for one in findings}


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies below ``folder``: size and time of each file."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}


def test_a_runner_at_work_is_told(tmp_path: Path) -> None:
    """Who works since when, versions, the last result, what waits in spool and sinks, room on the disk."""
    work(tmp_path)
    settings = settings_of(tmp_path, "sqlite:new.sqlite")
    with runner_on(tmp_path / "spool") as other:
        before = contents(tmp_path)
        found = by_part(status_findings(settings))
        assert contents(tmp_path) == before
    assert found["runner"].value == f"process {other.pid}"
    assert "works since 20" in found["runner"].message
    assert found["versions"].value.startswith("sranogan-edge ")
    assert found["objects"].value == "1 wait, 0 in hand"
    assert found["objects kept"].value == "2 done, 1 dead-lettered"
    assert found["last result"].value == "2026-01-01T12:02:00Z: normal"
    assert "bundle ab, 4 steps on LiteRT" in found["last result"].message
    assert found["sink results.jsonl"].message == "0 results wait in the spool"
    assert found["sink sqlite:results.sqlite"].message == "1 results wait in the spool"
    assert found["sink sqlite:new.sqlite"].message == "not seen by the runner yet"
    assert "GiB free" in found["disk of the spool"].message


def test_without_a_runner_nothing_is_touched(tmp_path: Path) -> None:
    """A spool that was left well is read as it lies; that nobody works on it is a warning."""
    work(tmp_path)
    before = contents(tmp_path)
    found = by_part(status_findings(settings_of(tmp_path)))
    assert contents(tmp_path) == before
    assert (found["runner"].state, found["last result"].state) == ("warning", "ok")


def test_what_a_killed_runner_left_is_read(tmp_path: Path) -> None:
    """Results that stand in SQLite's log alone are told, too."""
    script = (
        "import os, signal, sys, json; from pathlib import Path\n"
        "from sranogan_edge.spool.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1])); spool.outbox.record(json.loads(sys.argv[2]), {})\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    made = json.dumps(asdict(line(7, scored_at="2026-01-01T12:07:00Z")))
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "spool"), made], check=False)
    assert done.returncode == -signal.SIGKILL
    found = by_part(status_findings(settings_of(tmp_path)))
    assert found["last result"].value.startswith("2026-01-01T12:07:00Z")


def test_what_wants_looking_at(tmp_path: Path) -> None:
    """A damaged spool and a full disk are errors; results that are set apart a warning with the cure."""
    hook = "http://127.0.0.1:9/hook"
    work(tmp_path)
    outbox = Outbox(tmp_path / "spool" / "sinks" / f"outbox-{sink_of(hook).key}.sqlite")
    outbox.set_apart("key", b"{}", "no")
    outbox.put("another", b"{}")
    outbox.close()
    found = status_findings(settings_of(tmp_path, hook, min_free_bytes=1 << 60))
    told = {one.message for one in found}
    assert "1 results wait to be sent" in told
    assert any(
        "1 results are set apart. See: python -m sranogan_edge.sinks.send_again" in one for one in told
    )
    assert [one.what for one in found if one.state == "error"] == ["disk of out", "disk of the spool"]
    (tmp_path / "spool" / "spool.sqlite").write_bytes(b"no database" * 100)
    (damaged,) = [one for one in status_findings(settings_of(tmp_path)) if one.what == "spool"]
    assert damaged.state == "error"
    assert "cannot be read" in damaged.message


def test_the_exit_code_says_whether_to_look(tmp_path: Path) -> None:
    """0 with a runner at work, 4 without one; the word as a command is told to be an option."""
    work(tmp_path)
    line = ("--status", "--out", tmp_path / "out", "--spool", tmp_path / "spool")
    without = score(*line)
    assert without.exit_code == ExitCode.SOME_FAILED
    assert "warning: runner: none works on" in without.output
    with runner_on(tmp_path / "spool"):
        done = score(*line)
    assert done.exit_code == ExitCode.OK, done.output
    never = score("--status", "--out", tmp_path / "never")
    assert never.exit_code == ExitCode.SOME_FAILED
    assert not (tmp_path / "never").exists()
    for word in ("status", "doctor"):
        slip = score(word)
        assert slip.exit_code == ExitCode.USAGE
        assert f"--{word}" in slip.output


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for no peer longer than a test may."""
    monkeypatch.setattr(doctor, "TIMEOUT_S", 2.0)


def reached(tmp_path: Path, place: str) -> Finding:
    """What is found of one peer."""
    environ = {"SRANOGAN_WEBHOOK_SECRET": "x" * 16}
    (found,) = peer_findings(settings_of(tmp_path, place), environ)
    return found


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("address", ["rtsp://127.0.0.1:{}/live", "http://127.0.0.1:{}/hook"])
def test_a_server_that_listens_and_one_that_does_not(tmp_path: Path, address: str) -> None:
    """A port that takes connections is reached; one that nobody listens on is an error with the host."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert reached(tmp_path, address.format(port)).state == "ok"
    closed = reached(tmp_path, address.format(port))
    assert closed.state == "error"
    assert "127.0.0.1" in closed.message


@pytest.mark.usefixtures("quick")
def test_a_camera(tmp_path: Path) -> None:
    """A device that opens is there; one that is not is told with the cure."""
    (tmp_path / "video9").touch()
    assert reached(tmp_path, f"camera:{tmp_path / 'video9'}").state == "ok"
    assert "No such file" in reached(tmp_path, f"camera:{tmp_path / 'video8'}").message


@pytest.mark.usefixtures("quick")
def test_an_archive_is_asked_by_c_echo(tmp_path: Path) -> None:
    """One that knows us answers; one that refuses our title, and one that is gone, are told apart."""
    pytest.importorskip("pynetdicom", reason="pynetdicom is not installed (the extra 'dicom')")
    from pynetdicom import AE
    from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import

    archive = AE("PACS")
    archive.require_calling_aet = ["WARD7"]
    archive.add_supported_context(Verification)
    server = archive.start_server(("127.0.0.1", 0), block=False)
    assert server
    assert server.socket
    port = server.socket.getsockname()[1]
    try:
        assert reached(tmp_path, f"dicom://WARD7@127.0.0.1:{port}/PACS").state == "ok"
        assert "it refuses us" in reached(tmp_path, f"dicom://WARD8@127.0.0.1:{port}/PACS").message
    finally:
        server.shutdown()
    assert "does not answer" in reached(tmp_path, f"dicom://WARD7@127.0.0.1:{port}/PACS").message


@pytest.mark.usefixtures("quick")
def test_a_broker_that_is_gone_or_says_nothing(tmp_path: Path) -> None:
    """A closed port and a server that is no broker are errors; neither keeps the command waiting."""
    pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert "no answer in 2 s" in reached(tmp_path, f"mqtt://127.0.0.1:{port}").message
    assert "Connection refused" in reached(tmp_path, f"mqtt://127.0.0.1:{port}").message


@pytest.mark.usefixtures("quick")
def test_a_real_broker(tmp_path: Path, service: Any) -> None:
    """Mosquitto lets us in by the right password, and refuses us without one; nothing is published."""
    from tests.support.mqtt_broker import Broker, Listener

    broker = Broker(service("mosquitto"), tmp_path)
    broker.start()
    try:
        listener = Listener(broker)
        assert reached(tmp_path, f"mqtt://127.0.0.1:{broker.port}").state == "ok"
        assert listener.got == []
        listener.client.loop_stop()
    finally:
        broker.stop()
    closed = Broker(service("mosquitto"), tmp_path, "allow_anonymous false\n")
    closed.start()
    try:
        assert "Not authorized" in reached(tmp_path, f"mqtt://127.0.0.1:{closed.port}").message
    finally:
        closed.stop()


def test_folders_and_files_have_no_peer(tmp_path: Path) -> None:
    """What lies on this machine is looked at by --check-config; nobody is asked for it."""
    assert list(peer_findings(settings_of(tmp_path, "watch:in", "jsonl:lines"))) == []


def test_the_doctor_tells_all_three(tmp_path: Path, tiny_bundle: Path) -> None:
    """One call: what would run, how it fares, who answers; an absent peer is exit code 4, bad settings 2."""
    (tmp_path / "in").mkdir()
    text = f'bundle = "{tiny_bundle}"\nout = "out"\n[[feeds]]\nuri = "watch:in"\n'
    file = tmp_path / "s.toml"
    file.write_text(text)
    well = score("--config", file, "--doctor")
    assert well.exit_code == ExitCode.OK, well.output
    assert all(title in well.output for title in ("what would run", "how it fares"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    file.write_text(f'{text}[[feeds]]\nuri = "rtsp://127.0.0.1:{port}/live"\n')
    absent = score("--config", file, "--doctor")
    assert absent.exit_code == ExitCode.SOME_FAILED, absent.output
    assert "who answers" in absent.output
    file.write_text(f"{text}nonsense = 1\n")
    assert score("--config", file, "--doctor").exit_code == ExitCode.USAGE
    assert sorted(os.listdir(tmp_path)) == ["in", "s.toml"]
