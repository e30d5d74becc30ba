"""``--mlflow``: what a store of MLflow holds of a run, and what is told of one that cannot be had."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from keras_sranogan.run_record import RunRecord
from keras_sranogan.tracking import EXPERIMENT, RUN_FILE, Tracking, check_uri
from sranogan_edge.errors import MissingExtraError, ResultsError, SettingsError
from tests.support.tracked_runs import check_logged, log_twice, run_to_log

mlflow = pytest.importorskip("mlflow", reason="mlflow is an extra")


@pytest.fixture
def run(tmp_path: Path) -> RunRecord:
    """Give a finished run."""
    return run_to_log(tmp_path / "parts")


@pytest.mark.parametrize("kind", ["file", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_a_store_holds_settings_curves_pictures_page_and_bundle(
    kind: str, run: RunRecord, tmp_path: Path
) -> None:
    """A training and its export are one run, in a folder and in a database; logged twice, it stays one."""
    store = tmp_path / "store"
    uri = f"sqlite:///{store}/runs.db" if kind == "sqlite" else store.as_uri()
    said = log_twice(uri, run)
    check_logged(mlflow.MlflowClient(tracking_uri=uri), run, said)
    assert list(store.rglob("parts.sranogan"))  # beside the database, not wherever somebody is
    assert not Path("mlruns").exists()


def test_a_note_of_another_store_makes_a_run_of_its_own(run: RunRecord, tmp_path: Path) -> None:
    """What the run folder notes is of one store; a note that cannot be read is written anew."""
    first, second = (tmp_path / name for name in ("a", "b"))
    for store in (first, second):
        Tracking(store.as_uri()).log_training(run, run.folder / "report.html")
    (run.folder / RUN_FILE).write_text("no note")
    Tracking(second.as_uri()).log_training(run, run.folder / "report.html")
    counts = []
    for store in (first, second):
        client = mlflow.MlflowClient(tracking_uri=store.as_uri())
        counts.append(len(client.search_runs([client.get_experiment_by_name(EXPERIMENT).experiment_id])))
    assert counts == [1, 2]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("mlruns", "must be a URI such as sqlite:///mlflow.db"),
        ("", "must be a URI"),
        ("sqlte:///m.db", r"received 'sqlte:///m.db' \(did you mean 'sqlite'\?\)"),
        ("htp://host", r"did you mean 'http'\?"),
        ("http://", "names no host"),
        ("http://[", "names no host"),
        ("postgre://u:secret@host/db", r"u:\.\.\.@host"),
    ],
)
def test_what_is_no_store_is_refused(uri: str, message: str) -> None:
    """With the nearest right word, without a password, before MLflow is imported."""
    with pytest.raises(SettingsError, match=message) as told:
        check_uri(uri)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "uri",
    ["sqlite:///m.db", "http://host:5000", "https://u:p@host", "file:///x", "databricks", "databricks://one"],
)
def test_stores_that_mlflow_knows_are_taken(uri: str) -> None:
    """Each kind that its documentation names."""
    check_uri(uri)


def test_a_store_that_cannot_be_had_is_told_before_a_training(tmp_path: Path) -> None:
    """A file where a folder is to be: one message with the address, and no password."""
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultsError, match=r"MLflow at file:.*cannot be written to.*Nothing was begun"):
        Tracking(f"{(tmp_path / 'file').as_uri()}/store")


def test_without_mlflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command that installs it stands in the error."""
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r'needs the package mlflow.*pip install "\.\[mlflow\]"'):
        Tracking("sqlite:///m.db")
