"""Bundle files that hold more than hashes cover, or claim more than a device has, are refused."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import benchmarks.runner.hostile.every  # noqa: F401  # registers the kinds
from benchmarks.runner.hostile.kinds import KINDS, Kind
from sranogan_edge.bundle.archive import MAX_BUNDLE_BYTES
from sranogan_edge.bundle.bundle import read_bundle, write_bundle
from sranogan_edge.errors import BundleError, BundleFormatError, BundleIntegrityError, BundleLimitError
from sranogan_edge.image.guard import MOST_PIXELS
from tests.support.small_bundles import rewrite_manifest, small_bundle

REFUSED = [made for made in KINDS.values() if made.target == "archive" and made.refused]


@pytest.mark.parametrize("made", REFUSED, ids=lambda made: made.name)
def test_what_no_bundle_is_is_refused(path: Path, made: Kind) -> None:
    """Each crafted kind, in each of its variants."""
    sound = path.read_bytes()
    for seed in range(10):
        path.write_bytes(made.make(np.random.default_rng(seed), sound))
        with pytest.raises(BundleError):
            read_bundle(path)


def test_a_byte_behind_a_signed_bundle(tmp_path: Path) -> None:
    """The signature is of the manifest; what no member holds is refused, whatever it is."""
    key, path = tmp_path / "key", tmp_path / "x.sranogan"
    key.write_bytes(b"a secret of more than thirty-two bytes")
    write_bundle(small_bundle(), path, key)
    read_bundle(path, key)
    sound = path.read_bytes()
    for data in (sound + b"\0", sound + b"\n", b"\0" + sound, sound + sound):
        path.write_bytes(data)
        with pytest.raises((BundleIntegrityError, BundleFormatError)):
            read_bundle(path, key)


def test_a_budget_of_pixels_is_bounded(path: Path) -> None:
    """A bundle may not let a device decode what it has no memory for."""
    rewrite_manifest(path, lambda m: m["preprocess"].update(max_pixels=MOST_PIXELS))
    assert read_bundle(path).preprocess.max_pixels == MOST_PIXELS
    rewrite_manifest(path, lambda m: m["preprocess"].update(max_pixels=MOST_PIXELS + 1))
    with pytest.raises(BundleFormatError, match="max_pixels must be a whole number from 1 to 268435456"):
        read_bundle(path)


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """Its size alone is reason: nothing of 3 GB comes into memory."""
    path = tmp_path / "huge.sranogan"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    tracemalloc.start()
    with pytest.raises(BundleLimitError, match=f"larger than {MAX_BUNDLE_BYTES:,} bytes"):
        read_bundle(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_a_pipe_in_its_place_is_refused(tmp_path: Path) -> None:
    """Opening it would wait for ever."""
    os.mkfifo(tmp_path / "pipe.sranogan")
    with pytest.raises(BundleFormatError, match="no regular file"):
        read_bundle(tmp_path / "pipe.sranogan")
