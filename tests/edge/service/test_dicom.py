"""A runner between scanner and archive: each film its result or its reason, and no word of the patient."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE, _config

from sranogan_edge.image.dicom_pixels import DX
from sranogan_edge.sinks.send_again import main as send_again
from tests.support.dicom_archive import Archive, free_port, until
from tests.support.dicom_service import PATIENCE_S, Runner, running
from tests.support.mixed_films import MARKER, Make, films, marked, reason_of
from tests.support.odd_films import with_bytes
from tests.support.web_hook import hook

pytest.importorskip("highdicom", reason="the extra dicom is not installed")


pytest.importorskip("urllib3", reason="the extra webhook is not installed")


pytest.importorskip("starlette", reason="the extra page is not installed")


@pytest.mark.parametrize("count", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_every_good_film_has_its_result_and_every_bad_one_its_reason(
    tmp_path: Path, make_dicom: Make, count: int
) -> None:
    """Good and bad ones mixed: nothing waits for ever, and page, metrics and log count alike."""
    made = films(make_dicom, count)
    kinds = Counter(kind for kind, _ in made.values())
    archive = Archive(port := free_port())
    answers = {"refused": 0xC123, "stumbled": 0xA700}
    archive.rule = lambda each: answers.get(str(each.PatientID).split()[1], 0)
    with hook() as (url, got), running(tmp_path, port, url) as runner:
        runner.drop((name, film) for name, (_, film) in made.items())
        assert until(lambda: runner.scored() == count, PATIENCE_S + count), runner.log
        apart = kinds["refused"] + kinds["homeless"] + kinds["stumbled"]
        assert until(lambda: runner.sink("dicom")["waiting"] == 0, PATIENCE_S + count), runner.log
        assert until(lambda: len(got) == count, PATIENCE_S)
        assert until(lambda: runner.sink("dicom")["refused"] == apart)
        check_counters(runner, kinds, apart)
        check_archive_and_log(archive, runner.log, made)
        check_results(tmp_path / "results.jsonl", runner.state()["counts"], made)
        archive.rule = lambda _: 0
        assert send_again([str(tmp_path / "spool")]) == 0
        assert until(lambda: runner.sink("dicom")["apart"] == kinds["homeless"], PATIENCE_S + count)
        assert runner.sink("dicom")["written"] == kinds["sent"] + kinds["refused"] + kinds["stumbled"]
        shown = [runner.get(path) for path in ("api/state", "api/results", "metrics", "readyz")]
    archive.close()
    assert len({str(each.SOPInstanceUID) for each in archive.kept}) == len(archive.kept)
    assert len(archive.kept) == 2 * (kinds["sent"] + kinds["refused"] + kinds["stumbled"])
    check_no_marker(tmp_path, [runner.log, *shown, *(each.decode() for each in got)])


def check_counters(runner: Runner, kinds: Counter[str], apart: int) -> None:
    """Page and metrics say the same of the archive and of the films."""
    state, sink = runner.state(), runner.sink("dicom")
    assert (sink["state"], sink["written"], sink["apart"]) == ("ok", kinds["sent"], apart)
    for name, value in (("written_total", kinds["sent"]), ("refused_total", apart), ("apart", apart)):
        assert runner.metric(f"sranogan_sink_{name}", "dicom://") == value
    assert runner.metric("sranogan_sink_waiting", "dicom://") == 0
    assert state["counts"]["error"] == kinds["unreadable"]
    for verdict, counted in state["counts"].items():
        assert runner.metric("sranogan_images_total", f'"{verdict}"') == counted
    (alarm,) = [each for each in state["alarms"] if "dicom://" in each]
    assert f"{apart} results were refused for good" in alarm
    assert sink["refusal"] in alarm


def check_archive_and_log(archive: Archive, log: str, made: dict[str, tuple[str, bytes]]) -> None:
    """The archive has two objects of each good film; the log has one line and a reason for each bad one."""
    kept = Counter(str(each.PatientID) for each in archive.kept)
    assert set(kept.values()) == {2}
    assert len(kept) == sum(kind == "sent" for kind, _ in made.values())
    reasons = {"refused": "0xC123", "homeless": "no usable StudyInstanceUID", "stumbled": "0xA700"}
    for name, (kind, _) in made.items():
        reason = reason_of(name) if kind == "unreadable" else reasons.get(kind, "")
        lines = [each for each in log.splitlines() if name in each and "alarm" not in each]
        told = [each for each in lines if reason and reason in each]
        assert len(told) == bool(reason), (name, lines)
    assert "scanner" not in log
    empty = [each for each in log.splitlines() if "left empty: no valid DICOM" in each]
    assert len(empty) == len({each.split(": sent with")[0] for each in empty}) > 0


def check_results(path: Path, counts: dict[str, int], made: dict[str, tuple[str, bytes]]) -> None:
    """Each film has one line, with a score or with its reason; the verdicts are as the page counts them."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    by_name = {line["file"].rpartition("/")[2]: line for line in lines}
    assert len(by_name) == len(lines) == len(made)
    assert Counter(line["verdict"] for line in lines) == Counter({k: v for k, v in counts.items() if v})
    for name, (kind, _) in made.items():
        line = by_name[name]
        assert (line["score"] is None) is (kind == "unreadable"), line
        assert (reason_of(name) in (line["error"] or "")) is (kind == "unreadable"), line


