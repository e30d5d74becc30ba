"""TensorRT's engines on disk: kept for exactly what they were built of and for, and for nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sranogan_edge.runtime.engine_cache import EngineCache, EngineKey, cache_folder

KEY = EngineKey("b" * 64, "search_steps_8", "m" * 64, "Orin (nvgpu)-8.7", "10.3.0")
Build = Callable[[], bytes]


@pytest.fixture
def builds() -> list[str]:
    """Count what is built."""
    return []


@pytest.fixture
def build(builds: list[str]) -> Build:
    """Give a function that builds another engine each time."""

    def make() -> bytes:
        builds.append("engine")
        return f"engine {len(builds)}".encode() * 100

    return make


def test_an_engine_is_built_once(tmp_path: Path, build: Build, builds: list[str]) -> None:
    """The second start takes the first one's engine, byte for byte."""
    first = EngineCache(tmp_path).engine(KEY, build)
    assert EngineCache(tmp_path).engine(KEY, build) == first
    assert len(builds) == 1


@pytest.mark.parametrize("field", ["bundle", "graph", "model", "card", "tensorrt"])
def test_each_part_of_the_key_counts(tmp_path: Path, build: Build, builds: list[str], field: str) -> None:
    """Another bundle, graph, file, card or version of TensorRT has its own engine; the first one stays."""
    cache = EngineCache(tmp_path)
    other = replace(KEY, **{field: "other"})
    first, second = cache.engine(KEY, build), cache.engine(other, build)
    assert first != second
    if field != "model":  # the same bundle has one file for a graph: the newer takes its place
        assert cache.engine(KEY, build) == first
        assert len(builds) == 2


@pytest.mark.parametrize("field", ["bundle", "graph", "model", "card", "tensorrt"])
def test_an_engine_of_something_else_is_built_anew(
    tmp_path: Path, build: Build, builds: list[str], field: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A cache that was copied from another machine is not believed, whatever its folders are called."""
    caplog.set_level(logging.WARNING)
    cache, other = EngineCache(tmp_path), replace(KEY, **{field: "other"})
    cache.engine(other, build)
    for end in (".engine", ".json"):
        target = tmp_path / KEY.path.with_name(f"{KEY.path.name}{end}")
        target.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / other.path.with_name(f"{other.path.name}{end}")).replace(target)
    cache.engine(KEY, build)
    assert len(builds) == 2
    assert "is of something else and is built anew" in caplog.text
    assert cache.engine(KEY, build) == b"engine 2" * 100


@pytest.mark.parametrize("damage", ["cut", "empty", "changed", "no engine", "no facts", "cut facts", "list"])
def test_a_half_written_engine_is_built_anew(
    tmp_path: Path, build: Build, builds: list[str], damage: str
) -> None:
    """A power cut while it was written, or a bad disk, costs a build and no crash, and mends the cache."""
    cache = EngineCache(tmp_path)
    cache.engine(KEY, build)
    engine = tmp_path / KEY.path.with_name(f"{KEY.path.name}.engine")
    facts = engine.with_suffix(".json")
    content = engine.read_bytes()
    spoiled = {"cut": content[:-1], "empty": b"", "changed": content[:-1] + b"x"}
    if damage in spoiled:
        engine.write_bytes(spoiled[damage])
    elif damage.startswith("no"):
        (engine if damage == "no engine" else facts).unlink()
    else:
        facts.write_bytes(b"[]" if damage == "list" else facts.read_bytes()[:20])
    assert cache.engine(KEY, build) == b"engine 2" * 100
    assert cache.engine(KEY, build) == b"engine 2" * 100
    assert len(builds) == 2


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine is used all the same, and the log says that the next start builds again, and the cure."""
    (tmp_path / "file").write_text("no folder")
    assert EngineCache(tmp_path / "file").engine(KEY, build) == b"engine 1" * 100
    assert "is not kept and will be built again" in caplog.text
    assert "XDG_CACHE_HOME" in caplog.text


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, build: Build) -> None:
    """What is raised while an engine is built goes through, and the next start builds it."""

    def fail() -> bytes:
        raise RuntimeError("no memory")

    cache = EngineCache(tmp_path)
    with pytest.raises(RuntimeError, match="no memory"):
        cache.engine(KEY, fail)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert cache.engine(KEY, build) == b"engine 1" * 100


@pytest.mark.parametrize("card", ["../../etc", "a/b", "NVIDIA GeForce RTX 4090", "..", ""])
def test_a_cards_name_stays_below_the_folder(tmp_path: Path, build: Build, card: str) -> None:
    """A driver's idea of a name is no path."""
    EngineCache(tmp_path / "cache").engine(replace(KEY, card=card), build)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert len(list((tmp_path / "cache").rglob("*.engine"))) == 1


def test_where_engines_are_kept() -> None:
    """Systemd's folder for caches goes before the user's, that before the home folder's."""
    home = {"HOME": "/home/a"}
    assert cache_folder(home) == Path("/home/a/.cache/sranogan/tensorrt")
    assert cache_folder({**home, "XDG_CACHE_HOME": "/x"}) == Path("/x/sranogan/tensorrt")
    both = {**home, "XDG_CACHE_HOME": "/x", "CACHE_DIRECTORY": "/var/cache/sranogan:/other"}
    assert cache_folder(both) == Path("/var/cache/sranogan/tensorrt")
