"""Bundles whose hashes hold and whose graphs do not: the last good one goes on, at the start too."""

from __future__ import annotations

import json
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle, write_bundle
from sranogan_edge.errors import BundleCrashError, BundleLimitError
from sranogan_edge.service.bundles import KeptBundles, digest_of
from tests.support.hostile_graphs import crashing
from tests.support.service_bench import wait_for
from tests.support.swap_place import Place, successor


@pytest.fixture
def hostile(tiny_bundle: Path, tmp_path: Path) -> Path:
    """Give a bundle with valid hashes whose graph crashes its runtime."""
    return crashing(tiny_bundle, tmp_path / "hostile")


def test_a_graph_that_crashes_is_refused_while_running(
    place: Place, hostile: Path, others: Path, bundle: Bundle
) -> None:
    """It is an alarm that names the file; the one in use goes on, and a good one takes over after it."""
    swap = place.swap()
    assert swap.first().scorer.bundle == bundle.sha256
    swap.start()
    place.put(hostile)
    wait_for(lambda: bool(place.alarms.now))
    (alarm,) = place.alarms.now
    assert alarm.startswith(str(place.file))
    assert "the process that proved it was ended by signal" in alarm
    assert alarm.endswith("The one in use goes on.")
    place.put(others / "second")
    assert successor(swap).scorer.bundle == read_bundle(others / "second").sha256
    swap.close()
    assert not place.alarms.now


def test_a_graph_that_crashes_is_refused_at_every_start(place: Place, hostile: Path, bundle: Bundle) -> None:
    """The bundle that was in use before goes on, at each restart again."""
    place.swap().first()
    place.put(hostile)
    for _ in range(2):
        swap = place.swap()
        assert swap.first().scorer.bundle == bundle.sha256
        (alarm,) = place.alarms.now
        assert alarm.endswith("The one that was in use before goes on.")


def test_a_graph_that_no_runtime_loads_is_refused_at_the_start(place: Place, bundle: Bundle) -> None:
    """Not only what a bundle's own checks find, but whatever keeps it from scoring."""
    place.swap().first()
    write_bundle(replace(bundle, graphs={**bundle.graphs, "head": b"no graph"}), place.root / "other")
    place.put(place.root / "other")
    assert place.swap().first().scorer.bundle == bundle.sha256
    assert "The one that was in use before goes on." in place.alarms.now[0]


def test_the_first_start_names_the_bundle_that_crashes(place: Place, hostile: Path) -> None:
    """With nothing to go on with, the runner does not start, but says why."""
    place.put(hostile)
    with pytest.raises(BundleCrashError, match=r"chest\.sranogan: the process that proved it was ended by"):
        place.swap().first()


def test_what_ends_the_runner_itself_is_not_tried_a_third_time(
    place: Place, others: Path, bundle: Bundle
) -> None:
    """A bundle that passes in the other process and still crashes the runner is known by its attempts."""
    place.swap().first()
    place.put(others / "second")
    kept, sha256 = KeptBundles(place.root / "spool", place.file), digest_of(others / "second")
    for _ in range(2):
        kept.begin_proof(sha256)  # and the runner is gone
    assert place.swap().first().scorer.bundle == bundle.sha256
    assert "it ended the runner 2 times while it was proven" in place.alarms.now[0]
    shutil.copy(others / "second", place.file)
    (place.root / "spool" / "bundles" / "proving").write_text(json.dumps(["another", 2]))
    assert place.swap().first().scorer.bundle == sha256


def test_the_size_is_asked_before_the_digest(place: Place, bundle: Bundle) -> None:
    """A file of 3 GB is refused at the start and while running, and never comes into memory."""
    swap = place.swap()
    swap.first()
    with place.file.open("wb") as file:
        file.truncate(3 * 2**30)
    tracemalloc.start()
    swap.start()
    wait_for(lambda: bool(place.alarms.now))
    assert "larger than 536,870,912 bytes" in place.alarms.now[0]
    swap.close()
    assert place.swap().first().scorer.bundle == bundle.sha256
    with pytest.raises(BundleLimitError):
        place.swap()._read(None)
    assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    tracemalloc.stop()
