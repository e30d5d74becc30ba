"""``sranogan-score`` as a service, by a settings file; and DICOM files on its command line."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from keras_sranogan.data.phantom import render_abnormal, render_normal
from sranogan_edge.commands.score import app
from sranogan_edge.errors import ExitCode

SCORE = Path(sys.executable).with_name("sranogan-score")
SETTINGS = """
bundle = "{bundle}"
out = "out"

[spool]
folder = "spool"
min_free_bytes = 0

[log]
format = "json"

[[feeds]]
uri = "{feed}"
"""


def score(*arguments: object, **environ: str) -> Result:
    """Run the command inside this process."""
    return CliRunner(env=environ).invoke(app, [str(argument) for argument in arguments])


def lines_in(folder: Path) -> list[dict[str, Any]]:
    """Every line of ``results.jsonl``."""
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def study(tmp_path: Path, make_dicom: Callable[..., bytes]) -> Path:
    """Give a folder as a scanner leaves it: bare numbers, an index, an object of two frames."""
    normal, ill = render_normal(5, 0, 96).pixels, render_abnormal(5, 1, "consolidation", 96).pixels
    folder = tmp_path / "study"
    (folder / "A").mkdir(parents=True)
    (folder / "A" / "IM00001").write_bytes(make_dicom(normal))
    (folder / "A" / "film.dcm").write_bytes(make_dicom(ill))
    (folder / "two.dcm").write_bytes(make_dicom(np.stack([normal, ill])))
    (folder / "DICOMDIR").write_bytes(make_dicom(normal))
    (folder / "readme.txt").write_text("left alone")
    return folder


def test_a_study_is_scored_as_images_are(tiny_bundle: Path, study: Path, tmp_path: Path) -> None:
    """Each DICOM file has its line and heat map; the frame with the highest score speaks for its object."""
    done = score(tiny_bundle, study, "--out", tmp_path / "out")
    assert done.exit_code == ExitCode.OK, done.output
    lines = {Path(line["file"]).name: line for line in lines_in(tmp_path / "out")}
    assert sorted(lines) == ["IM00001", "film.dcm", "two.dcm"]
    assert all((tmp_path / "out" / line["heat_map"]).is_file() for line in lines.values())
    alone = [lines["IM00001"], lines["film.dcm"]]
    assert [(one["frames"], one["frame"]) for one in alone] == [(1, None)] * 2
    two, scores = lines["two.dcm"], [one["score"] for one in alone]
    assert two["frames"] == 2
    assert two["score"] == pytest.approx(max(scores))
    assert two["frame"] == 1 + int(np.argmax(scores))
    assert f"(frame {two['frame']} of 2)" in "".join(done.stdout.split("\n")).replace("│", "") or done.stdout


def test_the_service_scores_as_the_command_does(tiny_bundle: Path, study: Path, tmp_path: Path) -> None:
    """Score, p-value, threshold and verdict of a film by way of a spool are those without one, to the bit."""
    for name, options in {"command": [], "service": ["--spool", tmp_path / "spool"]}.items():
        done = score(tiny_bundle, study, "--out", tmp_path / name, *options)
        assert done.exit_code == ExitCode.OK, done.output
    fields = ("file", "score", "p_value", "threshold", "verdict", "frame", "anogan_score", "bundle")
    command, service = (
        sorted(tuple(line[one] for one in fields) for line in lines_in(tmp_path / name))
        for name in ("command", "service")
    )
    assert len(command) == 3
    assert service == command


def test_a_service_by_its_file(tiny_bundle: Path, study: Path, tmp_path: Path) -> None:
    """It scores what its file names, tells it as JSON, a line of a library too, and ends cleanly."""
    (tmp_path / "s.toml").write_text(SETTINGS.format(bundle=tiny_bundle, feed="study"))
    command = [str(SCORE), "--config", str(tmp_path / "s.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == ExitCode.OK, done.stderr
    assert sorted(Path(line["file"]).name for line in lines_in(tmp_path / "out")) == [
        "IM00001",
        "film.dcm",
        "two.dcm",
    ]
    told = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert told[0] == f"bundle {tiny_bundle}; feeds {study}"
    assert told[-1] == "ended with exit code 0"


def test_a_stop_is_exit_code_0(tiny_bundle: Path, tmp_path: Path) -> None:
    """SIGTERM ends a service that waits for files; variables override its file."""
    (tmp_path / "in").mkdir()
    (tmp_path / "s.toml").write_text(SETTINGS.format(bundle="none", feed="watch:none"))
    environ = {
        **os.environ,
        "SRANOGAN_BUNDLE": str(tiny_bundle),
        "SRANOGAN_FEEDS__0__URI": "watch:in",
        "SRANOGAN_PAGE__SERVE": "127.0.0.1:0",
        "NOTIFY_SOCKET": str(tmp_path / "notify"),
    }
    command = [str(SCORE), "--config", str(tmp_path / "s.toml")]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(environ["NOTIFY_SOCKET"])
        manager.settimeout(60)
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ) as service:
            assert manager.recv(1000).startswith(b"READY=1")
            service.send_signal(signal.SIGTERM)
            _, told = service.communicate(timeout=60)
    assert service.returncode == ExitCode.OK, told
    assert "the live page is at http://127.0.0.1:" in told
    assert "ended with exit code 0" in told.splitlines()[-1]


def test_a_page_that_cannot_be_served_holds_up_nothing(
    tiny_bundle: Path, study: Path, tmp_path: Path
) -> None:
    """Films are scored while the page's port is in use; the log says so, and the exit code is 0."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        page = f"127.0.0.1:{holder.getsockname()[1]}"
        command = [str(SCORE), str(tiny_bundle), str(study), "--out", str(tmp_path / "out"), "--serve", page]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == ExitCode.OK, done.stderr
    assert f"cannot listen on {page}" in done.stderr
    assert len(lines_in(tmp_path / "out")) == 3