def check_no_marker(root: Path, told: list[str]) -> None:
    """The marker stands in nothing that was told, in no file's name, and in no file but results and spool."""
    assert MARKER.lower() not in "".join(told).lower()
    files = [path for path in root.rglob("*") if path.is_file()]
    assert not [path for path in files if MARKER.lower() in path.relative_to(root).as_posix().lower()]
    may_have_it = (root / "spool", root / "watched", root / "results.jsonl")
    others = [path for path in files if not any(path == one or one in path.parents for one in may_have_it)]
    raw = MARKER.lower().encode()
    assert others
    assert not [path for path in others if raw in path.read_bytes().lower()]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_of_the_patient_leaves_results_and_spool(
    tmp_path: Path, make_dicom: Make, monkeypatch: pytest.MonkeyPatch, log_format: str
) -> None:
    """Films full of a marker, by network and by folder: not in log, page, metrics, hook or a file's name."""
    made = marked(make_dicom)
    archive = Archive(port := free_port())
    archive.rule = lambda each: 0xC123 if str(each.PatientID).startswith(MARKER * 2) else 0
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)  # the bytes of the file, as they are
    (tmp_path / "scans").mkdir()
    with hook() as (url, got), running(tmp_path, port, url, log_format) as runner:
        taken = scan(runner, tmp_path / "scans", made)
        assert taken >= len(made) - 1  # one ends in its header
        uids = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")  # no scanner's film gets so far
        made += [with_bytes(made[0], {keyword: b"1.2.x" + MARKER.encode()}) for keyword in uids]
        runner.drop((f"{number}.dcm", film) for number, film in enumerate(made))
        count = taken + len(made)
        assert until(lambda: runner.scored() == count, PATIENCE_S), (runner.scored(), count, runner.log)
        assert until(lambda: runner.sink("dicom")["waiting"] == 0, PATIENCE_S), runner.log
        assert until(lambda: len(got) == count, PATIENCE_S)
        shown = [runner.get(path) for path in ("api/state", "api/results", "metrics", "readyz")]
    archive.close()
    assert MARKER in str(archive.kept)
    told = "".join([runner.log, *shown, *(each.decode() for each in got)]).lower()
    assert MARKER.lower() not in told
    assert "set apart" in told
    inside = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")]
    assert not [path for path in inside if MARKER.lower() in path.lower()]


def scan(runner: Runner, folder: Path, made: list[bytes]) -> int:
    """Send films as a scanner does; returns how many were taken."""
    scanner = AE("XRAY1")
    scanner.acse_timeout = scanner.dimse_timeout = scanner.network_timeout = PATIENCE_S
    for syntax in (pydicom.uid.ExplicitVRLittleEndian, pydicom.uid.ImplicitVRLittleEndian):
        scanner.add_requested_context(DX, syntax)
    association = scanner.associate("127.0.0.1", runner.port, ae_title="SRANOGAN")
    taken = 0
    for number, film in enumerate(made):
        path = folder / f"{number}.dcm"
        path.write_bytes(film)
        taken += association.send_c_store(path).Status == 0x0000
    association.release()
    return taken
