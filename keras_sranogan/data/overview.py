"""What a source holds and what is taken for normal, as lines of text to read before hours are spent on it."""

from __future__ import annotations

from collections import Counter

from keras_sranogan.data.item import DataSource

__all__ = ["overview"]

_HEAD = ("split", "class", "images", "taken for")


def overview(source: DataSource) -> list[str]:
    """Return a table of splits, classes and counts, and what else the source has to say of its images."""
    rows = [_HEAD]
    for split in source.splits():
        counted = Counter((item.label, item.is_normal) for item in source.items(split))
        use = "learned from" if split == "train" else "to test on"
        for (label, is_normal), count in sorted(counted.items(), key=lambda one: (not one[0][1], one[0][0])):
            rows.append((split, label, f"{count:,}", f"{'normal' if is_normal else 'not normal'}, {use}"))
    widths = [max(len(row[place]) for row in rows) for place in range(3)]
    table = [
        f"  {split:<{widths[0]}}  {label:<{widths[1]}}  {count:>{widths[2]}}  {taken}"
        for split, label, count, taken in rows
    ]
    return [f"data: {source.name}", *table, *(f"  {line}" for line in getattr(source, "told", ()))]