def test_the_page_remembers_the_run_before(tiny_bundle: Path, study: Path, tmp_path: Path) -> None:
    """A second start shows the results of the first, with their heat maps, though it scores nothing."""
    more = ["--out", str(tmp_path / "out"), "--serve", "127.0.0.1:0"]
    subprocess.run([SCORE, tiny_bundle, study, *more], capture_output=True, timeout=120, check=True)
    (tmp_path / "in").mkdir()
    command = [str(SCORE), str(tiny_bundle), f"watch:{tmp_path / 'in'}", *more]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        assert service.stderr
        url = next(text.split()[-1] for text in service.stderr if "the live page is at" in text)
        with urllib.request.urlopen(f"{url}api/results", timeout=30) as answer:
            found = json.load(answer)["results"]
        with urllib.request.urlopen(f"{url}api/search", timeout=30) as answer:
            stored = json.load(answer)["results"]
        sent = posted(url, (study / "A" / "film.dcm").read_bytes())
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=60)
    assert sorted((Path(one["file"]).name, one["picture"]) for one in found) == [
        ("IM00001", True),
        ("film.dcm", True),
        ("two.dcm", True),
    ]
    assert sorted(one["file"] for one in stored) == sorted(one["file"] for one in found)
    kept = lines_in(tmp_path / "out")  # of the first start, and not of what was sent
    assert [line["score"] for line in kept if line["file"].endswith("film.dcm")] == [sent["score"]]


def posted(url: str, data: bytes) -> Any:
    """What the service says of a film that a program sends, once it scores."""
    for _ in range(600):
        request = urllib.request.Request(f"{url}v1/score", data, {"Content-Type": "application/dicom"})
        with (
            contextlib.suppress(urllib.error.HTTPError),  # the page is there before the detector
            urllib.request.urlopen(request, timeout=60) as answer,
        ):
            return json.load(answer)
        time.sleep(0.1)
    pytest.fail("it is never ready")


