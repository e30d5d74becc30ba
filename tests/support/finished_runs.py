"""Run folders as a training leaves them, without networks: what tells of a run needs none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from keras_sranogan.presets import preset
from keras_sranogan.run_record import RunRecord
from sranogan_edge.files import write_json

__all__ = ["record"]


def record(folder: Path, held_out: int = 40, name: str = "standard", **provenance: Any) -> RunRecord:
    """Make a finished run's record, without networks."""
    (folder / "detector").mkdir(parents=True)
    known = {"data": "parts", "normals_to_train": 160, "normals_held_out": held_out, "started": "now"}
    known |= {"skipped": ["<b>.png: damaged"], "passed_over": [], "machine": {"cpu": "x"}, **provenance}
    write_json(folder / "settings.json", preset(name).to_dict())
    write_json(folder / "provenance.json", known)
    write_json(folder / "progress.json", {"gan": 1.5, "head": 0.25})
    scores = {"scores": list(range(held_out)), "false_alarm_rate": 0.05}
    write_json(folder / "detector" / "calibration.json", scores)
    return RunRecord(folder)
