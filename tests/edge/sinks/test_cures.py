"""What is wrong with the settings of a sink, and the cure, word for word as a person reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.sinks.choice import Choice
from sranogan_edge.sinks.dicom_settings import DicomSinkSettings
from sranogan_edge.sinks.kinds import sink_of, sink_settings
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from sranogan_edge.sinks.outbox import Outbox
from sranogan_edge.sinks.sink import SinkContext
from sranogan_edge.sinks.webhook_settings import WebhookSinkSettings

KINDS = (
    "There are jsonl:FOLDER, sqlite:FILE, mqtt://[USER@]HOST[:PORT][/TOPIC], mqtts://HOST, "
    "https://HOST/PATH, dicom://[OUR_AE@]HOST:PORT/CALLED_AE, dicoms://HOST:PORT/CALLED_AE"
)
DICOM = "dicom://SRANOGAN@pacs.example:11112/PACS"
PREFIX = "an MQTT topic prefix has no +, #, and no / at its ends; received"


def told(refused: pytest.ExceptionInfo[SettingsError]) -> str:
    """What is read."""
    return str(refused.value)


@pytest.mark.parametrize(
    ("uri", "near"),
    [
        ("jsonl:", ""),
        ("jsonl", ""),
        ("mqtt:host", ""),
        ("https:host/x", ""),
        ("mqt://host", " (did you mean 'mqtt'?)"),
        ("ftp://host", ""),
    ],
)
def test_there_is_no_such_sink(uri: str, near: str) -> None:
    """All kinds are named, and the one that was meant, perhaps."""
    with pytest.raises(SettingsError) as refused:
        sink_settings(uri)
    assert told(refused) == f"no such sink{near}. {KINDS}"


def test_which_results_are_wanted() -> None:
    """A verdict that there is, and a time that can be read."""
    with pytest.raises(SettingsError) as refused:
        Choice(only="some")  # type: ignore[arg-type]  # as a file of settings may say
    assert told(refused) == "only must be one of all, anomalous, normal; received 'some'"
    for since in ("yesterday", "2026-13-01", "0001-01-01T00:00:00+23:00"):
        with pytest.raises(SettingsError) as refused:
            Choice(since)
        assert told(refused) == (
            'since must be "now", "all", or a time such as "2026-01-31T08:00:00Z" (UTC where it names no '
            f"zone); received {since!r}"
        )


@pytest.mark.parametrize(
    ("uri", "options", "said"),
    [
        ("mqtt://host", {"device": "a/b"}, "'a/b'"),
        ("mqtt://host", {"device": ""}, "''"),
        ("mqtt://host", {"device": "x" * 65}, f"'{'x' * 65}'"),
    ],
)
def test_the_name_of_a_device(uri: str, options: dict[str, Any], said: str) -> None:
    """It stands in topics."""
    with pytest.raises(SettingsError) as refused:
        MqttSinkSettings(uri, **options)
    assert told(refused) == (
        f"device: an MQTT device name has 1 to 64 letters, digits, _ and -; received {said}"
    )
    assert MqttSinkSettings("mqtt://host", device="x" * 64).name == "x" * 64


@pytest.mark.parametrize(
    ("uri", "options", "said"),
    [
        ("mqtt://host:port", {}, "not the address of an MQTT broker (Port could not be cast"),
        ("mqtt://", {}, "an MQTT address names a host and no password; put the password into SRANOGAN_MQTT"),
        (
            "mqtt://me:word@host",
            {},
            "an MQTT address names a host and no password; put the password into SRA",
        ),
        ("mqtt://host/a/+/b", {}, f"{PREFIX} 'a/+/b'"),
        ("mqtt://host/$SYS", {}, f"{PREFIX} '$SYS'"),
        (
            "mqtt://host",
            {"cert_file": Path("/x")},
            "certificates were given for MQTT without TLS. Write mqtts://",
        ),
        ("mqtts://host", {"key_file": Path("/none")}, "/none: no such certificate or key file"),
    ],
)
def test_the_address_of_a_broker(uri: str, options: dict[str, Any], said: str) -> None:
    """Each ends with how it is written."""
    with pytest.raises(SettingsError) as refused:
        MqttSinkSettings(uri, **options).check()
    assert told(refused).startswith(said)
    end = {
        "not the": "Write it like mqtt://[USER@]HOST[:PORT][/TOPIC], or mqtts:// with TLS.",
        "an MQTT ad": "D.",
    }
    assert told(refused).endswith(next((e for begin, e in end.items() if said.startswith(begin)), said))


def test_addresses_of_brokers_that_can_be() -> None:
    """Topics below the path, without slashes at its ends; MQTT's own ports; names as they are meant."""
    plain = MqttSinkSettings("mqtt://a%40b@host:1884/ward/7/")
    plain.check()
    assert (plain.topics, plain.address, plain.user) == ("ward/7", ("host", 1884), "a@b")
    MqttSinkSettings("mqtt://host/X$1/roomX").check()
    for uri, port in (("mqtt://host", 1883), ("mqtts://host", 8883)):
        found = MqttSinkSettings(uri, device="one")
        found.check()
        assert (found.topics, found.address, found.user) == ("sranogan/one", ("host", port), "")


