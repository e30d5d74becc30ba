"""Hold images back without letting anybody stand on both sides."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

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
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.group].append(item)
    if len(groups) < 2:
        count = sum(map(len, groups.values()))
        raise DataError(
            f"{count} image(s) of {len(groups)} group(s) (patient or part) cannot be split in two. "
            "Add images of other patients, or correct the column patient of index.csv."
        )
    names = sorted(groups, key=lambda name: hashlib.sha256(f"{seed}:{name}".encode()).digest())
    held = _choose(names, {name: len(members) for name, members in groups.items()}, share)
    parts = [
        sorted((item for name in names if (name in held) is side for item in groups[name]), key=_key)
        for side in (False, True)
    ]
    return parts[0], parts[1]


def _choose(names: list[str], sizes: dict[str, int], share: float) -> set[str]:
    """Names whose sizes add up to about ``share`` of all: each is taken where that comes nearer."""
    wanted, count = share * sum(sizes.values()), 0
    held: set[str] = set()
    for name in names:
        if count + sizes[name] / 2 <= wanted and len(held) < len(names) - 1:
            held.add(name)
            count += sizes[name]
    return held or {min(names, key=lambda name: sizes[name])}


def _key(item: Item) -> str:
    return item.key
