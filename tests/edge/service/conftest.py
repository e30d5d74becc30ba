"""Runners, their spools, and bundles that take over from each other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.decoding.decoder import Decoder
from sranogan_edge.spool.spool import Spool
from tests.support.service_bench import Bench
from tests.support.spools import ROOMY
from tests.support.swap_place import Place, calibration_of, other_bundles


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """Give a decoder for all runners of these tests: one of its own would cost each of them a process."""
    made = Decoder()
    yield made
    made.close()


@pytest.fixture
def bench(tmp_path: Path, decoder: Decoder) -> Iterator[Bench]:
    """Give a runner."""
    made = Bench(tmp_path)
    made.decoder = decoder
    yield made
    made.spool.close()


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    """Give an empty spool."""
    opened = Spool(tmp_path / "spool", ROOMY)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny bundle."""
    return read_bundle(tiny_bundle)


@pytest.fixture(scope="module")
def others(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a second good bundle, one that scores otherwise than it states, and garbage."""
    return other_bundles(bundle, tmp_path_factory.mktemp("others"))


@pytest.fixture(scope="module")
def calibration(tiny_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a calibration of the tiny bundle."""
    return calibration_of(tiny_bundle, tmp_path_factory.mktemp("site"))


@pytest.fixture
def place(tmp_path: Path, tiny_bundle: Path) -> Place:
    """Give a runner's folder with the tiny bundle in it."""
    return Place(tmp_path, tiny_bundle)
