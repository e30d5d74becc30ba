"""How many devices a training is spread over: as asked for, and as many as batches can be shared out to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from keras_sranogan.backend.devices import has_cards, present
from keras_sranogan.backend.graph import BACKEND
from keras_sranogan.distribute import Distribute, check_distribute
from keras_sranogan.settings import TrainSettings
from sranogan_edge.errors import SettingsError

__all__ = ["Spread", "spread_of"]


@dataclass(frozen=True)
class Spread:
    """Devices that a training runs on: ``each`` of every one of ``processes``."""

    each: int = 1
    processes: int = 1

    def __str__(self) -> str:
        count = self.each * self.processes
        if self.processes > 1:
            return f"{count} devices of {self.processes} processes"
        return "one device" if count == 1 else f"{count} devices"

    def to_dict(self) -> dict[str, int]:
        """Return plain types, for a run's provenance."""
        return {"devices": self.each * self.processes, "processes": self.processes}

    @classmethod
    def of(cls, provenance: Mapping[str, Any]) -> Spread:
        """Return what a run's provenance says; one device where it says nothing."""
        noted = provenance.get("trained_on", {"devices": 1, "processes": 1})
        return cls(noted["devices"] // noted["processes"], noted["processes"])


def spread_of(asked: Distribute, settings: TrainSettings, say: Callable[[str], object]) -> Spread:
    """Return what a training runs on, which is said where it is more than one device.

    Each device takes an equal share of each batch: so there are as many as divide the batches of all stages.

    Raises:
        SettingsError: no such value, on TensorFlow, or there are no several devices (or processes) whose
            number divides the batches.
    """
    check_distribute(asked, BACKEND)
    if asked == "none" or (asked == "auto" and not has_cards()):
        return Spread()
    there = present(hosts=asked == "hosts")
    processes, most = len(there), min(there)
    if asked == "hosts" and processes == 1:
        raise SettingsError(
            "--distribute hosts: this process has not joined others. Call keras_sranogan.startup.join_hosts "
            "before JAX computes anything."
        )
    batches = _batches(settings)
    fit = [each for each in range(1, most + 1) if not _undivided(batches, each * processes)]
    if not fit or (asked == "devices" and fit[-1] == 1):
        raise SettingsError(_too_few(asked, there, batches))
    found = Spread(fit[-1], processes)
    if found.each < most:
        left = ", ".join(map(str, _undivided(batches, most * processes)))
        say(f"trains on {found} of {most * processes}: batches of {left} are not divided by more of them")
    elif found != Spread():
        say(f"trains on {found}")
    return found


def _batches(settings: TrainSettings) -> dict[str, int]:
    """Return the batches that are drawn, by the name of the setting."""
    found = {
        "anogan.batch": settings.anogan.batch,
        "refiner.batch": settings.refiner.batch,
        "srgan.batch": settings.srgan.batch,
        "head.pairs": settings.head.pairs,
    }
    if settings.corrector.steps:
        found["corrector.batch"] = settings.corrector.batch
    return found


def _undivided(batches: Mapping[str, int], parts: int) -> list[int]:
    """Return the sizes, each once, that ``parts`` does not divide."""
    return sorted({size for size in batches.values() if size % parts})


def _too_few(asked: Distribute, there: list[int], batches: Mapping[str, int]) -> str:
    if there == [1]:
        return (
            "--distribute devices: JAX sees one device in this machine. Check what CUDA_VISIBLE_DEVICES and "
            "JAX_PLATFORMS ask for, or train with --distribute none."
        )
    listed = ", ".join(f"{name} {size}" for name, size in batches.items())
    what = f"{len(there)} processes" if asked == "hosts" else f"{there[0]} devices"
    return (
        f"--distribute {asked}: of {what} no several have equal shares of all batches ({listed}). Choose "
        "batches that their number divides (--settings), or another number of them."
    )
