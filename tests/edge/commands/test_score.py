"""``sranogan-score`` on the folders that people have: good images among broken ones, and full disks."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_sranogan.data.phantom import render_abnormal, render_normal
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import ExitCode
from tests.support.cli_runs import lines_in, score
from tests.support.hostile_graphs import crashing

SCORE = Path(sys.executable).with_name("sranogan-score")
GOOD = ("abnormal.png", "cmyk.jpg", "deep.png", "deep/normal.png", "normal.png", "small.bmp")
BAD = {
    "black.png": "DegenerateImageError",
    "cut.jpg": "UnreadableImageError",
    "huge.png": "OversizedImageError",
    "pixel.png": "DegenerateImageError",
    "text.png": "UnreadableImageError",
}


def copies(file: Path, folder: Path, count: int) -> list[Path]:
    """So many files of one content, each with a name of its own."""
    folder.mkdir()
    files = [folder / f"{number}{file.suffix}" for number in range(count)]
    for one in files:
        os.link(file, one)
    return files


def huge_header() -> bytes:
    """A PNG of a few bytes that declares 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


@pytest.fixture(scope="session")
def normal() -> Image.Image:
    """Give a phantom's normal film."""
    return Image.fromarray(render_normal(5, 0, 96).pixels)


@pytest.fixture(scope="session")
def feed(tmp_path_factory: pytest.TempPathFactory, normal: Image.Image) -> Path:
    """Give a folder of good images of several kinds and sizes, and of bad ones."""
    folder = tmp_path_factory.mktemp("feed")
    (folder / "deep").mkdir()
    normal.save(folder / "normal.png")
    normal.resize((150, 110)).save(folder / "deep" / "normal.png")
    normal.resize((40, 44)).save(folder / "small.bmp")
    normal.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(render_abnormal(5, 1, "consolidation", 96).pixels).save(folder / "abnormal.png")
    Image.fromarray(np.asarray(normal).astype(np.uint16) * 257).save(folder / "deep.png")
    normal.save(folder / "cut.jpg")
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:900])
    (folder / "text.png").write_text("this is no image")
    Image.new("L", (64, 64)).save(folder / "black.png")
    Image.new("L", (1, 1), 128).save(folder / "pixel.png")
    (folder / "huge.png").write_bytes(huge_header())
    (folder / "notes.txt").write_text("left alone")
    (folder / ".hidden.png").write_text("left alone")
    return folder


