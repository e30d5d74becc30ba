"""What two calls must have in common for their rows to stand in one folder, and what is the same then."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

from sranogan_edge.archive.ledger import Ledger
from sranogan_edge.archive.run import ArchiveRun, _about
from sranogan_edge.decoding.limits import DecodingSettings
from sranogan_edge.detector.load import CalibrationSettings, DomainSettings, Loader, ScoringSettings
from sranogan_edge.errors import SettingsError
from sranogan_edge.image.film import FilmOptions
from sranogan_edge.image.own_outputs import LEDGER
from tests.support.archives import items
from tests.support.disks import synced_by

RUN = ArchiveRun(Path("one.sranogan"), "/films", Path("out"))


def scored(**changes: Any) -> ArchiveRun:
    """The run with another option of scoring."""
    return replace(RUN, loader=Loader(ScoringSettings(**changes)))


OTHERS = {
    "backend": scored(backend="xnnpack"),
    "steps": scored(steps=8),
    "max_pixels": scored(max_pixels=1000),
    "domain": replace(RUN, loader=Loader(domain=None)),
    "another domain": replace(RUN, loader=Loader(domain=DomainSettings(0.05))),
    "films": replace(RUN, films=FilmOptions(modalities=("DX",))),
    "heat": replace(RUN, heat=True),
    "measurements": replace(RUN, measurements=True),
    "decoding": replace(RUN, decoding=DecodingSettings(memory_bytes=2**29)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_makes_other_rows_needs_another_folder(tmp_path: Path, name: str) -> None:
    """Each option that a score or a row depends on, by its name; the same command goes on."""
    about = _about(RUN, "folder /films", "aa" * 32)
    for _ in range(2):
        with Ledger(tmp_path, about, 2):
            pass
    key = name.rpartition(" ")[2]
    with pytest.raises(SettingsError, match=rf"What differs: {key}: "):
        Ledger(tmp_path, _about(OTHERS[name], "folder /films", "aa" * 32), 2)


def test_a_calibration_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    """Its bytes, not its name: the site's normals may be scored anew into one file."""
    found = []
    for content in (b"one", b"two", b"one"):
        (tmp_path / "site.json").write_bytes(content)
        loader = Loader(calibration=CalibrationSettings(tmp_path / "site.json"))
        found.append(_about(replace(RUN, loader=loader), "folder /films", "aa")["calibration_sha256"])
    assert found[0] == found[2] != found[1]
    assert _about(RUN, "folder /films", "aa")["calibration_sha256"] is None


def test_threads_and_what_is_watched_change_no_row() -> None:
    """Another machine may go on with a list, with as many cores as it has."""
    assert _about(scored(threads=4), "folder /films", "aa") == _about(RUN, "folder /films", "aa")


def test_the_list_is_the_same_bytes_whenever_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that two lists of one archive can be compared."""
    written = []
    for second in (1_700_000_000, 1_800_000_000):
        monkeypatch.setattr(time, "time", lambda second=second: float(second))
        with Ledger(tmp_path / f"{second}", {"source": "folder /a"}, 2) as ledger:
            ledger.add(items("a", "b"), {"hidden": 1})
        written.append((tmp_path / f"{second}" / LEDGER / "shards" / "00000000.json.gz").read_bytes())
    assert written[0] == written[1]


def test_the_names_of_parts_are_on_the_disk_before_more_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an earlier run renamed and did not live to force there."""
    about = {"source": "folder /a"}
    with Ledger(tmp_path, about, 2):
        pass
    synced = synced_by(monkeypatch)
    with Ledger(tmp_path, about, 2):
        assert synced == [tmp_path.name]


def test_a_ledger_of_another_version_is_not_gone_on_with(tmp_path: Path) -> None:
    """Its files may mean something else."""
    with Ledger(tmp_path, {"source": "folder /a", "bundle": "one"}, 2):
        pass
    run = tmp_path / LEDGER / "run.json"
    run.write_text(run.read_text().replace('"ledger_version": 1', '"ledger_version": 2'))
    with pytest.raises(SettingsError, match="What differs: ledger_version: 2, now 1"):
        Ledger(tmp_path, {"source": "folder /a", "bundle": "one"}, 2)
