"""``--mlflow URI``: a training and its export as a run of MLflow, which is an extra."""

from __future__ import annotations

import json
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from keras_sranogan.run_record import RunRecord
from sranogan_edge.errors import ResultsError, SettingsError
from sranogan_edge.extras import needs_extra
from sranogan_edge.files import write_json
from sranogan_edge.redact import without_password
from sranogan_edge.text import meant

__all__ = ["EXPERIMENT", "RUN_FILE", "Tracking", "check_uri"]

SCHEMES = ("sqlite", "http", "https", "file", "postgresql", "mysql", "mssql", "databricks")
EXPERIMENT = "sranogan"
RUN_FILE = "mlflow.json"  # in the run folder: which run of MLflow it is
EXAMPLE = "sqlite:///mlflow.db, http://HOST:5000 or file:///FOLDER"
MOST_METRICS, MOST_PARAMETERS, MOST_CHARACTERS = 1000, 100, 500  # that MLflow takes at a time; of a value
_QUIET = {  # before MLflow is imported, unless somebody set them
    "MLFLOW_ALLOW_FILE_STORE": "true",  # file: is old, and asked for by name
    "MLFLOW_DISABLE_TELEMETRY": "true",  # nothing is told to anybody else
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a server that is not there is told in seconds, not in minutes
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}


def check_uri(uri: str | None) -> None:
    """Raise SettingsError where ``uri`` is no place that MLflow tracks runs in; imports nothing for it."""
    if uri is None or uri == "databricks":
        return
    scheme = uri.partition(":")[0].lower()
    if ":" not in uri or scheme.partition("+")[0] not in SCHEMES:
        near = meant(scheme, SCHEMES)
        raise SettingsError(
            f"--mlflow must be a URI such as {EXAMPLE}; received {without_password(uri)!r}{near}"
        )
    if scheme in ("http", "https") and not _host(uri):
        raise SettingsError(f"--mlflow names no host; received {without_password(uri)!r}. Write {EXAMPLE}.")


def _host(uri: str) -> str:
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:  # half an IPv6 address
        return ""


class Tracking:
    """One store of MLflow, opened: what goes wrong with it is a ResultsError that names it."""

    def __init__(self, uri: str) -> None:
        """Open the store, and make the experiment where it is not there.

        Raises:
            MissingExtraError: MLflow is not installed.
            SettingsError: see :func:`check_uri`.
            ResultsError: the store does not answer, or cannot be written to.
        """
        check_uri(uri)
        for name, value in _QUIET.items():
            os.environ.setdefault(name, value)
        with needs_extra("mlflow", "--mlflow", folder="."):
            import mlflow
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self.shown, self._uri = without_password(uri), uri
        with self._telling("Nothing was begun."):
            self._client = mlflow.MlflowClient(tracking_uri=uri)
            found = self._client.get_experiment_by_name(EXPERIMENT)
            self._experiment = found.experiment_id if found else self._make_experiment()

    def _make_experiment(self) -> str:
        """Artifacts of a database in a file lie beside it, not wherever somebody is."""
        place = None
        if self._uri.startswith("sqlite:///"):
            database = Path(unquote(self._uri.removeprefix("sqlite:///").partition("?")[0]))
            place = (database.absolute().parent / "mlruns").as_uri()
            database.absolute().parent.mkdir(parents=True, exist_ok=True)
        return str(self._client.create_experiment(EXPERIMENT, artifact_location=place))

    def log_training(self, record: RunRecord, report: Path) -> str:
        """Log settings, curves, pictures and the ``report`` of a finished run; return what to say of it.

        A run that was logged there before is logged anew under its number.
        """
        from keras_sranogan.training.report import curves_of, pictures_of  # which starts a backend

        with self._telling("The run folder is complete; the same command with --resume logs it again."):
            number = self._run_of(record)
            self._log_parameters(number, record)
            for stage, curves in curves_of(record).items():
                self._log_metrics(number, {f"{stage}/{name}": one for name, one in curves.items()})
            figures = {f"minutes/{name}": value for name, value in record.progress.items()}
            if math.isfinite(threshold := record.calibration.threshold):
                figures["threshold"] = threshold
            self._log_metrics(number, {name: [(0, value)] for name, value in figures.items()})
            for path in pictures_of(record):
                self._client.log_artifact(number, str(path), f"pictures/{path.parent.name}")
            for path in (report, *(record.folder / name for name in ("settings.json", "provenance.json"))):
                self._client.log_artifact(number, str(path))
            self._client.set_terminated(number)
        return f"MLflow: run {number} of the experiment {EXPERIMENT} in {self.shown}"

    def log_export(self, record: RunRecord, bundle: Path, figures: Mapping[str, float], *files: Path) -> str:
        """Log a bundle, its figures and ``files`` with the run that it is of; return what to say."""
        with self._telling("The bundle is complete."):
            number = self._run_of(record)
            self._log_metrics(number, {f"export/{name}": [(0, value)] for name, value in figures.items()})
            for path in (bundle, *(one for one in files if one.is_file())):
                self._client.log_artifact(number, str(path), "bundle")
            self._client.set_terminated(number)
        return f"MLflow: {bundle.name} in run {number} of the experiment {EXPERIMENT} in {self.shown}"

    def _run_of(self, record: RunRecord) -> str:
        """The number of the run that this folder was logged as, or of a new one, which is noted there."""
        place = record.folder / RUN_FILE
        with suppress(OSError, ValueError, KeyError, TypeError):  # what is no note is written anew
            noted = json.loads(place.read_text(encoding="utf-8"))
            if noted["experiment"] == self._experiment and noted["uri"] == self.shown:
                return self._known(str(noted["run"]))
        number = str(
            self._client.create_run(self._experiment, run_name=record.folder.absolute().name).info.run_id
        )
        write_json(place, {"uri": self.shown, "experiment": self._experiment, "run": number})
        return number

    def _known(self, number: str) -> str:
        from mlflow.exceptions import MlflowException

        try:
            return str(self._client.get_run(number).info.run_id)
        except MlflowException as error:
            raise KeyError(number) from error

    def _log_parameters(self, number: str, record: RunRecord) -> None:
        from mlflow.entities import Param

        provenance = record.provenance
        told = ("data", "normals_to_train", "normals_held_out", "duplicates", "near_duplicates")
        values = {**_flat(record.settings.to_dict()), **{n: provenance[n] for n in told if n in provenance}}
        logged = self._client.get_run(number).data.params
        found = [Param(name, str(value)[:MOST_CHARACTERS]) for name, value in values.items()]
        new = [one for one in found if one.key not in logged]  # a parameter is written once
        for first in range(0, len(new), MOST_PARAMETERS):
            self._client.log_batch(number, params=new[first : first + MOST_PARAMETERS])

    def _log_metrics(self, number: str, curves: Mapping[str, list[tuple[int, float]]]) -> None:
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        found = [Metric(name, value, now_ms, step) for name, one in curves.items() for step, value in one]
        for first in range(0, len(found), MOST_METRICS):
            self._client.log_batch(number, metrics=found[first : first + MOST_METRICS])

    @contextmanager
    def _telling(self, state: str) -> Iterator[None]:
        """Turn what MLflow and its databases raise into a ResultsError."""
        try:
            yield
        except Exception as error:  # MlflowException, SQLAlchemy's, requests', OSError: the cure is the same
            reason = without_password(next(iter(str(error).splitlines()), type(error).__name__))[:300]
            raise ResultsError(
                f"MLflow at {self.shown}: cannot be written to ({reason}). Check the address with "
                f"--mlflow, and that its server runs. {state}"
            ) from error


def _flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found
