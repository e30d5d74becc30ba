"""What a graphics card asks of a backend, told before hours are spent or the process is aborted."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sranogan_edge.errors import BackendError
from sranogan_edge.extras import how_to_install

__all__ = ["check_tensorflow_compiles", "unused_card", "used_cards"]

_ON_THE_CPU = "to use the CPU, set CUDA_VISIBLE_DEVICES=-1"


def check_tensorflow_compiles(cards: Sequence[Mapping[str, Any]], build: Mapping[str, Any]) -> None:
    """Refuse cards that are newer than TensorFlow's compiler: it would abort the process at the first step.

    Args:
        cards: TensorFlow's details of each device, ``compute_capability`` and ``device_name`` among them.
        build: TensorFlow's build info; ``cuda_compute_capabilities`` are those that it knows.

    Raises:
        BackendError: it cannot compile for a card.
    """
    known = [_capability(name) for name in build.get("cuda_compute_capabilities", ())]
    for card in cards:
        capability = tuple(card.get("compute_capability", (0, 0)))
        if known and capability > max(known):
            raise BackendError(
                f"this TensorFlow (CUDA {build.get('cuda_version', '?')}) cannot compile for "
                f"{card.get('device_name', 'the card')}: its compute capability is {_dotted(capability)}, "
                f"and TensorFlow's compiler knows up to {_dotted(max(known))}. Train on JAX: "
                f"{how_to_install('jax-cuda', folder='.')}, then KERAS_BACKEND=jax; {_ON_THE_CPU}."
            )


def used_cards(backend: str, cards: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what to say of the ``cards`` that ``backend`` uses, described as above: a line, or none."""
    told = [
        f"{card.get('device_name', 'a card')}"
        + (
            f" (compute capability {_dotted(card['compute_capability'])})"
            if "compute_capability" in card
            else ""
        )
        for card in cards
    ]
    return [f"{backend} uses {', '.join(told)}"] if told else []


def unused_card(backend: str, extra: str, root: Path = Path("/")) -> list[str]:
    """Return what to say where an NVIDIA card is in this machine and ``backend`` sees none: a line, or none.

    ``root`` is where the machine's files are. Nothing is said where CUDA_VISIBLE_DEVICES hides the card.
    """
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    cards = list((root / "proc" / "driver" / "nvidia" / "gpus").glob("*"))
    if hidden or not cards:
        return []
    return [
        f"{backend} sees none of the {len(cards)} NVIDIA card(s) in this machine and uses the CPU. For the "
        f"card: {how_to_install(extra, folder='.')}, and a driver that is new enough for it (`nvidia-smi` "
        f"names it); {_ON_THE_CPU}, and this is no longer said."
    ]


def _capability(name: str) -> tuple[int, int]:
    """(12, 0) of ``sm_120``, (9, 0) of ``compute_90``; a letter behind (``sm_90a``) does not count."""
    digits = re.sub(r"\D", "", name)
    return int(digits[:-1]), int(digits[-1])


def _dotted(capability: tuple[int, ...]) -> str:
    return ".".join(map(str, capability))
