"""Archives scored on a Ray cluster of several nodes, each with processes of its own, on this machine."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="the extra archive is not installed")
pytest.importorskip("ray", reason="the extra ray is not installed")

from ray.cluster_utils import Cluster

from sranogan_edge import __version__
from sranogan_edge.archive.engine import Work
from sranogan_edge.archive.engine_ray import RayEngine
from sranogan_edge.archive.ledger import Ledger
from sranogan_edge.archive.run import ArchiveRun, score_archive
from sranogan_edge.archive.tally import Tally
from sranogan_edge.archive.task import Task
from sranogan_edge.errors import BundleIntegrityError, ExitCode, SettingsError
from tests.support.archives import draw_archive, left_over, rows_in
from tests.support.cli_runs import score

pytestmark = pytest.mark.slow
IMAGES = 40


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Give a head without cores of its own, and a node with one."""
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, make_dicom: Callable[..., bytes]) -> Path:
    """Give an archive with DICOM objects and bad files."""
    return draw_archive(tmp_path_factory.mktemp("archive") / "films", IMAGES, make_dicom)


@pytest.fixture(scope="module")
def expected(
    tiny_bundle: Path, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, Any]]:
    """Give the rows that the local engine writes."""
    out = tmp_path_factory.mktemp("expected") / "out"
    score(tiny_bundle, archive, "--engine", "local", "--workers", 1, "--out", out)
    return rows_in(out)


def test_rows_are_those_of_one_machine(
    cluster: Any, tiny_bundle: Path, archive: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A cluster writes the rows that one machine writes, to the last bit."""
    call = ("--engine", "ray", "--address", cluster.address, "--part-images", 7, "--out", tmp_path)
    done = score(tiny_bundle, archive, *call)
    assert done.exit_code == ExitCode.SOME_FAILED, done.output
    assert rows_in(tmp_path) == expected
    assert left_over(tmp_path) == []


def test_a_node_that_goes_costs_no_row(
    cluster: Any, tiny_bundle: Path, archive: Path, expected: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A node killed with a shard in hand: its images are scored on another, each once."""
    doomed = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()
    gone: list[int] = []

    def tell(tally: Tally, ledger: Ledger) -> None:
        if not gone and ledger.done >= 2:
            gone.append(ledger.done)
            cluster.remove_node(doomed, allow_graceful=False)

    run = ArchiveRun(tiny_bundle, str(archive), tmp_path, per_part=3)
    score_archive(run, lambda task: RayEngine(task, 3, cluster.address), tell)
    assert gone
    assert gone[0] < len(expected) // 3
    assert rows_in(tmp_path) == expected


@pytest.mark.parametrize(
    ("version", "kind", "told"),
    [
        (__version__, BundleIntegrityError, "this worker finds the bundle"),
        ("0.0.1", SettingsError, "the run is of 0.0.1"),
    ],
)
def test_a_worker_of_another_bundle_or_version_is_refused(
    cluster: Any, tiny_bundle: Path, archive: Path, version: str, kind: type[Exception], told: str
) -> None:
    """A worker that has something else than the run ends it, and names its machine."""
    task = Task(str(archive), str(archive), tiny_bundle, "ab" * 32, version=version)
    with closing(RayEngine(task, 1, cluster.address)) as engine:
        engine.submit(Work(0, []))
        with pytest.raises(kind, match=rf"on {socket.gethostname()}: .*{told}"):
            engine.events(120.0)


def test_more_workers_than_cores_are_refused(cluster: Any, tiny_bundle: Path, archive: Path) -> None:
    """Actors that no node has a core for would wait for ever."""
    task = Task(str(archive), str(archive), tiny_bundle, "ab" * 32)
    with pytest.raises(SettingsError, match=r"--workers is from 1 to 1, the cores of the Ray cluster"):
        RayEngine(task, 10_000, cluster.address)


@pytest.mark.parametrize("listens", [False, True])
def test_a_head_that_is_not_there(tiny_bundle: Path, archive: Path, tmp_path: Path, listens: bool) -> None:
    """Where nothing answers, or something else does, the run ends and names the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if not listens:
            server.close()
        done = score(tiny_bundle, archive, "--engine", "ray", "--address", address, "--out", tmp_path / "out")
        assert (done.exit_code, address in done.output) == (ExitCode.BAD_DATA, True), done.output


@pytest.mark.parametrize("address", ["nowhere", ":1", "a:b", "host:99999999"])
def test_an_address_that_is_none(tiny_bundle: Path, archive: Path, tmp_path: Path, address: str) -> None:
    """What is no HOST:PORT is refused with the form that it has."""
    done = score(tiny_bundle, archive, "--engine", "ray", "--address", address, "--out", tmp_path / "out")
    assert (done.exit_code, "HOST:PORT" in done.output) == (ExitCode.USAGE, True), done.output