def test_good_are_scored_and_bad_have_their_line(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """Each image has one line with every field; a bad one has its error, and the exit code is 4."""
    done = score(tiny_bundle, feed, "--out", tmp_path / "out", "--json", tmp_path / "figures.json")
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    lines = {str(Path(line["file"]).relative_to(feed)): line for line in lines_in(tmp_path / "out")}
    assert sorted(lines) == sorted([*GOOD, *BAD])
    sha256 = read_bundle(tiny_bundle).sha256
    for name in GOOD:
        line = lines[name]
        assert math.isfinite(line["score"])
        assert 0 < line["p_value"] <= 1
        assert line["verdict"] in ("normal", "anomalous")
        assert line["milliseconds"]["total"] > 0
        assert (line["error"], line["bundle"], line["schema_version"]) == (None, sha256, 1)
        assert "threshold" in line
        assert line["backend"].startswith("ai-edge-litert 2.")
        assert (line["backend_fallback"], line["steps"]) == (None, read_bundle(tiny_bundle).steps)
        assert Image.open(tmp_path / "out" / line["heat_map"]).size == (384, 384)
    for name, kind in BAD.items():
        line = lines[name]
        assert line["verdict"] == "error"
        assert line["error"].startswith(f"{kind}: {feed / name}: ")
        assert (line["score"], line["p_value"], line["heat_map"]) == (None, None, None)
        assert f"not scored: {kind}: {feed / name}" in done.stdout
    assert len({lines[name]["heat_map"] for name in GOOD}) == len(GOOD)


def test_16_bit_scores_as_8_bit(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """The same film with 8 and with 16 bits gets the same score, but for 8 bits' rounding."""
    score(tiny_bundle, feed / "normal.png", feed / "deep.png", "--out", tmp_path)
    first, second = lines_in(tmp_path)
    assert first["score"] == pytest.approx(second["score"], abs=0.2)  # a fifth of the spread of normals


def test_figures_as_json(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """--json has the counts, the mean milliseconds of each step, the bundle's hash and the backend."""
    score(tiny_bundle, feed, "--out", tmp_path / "out", "--json", tmp_path / "figures.json")
    found = json.loads((tmp_path / "figures.json").read_text(), parse_constant=pytest.fail)
    lines = lines_in(tmp_path / "out")
    assert (found["images"], found["failed"]) == (len(GOOD) + len(BAD), len(BAD))
    assert found["normal"] + found["anomalous"] == len(GOOD)
    totals = [line["milliseconds"]["total"] for line in lines if not line["error"]]
    assert found["mean_milliseconds"]["total"] == pytest.approx(np.mean(totals), abs=1e-3)
    assert set(found["mean_milliseconds"]) == {*lines[0]["milliseconds"]} != set()
    assert found["bundle"] == read_bundle(tiny_bundle).sha256
    assert found["backend"].startswith("ai-edge-litert")


def test_all_good_is_exit_code_0(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """Where every image was scored the exit code is 0 and the table shows them."""
    done = score(tiny_bundle, feed / "normal.png", feed / "abnormal.png", "--out", tmp_path)
    assert done.exit_code == ExitCode.OK, done.output
    assert "2 scored" in done.stdout
    assert "0 failed" in done.stdout


@pytest.mark.parametrize("spooled", [False, True])
@pytest.mark.parametrize(("name", "told"), [("none.png", "no such file"), ("empty", "PNG")])
def test_nothing_to_score(tiny_bundle: Path, tmp_path: Path, name: str, told: str, spooled: bool) -> None:
    """A file that is not there and a folder without images are exit code 3, and nothing is written."""
    (tmp_path / "empty").mkdir()
    spool = ("--spool", tmp_path / "spool") if spooled else ()
    done = score(tiny_bundle, tmp_path / name, "--out", tmp_path / "out", *spool)
    assert done.exit_code == ExitCode.BAD_DATA
    assert told in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_refused_bundle(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """A damaged bundle is exit code 5, one message without a traceback, and nothing is scored."""
    data = bytearray(tiny_bundle.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "damaged.sranogan").write_bytes(data)
    done = score(tmp_path / "damaged.sranogan", feed, "--out", tmp_path / "out")
    assert done.exit_code == ExitCode.BUNDLE_REFUSED
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["sranogan-score", "sranogan-calibrate"])
def test_a_graph_that_crashes_its_runtime_is_a_refused_bundle(
    tiny_bundle: Path, feed: Path, tmp_path: Path, command: str
) -> None:
    """The command names the bundle and leaves with exit code 5, as a real process: it was not taken down."""
    path = crashing(tiny_bundle, tmp_path / "hostile.sranogan")
    out = ["--out", str(tmp_path / "out"), *(["--false-alarm-rate", "0.3"] if "calib" in command else [])]
    images = feed if "score" in command else copies(feed / "normal.png", tmp_path / "normals", 40)[0].parent
    asked = [str(SCORE.with_name(command)), str(path), str(images), "--backend", "xnnpack", *out]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=300, check=False)
    assert told.returncode == ExitCode.BUNDLE_REFUSED, told.stderr
    assert "hostile.sranogan: the process that proved it was ended by signal" in told.stderr
    assert "Traceback" not in told.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--out", "--json"])
def test_unwritable_place(tiny_bundle: Path, feed: Path, tmp_path: Path, option: str) -> None:
    """Results or figures that cannot be written are exit code 6, and the message names the option."""
    (tmp_path / "file").touch()
    places = {"--out": tmp_path / "out", "--json": tmp_path / "f.json", option: tmp_path / "file" / "below"}
    pairs = [word for pair in places.items() for word in pair]
    done = score(tiny_bundle, feed / "normal.png", *pairs)
    assert done.exit_code == ExitCode.CANNOT_WRITE
    assert option in done.stderr


def test_wrong_usage(tiny_bundle: Path) -> None:
    """A missing argument and a thread count of 0 are exit code 2."""
    assert score(tiny_bundle).exit_code == ExitCode.USAGE
    assert score(tiny_bundle, "x.png", "--threads", 0).exit_code == ExitCode.USAGE


def test_missing_backend(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """A backend that is asked for and missing is exit code 8, and nothing else scores in its place."""
    asked = ("--backend", "delegate:/no/such/library.so", "--out", tmp_path / "out")
    done = score(tiny_bundle, feed / "normal.png", *asked)
    assert done.exit_code == ExitCode.NO_BACKEND
    assert "/no/such/library.so cannot be loaded" in done.stderr
    assert not (tmp_path / "out").exists()


def test_unknown_backend(tiny_bundle: Path, feed: Path) -> None:
    """A backend that does not exist is wrong usage, and the message lists those that do."""
    done = score(tiny_bundle, feed / "normal.png", "--backend", "cuda")
    assert done.exit_code == ExitCode.USAGE
    assert "auto, xnnpack, gpu, tflite-runtime, delegate:PATH, onnx" in done.stderr


def test_steps(budgets_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """--steps takes another budget of the bundle, which gives other scores; what is not there is refused."""
    bundle = read_bundle(budgets_bundle)
    scores = {}
    for steps in bundle.budgets:
        done = score(budgets_bundle, feed / "normal.png", "--steps", steps, "--out", tmp_path)
        assert done.exit_code == ExitCode.OK, done.output
        (line,) = lines_in(tmp_path)
        assert line["steps"] == steps
        assert f"{steps} search steps" in done.stdout
        scores[steps] = line["score"]
    assert len(set(scores.values())) == len(bundle.budgets)
    done = score(budgets_bundle, feed / "normal.png", "--steps", 77, "--out", tmp_path)
    assert done.exit_code == ExitCode.USAGE
    assert "no budget of 77 search steps; it has" in done.stderr


def test_budget_in_milliseconds(budgets_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """--budget-ms takes the most steps that fit, says what each takes, and refuses where none does."""
    most = max(read_bundle(budgets_bundle).budgets)
    done = score(budgets_bundle, feed / "normal.png", "--budget-ms", 1e6, "--out", tmp_path)
    assert done.exit_code == ExitCode.OK, done.output
    assert lines_in(tmp_path)[0]["steps"] == most
    assert re.search(rf"{most} search steps: p95 of .*{most} steps [\d.]+ ms", done.stderr)
    done = score(budgets_bundle, feed / "normal.png", "--budget-ms", 1e-3, "--out", tmp_path / "no")
    assert done.exit_code == ExitCode.NO_BACKEND
    assert re.search(r"no step budget of this bundle keeps to 0\.001 ms .*steps [\d.]+ ms", done.stderr)
    assert not (tmp_path / "no").exists()


def test_steps_and_milliseconds_contradict(tiny_bundle: Path, feed: Path) -> None:
    """A number of steps and a time to choose it by are wrong usage together."""
    done = score(tiny_bundle, feed / "normal.png", "--steps", 3, "--budget-ms", 10)
    assert done.exit_code == ExitCode.USAGE
    assert "give one of them" in done.stderr


def test_help_tells_the_exit_codes() -> None:
    """--help explains every exit code that the command can end with."""
    text = score("--help").stdout
    assert all(re.search(rf"\b{code}\s+\w", text) for code in (0, 2, 3, 4, 5, 6, 8, 130))
    assert "--json" in text


def test_as_a_real_process(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """The installed command scores as a call inside this process does, on an ASCII terminal too."""
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "80"}
    arguments = [str(part) for part in (SCORE, tiny_bundle, feed, "--out", tmp_path / "a")]
    done = subprocess.run(
        arguments, capture_output=True, text=True, env=environment, timeout=120, check=False
    )
    assert done.returncode == ExitCode.SOME_FAILED, done.stderr
    assert "Traceback" not in done.stderr
    score(tiny_bundle, feed, "--out", tmp_path / "b")
    scores = [[line["score"] for line in lines_in(tmp_path / folder)] for folder in "ab"]
    assert scores[0] == scores[1]


# A shell makes its background jobs, and so their children, ignore Ctrl-C; this undoes it for one command.
HEEDING_INTERRUPTS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_interrupt_keeps_the_lines(tiny_bundle: Path, feed: Path, tmp_path: Path) -> None:
    """Ctrl-C on the way is exit code 130 without a traceback, and every line so far is whole."""
    files = copies(feed / "normal.png", tmp_path / "in", 5000)
    running = subprocess.Popen(
        [sys.executable, "-c", HEEDING_INTERRUPTS, SCORE, tiny_bundle, *files, "--out", tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    results = tmp_path / "results.jsonl"
    deadline = time.monotonic() + 120
    while not (results.exists() and results.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == ExitCode.INTERRUPTED, errors
    assert "interrupted" in errors
    assert "Traceback" not in errors
    lines = lines_in(tmp_path)
    assert 0 < len(lines) < len(files)
    assert all(line["verdict"] in ("normal", "anomalous") for line in lines)


@pytest.mark.parametrize("then", ["normal.png", "text.png"])
def test_full_disk(tiny_bundle: Path, feed: Path, tmp_path: Path, small_disk: Path, then: str) -> None:
    """A disk that fills up, by a heat map or by lines, is exit code 6, and what stands on it is whole."""
    bad = copies(feed / "text.png", tmp_path / "bad", 3)
    files = bad + copies(feed / then, tmp_path / "in", 2000)
    done = score(tiny_bundle, *files, "--out", small_disk)
    assert done.exit_code == ExitCode.CANNOT_WRITE, done.output
    assert "No space left" in done.stderr
    lines = lines_in(small_disk)
    assert (len(lines) == 3) if then == "normal.png" else (len(lines) > 50)
    assert not list((small_disk / "heat_maps").iterdir())
