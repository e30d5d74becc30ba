"""The demo: the whole chain in one command, and one line of what it found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from sranogan_export import demo
from sranogan_export.demo import FILMS, Found, app
from tests.support.tiny import TINY_DATA

if TYPE_CHECKING:
    from keras_sranogan.run import Run
    from keras_sranogan.settings import TrainSettings


def results(folder: Path, verdicts: dict[str, str]) -> Path:
    """Write lines of results."""
    lines = [json.dumps({"file": f"images/{name}.png", "verdict": said}) for name, said in verdicts.items()]
    (folder / "results.jsonl").write_text("\n".join(lines) + "\n")
    return folder / "results.jsonl"


def test_what_was_found_is_counted(tmp_path: Path) -> None:
    """Lesions that were called anomalous are found, normal films so called are flagged, no more."""
    said = {"nodule-03": "anomalous", "device-05": "anomalous", "effusion-02": "normal"}
    said |= {"normal-00": "anomalous", "normal-01": "normal", "normal-02": "out of domain"}
    found = Found.read(results(tmp_path, said), {"auroc": 0.8125})
    assert found == Found(lesions=2, flagged=1, auroc=0.8125)
    assert found.sentence(Path("demo/report.html")) == (
        "Found 2 of 6 lesions and flagged 1 of 6 normal films; AUROC 0.81 on films that it had not seen. "
        "Open demo/report.html"
    )


def test_the_chain_ends_with_one_line(
    tiny_run: Run, settings: TrainSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trained run is exported, evaluated and used; the last line says what was found and what to open."""
    monkeypatch.setattr(demo, "DATA", TINY_DATA)
    monkeypatch.setattr("keras_sranogan.presets.preset", lambda name, anomalies: settings)
    monkeypatch.setattr("keras_sranogan.precision.resolve_precision", lambda asked: "float32")
    shutil.copytree(tiny_run.folder, tmp_path / "demo" / "run")
    done = CliRunner().invoke(app, ["--out", str(tmp_path / "demo")])
    assert done.exit_code == 0, done.output
    last = done.output.splitlines()[-1]
    assert last.startswith("Found ")
    assert last.endswith(f"Open {tmp_path}/demo/report.html")
    figures: dict[str, Any] = json.loads((tmp_path / "demo/evaluation.json").read_text())
    assert f"AUROC {figures['auroc']:.2f}" in last
    assert len((tmp_path / "demo/scores/results.jsonl").read_text().splitlines()) == FILMS
    assert "<html" in (tmp_path / "demo/report.html").read_text()
    for command in ("sranogan-train", "sranogan-export", "sranogan-evaluate", "sranogan-score"):
        assert f"  {command} " in done.output
