"""The applied threshold's file: what the runner did not write, and what normals could not reach, is void."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.results.line import Scorer
from sranogan_edge.scoring.conformal import Calibration
from sranogan_edge.service.threshold import AppliedThreshold
from tests.support.disks import synced_by

SCORER = Scorer("b" * 64, 4, "stand-in", "c" * 64)
CALIBRATION = Calibration((0.0, 100.0, 200.0), 0.5)


@pytest.mark.parametrize("number", [-200.0, 0.0, 400.0])
def test_the_ends_of_the_reach_are_within_it(tmp_path: Path, number: float) -> None:
    """What the message names as reach can be applied, and holds after a restart."""
    AppliedThreshold(tmp_path, SCORER, CALIBRATION).apply(number, "me")
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value == number


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_no_number_is_no_threshold(tmp_path: Path, number: float) -> None:
    """Without a calibration any finite number may be applied, and nothing else."""
    applied = AppliedThreshold(tmp_path, SCORER)
    with pytest.raises(SettingsError, match="out of the calibration's reach"):
        applied.apply(number, "me")
    assert applied.value is None
    applied.apply(1e300, "me")
    assert applied.value == 1e300


@pytest.mark.parametrize("change", [{"bundle": "d" * 64}, {"steps": 5}, {"calibration": "e" * 64}])
@pytest.mark.parametrize("restarted", [True, False])
def test_one_that_was_chosen_for_something_else_is_void(
    tmp_path: Path, change: dict[str, Any], restarted: bool
) -> None:
    """Another bundle, number of steps or calibration: the file goes, so that it never comes back."""
    scorer = replace(SCORER, calibration="c" * 64)
    applied, other = AppliedThreshold(tmp_path, scorer), replace(scorer, **change)
    applied.apply(1.5, "me")
    applied.judging(replace(scorer, backend="another", backend_fallback="no GPU"))
    assert applied.value == 1.5
    if restarted:
        applied = AppliedThreshold(tmp_path, other)
    else:
        applied.judging(other)
    assert applied.value is None
    assert not (tmp_path / "threshold.json").exists()
    assert AppliedThreshold(tmp_path, scorer).value is None
    applied.apply(2.5, "me")
    assert (AppliedThreshold(tmp_path, other).value, AppliedThreshold(tmp_path, scorer).value) == (2.5, None)


def test_a_key_that_could_not_be_written_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that fails leaves no half of a key, by which nothing could ever be signed."""

    def failing(handle: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    applied = AppliedThreshold(tmp_path, SCORER, CALIBRATION)
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(ResultsError, match="Input/output error"):
            applied.apply(1.5, "me")
    assert not list(tmp_path.iterdir())
    applied.apply(1.5, "me")
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value == 1.5


@pytest.mark.parametrize("number", [1e9, 400.5, -200.5, 1e308, -1e308, math.inf, -math.inf, math.nan])
def test_one_out_of_the_calibration_s_reach_is_refused(tmp_path: Path, number: float) -> None:
    """By such a threshold nothing, or all, would be anomalous; within reach it is applied."""
    assert CALIBRATION.reach == (-200.0, 400.0)
    applied = AppliedThreshold(tmp_path, SCORER, CALIBRATION)
    with pytest.raises(SettingsError, match="out of the calibration's reach, -200 to 400"):
        applied.apply(number, "me")
    assert not (tmp_path / "threshold.json").exists()
    applied.apply(399.0, "me")
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value == 399.0


def test_equal_scores_leave_some_reach() -> None:
    """Normals that all score the same allow ten standard deviations to both sides."""
    assert Calibration((1.0, 1.0), 0.5).reach == (-9.0, 11.0)


def test_one_that_was_within_reach_of_another_calibration(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A kept threshold that this calibration does not reach is void."""
    AppliedThreshold(tmp_path, SCORER).apply(1e9, "me")
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value is None
    assert "out of the calibration's reach" in caplog.text


@pytest.mark.parametrize("field", ["threshold", "by", "mac", "without mac"])
def test_a_file_that_was_written_by_somebody_else_sets_nothing(
    tmp_path: Path, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is changed in it, or put in its place: the calibration's threshold holds."""
    AppliedThreshold(tmp_path, SCORER, CALIBRATION).apply(1.5, "me")
    file = tmp_path / "threshold.json"
    kept = json.loads(file.read_text())
    if field == "without mac":
        del kept["mac"]
    else:
        kept[field] = 150.0 if field == "threshold" else "0" * 64
    file.write_text(json.dumps(kept))
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value is None
    assert "this runner did not write it" in caplog.text


@pytest.mark.parametrize("digits", [0, 1, 63])
def test_a_mac_that_was_shortened_is_none(tmp_path: Path, digits: int) -> None:
    """None of its digits, the first, or all but the last: the calibration's threshold holds."""
    AppliedThreshold(tmp_path, SCORER, CALIBRATION).apply(1.5, "me")
    file = tmp_path / "threshold.json"
    kept = json.loads(file.read_text())
    assert len(kept["mac"]) == 64
    file.write_text(json.dumps({**kept, "mac": kept["mac"][:digits]}))
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value is None


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_what_the_disk_does_not_take_is_not_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Neither now nor after a restart: the one before stays, in memory and in the file."""
    applied = AppliedThreshold(tmp_path, SCORER, CALIBRATION)
    applied.apply(1.5, "me")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os if failing == "fsync" else Path, failing, full)
        with pytest.raises(ResultsError, match=r"No space left on device.*was not applied"):
            applied.apply(2.5, "me")
    assert applied.value == 1.5
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value == 1.5


def test_a_threshold_and_its_key_are_on_the_disk_before_they_are_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is forced to disk, and then the folder that has its name."""
    applied, synced = AppliedThreshold(tmp_path, SCORER, CALIBRATION), synced_by(monkeypatch)
    applied.apply(1.5, "me")
    folder = tmp_path.name
    assert synced == ["threshold.key", folder, "threshold.json.part", folder]


def test_a_file_of_another_runner_sets_nothing(tmp_path: Path) -> None:
    """Copied from one spool to another, without its key."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        AppliedThreshold(tmp_path / name, SCORER, CALIBRATION).apply(1.5, "me")
    shutil.copy(tmp_path / "one" / "threshold.json", tmp_path / "two" / "threshold.json")
    assert AppliedThreshold(tmp_path / "two", SCORER, CALIBRATION).value is None
    assert AppliedThreshold(tmp_path / "one", SCORER, CALIBRATION).value == 1.5


@pytest.mark.parametrize("kind", ["link", "short", "long", 0o640, 0o604, 0o620])
def test_a_key_that_others_may_know_is_none(tmp_path: Path, kind: str | int) -> None:
    """A key that is a link, or that others may read, signs nothing: neither is applied nor believed."""
    applied = AppliedThreshold(tmp_path, SCORER, CALIBRATION)
    applied.apply(1.5, "me")
    key = tmp_path / "threshold.key"
    assert key.stat().st_mode & 0o777 == 0o600
    if kind == "link":
        key.rename(tmp_path / "away")
        key.symlink_to("away")
    elif isinstance(kind, int):
        key.chmod(kind)
    else:
        key.write_bytes(b"known" if kind == "short" else key.read_bytes() + b"k")
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value is None
    with pytest.raises(ResultsError, match="was not applied"):
        applied.apply(2.5, "me")
    assert applied.value == 1.5


def test_a_link_in_its_place_is_not_read(tmp_path: Path) -> None:
    """Not even one to a file of this runner's own."""
    AppliedThreshold(tmp_path, SCORER, CALIBRATION).apply(1.5, "me")
    (tmp_path / "threshold.json").rename(tmp_path / "kept.json")
    (tmp_path / "threshold.json").symlink_to("kept.json")
    assert AppliedThreshold(tmp_path, SCORER, CALIBRATION).value is None
