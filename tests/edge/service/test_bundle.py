"""The whole command with a real bundle on a watched folder, killed and started again."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from keras_sranogan.data.phantom import render_abnormal, render_normal

PATIENCE_S = 180.0
FILES = 12


def start(bundle: Path, root: Path) -> subprocess.Popen[bytes]:
    """Start ``sranogan-score`` on the folder, telling us as it would tell systemd."""
    command = [sys.executable, "-m", "sranogan_edge.commands.score", str(bundle), f"watch:{root / 'in'}"]
    command += ["--out", str(root / "out"), "--spool", str(root / "spool")]
    environment = {**os.environ, "NOTIFY_SOCKET": str(root / "notify"), "WATCHDOG_USEC": "400000"}
    return subprocess.Popen(command, env=environment)


def moved(root: Path) -> list[str]:
    """Names in done/ and failed/."""
    return sorted(p.name for folder in ("done", "failed") for p in (root / "in" / folder).glob("*"))


@pytest.mark.slow
def test_the_command_is_killed_and_goes_on(tiny_bundle: Path, tmp_path: Path) -> None:
    """Each film has one line and, where it could be judged, its heat map; SIGTERM ends it with 0."""
    (tmp_path / "in").mkdir()
    for number in range(FILES - 1):
        film = render_abnormal(5, number, "consolidation", 96) if number % 3 else render_normal(5, number, 96)
        Image.fromarray(film.pixels).save(tmp_path / "in" / f"{number}.png")
    (tmp_path / "in" / "notes.txt").write_text("no film")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        for life_s in (2.2, 0.1, 2.3):  # seconds after it is ready; files are complete after two
            with start(tiny_bundle, tmp_path) as runner:
                while not manager.recv(1000).startswith(b"READY=1"):
                    pass
                time.sleep(life_s)
                runner.kill()
        runner = start(tiny_bundle, tmp_path)
        deadline = time.monotonic() + PATIENCE_S
        while (
            manager.recv(1000) != b"READY=1\nMAINPID=%d" % runner.pid
        ):  # what was said before is not its own
            assert time.monotonic() < deadline
        heard: set[bytes] = set()
        while len(moved(tmp_path)) < FILES or b"WATCHDOG=1" not in heard:
            assert time.monotonic() < deadline
            heard.add(manager.recv(1000))
        runner.terminate()
        assert runner.wait(PATIENCE_S) == 0
    lines = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    assert sorted(Path(line["file"]).name for line in lines) == moved(tmp_path)
    assert len(lines) == FILES
    for line in lines:
        assert (line["verdict"] == "error") == line["file"].endswith("notes.txt")
        assert line["verdict"] == "error" or (tmp_path / "out" / line["heat_map"]).is_file()
