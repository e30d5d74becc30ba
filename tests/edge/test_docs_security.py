"""security.md names what there is: the tests that hold its promises, and each place that is filled."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "security.md").read_text(encoding="utf-8")


def test_every_promise_has_its_test() -> None:
    """Each line of the table names files of tests that are there."""
    table = TEXT.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 10
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)`", row)
        assert named, row
        for name in named:
            assert (TESTS / "edge" / name).is_file() or (TESTS / name).is_file(), name


def test_every_place_has_its_time() -> None:
    """What a runner writes to, by its own settings and code, stands in the table of what is kept."""
    table = TEXT.partition("## What is kept")[2].partition("**To forget")[0]
    for place in (
        *("objects/", "dead/", "spool.sqlite", "sinks/outbox", "audit.jsonl", "threshold.json", "bundles/"),
        *("results.jsonl", "heat_maps/", "done/", "failed/", ".sranogan/", "jsonl:", "sqlite:", "MQTT"),
    ):
        assert place in table, place
