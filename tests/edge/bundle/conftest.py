"""A bundle on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import write_bundle
from tests.support.small_bundles import small_bundle


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Give the path of a small, valid bundle."""
    path = tmp_path / "small.sranogan"
    write_bundle(small_bundle(), path)
    return path