def test_a_start_that_fails_is_told_as_json(tmp_path: Path) -> None:
    """The error is the last object of the log, and the exit code is that of the error."""
    (tmp_path / "s.toml").write_text(SETTINGS.format(bundle="none.sranogan", feed="."))
    (tmp_path / "x.png").touch()
    command = [str(SCORE), "--config", str(tmp_path / "s.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == ExitCode.BUNDLE_REFUSED
    last = json.loads(done.stderr.splitlines()[-1])
    assert last["level"] == "critical"
    assert "none.sranogan" in last["message"]


def test_check_config(tiny_bundle: Path, study: Path, tmp_path: Path) -> None:
    """A good file is exit code 0 with a table of what would run; nothing is made, nothing scored."""
    (tmp_path / "s.toml").write_text(SETTINGS.format(bundle=tiny_bundle, feed=study))
    before = sorted(tmp_path.rglob("*"))
    done = score("--config", tmp_path / "s.toml", "--check-config")
    assert done.exit_code == ExitCode.OK, done.output
    assert "golden" in done.stdout
    assert "0 errors" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before


def test_check_config_of_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a file, what the options say is looked at."""
    monkeypatch.chdir(tmp_path)
    done = score("none.sranogan", "camera:/dev/none", "--fps", 2, "--roi", "0,0,8,8", "--check-config")
    assert done.exit_code == ExitCode.USAGE
    assert "warning: feed camera:/dev/none: " in done.stdout
    assert "1 error, 1 warning;" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a BUNDLE"),
        (("b",), "name a feed, an image or a folder"),
        (("b", "watch:in", "watch:in"), "watch:in is named twice"),
        (("b", "x.png", "--sink", "jsonl:j", "--sink", "jsonl:j"), "jsonl:j is named twice"),
        (("--config", "s.toml", "--out", "o", "--fps", "2"), "--out, --fps: the file of --config says that"),
        (("b", "x.png", "--config", "s.toml"), "error: b, x.png: the file of --config says that"),
        (("b", "x.png", "--fps", "2"), "none is named"),
        (("b", "camera:0", "--roi", "1,2"), "x,y,width,height"),
        (("b", "camera:0", "--json", "f.json"), "--json sums up files that end"),
        (("b", "x.png", "--sink", "ftp:x"), "--sink ftp:x: no such sink"),
        (("b", "watcg:films"), "no feed has the scheme 'watcg'"),
        (("b", "http://x/y"), "no feed has the scheme 'http'"),
        (("b", "dicom:"), "Write it like dicom:PORT"),
        (("b", "x.png", "--calibration-key", "k"), "no file is named"),
        (("b", "watch:in", "--serve", "0.0.0.0:80"), "needs a token"),
        (("--config", "none.toml"), "cannot be read"),
    ],
)
def test_wrong_usage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], told: str
) -> None:
    """What contradicts itself or cannot be is exit code 2, and one message says why."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(SETTINGS.format(bundle="b", feed="watch:in"))
    done = score(*arguments)
    assert done.exit_code == ExitCode.USAGE, done.output
    assert told in done.stderr
    assert "Traceback" not in done.output


def test_a_folder_with_the_results_inside_is_scored_once(
    tiny_bundle: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current folder holds spool and heat maps of the first run: a second one finds nothing new."""
    monkeypatch.chdir(study)
    for _ in range(2):
        done = score(tiny_bundle, ".", "--sink", "jsonl:lines")
        assert done.exit_code == ExitCode.OK, done.output
    assert len(lines_in(study / "scores")) == 3
    assert score(tiny_bundle, ".").exit_code == ExitCode.OK  # the spool's objects are DICOM by content
    assert len(lines_in(study / "scores")) == 3


def test_the_current_folder_is_not_watched_with_the_results_inside(
    tiny_bundle: Path, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The defaults would have the runner take its own files; it says so and touches nothing."""
    monkeypatch.chdir(study)
    before = sorted(study.rglob("*"))
    done = score(tiny_bundle, "watch:.")
    assert done.exit_code == ExitCode.USAGE
    assert "out (scores), spool (scores/spool) would be taken as images and moved" in done.stderr
    assert sorted(study.rglob("*")) == before


def test_files_are_not_scored_over_the_results_of_a_runner(
    tiny_bundle: Path, study: Path, tmp_path: Path
) -> None:
    """While a runner writes to the folder, its results stay as they are."""
    out = tmp_path / "out"
    out.mkdir()
    script = (
        "import sys; from pathlib import Path; from sranogan_edge.spool.lock import *; "
        "s = FolderLock(Path(sys.argv[1]), '', RESULTS_LOCK); print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(out)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as runner:
        assert runner.stdout
        assert runner.stdin
        assert runner.stdout.readline() == b"held\n"
        (out / "results.jsonl").write_text("{}\n")
        done = score(tiny_bundle, study, "--out", out)
        assert done.exit_code == ExitCode.CANNOT_WRITE
        assert f"{out} is in use by another runner (process {runner.pid}); two would mix" in done.stderr
        runner.stdin.close()
    assert (out / "results.jsonl").read_text() == "{}\n"
    assert score(tiny_bundle, study, "--out", out).exit_code == ExitCode.OK
    assert len(lines_in(out)) == 3
