"""A bundle is proven in a process of its own: what its graphs do to a runtime is an error with its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle, write_bundle
from sranogan_edge.detector.load import Loader, ScoringSettings
from sranogan_edge.detector.trial import Trial, tried
from sranogan_edge.errors import (
    BackendError,
    BundleCrashError,
    BundleFormatError,
    BundleIntegrityError,
    GoldenMismatchError,
    SettingsError,
)
from tests.support.hostile_graphs import crashing


def test_a_sound_bundle_is_what_was_proven(tiny_bundle: Path) -> None:
    """It says of which file that holds, by every budget too; another one put in its place is refused."""
    for every in (False, True):
        assert (
            tried(Trial(tiny_bundle, backend="xnnpack", every_budget=every))
            == read_bundle(tiny_bundle).sha256
        )
    with pytest.raises(BundleIntegrityError, match="was changed while it was proven"):
        Loader(ScoringSettings("xnnpack")).detector(tiny_bundle, sha256="0" * 64)


@pytest.mark.parametrize("limit", [1000, 2**28, None])
def test_the_limit_of_pixels_is_the_one_that_is_asked_for(tiny_bundle: Path, limit: int | None) -> None:
    """Lower or higher than the bundle's own, which holds where nobody asks."""
    found = Loader(ScoringSettings("xnnpack", max_pixels=limit)).detector(tiny_bundle).bundle.preprocess
    assert 1000 < read_bundle(tiny_bundle).preprocess.max_pixels < 2**28
    assert found.max_pixels == (limit or read_bundle(tiny_bundle).preprocess.max_pixels)


def test_errors_come_back_as_what_they_are(tiny_bundle: Path, tmp_path: Path) -> None:
    """Kind and words are those of proving it here."""
    bundle, other = read_bundle(tiny_bundle), tmp_path / "other.sranogan"
    (tmp_path / "garbage").write_bytes(b"garbage")
    with pytest.raises(BundleFormatError, match="is not a bundle"):
        tried(Trial(tmp_path / "garbage"))
    with pytest.raises(SettingsError, match="no budget of 77"):
        tried(Trial(tiny_bundle, steps=77))
    write_bundle(wrong(bundle), other)
    with pytest.raises(GoldenMismatchError):
        tried(Trial(other, backend="xnnpack"))
    write_bundle(replace(bundle, graphs={**bundle.graphs, "head": b"no graph"}), other)
    with pytest.raises(BackendError):
        tried(Trial(other, backend="xnnpack"))


def wrong(bundle: Bundle) -> Bundle:
    """The bundle with scores that it does not give."""
    budget = bundle.budgets[bundle.steps]
    changed = replace(budget, golden_scores=budget.golden_scores + 9)
    return replace(bundle, budgets={**bundle.budgets, bundle.steps: changed})


def test_a_graph_that_crashes_its_runtime_is_an_error_of_the_bundle(
    tiny_bundle: Path, tmp_path: Path
) -> None:
    """It says by which signal the process ended."""
    path = crashing(tiny_bundle, tmp_path / "hostile.sranogan")
    assert read_bundle(path).sha256  # its hashes hold
    with pytest.raises(BundleCrashError, match=r"hostile\.sranogan: .* was ended by signal"):
        tried(Trial(path, backend="xnnpack"))


@pytest.mark.parametrize(
    ("backend", "bounded", "limit_s"),
    [
        *[(name, True, 120) for name in ("auto", "xnnpack", "gpu", "onnx", "tflite-runtime")],
        *[("onnx:CUDA", False, 120), ("delegate:/usr/lib/libx.so", False, 120), ("tensorrt", False, 3600)],
    ],
)
def test_drivers_reserve_what_they_like(backend: str, bounded: bool, limit_s: float) -> None:
    """A driver's address space is no sign of a hostile graph, nor is the time that engines take."""
    trial = Trial(Path("chest.sranogan"), backend=backend)
    assert (trial.memory_bytes > 0) is bounded
    assert trial.limit_s == limit_s


def test_what_takes_too_long_is_an_error_of_the_bundle(tiny_bundle: Path) -> None:
    """It is ended, and the error says after how long."""
    with pytest.raises(BundleCrashError, match=r"was ended after 0\.05 s"):
        tried(Trial(tiny_bundle), limit_s=0.05)
