"""Which folders are an archive's scores, whole and of one run; all others are refused by what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

import pyarrow.parquet as pq

from sranogan_edge.archive.finished import finished_run
from sranogan_edge.archive.names import is_archive_run
from sranogan_edge.archive.output import HEAT, table_of
from sranogan_edge.archive.rows import rows_of
from sranogan_edge.errors import DataError, SettingsError
from sranogan_edge.image.own_outputs import LEDGER
from tests.support.finished_archives import finished, row

ROWS = [row(number, 0.1 * number) for number in range(40)]


def test_a_whole_run_is_read(tmp_path: Path) -> None:
    """Parts stand in the order of the list, and the rows say by what they were scored."""
    run = finished_run(finished(tmp_path, ROWS))
    assert [part.name for part in run.parts] == [f"part-0000000{n}.parquet" for n in range(3)]
    assert run.images == 40
    with rows_of(run) as rows:
        assert (rows.steps, rows.backend, rows.has_statistics) == (4, "a stopwatch", True)
        assert rows.one("SELECT sum(score) FROM rows") == pytest.approx(78.0)  # 0.1 * (0 + ... + 39)


def test_which_folders_are_meant(tmp_path: Path) -> None:
    """A folder with a ledger or parts is one, even a damaged one; images, and what is not there, are none."""
    assert is_archive_run(finished(tmp_path / "whole", ROWS))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "part-00000000.parquet").touch()
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "table.parquet").touch()
    assert is_archive_run(tmp_path / "parts")
    assert not is_archive_run(tmp_path / "images")
    assert not is_archive_run(tmp_path / "nowhere")


def test_a_folder_without_a_ledger_is_no_archive_run(tmp_path: Path) -> None:
    """Parts alone do not say what they are of."""
    (tmp_path / "part-00000000.parquet").touch()
    with pytest.raises(DataError, match=r"no scores of an archive: _sranogan/run.json is missing"):
        finished_run(tmp_path)


def test_an_unfinished_run_is_told(tmp_path: Path) -> None:
    """Where the list goes on, or a part waits, the counts and the cure are told."""
    begun = finished(tmp_path / "begun", ROWS, whole=False)
    with pytest.raises(DataError, match=r"3 parts are scored, 0 wait, and the list of images goes on.*again"):
        finished_run(begun)
    waits = finished(tmp_path / "waits", ROWS)
    (waits / "part-00000001.parquet").unlink()
    with pytest.raises(DataError, match="2 parts are scored, 1 wait, and the list of images has ended"):
        finished_run(waits)


def test_a_part_of_another_bundle_or_too_many_rows_is_refused(tmp_path: Path) -> None:
    """Parts that were put in from another run, or lost rows, are found."""
    mixed = finished(tmp_path / "mixed", ROWS)
    other = table_of([{**one, "bundle": "c" * 64} for one in ROWS[32:]]).drop_columns([HEAT])
    pq.write_table(other, mixed / "part-00000002.parquet")
    with (
        pytest.raises(DataError, match=r"parts of several runs are mixed.*cccccccccccc"),
        rows_of(finished_run(mixed)),
    ):
        pass
    for name, kept, found in (("short", 3, 27), ("long", 17, 41)):
        folder = finished(tmp_path / name, ROWS)
        pq.write_table(table_of(ROWS[:kept]).drop_columns([HEAT]), folder / "part-00000000.parquet")
        with (
            pytest.raises(DataError, match=f"40 images are listed, and {found} rows are there"),
            rows_of(finished_run(folder)),
        ):
            pass


def test_rows_by_another_calibration_than_the_ledger_says_are_refused(tmp_path: Path) -> None:
    """All of them by a site's, where the ledger says the bundle's own, or by another site's."""
    by_site = [{**one, "calibration": "d" * 64} for one in ROWS]
    right = finished(tmp_path / "right", by_site, calibration_sha256="d" * 64)
    with rows_of(finished_run(right)) as rows:
        assert rows.steps == 4
    for name, stated in (("none", None), ("other", "e" * 64)):
        wrong = finished(tmp_path / name, by_site, calibration_sha256=stated)
        with (
            pytest.raises(DataError, match=r"parts of several runs are mixed.*calibration dddddddddddd"),
            rows_of(finished_run(wrong)),
        ):
            pass


def test_a_run_is_of_one_bundle(tmp_path: Path) -> None:
    """By what is in it: another one is named, and this one is not."""
    run = finished_run(finished(tmp_path, ROWS))
    run.check_bundle("b" * 64, Path("renamed.sranogan"))
    with pytest.raises(SettingsError, match=r"and other\.sranogan is another one \(cccccccccccc\)"):
        run.check_bundle("c" * 64, Path("other.sranogan"))


def test_damage_is_named(tmp_path: Path) -> None:
    """A ledger that is no JSON and a part that is cut off are refused by name."""
    torn = finished(tmp_path / "torn", ROWS)
    part = torn / "part-00000002.parquet"
    part.write_bytes(part.read_bytes()[:200])
    with (
        pytest.raises(DataError, match=r"torn: its Parquet files cannot be read"),
        rows_of(finished_run(torn)),
    ):
        pass
    (torn / LEDGER / "run.json").write_text(json.dumps({"named": "x"}))
    with pytest.raises(DataError, match=r"run.json: damaged \(it lacks"):
        finished_run(torn)


@pytest.mark.parametrize(
    ("source", "named", "root"),
    [
        ("folder /real/films", "./films/", "films/"),
        ("folder /real/films", "/links/films", "/links/films/"),
        ("Parquet /data/set", "parquet:set", "/data/set/"),
        ("tar /data/a.tar", "a.tar", "/data/a.tar#"),
        ("store s3://b/films", "s3://b/films?region=x", "s3://b/films/"),
        (
            "DICOMweb server https://h/dicom-web?Modality=DX",
            "dicomweb:https://h/dicom-web",
            "https://h/dicom-web/",
        ),
    ],
)
def test_how_names_of_images_begin(tmp_path: Path, source: str, named: str, root: str) -> None:
    """Labels name what of an image's name is below the archive, whatever kind it is of."""
    assert finished_run(finished(tmp_path, ROWS, source=source, named=named)).root == root
