"""Every settings file, secret and broker of the shared examples: read, or refused with the cure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sranogan_edge.commands.score import app
from sranogan_edge.secret import read_secret
from sranogan_edge.settings.read import read_settings
from tests.support.mqtt_broker import Broker, Listener
from tests.support.remote_results import wait_until
from tests.support.result_lines import line
from tests.support.shared_cases import CASES, every_file_of, needs

Service = Callable[[str], str]
READ = ("bom.toml", "bomcrlf.toml", "crlf.toml")
REFUSED = {
    "utf16.toml": ("is in UTF-16, not in UTF-8", "iconv -f UTF-16 -t UTF-8 utf16.toml > NEW"),
    "latin1.toml": (
        "not in UTF-8 (line 4), but in Latin-1",
        "iconv -f WINDOWS-1252 -t UTF-8 latin1.toml > NEW",
    ),
    "cr.toml": ("line 1 ends with a carriage return (CR) alone", "tr '\\r' '\\n' < cr.toml > NEW"),
    "winpath.toml": (":4: in double quotes a backslash begins an escape", "single quotes: 'C:\\data'"),
}
SECRETS = ("secret_bom", "secret_crlf")
BROKERS = ("acl", "m.conf", "m2.conf")


@needs("settings")
def test_every_settings_file_is_named() -> None:
    """A new file without an expectation fails here."""
    assert every_file_of("settings") == {*READ, *REFUSED, *SECRETS}


@needs("settings")
@pytest.mark.parametrize("name", READ)
def test_settings_that_are_read(name: str) -> None:
    """Marks and line breaks are no part of what the settings say."""
    found = read_settings(CASES / "settings" / name, {})
    assert str(found.bundle) == "/tmp/h/bugs/work/b.sranogan"
    assert str(found.out) == "/tmp/h/bugs/work/cfgo"
    assert [feed.uri for feed in found.feeds] == ["/tmp/h/bugs/work/images"]


@needs("settings")
@pytest.mark.parametrize("name", REFUSED)
def test_settings_that_are_refused(name: str) -> None:
    """The command ends with 2, and says what is wrong and how it is mended."""
    path = CASES / "settings" / name
    for more in ([], ["--check-config"]):
        done = CliRunner().invoke(app, ["--config", str(path), *more])
        assert done.exit_code == 2
        assert f"error: {path}" in done.output
        for told in REFUSED[name]:
            assert told in done.output


@needs("settings")
@pytest.mark.parametrize("name", SECRETS)
def test_secrets(name: str) -> None:
    """A mark at the begin and the line break at the end are no part of a secret."""
    assert read_secret(CASES / "settings" / name, "NONE", {}) == "0123456789abcdef01"


@needs("mqtt-acl")
def test_every_broker_is_named() -> None:
    """A new file without an expectation fails here."""
    assert every_file_of("mqtt-acl") == set(BROKERS)


def broker_of(name: str, folder: Path, service: Service) -> Broker:
    """The broker that a file describes, on a port and with an access list of its own."""
    rights = folder / "acl"
    rights.write_bytes((CASES / "mqtt-acl" / "acl").read_bytes())
    rows = (CASES / "mqtt-acl" / name).read_text().splitlines()
    kept = [f"acl_file {rights}" if row.startswith("acl_file") else row for row in rows]
    settings = "\n".join(row for row in kept if not row.startswith("listener")) + "\nuser root\n"
    return Broker(service("mosquitto"), folder, settings)


@needs("mqtt-acl")
@pytest.mark.parametrize(
    ("name", "prefix", "written", "state"),
    [
        ("m.conf", "allowed", 2, "ok"),
        ("m.conf", "denied", 0, "failing"),
        ("m.conf", "deniedbutstatus", 0, "failing"),
        ("m2.conf", "ward", 0, "refused"),
    ],
)
def test_what_a_broker_refuses_is_not_delivered(
    tmp_path: Path, service: Service, name: str, prefix: str, written: int, state: str
) -> None:
    """Who may not write waits and is told why; what is too large is set apart; nothing else is delivered."""
    pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
    from sranogan_edge.sinks.courier import Courier
    from sranogan_edge.sinks.mqtt import MqttTransport
    from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
    from sranogan_edge.sinks.outbox import Outbox

    broker = broker_of(name, tmp_path, service)
    broker.start()
    try:
        listener = Listener(broker)
        options = MqttSinkSettings(f"mqtt://127.0.0.1:{broker.port}/{prefix}", device="one")
        courier = Courier(
            MqttTransport(options, retry_s=(1, 1)), Outbox(tmp_path / "outbox.sqlite"), retry_s=(0.1, 0.2)
        )
        for number in range(2):
            courier.write(line(number))
        if state == "failing":
            wait_until(lambda: courier.health.state == "failing")
            assert f"Not authorized (topic {prefix}/result)" in courier.health.message
        else:
            wait_until(lambda: courier.health.waiting == 0)
        refused, waiting = (2 if state == "refused" else 0), (2 if state == "failing" else 0)
        health = courier.health
        assert (health.written, health.refused, health.waiting, health.lost) == (written, refused, waiting, 0)
        wait_until(lambda: len(listener.of(f"{prefix}/result")) == written)
        courier.close()
        listener.close()
    finally:
        broker.stop()
