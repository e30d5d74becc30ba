"""``sranogan-score --probe``: what a source gives, why it gives nothing, and what cannot be asked."""

from __future__ import annotations

import socket
from pathlib import Path

import cv2
import numpy as np
import pytest

from sranogan_edge.errors import ExitCode
from tests.support.cli_runs import score


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Give a video of five frames, half as bright as white."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 12.0, (64, 48))
    for _ in range(5):
        writer.write(np.full((48, 64, 3), 128, np.uint8))
    writer.release()
    return path


def test_what_a_video_gives(clip: Path) -> None:
    """Size, rate, codec and brightness of its first frame; no bundle is needed."""
    told = score("--probe", clip)
    assert told.exit_code == ExitCode.OK
    assert told.stdout.splitlines()[0] == f"{clip}: it gives frames"
    facts = dict(line.split(maxsplit=1) for line in told.stdout.splitlines()[1:])
    assert facts["size"] == "64 x 48 pixels, colour"
    assert facts["rate"] == "12 frames a second"
    assert facts["codec"] == "MJPG"
    assert float(facts["brightness"].split()[0]) == pytest.approx(0.5, abs=0.02)
    assert (
        score("--probe", clip, "--roi", "8,8,16,10").stdout.splitlines()[1].endswith("16 x 10 pixels, colour")
    )


def closed_port() -> int:
    """Where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def test_a_camera_that_is_not_there() -> None:
    """One try, the reason, and the exit code of a feed that cannot be opened."""
    told = score("--probe", f"rtsp://nurse:sesame@127.0.0.1:{closed_port()}/x")
    assert told.exit_code == ExitCode.BAD_DATA
    assert "it cannot be opened: nothing listens at its address and port" in " ".join(told.stderr.split())
    assert "sesame" not in told.stdout + told.stderr


@pytest.mark.parametrize(
    ("content", "why"), [(b"", "is empty"), (b"no video" * 4000, "it cannot be opened: no video in it")]
)
def test_a_file_that_is_no_video(tmp_path: Path, content: bytes, why: str) -> None:
    """It says so, with the same exit code."""
    (tmp_path / "clip.mp4").write_bytes(content)
    told = score("--probe", tmp_path / "clip.mp4")
    assert told.exit_code == ExitCode.BAD_DATA
    assert why in " ".join(told.stderr.split())


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("watch:in", "looks at cameras, streams and videos"),
        ("dicom:11112", "looks at cameras, streams and videos"),
        ("image.png", "looks at cameras, streams and videos"),
        ("http://camera/x", "no feed has the scheme"),
        ("", "names nothing"),
    ],
)
def test_what_cannot_be_asked(uri: str, why: str) -> None:
    """No such kind of source: wrong usage."""
    told = score("--probe", uri)
    assert told.exit_code == ExitCode.USAGE
    assert why in " ".join(told.stderr.split())


def test_a_feed_of_the_settings(tmp_path: Path, clip: Path) -> None:
    """With --config its options hold: here, its region; what is not in the file is refused."""
    config = tmp_path / "runner.toml"
    config.write_text(f'bundle = "b.sranogan"\n[[feeds]]\nuri = "{clip}"\nregion = [0, 0, 20, 30]\n')
    told = score("--config", config, "--probe", clip)
    assert told.exit_code == ExitCode.OK
    assert "20 x 30 pixels" in told.stdout
    other = score("--config", config, "--probe", "camera:0")
    assert other.exit_code == ExitCode.USAGE
    assert f"no such feed; it has: {clip}" in " ".join(other.stderr.split())
