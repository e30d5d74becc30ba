"""The rows of an archive's scores: their schema, and how they go from a worker to a file."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sranogan_edge import __version__
from sranogan_edge.errors import ResultsError
from sranogan_edge.files import writing_whole
from sranogan_edge.image.film import FilmFields
from sranogan_edge.results.line import ResultLine
from sranogan_edge.results.table import plain_text
from sranogan_edge.scoring.statistics import STATISTICS

__all__ = [
    "ARCHIVE_SCHEMA_VERSION",
    "HEAT",
    "SCHEMA",
    "STATISTIC_COLUMNS",
    "Judged",
    "packed",
    "row_of",
    "table_of",
    "unpacked",
    "write_part",
]

ARCHIVE_SCHEMA_VERSION = 2  # 1 has no institution, statistics, judged frames and measurements
HEAT = "_heat"  # a column on the way from a worker: the picture as PNG, which becomes a file
STATISTIC_COLUMNS = tuple(name for name in STATISTICS if name != "score")
_ROW = "cannot write {path}: {why}. All before it is kept: free some space and give the same command again."

SCHEMA = pa.schema(
    [
        *(("source", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64()), ("verdict", pa.string())),
        *(("score", pa.float64()), ("p_value", pa.float64()), ("threshold", pa.float64())),
        *(("foreign", pa.string()), ("reason", pa.string()), ("anogan_score", pa.float64())),
        *(("frames", pa.int32()), ("frame", pa.int32()), ("error_kind", pa.string()), ("error", pa.string())),
        *(("heat_map", pa.string()), ("modality", pa.string()), ("body_part_examined", pa.string())),
        *(("view_position", pa.string()), ("presentation_intent_type", pa.string())),
        *(("patient_orientation", pa.string()), ("turned", pa.string()), ("colour", pa.string())),
        *(("acquisition_date", pa.date32()), ("manufacturer", pa.string()), ("station", pa.string())),
        *(("institution", pa.string()), ("judged_frames", pa.int32())),
        *((name, pa.float64()) for name in STATISTIC_COLUMNS),
        ("measurements", pa.binary()),
        *(("tiles", pa.string()), ("milliseconds", pa.float64()), ("scored_at", pa.string())),
        *(("bundle", pa.string()), ("calibration", pa.string()), ("steps", pa.int32())),
        *(("backend", pa.string()), ("version", pa.string()), ("schema_version", pa.int32())),
    ],
    metadata={"sranogan_archive_schema": str(ARCHIVE_SCHEMA_VERSION)},
)
_ON_THE_WAY = SCHEMA.append(pa.field(HEAT, pa.binary()))
_OF_LINE = frozenset(SCHEMA.names) & frozenset(ResultLine.__dataclass_fields__) - {"schema_version"}


@dataclass(frozen=True, eq=False)
class Judged:
    """What is known of an image that has a score, beside its line.

    Attributes:
        foreign: why it is not like the training data; empty where it is.
        statistics: of the frame with the highest score (:data:`STATISTICS`).
        frames: how many could be judged.
        measurements: as :func:`sranogan_edge.archive.measured.packed_measurements` gives them; None where
            nobody asked for them.
    """

    foreign: str
    statistics: Mapping[str, float]
    frames: int
    measurements: bytes | None = None


def row_of(
    line: ResultLine,
    film: FilmFields,
    *,
    sha256: str | None,
    size: int | None,
    judged: Judged | None = None,
) -> dict[str, Any]:
    """Return the row of one image.

    Args:
        line: what ``results.jsonl`` would say of it.
        film: what it says of itself.
        sha256: of its bytes; None where they cannot be had.
        size: bytes.
        judged: None where it has no score.
    """
    row = {name: getattr(line, name) for name in _OF_LINE}
    row |= {"source": line.file, "sha256": sha256, "bytes": size}
    row |= {"version": __version__, "schema_version": ARCHIVE_SCHEMA_VERSION}
    row["error_kind"] = line.error.partition(":")[0] if line.error else None
    row["milliseconds"] = line.milliseconds.get("total")
    row["tiles"] = json.dumps(line.tiles) if line.tiles else None
    row["acquisition_date"] = _date(film.acquisition_date)
    row |= {name: getattr(film, name) or None for name in ("manufacturer", "station", "institution")}
    if judged:
        row |= {name: judged.statistics.get(name) for name in STATISTIC_COLUMNS}
        row |= {"foreign": judged.foreign or None, "judged_frames": judged.frames}
        row["measurements"] = judged.measurements
    return {name: plain_text(value) for name, value in row.items()}


def table_of(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Return rows as they go from a worker, with their pictures."""
    return pa.Table.from_pylist(list(rows), schema=_ON_THE_WAY)


def packed(table: pa.Table) -> bytes:
    """As bytes, to be sent (an Arrow stream)."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue())


def unpacked(data: bytes) -> pa.Table:
    """The inverse of :func:`packed`; raises ValueError where it is not a table of this schema."""
    table = pa.ipc.open_stream(data).read_all()
    if not table.schema.equals(_ON_THE_WAY):
        raise ValueError("rows of another schema")
    return table


def write_part(path: Path, table: pa.Table, within: Path) -> None:
    """Write ``table`` as a Parquet file, whole and on the disk, or not at all; raises ResultsError.

    Until it is whole it lies in the folder ``within``, where no reader of the others comes by it.
    """
    try:
        with writing_whole(path, within) as file:
            pq.write_table(table, file, compression="zstd")
    except OSError as error:
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> ResultsError:
    """Say that results cannot be written, and that they can be gone on with."""
    return ResultsError(_ROW.format(path=path, why=error.strerror or error))


def _date(text: str) -> datetime.date | None:
    """A date of DICOM (``YYYYMMDD``); None where it is none."""
    try:
        return datetime.datetime.strptime(text, "%Y%m%d").date()
    except ValueError:
        return None
