"""Bundles with valid hashes whose graphs crash their runtime."""

from __future__ import annotations

from pathlib import Path

from benchmarks.runner.hostile.graphs import of_other_operators

__all__ = ["crashing"]


def crashing(bundle: Path, path: Path) -> Path:
    """Write ``bundle`` to ``path`` with a head whose operators are all matrix products: SIGSEGV in LiteRT."""
    path.write_bytes(of_other_operators(bundle.read_bytes(), "head.tflite", "BATCH_MATMUL"))
    return path
