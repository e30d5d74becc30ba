"""``--distribute`` and what goes with it: what can be asked for, told before a backend starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import typer

from keras_sranogan.settings import check_choice
from sranogan_edge.errors import SettingsError
from sranogan_edge.extras import how_to_install

__all__ = [
    "Coordinator",
    "Distribute",
    "DistributeOption",
    "HostCount",
    "HostId",
    "Hosts",
    "check_distribute",
    "hosts_of",
]

Distribute = Literal["auto", "none", "devices", "hosts"]
DistributeOption = Annotated[
    str,
    typer.Option(
        help="What trains (on JAX): none: one device; devices: all of this machine; hosts: those of several "
        "machines; auto: devices where there are several cards. The losses are the same."
    ),
]
Coordinator = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Of host 0, where the others find it (--distribute hosts)."),
]
HostCount = Annotated[int | None, typer.Option(help="How many processes train together.")]
HostId = Annotated[int | None, typer.Option(help="Which of them this one is, from 0.")]

_OF_HOSTS = ("coordinator", "hosts", "host_id")  # options


@dataclass(frozen=True)
class Hosts:
    """Processes that train one model together, as this one finds them.

    Attributes:
        coordinator: HOST:PORT where process 0 listens for the others.
        hosts: how many processes there are.
        host_id: which of them this one is, from 0.

    With none of them JAX asks what started the process: Slurm, Open MPI, Kubernetes.
    """

    coordinator: str | None = None
    hosts: int | None = None
    host_id: int | None = None

    def __post_init__(self) -> None:
        given = self.coordinator, self.hosts, self.host_id
        if given == (None, None, None):
            return
        if self.coordinator is None or self.hosts is None or self.host_id is None:
            raise SettingsError(
                "--distribute hosts needs all of --coordinator HOST:PORT, --hosts N and --host-id K, or none "
                "of them where Slurm, Open MPI or Kubernetes starts the processes; received "
                f"coordinator {self.coordinator}, hosts {self.hosts}, host-id {self.host_id}"
            )
        host, colon, port = self.coordinator.rpartition(":")
        if not (host and colon and port.isdecimal() and 0 < int(port) < 2**16):
            raise SettingsError(
                "--coordinator must be HOST:PORT of host 0, a port that is free there, as in "
                f"192.168.0.10:29400; received {self.coordinator!r}"
            )
        if self.hosts < 2:
            raise SettingsError(f"--hosts must be 2 or more; received {self.hosts}")
        if not 0 <= self.host_id < self.hosts:
            raise SettingsError(
                f"--host-id must be from 0 to {self.hosts - 1}, another one on each host; "
                f"received {self.host_id}"
            )


def check_distribute(asked: str, backend: str | None = None) -> None:
    """Raise SettingsError where ``asked`` is no value, or not what ``backend`` can do.

    Without ``backend`` it is the one that KERAS_BACKEND names.
    """
    check_choice("--distribute", asked, get_args(Distribute))
    backend = backend or os.environ.get("KERAS_BACKEND") or "tensorflow"
    if asked in ("devices", "hosts") and backend == "tensorflow":
        raise SettingsError(
            f"--distribute {asked}: on TensorFlow a training runs on one device; on several, of one machine "
            f"or of more, it runs on JAX. Run: {how_to_install('jax', folder='.')}, then train with "
            "KERAS_BACKEND=jax. A run folder is the same on both."
        )


def hosts_of(asked: str, said: dict[str, Any]) -> Hosts | None:
    """Return the processes that train together; None where ``asked`` is not for several hosts.

    Args:
        asked: of ``--distribute``.
        said: the options of the command line.

    Raises:
        SettingsError: see :class:`Hosts`; or options of hosts without ``--distribute hosts``.
    """
    given = {name: said[name] for name in _OF_HOSTS if said.get(name) is not None}
    if asked == "hosts":
        return Hosts(**given)
    if given:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise SettingsError(f"{named}: with --distribute hosts alone; received --distribute {asked}")
    return None