@pytest.mark.parametrize("topic", ["homeassistant/", "/homeassistant", "home+", "home#", "$home"])
def test_the_prefix_of_discovery(topic: str) -> None:
    """What is meant is named: there are two prefixes."""
    with pytest.raises(SettingsError) as refused:
        MqttSinkSettings("mqtt://host", discovery=topic)
    assert told(refused) == f"discovery: {PREFIX} {topic!r}"


def test_a_broker_s_password_may_stand_in_a_file(tmp_path: Path) -> None:
    """Which goes before the environment."""
    (tmp_path / "password").write_text("of the file\n")
    found = MqttSinkSettings("mqtt://me@host", password_file=tmp_path / "password")
    assert found.password({"SRANOGAN_MQTT_PASSWORD": "of the environment"}) == "of the file"


@pytest.mark.parametrize(
    ("uri", "word", "open_to_all"),
    [
        ("mqtt://me@host", "secret", True),
        ("mqtt://me@host", "", False),
        ("mqtts://me@host", "secret", False),
        *((f"mqtt://me@{here}", "secret", False) for here in ("localhost", "127.0.0.1", "[::1]")),
    ],
)
def test_a_password_that_everybody_can_read(uri: str, word: str, open_to_all: bool) -> None:
    """On its way to another machine, without TLS."""
    found = MqttSinkSettings(uri).open_password({"SRANOGAN_MQTT_PASSWORD": word})
    why = "the password goes without TLS, and anybody on the way can read it. Write mqtts://"
    assert found == (why if open_to_all else "")


@pytest.mark.parametrize(
    ("uri", "options", "said"),
    [
        ("ftp://host/x", {}, "a webhook's address must be https://HOST/PATH; received 'ftp'"),
        ("https://", {}, "a webhook's address must be https://HOST/PATH; received 'https'"),
        ("https://me@host/x", {}, "a webhook's address must hold no password: the signature stands for it"),
        (
            "https://:word@host/x",
            {},
            "a webhook's address must hold no password: the signature stands for it",
        ),
        (
            "http://host/x",
            {},
            "http://host would send results unencrypted. Use https://, or set allow_http.",
        ),
        ("https://host/x", {"ca_file": Path("/none.pem")}, "/none.pem: no such certificate file"),
    ],
)
def test_the_address_of_a_webhook(uri: str, options: dict[str, Any], said: str) -> None:
    """What would tell a secret, or send results in the clear."""
    with pytest.raises(SettingsError) as refused:
        WebhookSinkSettings(uri, **options).check()
    assert told(refused) == said


