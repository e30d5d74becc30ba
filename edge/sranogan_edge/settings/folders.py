"""What lies in a watched folder is taken as an image and moved: nothing of the runner's own may lie there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.feed import FeedSettings
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.image.own_outputs import HEAT_MAPS
from sranogan_edge.settings.tree import Settings

__all__ = ["not_inputs", "own_folders", "refuse_what_would_be_moved", "watch_problem"]


def own_folders(settings: Settings) -> tuple[Path, ...]:
    """Where the runner keeps images of its own: heat maps, and objects that wait."""
    return settings.out / HEAT_MAPS, settings.spool_folder


def not_inputs(settings: Settings) -> tuple[Path, ...]:
    """What no file or folder is to be taken from: :func:`own_folders`, and all of ``out``.

    Where a feed's images lie in ``out`` or below, that was meant, and they are taken.
    """
    out = Path(os.path.realpath(settings.out))
    kinds = (FilesFeedSettings, WatchFeedSettings)
    places = [feed.path for feed in settings.feeds if isinstance(feed, kinds)]
    meant = any(Path(os.path.realpath(place)).is_relative_to(out) for place in places)
    return own_folders(settings) if meant else (settings.out, *own_folders(settings))


def refuse_what_would_be_moved(settings: Settings) -> None:
    """Raise SettingsError where a watched folder holds what is no image to be scored."""
    problems = [(feed, watch_problem(settings, feed)) for feed in settings.feeds]
    if found := [f"{feed}: {problem}" for feed, problem in problems if problem]:
        raise SettingsError("\n".join(found))


def watch_problem(settings: Settings, feed: FeedSettings) -> str:
    """Why the folder of ``feed`` cannot be watched with these settings; empty where it can or is none."""
    if not isinstance(feed, WatchFeedSettings):
        return ""
    watched = feed.path.resolve()
    others = [one for one in settings.feeds if one is not feed]
    inside = [name for name, path in _places(settings, others) if path.resolve().is_relative_to(watched)]
    if inside:
        return (
            f"{', '.join(inside)} would be taken as images and moved: what lies in this folder is. Watch one "
            f"that holds nothing else, such as {feed.uri.rstrip('/')}/in, or name places outside of it "
            "(--out, --spool)."
        )
    around = [str(own) for own in own_folders(settings) if watched.is_relative_to(own.resolve())]
    if around:
        return f"it lies in {around[0]}, where the runner keeps files of its own. Watch another folder."
    return ""


def _places(settings: Settings, feeds: Sequence[FeedSettings]) -> Iterator[tuple[str, Path]]:
    """All that the settings name on this machine's disks, with what to call it."""
    for name, path in _paths(settings, ""):
        yield f"{name} ({path})", path
    if settings.spool.folder is None:
        yield f"spool ({settings.spool_folder})", settings.spool_folder
    for one in (*feeds, *settings.sinks):
        if one.path is not None:
            yield str(one), one.path
        yield from ((f"{name} of {one} ({path})", path) for name, path in _paths(one, ""))


def _paths(part: Any, section: str) -> Iterator[tuple[str, Path]]:
    for one in fields(part):
        value = getattr(part, one.name)
        if isinstance(value, Path):
            yield f"{section}{one.name}", value
        elif is_dataclass(value):
            yield from _paths(value, f"{section}{one.name}.")
