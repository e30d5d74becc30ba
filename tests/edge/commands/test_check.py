"""--check-config, part by part: what it finds, and that it leaves nothing behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import read_bundle, write_bundle
from sranogan_edge.commands.check import check_settings
from sranogan_edge.commands.check_parts import (
    Finding,
    existing_parent,
    folder_problem,
    limit_problem,
    look_at_feed,
    look_at_sink,
    port_problem,
    secret_findings,
)
from sranogan_edge.detector.load import ScoringSettings
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.settings.read import read_settings
from sranogan_edge.settings.tree import PageSettings, Settings, SpoolSettings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from sranogan_edge.sinks.sink import SinkContext
from sranogan_edge.spool.lock import holder_of
from sranogan_edge.spool.spool import Spool

NOBODY = 65534
DEPLOY = Path(__file__).parents[3] / "edge" / "deploy"


@pytest.fixture
def busy_port() -> Iterator[int]:
    """Give a port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_folders(tmp_path: Path) -> None:
    """One that can be made is well; below a file it cannot be."""
    (tmp_path / "file").touch()
    assert existing_parent(tmp_path / "a" / "b") == tmp_path
    assert folder_problem(tmp_path / "a" / "b") == ""
    assert "is no folder" in folder_problem(tmp_path / "file" / "b")
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_of_others(tmp_path: Path) -> None:
    """A user without the right is told so, with the number of the user."""
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o555)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from sranogan_edge.commands.check_parts import folder_problem\n"
        "if os.geteuid() == 0: os.setresuid(*[int(sys.argv[2])] * 3)\n"
        "print(folder_problem(Path(sys.argv[1])))"
    )
    command = [sys.executable, "-c", script, str(folder), str(NOBODY)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    user = NOBODY if os.geteuid() == 0 else os.geteuid()
    assert f"user {user} may not write" in done.stdout


def test_the_holder_of_a_spool(tmp_path: Path) -> None:
    """Another process that holds the spool is named; asking neither takes nor breaks its lock."""
    assert holder_of(tmp_path) == ""
    script = (
        "import sys; from pathlib import Path; from sranogan_edge.spool.spool import Spool; "
        "s = Spool(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == b"held\n"
        assert [holder_of(tmp_path), holder_of(tmp_path)] == [str(other.pid)] * 2
        other.stdin.close()
    assert holder_of(tmp_path) == ""
    Spool(tmp_path).close()


def test_the_holder_of_a_results_folder(tmp_path: Path) -> None:
    """A runner that writes to ``out`` is named; it is to be stopped, and no error of the settings."""
    (tmp_path / "out").mkdir()
    script = (
        "import sys; from pathlib import Path; from sranogan_edge.spool.lock import *; "
        "s = lock_results(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdin
        assert other.stdout.readline() == b"held\n"
        settings = Settings(tmp_path / "b", (), out=tmp_path / "out", spool=SpoolSettings(min_free_bytes=0))
        found = _findings(settings)["out"]
        assert (found.state, f"process {other.pid} holds it" in found.message) == ("note", True)
        other.stdin.close()
    assert _findings(settings)["out"].state == "ok"


def test_ports(busy_port: int) -> None:
    """A free port is well, a used one and an address of another machine are not."""
    assert port_problem("127.0.0.1", 0) == ""
    assert f"port {busy_port} cannot be had" in port_problem("127.0.0.1", busy_port)
    assert "cannot be had" in port_problem("192.0.2.1", 0)


@pytest.mark.parametrize(
    ("uri", "state", "told"),
    [
        ("films", "error", "no such file or folder"),
        ("watch:none", "error", "no such folder"),
        ("film.mp4", "error", "no such video"),
        ("camera:/dev/none", "warning", "not there now"),
        ("camera:front", "error", "not a device"),
        ("rtsp://user@camera/1", "ok", ""),
        ("rtsp:///1", "error", "names no host"),
        ("gst:videotestsrc", "error", "appsink"),
        ("dicom:0", "error", "calling"),
        ("dicom:0?calling=XRAY1", "ok", ""),
        ("dicom:x", "error", "dicom:PORT"),
    ],
)
def test_feeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, state: str, told: str) -> None:
    """Each kind is opened as far as that leaves nothing behind."""
    pytest.importorskip("pynetdicom")
    monkeypatch.chdir(tmp_path)
    found = look_at_feed(feed_of(uri), "")
    assert (found.what, found.value, found.state) == ("feed", uri, state)
    assert told in found.message
    assert os.listdir(tmp_path) == []


def test_a_watched_folder_is_only_looked_at(tmp_path: Path) -> None:
    """It has no folders of ours afterwards."""
    assert look_at_feed(WatchFeedSettings(f"watch:{tmp_path}"), "").state == "ok"
    assert os.listdir(tmp_path) == []


def test_a_port_in_use_by_the_running_service_is_no_error(busy_port: int) -> None:
    """While a runner holds the spool, its port is no surprise; without one it is an error."""
    pytest.importorskip("pynetdicom")
    feed = DicomFeedSettings(f"dicom:127.0.0.1:{busy_port}", calling=("A",))
    assert look_at_feed(feed, "").state == "error"
    assert look_at_feed(feed, "99").state == "note"


def test_limits_that_contradict_each_other(tmp_path: Path) -> None:
    """A feed that takes what the spool refuses is a warning; defaults and shipped settings are well."""
    feed = DicomFeedSettings("dicom:0", any_caller=True, max_object_bytes=2000)
    spool = SpoolSettings(max_object_bytes=1999)
    found = check_settings(Settings(tmp_path / "b", (feed,), out=tmp_path / "out", spool=spool), {})
    (told,) = [one.message for one in found if one.state == "warning"]
    assert "up to 2,000 bytes, and those above 1,999 are then refused. Lower" in told
    assert limit_problem(DicomFeedSettings("dicom:0", any_caller=True), SpoolSettings()) == ""
    shipped = read_settings(DEPLOY / "sranogan.toml", {})
    assert [limit_problem(one, shipped.spool) for one in shipped.feeds] == [""] * len(shipped.feeds)


@pytest.mark.parametrize(
    ("uri", "state", "told"),
    [
        ("jsonl:j", "ok", ""),
        ("sqlite:deep/r.sqlite", "ok", ""),
        ("jsonl:file/x", "error", "is no folder"),
        ("mqtt://broker", "ok", ""),
        ("mqtt://me@broker", "warning", "password_file"),
        ("https://h/p", "error", "SRANOGAN_WEBHOOK_SECRET"),
        ("dicom://h:104/PACS", "ok", ""),
        ("dicom://h", "error", "AE title"),
    ],
)
def test_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str, state: str, told: str) -> None:
    """Each kind is set up elsewhere, nothing is sent, and nothing is left behind."""
    for package in ("paho.mqtt", "urllib3", "highdicom"):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    found = look_at_sink(sink_of(uri), {})
    assert (found.value, found.state) == (uri, state)
    assert told in found.message
    assert os.listdir(tmp_path) == ["file"]


def test_files_of_secrets(tmp_path: Path) -> None:
    """One that all may read is a warning with its cure, a missing one an error."""
    secret = tmp_path / "p"
    secret.write_text("x\n")
    secret.chmod(0o600)
    sink = MqttSinkSettings("mqtts://me@broker", password_file=secret)
    assert list(secret_findings(sink)) == []
    assert look_at_sink(sink, {}).state == "ok"
    secret.chmod(0o644)
    (found,) = secret_findings(sink)
    assert (found.state, found.what) == ("warning", "password_file")
    assert f"chmod o-rwx {secret}" in found.message
    secret.unlink()
    (found,) = secret_findings(VideoFeedSettings("rtsp://me@h/1", password_file=secret))
    assert found.state == "error"


def _findings(settings: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in check_settings(settings, {})}


def test_a_refused_bundle_and_the_rest(tmp_path: Path, busy_port: int) -> None:
    """All parts are looked at although the bundle is bad, and nothing is made."""
    (tmp_path / "b").write_bytes(b"no bundle")
    (tmp_path / "in").mkdir()
    feed = WatchFeedSettings(f"watch:{tmp_path / 'in'}")
    page = PageSettings(f"127.0.0.1:{busy_port}")
    found = _findings(Settings(tmp_path / "b", (feed,), out=tmp_path / "out", page=page))
    assert found["bundle"].state == found["page"].state == "error"
    assert {found[what].state for what in ("out", "spool", "feed", "sink", "log")} == {"ok"}
    assert sorted(os.listdir(tmp_path)) == ["b", "in"]
    assert os.listdir(tmp_path / "in") == []


def test_a_page_for_others_needs_its_token(tmp_path: Path) -> None:
    """Without one it is an error that says how to make one; with one it is well."""
    feed = WatchFeedSettings(f"watch:{tmp_path}")
    settings = Settings(tmp_path / "b", (feed,), out=tmp_path, page=PageSettings("0.0.0.0:0"))
    assert "openssl rand" in _findings(settings)["page"].message
    with_token = check_settings(settings, {"SRANOGAN_PAGE_TOKEN": "t" * 16})
    plain, found = (one for one in with_token if one.what == "page")
    assert (plain.state, "Name tls_certificate" in plain.message) == ("warning", True)
    assert found.message == "with a token"


@pytest.mark.parametrize(
    ("uri", "environ", "warned"),
    [
        ("mqtt://runner@broker", {"SRANOGAN_MQTT_PASSWORD": "secret"}, True),
        ("mqtts://runner@broker", {"SRANOGAN_MQTT_PASSWORD": "secret"}, False),
        ("mqtt://runner@127.0.0.1", {"SRANOGAN_MQTT_PASSWORD": "secret"}, False),
        ("mqtt://broker", {}, False),
    ],
)
def test_a_password_without_tls_is_warned_about(
    tmp_path: Path, uri: str, environ: dict[str, str], warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Anybody on the way to the broker reads it: said by --check-config, and at a start in the log."""
    pytest.importorskip("paho.mqtt", reason="the extra mqtt is not installed")
    found = look_at_sink(sink_of(uri), environ)
    assert (found.state == "warning" and "without TLS" in found.message) is warned
    assert "secret" not in found.message
    caplog.clear()
    sink_of(uri).open(SinkContext(tmp_path, None, environ)).close()
    assert ("the password goes without TLS" in caplog.text) is warned


def test_a_bundle_that_anybody_may_have_made(tmp_path: Path, tiny_bundle: Path) -> None:
    """Without a key for the bundle there is a warning that says how to sign; with one there is none."""
    settings = Settings(tiny_bundle, (WatchFeedSettings(f"watch:{tmp_path}"),), out=tmp_path)
    warned = _findings(settings)["bundle_key_file"]
    assert warned.state == "warning"
    assert "--sign" in warned.message
    key, signed = tmp_path / "key", tmp_path / "signed.sranogan"
    key.write_bytes(b"a secret of more than thirty-two bytes")
    write_bundle(read_bundle(tiny_bundle), signed, key)
    keyed = replace(settings, bundle=signed, scoring=ScoringSettings(bundle_key_file=key))
    found = _findings(keyed)
    assert found["bundle"].message.startswith("signed; ")
    assert "bundle_key_file" not in found
