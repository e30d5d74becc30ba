"""Every file and video of the shared examples: taken or passed over, and why; how many frames."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sranogan_edge.bundle.site_calibration import read_calibration
from sranogan_edge.errors import FeedError
from sranogan_edge.feeds.kinds import feed_of
from sranogan_edge.feeds.video import VideoFeed
from sranogan_edge.image.files import list_images
from sranogan_edge.image.image_list import Reason
from tests.support.shared_cases import CASES, copied, every_file_of, needs, scored

TAKEN = "taken"
FILES = {  # what becomes of each file; of those below a folder that is passed over, of that folder
    "hidden-folders": {
        "a.png": TAKEN,
        ".DS_Store": Reason.HIDDEN,
        "._a.png": Reason.HIDDEN,
        ".ipynb_checkpoints/a-checkpoint.png": Reason.HIDDEN,
        ".thumbnails/x.png": Reason.HIDDEN,
        "sub/.Trash-1000/files/deleted.png": Reason.HIDDEN,
        "Thumbs.db": Reason.SYSTEM,
        "@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg": Reason.SYSTEM,
        "__MACOSX/._a.png": Reason.SYSTEM,
    },
    "own-heat-maps": {
        "normal-00.png": TAKEN,
        "normal-01.png": TAKEN,
        **{
            f"{scores}/{name}": Reason.OWN
            for scores, names in {
                "scores1": ("normal-00-b11e92f0", "normal-01-739e205f"),
                "scores2": (
                    *("normal-00-b11e92f0", "normal-01-739e205f"),
                    *("normal-00-b11e92f0-f774774c", "normal-01-739e205f-cd4ef029"),
                ),
            }.items()
            for name in ("results.jsonl", *(f"heat_maps/{one}.png" for one in names))
        },
    },
    "suffixes": dict.fromkeys(
        ("a.png", *(f"k_name.{end}" for end in ["gif", "jfif", "jp2", "jpe", "webp"])), TAKEN
    ),
    "symlinked-folder": {
        **{f"real/normal-0{number}.png": TAKEN for number in range(6)},
        "data/device-05.png": TAKEN,
        "loop/normal-00.png": TAKEN,
        "data/monday": Reason.AGAIN,  # to ../real
        "loop/self": Reason.AGAIN,  # to the folder that it lies in
        "rootlink": Reason.AGAIN,  # to data
        "filelinks/a.png": Reason.AGAIN,  # to ../real/normal-00.png
        "filelinks/broken.png": Reason.UNREADABLE,  # to what is not there
    },
}
LINKS = [f"symlinked-folder/{name}" for name, fate in FILES["symlinked-folder"].items() if fate is not TAKEN]
VIDEOS: dict[str, tuple[int, int, int] | str] = {  # frames, rows and columns
    **dict.fromkeys(("UPPER.MP4", "hevc.mp4", "m.avi", "raw.h264", "steady.mkv"), (40, 256, 256)),
    **dict.fromkeys(("steady.ts", "long_start.mkv"), (40, 256, 256)),
    **{f"names/{name}.mkv": (40, 256, 256) for name in ("-x", "clip%03d", "cam1:front", "a|b", "ümläut 影")},
    "2026-01-01T10:30:00.mp4": (10, 256, 256),
    "steady.webm": (10, 256, 256),
    "gap.mkv": (20, 256, 256),
    "odd.mkv": (40, 243, 321),
    "raw_in.mkv": "cannot be opened",
}


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """A copy of the files, its links as links."""
    return copied("files", tmp_path / "files", LINKS)


@needs("files")
@pytest.mark.parametrize("folder", FILES)
def test_every_file_is_taken_or_passed_over_as_expected(folder: str, examples: Path) -> None:
    """The list has each file, or a folder above it, once, with the reason that was expected."""
    assert every_file_of(f"files/{folder}") == set(FILES[folder])
    found = list_images([examples / folder])
    fates = dict.fromkeys(found.taken, TAKEN) | {one.path: one.reason for one in found.passed_over}
    assert len(fates) == len(found.taken) + len(found.passed_over)
    for name, fate in FILES[folder].items():
        path = examples / folder / name
        named = next(one for one in (path, *path.parents) if one in fates)
        assert fates[named] == fate, name
        assert named == path or fate is not TAKEN


@needs("files")
def test_every_folder_is_named() -> None:
    """A new folder without an expectation fails here."""
    assert {name.partition("/")[0] for name in every_file_of("files")} == set(FILES)


@needs("files")
@pytest.mark.parametrize("folder", FILES)
def test_scoring_tells_what_it_passes_over(
    folder: str, examples: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """A line for each that is taken or unreadable, for the latter exit code 4; the rest is counted."""
    code, lines, figures, told = scored(tiny_bundle, [examples / folder], tmp_path / "out", "--verbose")
    expected = FILES[folder]
    closed = [name for name, fate in expected.items() if fate is Reason.UNREADABLE]
    assert code == (4 if closed else 0)
    assert sorted(line["file"] for line in lines) == sorted(
        str(examples / folder / name) for name, fate in expected.items() if fate in (TAKEN, Reason.UNREADABLE)
    )
    assert figures["failed"] == len(closed)
    assert all("leads nowhere" in line["error"] for line in lines if line["score"] is None)
    left_out = list_images([examples / folder]).left_out
    assert figures["passed_over"] == Counter(one.reason.value for one in left_out)
    assert all(str(one.path) in told.replace("\n", "") for one in left_out)


@needs("files")
def test_what_the_suffix_says_changes_no_score(examples: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """Formats without loss score as the PNG, JPEG nearly so."""
    _, lines, _, _ = scored(tiny_bundle, [examples / "suffixes"], tmp_path / "out")
    scores = {Path(line["file"]).suffix: line["score"] for line in lines}
    for suffix, score in scores.items():
        loss = 0.2 if suffix in (".jpe", ".jfif") else 1e-9
        assert score == pytest.approx(scores[".png"], abs=loss), suffix


@needs("files")
def test_own_heat_maps_move_no_threshold(examples: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """A calibration in a folder that was scored before is that of its images alone."""
    from sranogan_edge.commands.calibrate import app

    alone = tmp_path / "alone"
    alone.mkdir()
    for path in (examples / "own-heat-maps").glob("*.png"):
        shutil.copy(path, alone)
    found = []
    for folder in (alone, examples / "own-heat-maps"):
        out = tmp_path / f"{folder.name}.json"
        options = ["--false-alarm-rate", "0.4", "--out", str(out)]
        done = CliRunner().invoke(app, [str(tiny_bundle), str(folder), *options])
        assert done.exit_code == 0, done.output
        found.append(read_calibration(out).statistics)
    assert len(found[0]["score"]) == 2
    assert found[0] == found[1]


@needs("video")
def test_every_video_is_named() -> None:
    """A new file without an expectation fails here."""
    assert every_file_of("video") == set(VIDEOS)


@needs("video")
@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_gives_all_its_frames(name: str) -> None:
    """As many frames as it has, of its size, and nothing is said to be missing; or the reason."""
    feed = feed_of(str(CASES / "video" / name)).open()
    assert isinstance(feed, VideoFeed)
    expected = VIDEOS[name]
    if isinstance(expected, str):
        with pytest.raises(FeedError, match=expected):
            list(feed)
        return
    shapes = [arrival.frame.pixels.shape[:2] for arrival in feed if arrival.frame is not None]
    assert shapes == [expected[1:]] * expected[0]
    assert (feed.health.state, feed.health.message) == ("closed", "")
    assert (feed.counts.read, feed.counts.dropped) == (expected[0], 0)
