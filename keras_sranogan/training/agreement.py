"""What processes that train one model together have to agree on, each with a run folder of its own."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from keras_sranogan.backend.hosts import said_by_all
from sranogan_edge.errors import RunError

__all__ = ["agree", "all_have", "common_last"]


def agree(what: dict[str, Any]) -> None:
    """Raise RunError where a process has another value of something, by its name, than process 0 has."""
    first, *others = (json.loads(said) for said in said_by_all(json.dumps(what, sort_keys=True)))
    for number, other in enumerate(others, 1):
        names = [name for name in {**first, **other} if first.get(name) != other.get(name)]
        if names:
            listed = "; ".join(f"{name}: {first.get(name)!r} and {other.get(name)!r}" for name in names)
            raise RunError(
                f"hosts 0 and {number} do not train the same ({listed}). Give all the same images, settings "
                "and versions."
            )


def all_have(done: bool) -> bool:
    """Whether that is done in every process."""
    return all(json.loads(said) for said in said_by_all(json.dumps(done)))


def common_last(steps: Iterable[int]) -> int:
    """Return the largest of ``steps`` that every process has; 0 where there is none."""
    sets = [set(json.loads(said)) for said in said_by_all(json.dumps(sorted(steps)))]
    return max(set.intersection(*sets), default=0)
