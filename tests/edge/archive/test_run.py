"""Archives scored by real workers of the local engine: what comes out, and what becomes of bad input."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")

from sranogan_edge import __version__
from sranogan_edge.archive import engine_local
from sranogan_edge.archive.engine import Died, Event, Work
from sranogan_edge.archive.engine_local import LocalEngine
from sranogan_edge.archive.item import Item
from sranogan_edge.archive.ledger import Ledger
from sranogan_edge.archive.run import DEATHS, ArchiveRun, score_archive
from sranogan_edge.archive.tally import Tally
from sranogan_edge.archive.task import Task
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import BundleIntegrityError, DataError, ExitCode, ResultsError, SettingsError
from tests.support.archives import draw_archive, left_over, rows_in, sources_in
from tests.support.cli_runs import lines_in, score

IMAGES = 9
SAME = ("score", "p_value", "threshold", "verdict", "anogan_score", "error", "reason", "modality", "steps")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, make_dicom: Callable[..., bytes]) -> Path:
    """Give an archive with DICOM objects and bad files."""
    return draw_archive(tmp_path_factory.mktemp("archive") / "films", IMAGES, make_dicom)


@pytest.fixture(scope="module")
def scored(tiny_bundle: Path, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of its scores, by the command and two workers."""
    out = tmp_path_factory.mktemp("scored")
    done = score(tiny_bundle, archive, "--engine", "local", "--workers", 2, "--part-images", 5, "--out", out)
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    assert f"{IMAGES + 5} images: " in done.output
    assert "errors: 4 UnreadableImageError, 1 DegenerateImageError" in done.output
    assert "passed over: 1 not an image" in done.output
    return out


def quiet(tally: Tally, ledger: Ledger) -> None:
    """Tell nothing."""


def test_scores_are_those_of_one_machine(
    tiny_bundle: Path, archive: Path, scored: Path, tmp_path: Path
) -> None:
    """Each image has one row: scores equal to the last bit, and the errors, of ``sranogan-score`` alone."""
    score(tiny_bundle, archive, "--out", tmp_path)
    lines = {line["file"]: line for line in lines_in(tmp_path)}
    rows = {str(row["source"]): row for row in rows_in(scored)}
    assert sources_in(scored) == sorted(lines)
    for name, line in lines.items():
        assert {one: rows[name][one] for one in SAME} == {one: line[one] for one in SAME}
    assert len(list(scored.glob("part-*.parquet"))) == 3
    assert left_over(scored) == []


def test_rows_say_what_their_images_are(archive: Path, scored: Path) -> None:
    """Contents are known by their hash, films by date, maker and station; bad files are rows."""
    rows = {Path(str(row["source"])).name: row for row in rows_in(scored)}
    film, empty, sparse = rows["00004"], rows["empty.png"], rows["sparse.png"]
    assert (film["manufacturer"], film["station"], str(film["acquisition_date"])) == (
        "Maker",
        "R0",
        "2024-02-03",
    )
    assert (rows["00003.png"]["manufacturer"], rows["00003.png"]["acquisition_date"]) == (None, None)
    assert (empty["bytes"], empty["error_kind"], empty["score"]) == (0, "UnreadableImageError", None)
    assert sparse["bytes"] == (archive / "sparse.png").stat().st_size == 2**31
    assert len({row["sha256"] for row in rows.values()}) == len(rows)


def test_a_second_call_scores_nothing_again(tiny_bundle: Path, archive: Path, scored: Path) -> None:
    """Where all is done nothing is touched, and the counts are told again."""
    before = {path: path.stat().st_mtime_ns for path in scored.glob("*.parquet")}
    done = score(tiny_bundle, archive, "--engine", "local", "--out", scored)
    assert (done.exit_code, f"{IMAGES + 5} images: " in done.output) == (ExitCode.SOME_FAILED, True), (
        done.output
    )
    assert {path: path.stat().st_mtime_ns for path in scored.glob("*.parquet")} == before


