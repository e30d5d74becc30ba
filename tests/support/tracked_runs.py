"""A finished run to be logged with MLflow, and what a store has to hold of it afterwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from keras_sranogan.run_record import RunRecord
from keras_sranogan.tracking import EXPERIMENT, RUN_FILE, Tracking
from keras_sranogan.training.event_log import EventLog
from tests.support.finished_runs import record

BUNDLE = b"bundle"


def run_to_log(folder: Path) -> RunRecord:
    """Make a finished run with a curve of 1,200 steps, a picture and a page."""
    made = record(folder)
    log = EventLog(made.folder / "logs" / "gan")
    for step in range(1, 1201):
        log.write(step, {"l1": 1 / step})
    (made.folder / "gan").mkdir()
    Image.new("L", (8, 8)).save(made.folder / "gan" / "samples.png")
    (made.folder / "report.html").write_text("<p>page</p>")
    return made


def log_twice(uri: str, run: RunRecord) -> str:
    """Log a training twice, as ``--resume`` does, and its export; return what was said of the training."""
    for _ in range(2):
        said = Tracking(uri).log_training(run, run.folder / "report.html")
    bundle = run.folder.with_name("parts.sranogan")
    bundle.write_bytes(BUNDLE)
    Tracking(uri).log_export(run, bundle, {"bundle_bytes": 6.0}, run.folder / "none.png")
    return said


def check_logged(client: Any, run: RunRecord, said: str) -> str:
    """Hold what a store tells of :func:`log_twice` against the run; return the number of its one run."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    (found,) = client.search_runs([experiment.experiment_id])
    number = str(found.info.run_id)
    assert number in said
    assert json.loads((run.folder / RUN_FILE).read_text())["run"] == number
    assert (found.info.run_name, found.info.status) == ("parts", "FINISHED")
    assert found.data.params["anogan.steps"] == str(run.settings.anogan.steps)
    assert found.data.params["normals_to_train"] == "160"
    history = {one.step: one.value for one in client.get_metric_history(number, "gan/l1")}
    assert len(history) == 1200
    assert history[1000] == pytest.approx(0.001)
    assert found.data.metrics["minutes/gan"] == 1.5
    assert found.data.metrics["export/bundle_bytes"] == 6.0
    names = {"report.html", "settings.json", "provenance.json", "pictures/gan/samples.png"}
    assert artifacts(client, number) == names | {"bundle/parts.sranogan"}
    return number


def artifacts(client: Any, number: str, path: str = "") -> set[str]:
    """Name all files of a run."""
    found: set[str] = set()
    for one in client.list_artifacts(number, path):
        found |= artifacts(client, number, one.path) if one.is_dir else {one.path}
    return found
