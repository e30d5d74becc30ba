"""``--distribute`` and the options of hosts: what is refused, and what people are told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keras_sranogan.cli import train_app
from keras_sranogan.distribute import Hosts, check_distribute, hosts_of
from keras_sranogan.training import agreement
from keras_sranogan.training.agreement import agree, all_have, common_last
from sranogan_edge.errors import ExitCode, RunError


def refused(out: Path, *options: str) -> str:
    """What the command says of options that it refuses, before it looks at images."""
    done = CliRunner().invoke(train_app, ["phantom", "--out", str(out), *options])
    assert done.exit_code == ExitCode.USAGE
    assert not out.exists()
    return " ".join(done.output.split())


@pytest.mark.parametrize("asked", ["devices", "hosts"])
def test_tensorflow_trains_on_one_device(asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for, what can do it, and how to get that."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    told = refused(tmp_path / "run", "--distribute", asked)
    assert f"--distribute {asked}: on TensorFlow a training runs on one device" in told
    for part in ("it runs on JAX", '".[jax]"', "KERAS_BACKEND=jax", "run folder is the same on both"):
        assert part in told


@pytest.mark.parametrize("asked", ["auto", "none"])
def test_tensorflow_does_what_it_did(asked: str) -> None:
    """Unless several devices are asked for, nothing is refused."""
    check_distribute(asked, "tensorflow")


def test_an_unknown_value(tmp_path: Path) -> None:
    """The values there are, and the one that was probably meant."""
    told = refused(tmp_path / "run", "--distribute", "device")
    assert "--distribute must be one of auto, none, devices, hosts; received 'device'" in told


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--hosts", "2", "--host-id", "0"), "needs all of --coordinator HOST:PORT, --hosts N and --host-id"),
        (("--coordinator", "a:1", "--host-id", "0"), "received coordinator a:1, hosts None, host-id 0"),
        (("--coordinator", "a", "--hosts", "2", "--host-id", "0"), "HOST:PORT of host 0"),
        (("--coordinator", "a:b", "--hosts", "2", "--host-id", "0"), "received 'a:b'"),
        (("--coordinator", "a:99999", "--hosts", "2", "--host-id", "0"), "received 'a:99999'"),
        (("--coordinator", ":99", "--hosts", "2", "--host-id", "0"), "received ':99'"),
        (("--coordinator", "a:1", "--hosts", "1", "--host-id", "0"), "--hosts must be 2 or more"),
        (("--coordinator", "a:1", "--hosts", "2", "--host-id", "2"), "--host-id must be from 0 to 1"),
    ],
)
def test_hosts_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], told: str
) -> None:
    """Each option of hosts that is missing or wrong is named, with what is asked of it."""
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert told in refused(tmp_path / "run", "--distribute", "hosts", *options)


def test_options_of_hosts_without_hosts(tmp_path: Path) -> None:
    """They are not passed over."""
    told = refused(tmp_path / "run", "--hosts", "2", "--host-id", "1")
    assert "--hosts, --host-id: with --distribute hosts alone; received --distribute auto" in told


def test_what_started_the_process_may_know() -> None:
    """Slurm and others tell JAX of the hosts, so none of the options is needed."""
    assert hosts_of("hosts", {}) == Hosts()
    assert hosts_of("hosts", {"coordinator": "[::1]:80", "hosts": 2, "host_id": 1}) == Hosts("[::1]:80", 2, 1)
    assert hosts_of("devices", {}) is None


def others_say(monkeypatch: pytest.MonkeyPatch, *said: str) -> None:
    """Let there be other processes, which say that."""
    monkeypatch.setattr(agreement, "said_by_all", lambda text: [text, *said])


def test_hosts_agree_or_name_what_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of three hosts the third has another value, and one more."""
    ours: dict[str, Any] = {"seed": 1, "images_sha256": "ab"}
    same, other = '{"images_sha256": "ab", "seed": 1}', '{"images_sha256": "cd", "seed": 1, "x": 2}'
    others_say(monkeypatch, same, other)
    with pytest.raises(
        RunError, match=r"hosts 0 and 2 .*\(images_sha256: 'ab' and 'cd'; x: None and 2\).*same images"
    ):
        agree(ours)
    others_say(monkeypatch, same)
    agree(ours)


def test_hosts_go_on_from_what_all_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last checkpoint of all; none where one has none. A piece is done where all have done it."""
    others_say(monkeypatch, "[5, 10]", "[10, 15]")
    assert common_last([10, 15]) == 10
    assert common_last([15, 20]) == 0
    others_say(monkeypatch, "[]")
    assert common_last([5]) == 0
    others_say(monkeypatch, "true", "false")
    assert not all_have(True)
    others_say(monkeypatch, "true")
    assert all_have(True)
