"""Hold images back without letting anybody stand on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from operator import attrgetter

from keras_sranogan.data.item import Item
from sranogan_edge.errors import DataError, SettingsError

__all__ = ["split_by_group"]


def split_by_group(items: Iterable[Item], share: float, seed: int) -> tuple[list[Item], list[Item]]:
    """Split into a first part and one of about ``share`` of the images; no group is in both.

    Groups go in the order of a hash of seed and name, so the parts depend neither on the order of
    ``items`` nor on the machine. Each part gets at least one group, and is sorted by key.

    Raises:
        SettingsError: ``share`` is not above 0 and below 1.
        DataError: there are fewer than two groups.
    """
    if not 0 < share < 1:
        raise SettingsError(f"The share to hold back must be above 0 and below 1. Received: {share!r}.")
    ordered = sorted(items, key=attrgetter("key"))
    sizes = Counter(item.group for item in ordered)
    if len(sizes) < 2:
        raise DataError(
            f"{len(ordered)} image(s) of {len(sizes)} group(s) (patient or part) cannot be split in two. "
            "Add images of other patients, or correct the column patient of index.csv."
        )
    names = sorted(sizes, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    held = _choose(names, sizes, share)
    return [one for one in ordered if one.group not in held], [one for one in ordered if one.group in held]


def _choose(names: list[str], sizes: Mapping[str, int], share: float) -> set[str]:
    """Names whose sizes add up to about ``share`` of all: each is taken where that comes nearer."""
    wanted, count = share * sum(sizes.values()), 0
    held: set[str] = set()
    for name in names:
        if count + sizes[name] / 2 <= wanted and len(held) < len(names) - 1:
            held.add(name)
            count += sizes[name]
    return held or {min(names, key=lambda name: sizes[name])}
