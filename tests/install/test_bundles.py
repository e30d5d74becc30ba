"""The bundles that the edge's tests need are made where TensorFlow is, and kept for where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def test_every_bundle_is_made(every_bundle: Mapping[str, str]) -> None:
    """One folder holds all that the fast tests of the edge score with."""
    made = {path.name for path in Path(every_bundle["SRANOGAN_TEST_BUNDLES"]).iterdir()}
    assert {"float32.sranogan", "int8.sranogan", "budgets.sranogan", "knowing.sranogan"} <= made
