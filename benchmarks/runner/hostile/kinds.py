"""The registry of hostile inputs: a function that makes bytes of random numbers, and what they are fed to.

Another kind is a function with ``@kind(...)`` in a module that :mod:`benchmarks.runner.hostile.every` names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

__all__ = ["KINDS", "Kind", "Rng", "Target", "draws", "kind", "mutated", "of_target"]

Rng = np.random.Generator
Target = Literal["film", "archive", "graph", "pdu", "page", "page flood", "pdu flood"]
Make = TypeVar("Make", bound=Callable[..., Any])
_EXTREMES = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\xfe\xff\xff\xff",
)


@dataclass(frozen=True)
class Kind:
    """One kind of hostile input.

    Attributes:
        name: of the kind.
        target: ``film``: a file that the runner scores; ``archive``: a bundle's file, that is read;
            ``graph``: one whose graphs are run, too; ``pdu``: an association with the DICOM receiver;
            ``page``: requests over a connection to the live page; ``page flood``, ``pdu flood``: what each of
            many connections at once says.
        make: one of that kind, of random numbers; for archives and graphs of a sound bundle, for ``pdu`` of a
            sound association's PDUs, too.
        refused: whether it must be refused, whatever the random numbers are.
        weight: how often it is made beside others.
    """

    name: str
    target: Target
    make: Callable[..., Any]
    refused: bool = False
    weight: int = 1


KINDS: dict[str, Kind] = {}


def kind(name: str, target: Target, *, refused: bool = False, weight: int = 1) -> Callable[[Make], Make]:
    """Register the function below as a kind."""

    def register(make: Make) -> Make:
        assert name not in KINDS, f"two kinds are called {name}"
        KINDS[name] = Kind(name, target, make, refused, weight)
        return make

    return register


def of_target(target: Target) -> list[Kind]:
    """All kinds of one target."""
    return [kind for kind in KINDS.values() if kind.target == target]


def draws(kinds: list[Kind], rng: Rng) -> Iterator[Kind]:
    """Each kind once, then by their weights, for ever."""
    yield from kinds
    weights = np.array([kind.weight for kind in kinds], float)
    while True:
        for at in rng.choice(len(kinds), size=256, p=weights / weights.sum()):
            yield kinds[int(at)]


def mutated(data: bytes, rng: Rng, most: int = 8) -> bytes:
    """``data`` with some bytes flipped, numbers made extreme, parts cut out, doubled or exchanged."""
    made = bytearray(data)
    for _ in range(int(rng.integers(1, most + 1))):
        if len(made) < 16:
            break
        at, size = int(rng.integers(0, len(made) - 8)), int(rng.integers(1, 64))
        match int(rng.integers(0, 6)):
            case 0 | 1:
                made[at] ^= 1 << int(rng.integers(0, 8))
            case 2:
                made[at : at + 4] = _EXTREMES[int(rng.integers(0, len(_EXTREMES)))]
            case 3:
                del made[at : at + size]
            case 4:
                made[at:at] = made[at : at + size]
            case _:
                made[at : at + size] = rng.bytes(len(made[at : at + size]))
    return bytes(made)
