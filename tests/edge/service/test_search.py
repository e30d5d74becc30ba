"""Results of films that nobody sent by DICOM are found by what the films say of themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.feeds.watch import WatchFeedSettings
from sranogan_edge.service.delivery import ResultsLog
from sranogan_edge.service.forget import Wanted, forget
from sranogan_edge.settings.tree import Settings, SpoolSettings
from sranogan_edge.spool.search import Query, Search
from tests.support.service_bench import Bench, images, lines, wait_for

pytest.importorskip("pydicom", reason="the extra dicom is not installed")

PIXELS = np.full((20, 20), 100, np.uint16)


def test_a_film_in_a_folder_is_found_by_its_patient(tmp_path: Path, make_dicom: Callable[..., bytes]) -> None:
    """Whether it can be scored or not; the number stands in the spool, and in no result that is handed on."""
    bench, watched = Bench(tmp_path), tmp_path / "in"
    images(watched, 100)
    said = {"PatientID": "P-77", "AccessionNumber": "A-5", "StudyInstanceUID": "1.2.77"}
    whole = make_dicom(PIXELS, **said)
    (watched / "film.dcm").write_bytes(whole)
    (watched / "cut.dcm").write_bytes(whole[:-100])
    log = ResultsLog(tmp_path / "results.jsonl")
    feed = WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open()
    stop = bench.in_background(bench.build(feed, log=log))
    wait_for(lambda: len(lines(log.path)) == 3)
    assert stop() == 0
    search = Search(bench.spool.folder)
    for number in ("p-77", "A-5", "1.2.77"):
        found = search.find(Query(number)).results
        assert {Path(str(one.line["file"])).name for one in found} == {"film.dcm", "cut.dcm"}
        assert all(one.identity["patient_id"] == "P-77" for one in found)
    bench.spool.close()
    text = log.path.read_text()
    assert not [number for number in ("P-77", "A-5", "1.2.77") if number in text]


def test_a_patient_of_a_folder_is_forgotten_whose_film_is_gone(
    tmp_path: Path, make_dicom: Callable[..., bytes]
) -> None:
    """The number that the spool finds a result by goes with the result, though its film went before."""
    bench, watched = Bench(tmp_path), tmp_path / "in"
    watched.mkdir()
    (watched / "film.dcm").write_bytes(make_dicom(PIXELS, PatientID="P-77"))
    (watched / "other.dcm").write_bytes(make_dicom(PIXELS, PatientID="P-78"))
    log = ResultsLog(tmp_path / "results.jsonl")
    feed = WatchFeedSettings(f"watch:{watched}", settle_s=0.05, poll_s=0.02).open()
    stop = bench.in_background(bench.build(feed, log=log))
    wait_for(lambda: len(lines(log.path)) == 2)
    assert stop() == 0
    folder = bench.spool.folder
    bench.spool.close()
    for film in (folder / "objects").iterdir():
        film.unlink()
    settings = Settings(Path("b.sranogan"), (), tmp_path, spool=SpoolSettings(folder=folder))
    forget(settings, Wanted("P-77"))
    assert not Search(folder).find(Query("P-77")).results
    assert len(Search(folder).find(Query("P-78")).results) == 1
    assert b"P-77" not in (folder / "spool.sqlite").read_bytes()
