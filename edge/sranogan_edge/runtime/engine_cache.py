"""TensorRT's engines on disk: built once for a bundle, a card and a version of TensorRT, else built anew.

An engine runs on the card and the version that built it, and on no other. Beside each lies what it was
built of and for; where any of it differs, or a byte of the engine is missing, it is built again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from sranogan_edge.files import write_json, write_whole

__all__ = ["EngineCache", "EngineKey", "cache_folder"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EngineKey:
    """What an engine is of.

    Attributes:
        bundle: its SHA-256; empty where the bundle was not read from a file.
        graph: its name.
        model: SHA-256 of the ONNX file.
        card: name and compute capability.
        tensorrt: its version.
    """

    bundle: str
    graph: str
    model: str
    card: str
    tensorrt: str

    @property
    def path(self) -> Path:
        """Where it lies in the cache: bundle, card and version, graph."""
        parts = (self.bundle[:16] or f"model-{self.model[:16]}", f"{self.card}-{self.tensorrt}", self.graph)
        return Path(*(re.sub(r"[^A-Za-z0-9._-]+", "_", part).lstrip(".") for part in parts))


@dataclass(frozen=True)
class EngineCache:
    """Engines below ``folder``."""

    folder: Path

    def engine(self, key: EngineKey, build: Callable[[], bytes]) -> bytes:
        """Return the engine, from disk where it is there and whole, else built and kept.

        A folder that cannot be written costs a build at each start, and a warning.
        """
        kept = self._read(key)
        if kept is not None:
            return kept
        _log.info("building TensorRT's engine of graph %s for %s; this takes minutes", key.graph, key.card)
        made = build()
        try:
            self._write(key, made)
        except OSError as error:
            _log.warning(
                "the engine of graph %s is not kept and will be built again at the next start: %s. Name a "
                "folder that can be written to with XDG_CACHE_HOME (systemd: CacheDirectory=).",
                key.graph,
                error,
            )
        return made

    def _read(self, key: EngineKey) -> bytes | None:
        """Return what is kept for exactly ``key``; None where it is missing, of another, or not whole."""
        engine, facts = self._places(key)
        try:
            stated = json.loads(facts.read_text(encoding="utf-8"))
            content = engine.read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("the engine of graph %s in the cache is not used: %s", key.graph, error)
            return None
        if stated == _facts(key, content):
            return content
        why = "not whole" if isinstance(stated, Mapping) and _same(stated, key) else "of something else"
        _log.warning("the engine of graph %s in the cache is %s and is built anew", key.graph, why)
        return None

    def _write(self, key: EngineKey, content: bytes) -> None:
        engine, facts = self._places(key)
        engine.parent.mkdir(parents=True, exist_ok=True)
        facts.unlink(missing_ok=True)  # an engine without its facts is none
        write_whole(engine, content)
        write_json(facts, _facts(key, content))

    def _places(self, key: EngineKey) -> tuple[Path, Path]:
        path = self.folder / key.path
        return path.with_name(f"{path.name}.engine"), path.with_name(f"{path.name}.json")


def _facts(key: EngineKey, content: bytes) -> dict[str, str]:
    return {**asdict(key), "engine": hashlib.sha256(content).hexdigest()}


def _same(stated: Mapping[str, object], key: EngineKey) -> bool:
    return all(stated.get(name) == value for name, value in asdict(key).items())


def cache_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where engines are kept: systemd's folder for caches, or the user's."""
    service = environment.get("CACHE_DIRECTORY", "").split(":")[0]
    if service:
        return Path(service) / "tensorrt"
    users = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME") or "~").expanduser() / ".cache"
    return Path(users) / "sranogan" / "tensorrt"
