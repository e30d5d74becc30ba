"""The audit's section in a bundle's card: of this run's models, or refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from keras_sranogan.audit.audit import AuditOptions, audit_models
from keras_sranogan.data.open import open_source
from keras_sranogan.html.page import Places
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from sranogan_edge.bundle.bundle import read_bundle
from sranogan_edge.errors import ExitCode, SettingsError
from sranogan_export.cli import app
from sranogan_export.model_card import audit_section, model_card

PROVENANCE = {"data": "chest", "started": "2025-01-01T00:00:00Z", "machine": {"cpu": "one"}}


def figures(**more: Any) -> dict[str, Any]:
    """A small audit of a run of that provenance, as in a JSON file."""
    nothing = {"auroc": None, "auroc_ci": None, "per_model": None}
    plain = {
        "title": "plain",
        "meaning": "as they are",
        "ranking": nothing,
        "left": {"left": None, "left_ci": None},
    }
    return {
        "verdict": {"text": "Cannot be judged.", "rules": "Rules.", "limits": "Limits.", "findings": []},
        "controls": {"plain": plain},
        "statistics": {},
        "associations": {},
        "removed": {},
        "seeds": None,
        "shifted": None,
        "n_normal": 3,
        "n_abnormal": 0,
        "split": "test",
        "data": "chest",
        "seed": 0,
        "evaluated_at": "2025-01-02T00:00:00Z",
        "models": [{"model": "runs/a", "kind": "run", "provenance": {**PROVENANCE, "minutes": {}}}],
        **more,
    }


def written(folder: Path, content: object) -> Path:
    """A JSON file."""
    path = folder / "audit.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.mark.parametrize("wrap", [lambda audit: audit, lambda audit: {"auroc": 0.9, "audit": audit}])
def test_audit_and_evaluation_files_are_read(tmp_path: Path, wrap: Callable[[Any], Any]) -> None:
    """The section comes from an audit's file, or from an evaluation's that holds an audit."""
    section = audit_section(written(tmp_path, wrap(figures())), PROVENANCE)
    assert section.startswith("## Audit\n")
    assert "Cannot be judged." in section


def test_an_evaluation_says_what_was_found(tmp_path: Path) -> None:
    """In plain words: of 100 normals so many are flagged, of 100 anomalies so many found, kind by kind."""
    evaluation = {
        **{"data": "chest", "split": "test", "threshold": 1.5, "sensitivity": 0.81},
        "calibration": {"share_flagged": 0.064, "false_alarm_rate_set": 0.05, "held_out_normals": 100},
        "ordering": {"sr_anogan": {"nodule": True, "effusion": True}},
        "flagged": {"NORMAL": 0.064, "nodule": 0.3, "effusion": 0.92},
        "audit": figures(),
    }
    section = audit_section(written(tmp_path, evaluation), PROVENANCE)
    assert "of 100 normals like these about 6 are flagged (set for 5)" in section
    assert "of 100 anomalies like these about 81 are found (effusion 92, nodule 30)" in section
    assert "## Audit\n" in section
    earlier = {name: value for name, value in evaluation.items() if name != "flagged"}
    assert "about 81 are found." in audit_section(written(tmp_path, earlier), PROVENANCE)


@pytest.mark.parametrize("content", ["no json", {"auroc": 0.9}, [1, 2], {"audit": None}, {"models": []}])
def test_what_is_no_audit_is_refused(tmp_path: Path, content: object) -> None:
    """Another file ends in a usage error that names the cure."""
    with pytest.raises(SettingsError, match="holds no audit"):
        audit_section(written(tmp_path, content), PROVENANCE)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A wrong path is a usage error."""
    with pytest.raises(SettingsError, match="No such file"):
        audit_section(tmp_path / "none.json", PROVENANCE)


def test_the_audit_of_another_model_is_refused(tmp_path: Path) -> None:
    """A card may not carry the audit of another training."""
    other = PROVENANCE | {"started": "2025-06-01T00:00:00Z"}
    with pytest.raises(SettingsError, match=r"of other models \(runs/a\)"):
        audit_section(written(tmp_path, figures()), other)


@pytest.mark.slow
def test_an_export_carries_the_audit_of_its_run(tiny_run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    """An audit of a run's bundle goes into the card of the run's next bundle, and changes nothing else."""
    places, out = Places(json=tmp_path / "audit.json", card=tmp_path / "audit.md"), tmp_path / "b.sranogan"
    source = open_source("phantom?train=60&val=12&test=12&size=96")
    audit_models([tiny_bundle], source, AuditOptions(), Silent(), places)
    arguments = [tiny_run.folder, "--ptq", "--out", out, "--audit", places.json]
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == ExitCode.OK, (done.output, done.exception)
    made, before = read_bundle(out), read_bundle(tiny_bundle)
    assert places.card is not None
    assert made.model_card == f"{before.model_card}\n{places.card.read_text()}"
    assert made.graphs == before.graphs
    assert asdict(made.calibration) == asdict(before.calibration)


def test_the_card_counts_copies(tiny_bundle: Path) -> None:
    """Equal and nearly equal images that training found are in the card; of an older run nothing is said."""
    bundle = read_bundle(tiny_bundle)
    details = json.loads(json.dumps(dict(bundle.details)))
    details["provenance"] |= {"duplicates": 7, "near_duplicates": 4}
    card = " ".join(model_card(replace(bundle, details=details)).split())
    assert "equal in every pixel one was kept (7 left out); 4 are nearly the same as another one" in card
    del details["provenance"]["near_duplicates"]
    assert "nearly the same" not in model_card(replace(bundle, details=details))


def test_the_card_says_where_the_head_started(tiny_bundle: Path) -> None:
    """From drawn images, where it did; of a head of another form, or of an older run, nothing is said."""
    bundle = read_bundle(tiny_bundle)
    said = "started from weights that ship with the package"
    assert said not in model_card(bundle)  # a narrow head
    details = json.loads(json.dumps(dict(bundle.details)))
    details["settings"]["head"] |= {"width": 32, "sees": "image", "start": "drawn"}
    details["settings"]["preprocess"]["size"] = 128
    assert said in " ".join(model_card(replace(bundle, details=details)).split())
    del details["settings"]["head"]["start"]
    assert said not in " ".join(model_card(replace(bundle, details=details)).split())
