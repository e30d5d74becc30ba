"""How many devices a training is spread over: as asked for, and as many as batches can be shared out to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from keras_sranogan.backend.devices import has_cards, present
from keras_sranogan.backend.graph import BACKEND
from keras_sranogan.distribute import Distribute, check_distribute
from keras_sranogan.settings import TrainSettings
from sranogan_edge.errors import SettingsError

__all__ = ["devices_for", "devices_text"]


def devices_for(asked: Distribute, settings: TrainSettings, say: Callable[[str], object]) -> int:
    """Return how many devices a training runs on, which is said where there are several.

    Each device takes an equal share of each batch: so there are as many as divide the batches of all stages.

    Raises:
        SettingsError: no such value, on TensorFlow, or there are no several devices whose number divides the
            batches.
    """
    check_distribute(asked, BACKEND)
    if asked == "none" or (asked == "auto" and not has_cards()):
        return 1
    there, batches = present(), _batches(settings)
    count = max(one for one in range(1, there + 1) if not _undivided(batches, one))
    if asked == "devices" and count == 1:
        raise SettingsError(_too_few(there, batches))
    if count < there:
        left = ", ".join(map(str, _undivided(batches, there)))
        say(f"trains on {devices_text(count)} of {there}: batches of {left} are not divided by more of them")
    elif count > 1:
        say(f"trains on {devices_text(count)}")
    return count


def devices_text(count: int) -> str:
    """So many devices, in words."""
    return "one device" if count == 1 else f"{count} devices"


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


def _too_few(there: int, batches: Mapping[str, int]) -> str:
    if there == 1:
        return (
            "--distribute devices: JAX sees one device in this machine. Check what CUDA_VISIBLE_DEVICES and "
            "JAX_PLATFORMS ask for, or train with --distribute none."
        )
    listed = ", ".join(f"{name} {size}" for name, size in batches.items())
    return (
        f"--distribute devices: no several of {there} devices have equal shares of all batches ({listed}). "
        "Choose batches that they divide (--settings), or train with --distribute none."
    )
