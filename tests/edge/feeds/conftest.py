"""What several tests of feeds need."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from sranogan_edge.feeds.watch import WatchFeed, WatchFeedSettings
from tests.support.remote_results import Clock


@pytest.fixture
def unhurried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[WatchFeed, Clock]]:
    """Give a feed that takes files after 10 s without change, and the clock that it goes by."""
    clock = Clock()
    feed = WatchFeedSettings(f"watch:{tmp_path}", settle_s=10.0).open()
    monkeypatch.setattr("sranogan_edge.feeds.watch.time", SimpleNamespace(monotonic=clock, time=time.time))
    yield feed, clock
    feed.close()
