"""From a command line to settings, and what ``--check-config`` prints of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from rich.table import Table
from rich.text import Text

from sranogan_edge.commands.check import check_settings
from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_edge.feeds.feed import FeedSettings, FilmFeedSettings
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.place import Place, repeated
from sranogan_edge.redact import without_password
from sranogan_edge.settings.tree import Settings
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkSettings
from sranogan_edge.terminal import counted, shown, terminal

__all__ = ["feeds_of", "print_check", "sinks_of"]

_STYLES = {"ok": "green", "note": "", "warning": "yellow", "error": "red"}


def feeds_of(
    uris: Sequence[str], fps: float | None, roi: str | None, films: Mapping[str, Any] | None = None
) -> tuple[FeedSettings, ...]:
    """Return the feeds of a command line; ``fps`` and ``roi`` hold for those that are video.

    ``films`` are settings of all those that bring films, by name.

    Raises:
        SettingsError: none is named, one twice, or no such kind; ``roi`` is no region, or there is no video
            to take ``fps`` and ``roi``, or no feed to take ``films``.
    """
    if not uris:
        raise SettingsError("name a feed, an image or a folder of images behind the bundle; see --help")
    feeds = tuple(feed_of(uri) for uri in uris)
    _refuse_repeated(feeds)
    if films:
        if not any(isinstance(feed, FilmFeedSettings) for feed in feeds):
            named = ", ".join(f"--{name.replace('_', '-')}" for name in films)
            raise SettingsError(f"{named}: for files, folders, watch: and dicom:, and none is named")
        feeds = tuple(
            replace(feed, **films) if isinstance(feed, FilmFeedSettings) else feed for feed in feeds
        )
    if fps is None and roi is None:
        return feeds
    if not any(isinstance(feed, VideoFeedSettings) for feed in feeds):
        raise SettingsError("--fps and --roi are for cameras, streams and videos, and none is named")
    region = _region(roi)
    return tuple(
        replace(feed, fps=fps, region=region) if isinstance(feed, VideoFeedSettings) else feed
        for feed in feeds
    )


def sinks_of(uris: Sequence[str]) -> tuple[SinkSettings, ...]:
    """Return the sinks of a command line; raises SettingsError where there is no such kind."""
    found = []
    for uri in uris:
        try:
            found.append(sink_of(uri))
        except SettingsError as error:
            raise SettingsError(f"--sink {without_password(uri)}: {error}") from error
    _refuse_repeated(found)
    return tuple(found)


def print_check(settings: Settings, problems: Sequence[str] = (), left_out: Collection[str] = ()) -> ExitCode:
    """Print what would run as a table; USAGE where it would not run.

    Args:
        settings: of what would run.
        problems: that reading the settings had.
        left_out: parts not to show.
    """
    console = terminal()
    table = Table(title="what would run")
    for column in ("part", "setting", "state", "what was found"):
        table.add_column(column, overflow="fold")
    findings = [one for one in check_settings(settings) if one.what not in left_out]
    for one in findings:
        message = "see below" if one.state in ("warning", "error") else one.message
        what, value, found = (Text(shown(text)) for text in (one.what, one.value, message))
        table.add_row(what, value, Text(one.state, style=_STYLES[one.state]), found)
    console.print(table)
    for one in findings:  # whole lines: a cure can be copied from them
        if one.state in ("warning", "error"):
            part = f"{one.what} {one.value}".rstrip()
            text = shown(f"{one.state}: {part}: {one.message.removeprefix(f'{one.what}: ')}")
            console.print(text, style=_STYLES[one.state], soft_wrap=True)
    for problem in problems:
        console.print(shown(f"error: {problem}"), style=_STYLES["error"], soft_wrap=True)
    errors, warnings = (sum(one.state == state for one in findings) for state in ("error", "warning"))
    errors += len(problems)
    console.print(f"{counted(errors, 'error')}, {counted(warnings, 'warning')}; nothing was started")
    return ExitCode.USAGE if errors else ExitCode.OK


def _refuse_repeated(places: Sequence[Place]) -> None:
    if found := repeated(places):
        raise SettingsError(f"{places[found[0]]} is named twice. Leave one out")


def _region(roi: str | None) -> tuple[int, int, int, int] | None:
    if roi is None:
        return None
    parts = roi.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise SettingsError(
            f"--roi takes x,y,width,height in whole pixels, such as 0,0,640,480; received {roi!r}"
        )
    x, y, width, height = map(int, parts)
    return x, y, width, height
