"""``sranogan-score --probe``: what a camera, a stream or a video gives, or why it gives nothing."""

from __future__ import annotations

from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.feeds.feed import FeedSettings
from sranogan_edge.feeds.probe import probe
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.redact import without_password
from sranogan_edge.settings.tree import Settings
from sranogan_edge.terminal import shown, terminal

__all__ = ["configured", "probe_feed"]


def configured(settings: Settings, uri: str) -> FeedSettings:
    """Return the feed of this URI in a settings file; raises SettingsError where there is none."""
    for feed in settings.feeds:
        if feed.uri == uri:
            return feed
    named = ", ".join(map(str, settings.feeds)) or "none"
    raise SettingsError(
        f"--probe {without_password(uri)}: the settings file has no such feed; it has: {named}"
    )


def probe_feed(feed: FeedSettings) -> ExitCode:
    """Print what ``feed`` gives; returns OK.

    Raises:
        FeedError: it gives no frame; the message says why.
        SettingsError: it is no camera, stream or video.
    """
    if not isinstance(feed, VideoFeedSettings):
        raise SettingsError(
            f"--probe looks at cameras, streams and videos, and {feed} is none of them. --check-config and "
            "--doctor look at all feeds of a service."
        )
    for line in probe(feed).lines():
        terminal().print(shown(line), soft_wrap=True, highlight=False)
    return ExitCode.OK
