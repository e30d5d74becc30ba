"""What benchmarks of the detector are tried with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.transfer.designs import DESIGNS, Design
from benchmarks.transfer.protocols import ALL, PROTOCOLS, Protocol
from keras_sranogan.presets import preset
from sranogan_edge.image.preprocess import PreprocessSpec


@pytest.fixture
def tiny_design(monkeypatch: pytest.MonkeyPatch) -> str:
    """Give the name of a design that takes seconds, and of a protocol of drawn images."""
    changes = {"anomalies": "mixture", "sees": "image", "width": 8, "steps": 4, "pairs": 4}
    drawn = Protocol("tiny", "phantom?train=60&val=10&test=24&size=96")
    monkeypatch.setitem(DESIGNS, "tiny", Design("tiny", changes))
    monkeypatch.setitem(PROTOCOLS, "tiny", drawn)
    monkeypatch.setitem(ALL, "tiny", drawn)
    small = replace(preset("standard"), preprocess=PreprocessSpec(size=32), precision="float32")
    monkeypatch.setattr("benchmarks.transfer.designs.preset", lambda name, seed: replace(small, seed=seed))
    return "tiny"
