"""An empty spool."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sranogan_edge.spool.spool import Spool
from tests.support.spools import ROOMY


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Give an empty spool."""
    opened = Spool(tmp_path / "spool", ROOMY)
    yield opened
    opened.close()
