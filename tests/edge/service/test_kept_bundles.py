"""Copies of what was in use: which stay, and how often one is tried that ends the runner."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from sranogan_edge.errors import BundleCrashError
from sranogan_edge.service.bundles import KeptBundles


@pytest.fixture
def kept(tmp_path: Path) -> KeptBundles:
    """Give an empty store of the copies of one file, of which two older ones are kept."""
    return KeptBundles(tmp_path / "spool", tmp_path / "b.sranogan", keep=2)


def put(kept: KeptBundles, content: bytes) -> None:
    """Let a file with this content be in use."""
    (kept.in_use.parent.parent.parent / "b.sranogan").write_bytes(content)
    kept.stage()
    kept.promote()


def contents(kept: KeptBundles) -> dict[str, bytes]:
    """What is kept, by name."""
    return {path.name: path.read_bytes() for path in kept.in_use.parent.iterdir()}


def test_the_one_before_stays_where_it_is_another(kept: KeptBundles) -> None:
    """Put there again, the same one takes no place: a way back leads to another one."""
    for content in (b"one", b"one", b"two", b"two"):
        put(kept, content)
    assert contents(kept) == {"b.sranogan": b"two", "b.sranogan.1": b"one"}
    for content in (b"three", b"four"):
        put(kept, content)
    assert contents(kept) == {"b.sranogan": b"four", "b.sranogan.1": b"three", "b.sranogan.2": b"two"}


def test_what_is_not_staged_is_not_promoted(kept: KeptBundles) -> None:
    """What was refused leaves what is in use as it was."""
    put(kept, b"one")
    kept.stage()
    kept.discard()
    kept.promote()
    assert contents(kept) == {"b.sranogan": b"one"}


def test_a_bundle_that_ended_the_runner_twice_is_not_proven_again(kept: KeptBundles, tmp_path: Path) -> None:
    """Twice of itself: another one's proof, and one that came to its end, begin anew."""
    bad, other = "ab" * 32, "cd" * 32
    kept.begin_proof(bad)
    kept.end_proof()
    kept.begin_proof(bad)
    kept.begin_proof(other)
    for _ in range(2):  # the runner ended, and was started again
        KeptBundles(tmp_path / "spool", tmp_path / "b.sranogan").begin_proof(bad)
    with pytest.raises(BundleCrashError, match="ended the runner 2 times while it was proven"):
        kept.begin_proof(bad)


def test_what_was_in_use_is_proven_however_often(kept: KeptBundles) -> None:
    """It was proven here before: whatever ended the runner, it was not that."""
    put(kept, b"one")
    for _ in range(5):
        kept.begin_proof(sha256(b"one").hexdigest())


def test_a_calibration_that_was_replaced_meanwhile_is_not_kept(kept: KeptBundles, tmp_path: Path) -> None:
    """The copy is of what is in force, by its digest."""
    file = tmp_path / "site.json"
    file.write_bytes(b"in force")
    kept.keep_calibration(file, sha256(b"in force").hexdigest())
    file.write_bytes(b"newer")
    kept.keep_calibration(file, sha256(b"in force by now").hexdigest())
    assert kept.calibration(file).read_bytes() == b"in force"


def test_what_took_over_without_a_calibration_is_remembered(kept: KeptBundles) -> None:
    """Of that bundle alone, until one is in force again."""
    put(kept, b"one")
    kept.note_void("ab")
    assert (kept.is_void("ab"), kept.is_void("cd")) == (True, False)
    kept.note_void("")
    assert not kept.is_void("ab")
