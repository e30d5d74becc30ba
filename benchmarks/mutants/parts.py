"""What is mutated: parts of the code, each with the tests that are to notice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["FLOOR", "PARTS", "QUICK_FLOOR", "Part"]

FLOOR = 0.95  # of the changes of a part that are to be noticed
QUICK_FLOOR = 0.75  # of a few changes, by the tests next to them: where fewer are, there are no tests of them


@dataclass(frozen=True)
class Part:
    """Files as they are imported (``sranogan_edge/...``; ``*`` is allowed), and tests below ``tests/``."""

    files: tuple[str, ...]
    tests: tuple[str, ...]


EDGE, TRAINING = "sranogan_edge", "keras_sranogan"
SCORING = Path(__file__).parents[2] / "edge" / EDGE / "scoring"
REST_OF_SCORING = sorted({one.stem for one in SCORING.glob("*.py")} - {"__init__", "conformal", "density"})

PARTS = {
    "conformal": Part((f"{EDGE}/scoring/conformal.py",), ("edge/scoring/test_conformal.py",)),
    "density": Part(
        (f"{EDGE}/scoring/density.py",),
        tuple(f"edge/scoring/test_{one}.py" for one in ("density", "cells", "regions", "whole")),
    ),
    "scoring": Part(tuple(f"{EDGE}/scoring/{one}.py" for one in REST_OF_SCORING), ("edge/scoring",)),
    "signature": Part(
        (f"{EDGE}/bundle/signature.py",),
        (
            "edge/bundle/test_signature.py",
            "edge/test_text.py::test_a_key_with_a_byte_order_mark_is_the_same_key",
        ),
    ),
    "bundle": Part(
        tuple(
            f"{EDGE}/bundle/{one}.py"
            for one in ("archive", "bundle", "manifest", "site_calibration", "site_calibration_file")
        ),
        ("edge/bundle",),
    ),
    "spool": Part((f"{EDGE}/spool/*.py",), ("edge/spool",)),
    "delivery": Part(
        (f"{EDGE}/service/delivery.py", f"{EDGE}/service/sink_reader.py"),
        (
            "edge/service/test_delivery.py",
            "edge/service/test_sink_reader.py",
            "edge/service/test_sink_choice.py",
            "edge/service/test_sinks.py",
            "edge/sinks/test_keep.py",
        ),
    ),
    "sinks": Part(
        (f"{EDGE}/sinks/*.py",), ("edge/sinks", "edge/service/test_sink_choice.py", "edge/test_extras.py")
    ),
    "dicom-write": Part(
        (f"{EDGE}/dicom/write.py",),
        ("edge/dicom/test_write.py", "edge/dicom/test_write_services.py", "edge/dicom/test_study.py"),
    ),
    "watch": Part(
        (f"{EDGE}/feeds/watch*.py",),
        (
            "edge/feeds/test_watch.py",
            "edge/feeds/test_watch_folder.py",
            "edge/feeds/test_watch_look.py",
            "edge/feeds/test_watch_ends.py",
            "edge/feeds/test_watch_strangers.py",
            "edge/sinks/test_keep.py",
        ),
    ),
    "metrics": Part((f"{TRAINING}/evaluation/metrics.py",), ("keras_sranogan/evaluation/test_metrics.py",)),
    "split": Part((f"{TRAINING}/data/split.py",), ("keras_sranogan/data/test_split.py",)),
}