@pytest.mark.parametrize(
    "uri", ["https://host/x", *(f"http://{h}/x" for h in ("localhost", "127.0.0.1", "[::1]"))]
)
def test_addresses_of_webhooks_that_can_be(uri: str) -> None:
    """Encrypted, or to this machine; to another one in the clear by choice alone."""
    WebhookSinkSettings(uri).check()
    WebhookSinkSettings("http://host/x", allow_http=True).check()


def test_a_secret_that_is_none() -> None:
    """How one is made is said."""
    made = "Make one with: openssl rand -hex 32"
    for secret, said in (
        ("", f"a webhook signs its requests with a secret: set SRANOGAN_WEBHOOK_SECRET. {made}"),
        ("x" * 15, f"the webhook's secret has 15 bytes; at least 16 are needed. {made}"),
    ):
        with pytest.raises(SettingsError) as refused:
            WebhookSinkSettings("https://host/x").secret({"SRANOGAN_WEBHOOK_SECRET": secret})
        assert told(refused) == said


@pytest.mark.parametrize(
    "uri",
    [
        "dicom://host/PACS",
        "dicom://host:104",
        "dicom://:104/PACS",
        "dicom://us:word@host:104/PACS",
        "dicom://host:104/PACS?x=1",
    ],
)
def test_the_address_of_an_archive(uri: str) -> None:
    """What is missing from it, or must not be there."""
    with pytest.raises(SettingsError) as refused:
        DicomSinkSettings(uri).destination()
    assert told(refused) == (
        f"a DICOM archive's address has a host, a port, its AE title, and no password, as in {DICOM}"
    )


def test_an_archive_that_cannot_be() -> None:
    """A port that is no number, files of TLS without it, nothing to send, an outbox of nothing."""
    with pytest.raises(SettingsError) as refused:
        DicomSinkSettings("dicom://host:port/PACS").destination()
    assert told(refused).startswith("not the address of a DICOM archive (Port could not be cast")
    assert told(refused).endswith(f"). Write {DICOM}")
    for name in ("ca_file", "cert_file", "key_file"):
        options: dict[str, Any] = {name: Path("/x.pem")}
        with pytest.raises(SettingsError) as refused:
            DicomSinkSettings("dicom://host:104/PACS", **options).destination()
        assert told(refused) == "certificates were given for DICOM without TLS. Write dicoms://"
    with pytest.raises(SettingsError) as refused:
        sink_of("dicom://host:104/PACS", heat_map=False, report=False)
    assert told(refused) == "neither heat_map nor report is to be sent. Choose one"
    with pytest.raises(SettingsError) as refused:
        Outbox(None, 0)
    assert told(refused) == "max_waiting must be 1 or more; received 0"


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        (
            "jsonl:{}/r",
            "cannot write results to {}/r: Not a directory. Lines written so far are kept; free some space, "
            "or name a folder that may be written to.",
        ),
        (
            "sqlite:{}/r.sqlite",
            "cannot write results to {}/r.sqlite: [Errno 17] File exists: '{}'. Rows written so far are "
            "kept; free some space, or name another file.",
        ),
    ],
)
def test_a_file_in_the_place_of_a_folder(tmp_path: Path, uri: str, said: str) -> None:
    """What cannot be written where, and what to do."""
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(ResultsError) as refused:
        sink_of(uri.format(place)).open(SinkContext(tmp_path))
    assert str(refused.value) == said.format(place, place)


def test_a_name_at_the_broker_that_cannot_be_kept(tmp_path: Path) -> None:
    """It would be another one at each start."""
    pytest.importorskip("paho.mqtt", reason="paho-mqtt is not installed (the extra 'mqtt')")
    (tmp_path / "file").touch()
    settings, context = MqttSinkSettings("mqtt://host"), SinkContext(tmp_path / "file" / "out", environ={})
    with pytest.raises(ResultsError) as refused:
        settings.open(context)
    assert str(refused.value) == (
        f"{settings.outbox(context).with_suffix('.client')}: the name at the MQTT broker cannot be kept (Not "
        "a directory). Free some space, or name another folder."
    )
