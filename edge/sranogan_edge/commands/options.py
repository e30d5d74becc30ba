"""From a command line to settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.feed import FeedSettings, FilmFeedSettings
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.place import Place, repeated
from sranogan_edge.redact import without_password
from sranogan_edge.sinks.kinds import sink_of
from sranogan_edge.sinks.sink import SinkSettings

__all__ = ["feeds_of", "named_bundle", "refuse_beside_config", "sinks_of"]

_AS_COMMANDS = ("status", "doctor", "check-config")
_BESIDE_CONFIG = {
    "config",
    "check_config",
    "status",
    "doctor",
    "bundle",
    "feeds",
    "forget",
    "older_than",
    "probe",
}


def feeds_of(
    uris: Sequence[str],
    fps: float | None,
    roi: str | None,
    films: Mapping[str, Any] | None = None,
    every: int | None = None,
    *,
    videos_in_folders: bool = False,
) -> tuple[FeedSettings, ...]:
    """Return the feeds of a command line; ``fps``, ``roi`` and ``every`` hold for those that are video.

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
    if fps is None and roi is None and every is None:
        return feeds
    if not videos_in_folders and not any(isinstance(feed, VideoFeedSettings) for feed in feeds):
        asked = "--fps, --every and --roi"
        raise SettingsError(f"{asked} are for cameras, streams and videos, and none is named")
    region, every = _region(roi), every or 1
    return tuple(
        replace(feed, fps=fps, region=region, every=every) if isinstance(feed, VideoFeedSettings) else feed
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


def named_bundle(bundle: Path | None, *, any_will_do: bool) -> Path:
    """Return the bundle that was named; ``any_will_do`` where it is not looked at.

    Raises:
        SettingsError: none was, and one is needed.
    """
    if bundle and str(bundle) in _AS_COMMANDS and not bundle.exists():
        raise SettingsError(f"{bundle} is an option here: --{bundle}, with --config FILE or --spool FOLDER")
    if bundle is None and not any_will_do:
        raise SettingsError("name a BUNDLE and one or more FEEDs, or --config FILE; see --help")
    return bundle or Path()


def refuse_beside_config(context: typer.Context) -> None:
    """Raise SettingsError where the line says what the file says: two places could contradict each other."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    on_the_line = [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]
    options = set(on_the_line) - _BESIDE_CONFIG
    places = [context.params["bundle"], *(context.params["feeds"] or [])]
    given = [str(place) for place in places if place is not None]
    given += [f"--{name.replace('_', '-')}" for name in on_the_line if name in options]
    if given:
        names = ", ".join(given)
        raise SettingsError(
            f"{names}: the file of --config says that. Change it there, or override it for once by "
            "environment variable: SRANOGAN_SECTION__KEY=VALUE"
        )


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
