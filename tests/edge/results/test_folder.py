"""One run at a time writes to a results folder, and none takes away what an earlier one wrote."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data.phantom import render_abnormal, render_normal
from sranogan_edge.errors import ExitCode, SpoolError, SpoolInUseError
from sranogan_edge.results.folder import ResultsFolder
from sranogan_edge.scoring.measurement import Reconstruction
from sranogan_edge.scoring.rule import Verdict
from sranogan_edge.sinks.jsonl import JsonlSink, JsonlSinkSettings
from sranogan_edge.spool.lock import FolderLock, holder_of, lock_results
from tests.support.disks import synced_by
from tests.support.remote_results import wait_until
from tests.support.result_lines import line

SCORE = Path(sys.executable).with_name("sranogan-score")
NOBODY = 65534


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Give an image."""
    path = tmp_path / "film.png"
    Image.fromarray(render_normal(5, 0, 96).pixels).save(path)
    return path


def command(*arguments: object) -> list[str]:
    """Give the command line of ``sranogan-score``."""
    return [str(part) for part in (SCORE, *arguments)]


def score(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run ``sranogan-score`` to its end, in a process of its own."""
    wide = {**os.environ, "COLUMNS": "500"}  # no table breaks its lines
    whole = command(*arguments)
    return subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False, env=wide)


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Every line of a file, none of them partial."""
    text = path.read_text()
    assert not text or text.endswith("\n")
    return [json.loads(one) for one in text.splitlines()]


def has_one_line(path: Path) -> bool:
    """Whether a first result is there."""
    return len(lines_of(path)) == 1


def earlier(out: Path) -> list[Path]:
    """What was set aside, oldest first."""
    return sorted(out.glob("results-*.jsonl"))


def linked(film: Path, count: int) -> list[Path]:
    """Give ``film`` so many names, for a file that is named twice is scored once; in the order of scoring."""
    names = [film.with_name(f"film-{number:02d}.png") for number in range(count)]
    for name in names:
        name.hardlink_to(film)
    return names


@contextmanager
def halted_in_the_middle(results: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """Start ``sranogan-score``, halt it once it has written a result, and let it go on afterwards."""
    out, err = subprocess.PIPE, subprocess.PIPE
    with subprocess.Popen(command(*arguments), text=True, stdout=out, stderr=err) as running:
        try:
            wait_until(lambda: results.exists() and results.stat().st_size > 0)
            running.send_signal(signal.SIGSTOP)
            yield running
        finally:
            running.send_signal(signal.SIGCONT)


@contextmanager
def watching(bundle: Path, folder: Path, out: Path, *more: object) -> Iterator[subprocess.Popen[str]]:
    """Run a service that watches ``folder``, which has images, until it has results; stop it afterwards."""
    count = len(list(folder.glob("*.png")))
    done, waiting = folder / "done", len(list((folder / "done").glob("*.png")))
    arguments = command(bundle, f"watch:{folder}", "--out", out, *more)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as service:
        try:
            wait_until(lambda: len(list(done.glob("*.png"))) == waiting + count)
            yield service
        finally:
            service.terminate()
            _, told = service.communicate(timeout=60)
    assert service.returncode == ExitCode.OK, told


def test_a_second_run_into_the_same_folder_is_refused(tiny_bundle: Path, film: Path, tmp_path: Path) -> None:
    """It names the first one's process, touches nothing, leaves with 6; the first one's lines are whole."""
    out = tmp_path / "out"
    films = linked(film, 60)
    first = (tiny_bundle, *films, "--out", out)
    with halted_in_the_middle(out / "results.jsonl", *first) as running:
        before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
        second = score(tiny_bundle, *films, "--out", out)
        assert second.returncode == ExitCode.CANNOT_WRITE
        told = (
            f"error: {out} is in use by another runner (process {running.pid}); two would mix their results"
        )
        assert told in second.stderr
        assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
        watched = tmp_path / "in"
        watched.mkdir()
        service = score(tiny_bundle, f"watch:{watched}", "--out", out, "--spool", tmp_path / "spool")
        assert service.returncode == ExitCode.CANNOT_WRITE
        assert f"(process {running.pid}); two would mix their results" in service.stderr
        os.kill(running.pid, signal.SIGCONT)
        _, errors = running.communicate(timeout=120)
    assert running.returncode == ExitCode.OK, errors
    assert [one["file"] for one in lines_of(out / "results.jsonl")] == [str(one) for one in films]
    assert not earlier(out)


def test_a_run_that_was_killed_holds_nothing(tiny_bundle: Path, film: Path, tmp_path: Path) -> None:
    """The next one is let in, and the lines of the killed one are kept."""
    out = tmp_path / "out"
    with halted_in_the_middle(out / "results.jsonl", tiny_bundle, *linked(film, 60), "--out", out) as running:
        running.kill()
        running.communicate()
    wrote = (out / "results.jsonl").read_bytes()
    assert score(tiny_bundle, film, "--out", out).returncode == ExitCode.OK
    assert [path.read_bytes() for path in earlier(out)] == [wrote]


def test_a_running_service_keeps_its_results(tiny_bundle: Path, film: Path, tmp_path: Path) -> None:
    """Files are not scored into its folder, nor into that of its jsonl sink, while it runs."""
    out, lines, watched = tmp_path / "out", tmp_path / "lines", tmp_path / "in"
    watched.mkdir()
    shutil.copy(film, watched / "a.png")
    with watching(tiny_bundle, watched, out, "--sink", f"jsonl:{lines}") as service:
        for folder in (out, lines):
            wait_until(partial(has_one_line, folder / "results.jsonl"))
            before = (folder / "results.jsonl").read_bytes()
            done = score(tiny_bundle, film, "--out", folder)
            assert done.returncode == ExitCode.CANNOT_WRITE
            assert f"{folder} is in use by another runner (process {service.pid})" in done.stderr
            assert (folder / "results.jsonl").read_bytes() == before
        other = tmp_path / "other"
        other.mkdir()
        beside = ("--out", tmp_path / "out2", "--sink", f"jsonl:{lines}")
        done = score(tiny_bundle, f"watch:{other}", *beside)
        assert done.returncode == ExitCode.CANNOT_WRITE
        told = f"{lines} is in use by another runner (process {service.pid}); two would mix their results"
        assert told in done.stderr
        check = score(tiny_bundle, f"watch:{other}", *beside, "--check-config").stdout
        assert f"process {service.pid} writes there; stop it before this one starts" in check


def test_an_earlier_run_is_kept(tiny_bundle: Path, film: Path, tmp_path: Path) -> None:
    """Its lines get another name, which is told, and its heat maps stay, also of an image that changed."""
    out = tmp_path / "out"
    assert "are kept as" not in score(tiny_bundle, film, "--out", out).stderr
    first = (out / "results.jsonl").read_bytes()
    heat = out / lines_of(out / "results.jsonl")[0]["heat_map"]
    picture = heat.read_bytes()
    Image.fromarray(render_abnormal(5, 1, "consolidation", 96).pixels).save(film)
    second = score(tiny_bundle, film, "--out", out)
    assert second.returncode == ExitCode.OK, second.stderr
    (kept,) = earlier(out)
    assert kept.read_bytes() == first
    assert f"the results that were in {out / 'results.jsonl'} are kept as {kept}" in second.stderr
    (new,) = lines_of(out / "results.jsonl")
    assert heat.read_bytes() == picture
    assert (out / new["heat_map"]).read_bytes() != picture
    assert new["heat_map"] == str(heat.relative_to(out)).replace(".png", "-2.png")
    assert score(tiny_bundle, film, "--out", out).returncode == ExitCode.OK
    assert len(earlier(out)) == 2
    assert lines_of(out / "results.jsonl")[0]["heat_map"] == new["heat_map"]  # the same picture, once


def test_results_of_a_stopped_service_are_kept(tiny_bundle: Path, film: Path, tmp_path: Path) -> None:
    """Files scored into its folder take none away, and the service goes on: each result is there once."""
    out, watched = tmp_path / "out", tmp_path / "in"
    watched.mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(film, watched / name)
    with watching(tiny_bundle, watched, out):
        pass
    of_the_service = (out / "results.jsonl").read_bytes()
    assert score(tiny_bundle, film, "--out", out).returncode == ExitCode.OK
    assert [path.read_bytes() for path in earlier(out)] == [of_the_service]
    assert [one["file"] for one in lines_of(out / "results.jsonl")] == [str(film)]
    shutil.copy(film, watched / "c.png")
    with watching(tiny_bundle, watched, out):
        pass
    found = [one for path in (*earlier(out), out / "results.jsonl") for one in lines_of(path)]
    assert [one.get("number") for one in found] == [1, 2, None, 3]
    names = [Path(one["file"]).name for one in found]
    assert sorted(names[:2]) == ["a.png", "b.png"]
    assert names[2:] == ["film.png", "c.png"]


def test_names_of_what_is_set_aside_are_never_taken_twice(tmp_path: Path) -> None:
    """Many runs within a second keep all their lines, and an empty file is not kept."""
    for number in range(6):
        with ResultsFolder(tmp_path) as results:
            results.write(line(number))
    with ResultsFolder(tmp_path):
        pass
    with ResultsFolder(tmp_path) as results:
        assert results.earlier is None
    kept = [one["file"] for path in earlier(tmp_path) for one in lines_of(path)]
    assert sorted(kept) == [f"{number}.png" for number in range(6)]


def test_one_picture_is_one_file(tmp_path: Path) -> None:
    """A name that is used again with the same picture stays one file; with another it is a second one."""
    flat = np.zeros((8, 8), np.float32)

    def verdict(grey: float) -> Verdict:
        x = np.full((8, 8, 1), grey, np.float32)
        made = Reconstruction(x, flat, flat, flat, {}, flat, 0.0, {})
        return Verdict(1.0, {}, 0.5, False, 2.0, flat, made, {"total": 1.0})

    with ResultsFolder(tmp_path) as results:
        names = [results.write_overlay("a", verdict(grey), 1.0) for grey in (0.1, 0.9, 0.1, 0.9, 0.5)]
    assert [Path(name).stem for name in names] == ["a", "a-2", "a", "a-2", "a-3"]
    assert len(list((tmp_path / "heat_maps").iterdir())) == 3


def test_within_one_process_too(tmp_path: Path) -> None:
    """Two writers of one process are kept apart, and closing the first one again does not let a third in."""
    first = JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"))
    with pytest.raises(SpoolInUseError, match=f"process {os.getpid()}"):
        ResultsFolder(tmp_path)
    first.close()
    with ResultsFolder(tmp_path):
        first.close()
        with pytest.raises(SpoolInUseError):
            JsonlSink(JsonlSinkSettings(f"jsonl:{tmp_path}"))


def test_another_user_sees_the_holder(tmp_path: Path) -> None:
    """Who may not write the lock file is told its holder all the same."""
    lock = lock_results(tmp_path)
    tmp_path.chmod(0o755)
    script = (
        "import os, sys; from pathlib import Path\n"
        "from sranogan_edge.spool.lock import RESULTS_LOCK, holder_of\n"
        f"if os.geteuid() == 0: os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "os.chdir(int(sys.argv[1])); print(holder_of(Path('.'), RESULTS_LOCK))"
    )
    folder = os.open(tmp_path, os.O_RDONLY)  # the folders above it are closed to others
    try:
        asked = [sys.executable, "-c", script, str(folder)]
        done = subprocess.run(asked, capture_output=True, text=True, check=True, pass_fds=[folder])
    finally:
        os.close(folder)
        lock.close()
    assert done.stdout.strip() == str(os.getpid())


def test_a_file_system_without_locks_is_no_other_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as what it is, with the cure, and nobody is named as the holder."""

    def unlockable(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", unlockable)
    with pytest.raises(SpoolError, match=r"no locks \(No locks available\).*disk of this machine") as refused:
        FolderLock(tmp_path, "")
    assert not isinstance(refused.value, SpoolInUseError)
    assert holder_of(tmp_path) == ""


def test_results_are_on_the_disk_when_the_folder_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut after the command has ended takes none of them."""
    with ResultsFolder(tmp_path) as results:
        results.write(line(1))
        synced = synced_by(monkeypatch)
    assert "results.jsonl" in synced
