"""SIGKILL at random moments while DCMTK's storescu and pynetdicom send: nothing acknowledged is lost.

Everything is the real runner but the neural networks: ``benchmarks/runner/killing/runner.py`` has a stand-in.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pynetdicom", reason="the extra dicom is not installed")

from benchmarks.runner.killing.dicom import prove


@pytest.mark.parametrize(("kills", "objects"), [(8, 80), pytest.param(200, 2000, marks=pytest.mark.slow)])
def test_kills_at_random_moments(
    tmp_path: Path, service: Callable[[str], str], kills: int, objects: int
) -> None:
    """Each acknowledged object has one result, its own; poison and rubbish are dead-lettered."""
    report = prove(tmp_path, service("storescu"), kills, objects)
    print(report)
    assert report.broken() == []
    assert report.kills == kills
    assert report.dead_poison >= 1
    assert report.dead_unreadable >= 1
    assert report.ended_before_last_kill > kills / 2
