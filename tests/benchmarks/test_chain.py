"""benchmarks/transfer/chain.py: whole chains, what they are judged by, and their table."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from benchmarks.transfer.chains import CHAIN_SCORES, CHAINED, CHAINS
from benchmarks.transfer.protocols import PROTOCOLS, Protocol
from benchmarks.transfer.table import markdown, page, read_results
from keras_sranogan.data.load import load_images
from keras_sranogan.evaluation import metrics
from keras_sranogan.evaluation.scorers import RunScorer
from keras_sranogan.progress import Silent
from keras_sranogan.run import Run
from keras_sranogan.settings import TrainSettings
from tests.support.tiny import TINY_DATA

ROOT = Path(__file__).parents[2]
JUDGED = Protocol("tiny", TINY_DATA)


@dataclass(frozen=True)
class Same:
    """A chain that is what some run was."""

    run: Run
    says: str = "tiny"

    def settings(self, seed: int) -> TrainSettings:
        """Return those of the run."""
        return self.run.settings


@pytest.mark.slow
def test_a_chain_is_judged_as_its_run_judges(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AUROC and false alarms of the whole are the run's own; a row for each score; made once."""
    from benchmarks.transfer import chain

    monkeypatch.setitem(CHAINS, "tiny", Same(tiny_run))
    monkeypatch.setitem(PROTOCOLS, "tiny", JUDGED)
    monkeypatch.setattr(chain, "resolve_precision", lambda asked: "float32")
    shutil.copytree(tiny_run.folder, tmp_path / "runs" / "tiny__tiny__0")
    path = chain.run_chain("tiny", "tiny", 0, tmp_path / "results", tmp_path / "runs", Silent())
    found = json.loads(path.read_text())

    source = JUDGED.source
    items = source.items("test")
    x = load_images(source, items, tiny_run.settings.preprocess).x
    scored = RunScorer(tiny_run.folder, anogan_steps=1).score(x, lambda done: None)
    abnormal = np.array([not item.is_normal for item in items])
    _, calibration = tiny_run.detector()
    whole = found["scores"]["whole score"]["plain"]
    assert whole["auroc"] == pytest.approx(metrics.auroc(scored.score, abnormal), abs=0.01)
    flagged = (scored.score > calibration.threshold)[~abnormal].mean()
    assert whole["false_alarms"] == pytest.approx(flagged, abs=0.05)
    assert list(found["scores"]) == list(CHAIN_SCORES)
    assert found["judged"] == {"normal": int((~abnormal).sum()), "abnormal": int(abnormal.sum())}
    assert found["normals"] == {"fit": 48, "held_out": 12}
    before = path.stat().st_mtime_ns
    assert chain.run_chain("tiny", "tiny", 0, path.parent, tmp_path / "none", Silent()) == path
    assert path.stat().st_mtime_ns == before


def test_chains_side_by_side_tell_what_became_of_each(tmp_path: Path) -> None:
    """What ended a process stands in its log, and the figures that there are come along."""
    given = {**os.environ, "PYTHON": sys.executable, "RUNS": str(tmp_path / "runs"), "JAX_PLATFORMS": "cpu"}
    command = ["bash", "benchmarks/gpu/chains.sh", str(tmp_path / "out"), "120", "restores-65", "chest"]
    subprocess.run(command, cwd=ROOT, env=given, check=True, capture_output=True)
    assert "received 'restores-65'" in (tmp_path / "out" / "chest.log").read_text()
    with tarfile.open(tmp_path / "out" / "figures.tar.gz") as figures:
        assert "./restores-64__chest__0.json" in figures.getnames()


def test_only_a_protocols_normals_are_learned_from() -> None:
    """Of the split to learn from; those to judge stay as they are."""
    from benchmarks.transfer.chain import Narrowed

    protocol = Protocol("half", TINY_DATA, learned="0000")
    source = Narrowed(protocol.source, protocol)
    learned = [Path(item.key).name for item in source.items("train")]
    assert learned == [f"0000{number}" for number in range(10)]
    assert len(source.items("test")) == len(protocol.source.items("test"))
    assert source.name == protocol.source.name


def test_settings_of_chains() -> None:
    """They differ in what E learns alone; the first is what the package trains."""
    for name, chain in CHAINS.items():
        found = chain.settings(3)
        assert found.seed == 3
        assert found.corrector.steps == 0
        assert name == f"{'restores' if found.anogan.restores else 'plain'}-{found.anogan.latent_dim}"
    assert next(iter(CHAINS.values())).settings(0).anogan == TrainSettings().anogan


def test_the_table_of_chains(tmp_path: Path) -> None:
    """The mean is of the protocols that chains are judged on; a score without a figure has no row."""
    for place, protocol in enumerate(CHAINED):
        scores = {
            "whole score": {"plain": {"auroc": 0.5 + place / 100, "false_alarms": 0.05}},
            "map": {"plain": {"auroc": 0.4}},
        }
        found = {"design": "plain-64", "protocol": protocol, "scores": scores}
        (tmp_path / f"plain-64__{place}__0.json").write_text(json.dumps(found))
    rows = read_results(tmp_path, "plain", "auroc")
    text = markdown(rows, among=CHAINED, scores=CHAIN_SCORES)
    assert text.splitlines()[2].startswith("| E reconstructs, 64 | whole score | 0.500 | 0.510 |")
    assert text.splitlines()[2].endswith("| **0.540** | 0.500 |")
    assert text.splitlines()[3].startswith("| E reconstructs, 64 | map | 0.400 |")
    assert [score for _, score in read_results(tmp_path, "plain", "false_alarms")] == ["whole score"]
    assert set(CHAINED) < set(PROTOCOLS)


def test_the_page_has_chains() -> None:
    """The committed figures stand in it."""
    text = page(ROOT / "benchmarks" / "results" / "transfer")
    assert "### Whole chains, AUROC" in text
    assert "| E restores, 64 latent variables | without reconstruction |" in text