@pytest.mark.slow
def test_heat_maps_of_the_anomalous_alone(tiny_bundle: Path, archive: Path, tmp_path: Path) -> None:
    """With --heat each anomalous image has a picture that its row names, and no other has."""
    score(tiny_bundle, archive, "--engine", "local", "--workers", 1, "--heat", "--out", tmp_path)
    rows = rows_in(tmp_path)
    named = {str(row["heat_map"]) for row in rows if row["heat_map"]}
    assert {row["verdict"] for row in rows if row["heat_map"]} <= {"anomalous"}
    assert sum(row["verdict"] == "anomalous" for row in rows) == len(named)
    assert named == {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")}


class Deadly(LocalEngine):
    """The local engine, whose workers are killed whenever one is about to take the image of this place."""

    def __init__(self, task: Task, place: int) -> None:
        super().__init__(task, 1)
        self.place, self.killed = place, 0

    def events(self, timeout_s: float) -> list[Event]:
        for worker in self._workers:
            work = worker.work
            if work and worker.ready and worker.moved == self.place and not work.items[self.place].problem:
                os.kill(worker._process.pid, signal.SIGKILL)
                self.killed += 1
                time.sleep(0.1)
        return super().events(timeout_s)


def test_an_image_that_ends_its_workers_is_a_row(tiny_bundle: Path, archive: Path, tmp_path: Path) -> None:
    """After three deaths with one image in hand it has an error, and all others their scores."""
    engines: list[Deadly] = []

    def engine_of(task: Task) -> Deadly:
        engines.append(Deadly(task, 0))
        return engines[0]

    score_archive(ArchiveRun(tiny_bundle, str(archive), tmp_path, per_part=50), engine_of, quiet)
    first, *others = rows_in(tmp_path)
    assert engines[0].killed == DEATHS
    assert f"the process that scored it ended {DEATHS} times (signal SIGKILL)" in str(first["error"])
    assert sum(row["error"] is None for row in others) == IMAGES - 1


@pytest.mark.slow
def test_a_worker_that_hangs_is_ended(
    tiny_bundle: Path, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says nothing for too long is killed, and its shard comes back as that of one that died."""
    task = Task(str(archive), str(archive), tiny_bundle, read_bundle(tiny_bundle).sha256)
    with closing(LocalEngine(task, 1)) as engine:
        engine.submit(Work(7, [Item(f"{number}", ("none",)) for number in range(100_000)]))
        while not engine.events(1.0):
            pass
        os.kill(engine._workers[0]._process.pid, signal.SIGSTOP)
        monkeypatch.setattr(engine_local, "SILENT_S", 0.2)
        found: list[Event] = []
        while not any(isinstance(event, Died) for event in found):
            found += engine.events(0.1)
        assert engine.wants()
    last = found[-1]
    assert isinstance(last, Died)
    assert (last.number, last.why, 0 < last.at < 100_000) == (7, "signal SIGKILL", True)


def test_a_full_disk_ends_it_and_it_goes_on(tiny_bundle: Path, archive: Path, disk: Path) -> None:
    """Where a part has no room the run ends with its exit code; given again, with room, it is complete."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(2**22 - 2**16))  # 64 KiB are left: for the list, and some parts
    run = ArchiveRun(tiny_bundle, str(archive), disk / "out", per_part=2)
    with pytest.raises(ResultsError, match="give the same command again") as full:
        score_archive(run, lambda task: LocalEngine(task, 2), quiet)
    assert full.value.exit_code == ExitCode.CANNOT_WRITE
    assert left_over(disk / "out") == []
    assert len(rows_in(disk / "out")) < IMAGES + 5
    ballast.unlink()
    score_archive(run, lambda task: LocalEngine(task, 2), quiet)
    assert len(sources_in(disk / "out")) == len(set(sources_in(disk / "out"))) == IMAGES + 5


@pytest.mark.parametrize(
    ("version", "kind", "told"),
    [
        (__version__, BundleIntegrityError, "this worker finds the bundle"),
        ("0.0.1", SettingsError, "and the run is of 0.0.1"),
    ],
)
def test_a_worker_of_another_bundle_or_version_is_refused(
    tiny_bundle: Path, archive: Path, version: str, kind: type[Exception], told: str
) -> None:
    """A worker that has something else than the run ends the run: its scores would be others."""
    task = Task(str(archive), str(archive), tiny_bundle, "ab" * 32, version=version)
    with closing(LocalEngine(task, 1)) as engine:
        engine.submit(Work(0, []))
        with pytest.raises(kind, match=told):
            engine.events(120.0)


@pytest.mark.parametrize("place", ["none", "empty"])
def test_nothing_to_score(tiny_bundle: Path, tmp_path: Path, place: str) -> None:
    """A folder that is not there, or has no images, is exit code 3 with its name."""
    (tmp_path / "empty").mkdir()
    done = score(tiny_bundle, tmp_path / place, "--engine", "local", "--out", tmp_path / "out")
    assert (done.exit_code, str(tmp_path / place) in done.output) == (ExitCode.BAD_DATA, True), done.output
    with pytest.raises(DataError):
        score_archive(
            ArchiveRun(tiny_bundle, str(tmp_path / place), tmp_path / "o"), lambda t: LocalEngine(t, 1), quiet
        )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--workers", "0"), "--workers"),
        (("--workers", "10000"), "--workers is from 1 to "),
        (("--budget-ms", "5"), "--budget-ms: not for archives"),
        (("--sink", "jsonl:x", "--serve", ":1"), "--serve, --sink: not for archives"),
        (("--out", "s3://bucket/x"), "results go to a folder of this machine"),
        (("another",), "scores one archive; received 2"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    """Options that no archive can take are refused in one sentence, before anything is read or written."""
    done = score("b.sranogan", tmp_path, "--engine", "local", *options)
    assert (done.exit_code, told in " ".join(done.output.split())) == (ExitCode.USAGE, True), done.output
    assert os.listdir(tmp_path) == []


def test_options_of_engines_need_one(tmp_path: Path) -> None:
    """--workers and its like without --engine are a mistake, and the cure is named."""
    done = score("b.sranogan", tmp_path, "--workers", "2", "--heat")
    assert (done.exit_code, "Add --engine local" in done.output) == (ExitCode.USAGE, True), done.output


def test_the_archive_is_no_place_for_its_scores(tiny_bundle: Path, archive: Path) -> None:
    """--out in the archive is left out of the list; --out that is the archive is refused."""
    done = score(tiny_bundle, archive, "--engine", "local", "--out", archive)
    assert (done.exit_code, "is the archive itself" in done.output) == (ExitCode.USAGE, True), done.output
