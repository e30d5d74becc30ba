"""page.md and feeds.md name what there is: every metric, every scheme, every option of a camera."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from sranogan_edge.feeds.kinds import FEEDS
from sranogan_edge.feeds.video import VideoFeedSettings

DOCS = Path(__file__).parents[2] / "docs"
OF_FILES = {"real_time", "uri"}  # said of files in the table of URIs; the URI itself


def test_every_metric_is_explained() -> None:
    """The table has the metrics that /metrics has, no more and no less."""
    pytest.importorskip("prometheus_client", reason="the extra page is not installed")
    from prometheus_client.parser import text_string_to_metric_families

    from sranogan_edge.page.metrics import metrics_text
    from tests.support.page_board_fakes import filled_board

    there = {family.name for family in text_string_to_metric_families(metrics_text(filled_board()).decode())}
    told = re.findall(r"^\| `(sranogan_\w+)` \|", (DOCS / "guide" / "page.md").read_text(), re.MULTILINE)
    assert {name.removesuffix("_total") for name in told} == there


def test_every_feed_is_explained() -> None:
    """The table of URIs has every scheme, the table of options every option of a camera."""
    text = (DOCS / "guide" / "feeds.md").read_text()
    for scheme in set(FEEDS) - {"files", "video"}:
        assert f"`{scheme}:" in text, scheme
    for option in {one.name for one in fields(VideoFeedSettings)} - OF_FILES:
        assert f"`{option}`" in text, option
