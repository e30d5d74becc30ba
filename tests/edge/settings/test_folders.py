"""What would be taken as an image and moved, or scored although it is the runner's own."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.commands.check import check_settings
from sranogan_edge.detector.load import CalibrationSettings
from sranogan_edge.errors import SettingsError
from sranogan_edge.feeds.dicom_settings import DicomFeedSettings
from sranogan_edge.feeds.files import FilesFeedSettings
from sranogan_edge.feeds.video import VideoFeedSettings
from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.service.run import serve_settings
from sranogan_edge.settings.folders import not_inputs, own_folders, watch_problem
from sranogan_edge.settings.tree import Settings, SpoolSettings
from sranogan_edge.sinks.jsonl import JsonlSinkSettings
from sranogan_edge.sinks.mqtt_settings import MqttSinkSettings
from sranogan_edge.sinks.sqlite import SqliteSinkSettings


@pytest.fixture
def well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Give settings whose folder ``in`` holds nothing but images; relative, from the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "sub").mkdir(parents=True)
    sinks = (
        JsonlSinkSettings("jsonl:."),
        SqliteSinkSettings("sqlite:out/r.sqlite"),
        MqttSinkSettings("mqtt://h"),
    )
    settings = Settings(Path("b"), (WatchFeedSettings("watch:in"),), out=Path("out"), sinks=sinks)
    assert watch_problem(settings, settings.feeds[0]) == ""
    return settings


INSIDE = Path("in/sub/x")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"out": Path("in")}, "out (in), spool (in/spool)"),
        ({"out": INSIDE}, "out (in/sub/x), spool (in/sub/x/spool)"),
        ({"spool": SpoolSettings(folder=INSIDE)}, "spool.folder (in/sub/x)"),
        ({"bundle": INSIDE}, "bundle (in/sub/x)"),
        ({"calibration": CalibrationSettings(INSIDE)}, "calibration.file (in/sub/x)"),
        ({"sinks": (JsonlSinkSettings("jsonl:in/sub"),)}, "jsonl:in/sub"),
        ({"sinks": (SqliteSinkSettings("sqlite:in/r.sqlite"),)}, "sqlite:in/r.sqlite"),
        ({"sinks": (MqttSinkSettings("mqtt://h", ca_file=INSIDE),)}, "ca_file of mqtt://h (in/sub/x)"),
    ],
)
def test_nothing_of_ours_lies_in_a_watched_folder(
    well: Settings, changes: dict[str, object], named: str
) -> None:
    """It would be moved; the message names all of it and a cure, at a check and before a start."""
    settings = replace(well, **changes)  # type: ignore[arg-type]  # of the fields' own types
    problem = watch_problem(settings, settings.feeds[0])
    assert problem.startswith(f"{named} would be taken as images and moved")
    assert "such as watch:in/in" in problem
    assert problem in [one.message for one in check_settings(settings, {}) if one.state == "error"]
    with pytest.raises(SettingsError, match=r"watch:in: .* would be taken as images and moved"):
        serve_settings(settings)
    assert sorted(os.listdir()) == ["in"]


@pytest.mark.parametrize("other", ["watch:in/done", "watch:../{name}/in/", "in/film.mp4"])
def test_no_other_feed_lies_in_a_watched_folder(well: Settings, other: str) -> None:
    """A folder that is watched twice, or below another one, would be scored again for ever."""
    uri = other.format(name=Path.cwd().name)
    feed = WatchFeedSettings(uri) if uri.startswith("watch:") else VideoFeedSettings(uri)
    settings = replace(well, feeds=(*well.feeds, feed, DicomFeedSettings("dicom:1", any_caller=True)))
    assert watch_problem(settings, settings.feeds[0]).startswith(f"{uri} would be taken")


def test_a_link_is_where_it_leads(well: Settings) -> None:
    """A link in a watched folder leads out of it, and a folder is the same by any name."""
    Path("in/link").symlink_to("../away", target_is_directory=True)
    settings = replace(well, out=Path("in/link"))
    assert watch_problem(settings, settings.feeds[0]) == ""
    Path("way").symlink_to("in", target_is_directory=True)
    settings = replace(well, out=Path("way/out"))
    assert "out (way/out)" in watch_problem(settings, settings.feeds[0])


@pytest.mark.parametrize("below", ["heat_maps", "spool/objects"])
def test_no_folder_of_ours_is_watched(well: Settings, below: str) -> None:
    """A folder below out is well, but not one that the runner writes images to."""
    settings = replace(well, out=Path("out"), feeds=(WatchFeedSettings(f"watch:out/{below}"),))
    assert "where the runner keeps files of its own" in watch_problem(settings, settings.feeds[0])
    settings = replace(settings, feeds=(WatchFeedSettings("watch:out/in"),))
    assert watch_problem(settings, settings.feeds[0]) == ""


def test_folders_of_our_own(well: Settings) -> None:
    """Heat maps and the spool."""
    assert own_folders(well) == (Path("out/heat_maps"), Path("out/spool"))


@pytest.mark.parametrize(("place", "meant"), [("in", False), (".", False), ("out", True), ("out/ward", True)])
def test_out_is_no_input(well: Settings, place: str, meant: bool) -> None:
    """Nothing is taken from the folder of results, unless the images that were named lie in it."""
    settings = replace(well, feeds=(FilesFeedSettings(place),))
    own = own_folders(settings)
    assert not_inputs(settings) == (own if meant else (Path("out"), *own))
