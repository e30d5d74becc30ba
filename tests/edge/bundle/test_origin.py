"""What a bundle says of the data that its model learned from."""

from __future__ import annotations

from typing import Any

import pytest

from sranogan_edge.bundle.origin import NOT_SAID, Origin, origin_of

WHOLE = {
    "data": "chest films of 2025",
    "normals_to_train": 1234,
    "normals_held_out": 300,
    "started": "2026-11-20T08:00:00Z",
}


def test_all_is_said() -> None:
    """Name and number of the normals, and when the training began."""
    found = origin_of({"provenance": WHOLE})
    assert found == Origin("chest films of 2025: 1,234 normals, 300 held out", "2026-11-20T08:00:00Z")


@pytest.mark.parametrize(
    "stated", [None, [], "x", {}, {"data": 5, "started": None, "normals_to_train": True}]
)
def test_what_is_missing_or_of_another_kind_is_not_said(stated: Any) -> None:
    """A bundle without provenance, or with nonsense in it, is shown all the same."""
    assert origin_of({"provenance": stated} if stated is not None else {}) == Origin(NOT_SAID, NOT_SAID)


def test_half_of_it() -> None:
    """Counts without a name, and a name without counts."""
    assert origin_of({"provenance": {"normals_to_train": 3}}).data == "3 normals"
    assert origin_of({"provenance": {"data": "phantom"}}).data == "phantom"


def test_a_name_of_any_length_is_one_short_line() -> None:
    """Line ends, control characters and megabytes of text do not reach page, log or metrics."""
    found = origin_of({"provenance": {"data": "a\nb\x1b[31m" + "c" * 10_000}}).data
    assert found.startswith("a b [31mc")
    assert found.isprintable()
    assert len(found) == 200
