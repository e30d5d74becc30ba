"""Whether images are in memory or on disk, as asked for, or by what is free."""

from __future__ import annotations

from pathlib import Path

import pytest

from keras_sranogan.data import images_in
from keras_sranogan.data.images_in import free_bytes, on_disk
from keras_sranogan.data.open import open_source
from keras_sranogan.progress import Silent
from keras_sranogan.settings import TrainSettings


class Notes(Silent):
    """Progress that keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_as_asked_for_or_by_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 normals of 128 px are 62.5 MiB, 19 times that is 1,187.5 MiB, which is 0.7 of 1,696."""
    source, settings, notes = open_source("phantom?train=1000"), TrainSettings(), Notes()
    for free_mib, expected in ((1690, True), (1700, False)):
        monkeypatch.setattr(images_in, "free_bytes", lambda free_mib=free_mib: free_mib * 2**20)
        assert on_disk("auto", source, settings, notes) is expected
        assert on_disk("disk", source, settings, notes)
        assert not on_disk("memory", source, settings, notes)
    assert len(notes.said) == 1
    assert notes.said[0].startswith("1000 normals would take about 1.2 of 1.7 GiB that are free")


def test_what_is_free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the machine, or of the container where it may take less; files in its cache take nothing from it."""
    (tmp_path / "meminfo").write_text("MemTotal:  4000 kB\nMemAvailable:   3000 kB\n")
    monkeypatch.setattr(images_in, "_MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(images_in, "_GROUP", tmp_path)
    assert free_bytes() == 3000 * 1024
    (tmp_path / "memory.current").write_text("1000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert free_bytes() == 3000 * 1024
    (tmp_path / "memory.max").write_text("2000000\n")
    (tmp_path / "memory.stat").write_text("anon 300\nactive_file 100\ninactive_file 600\n")
    assert free_bytes() == 1_999_600
    (tmp_path / "meminfo").unlink()
    (tmp_path / "memory.max").unlink()
    assert free_bytes() > 2**28
