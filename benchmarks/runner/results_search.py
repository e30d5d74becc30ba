r"""How long a search takes among many results: one page, with its count, as the live page asks for it.

::

    python -m benchmarks.runner.results_search --out benchmarks/results/results_search.json

Builds a spool of ``--results`` results of films (patients of three films, examinations of two, one in twenty
anomalous), then asks each question several times, each on a connection of its own, as visitors do.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.record import Record
from sranogan_edge.results.line import ResultLine
from sranogan_edge.spool.queue import append_result
from sranogan_edge.spool.search import AT_ONCE, Query, Search
from sranogan_edge.spool.spool import Spool

FIRST = datetime(2025, 1, 1, tzinfo=UTC)
EVERY = timedelta(seconds=30)
SHARES = {"normal": 92, "anomalous": 5, "out of domain": 2, "error": 1}
IN_ONE = 10_000  # results a transaction
ROOT_UID = "1.2.826.0.1.3680043.8.498"
TAKEN = {"preprocess": 0.7, "search": 9.4, "reconstruct": 3.1, "total": 17.5}
LINE = ResultLine(
    file="", score=1.25, p_value=0.21, verdict="normal", threshold=2.0, anogan_score=104.2,
    milliseconds=TAKEN, heat_map=None, error=None, bundle="b" * 64, steps=4,
    backend="ai-edge-litert 2.3.0 (XNNPACK)", backend_fallback=None, scored_at="", feed="dicom:11112",
    modality="DX", body_part_examined="CHEST", view_position="PA",
)  # fmt: skip


def moment(number: int) -> datetime:
    """When a result was scored."""
    return FIRST + number * EVERY


def results(count: int, rng: random.Random) -> Iterator[tuple[dict[str, str], ResultLine]]:
    """Identity and line of each, the oldest first."""
    verdicts = rng.choices(list(SHARES), list(SHARES.values()), k=count)
    for number, verdict in enumerate(verdicts):
        identity = {
            "patient_id": f"P{number // 3:07d}",
            "accession_number": f"A{number // 2:07d}",
            "study_uid": f"{ROOT_UID}.1.{number // 2}",
            "instance_uid": f"{ROOT_UID}.2.{number}",
            "modality": "DX",
        }
        scored_at = moment(number).strftime("%Y-%m-%dT%H:%M:%SZ")
        file = f"/var/lib/sranogan/incoming/film-{number:07d}.dcm"
        yield identity, replace(LINE, file=file, verdict=verdict, scored_at=scored_at)


def fill(folder: Path, count: int, rng: random.Random) -> float:
    """Write a spool of ``count`` results; return the microseconds that each took to store."""
    spool = Spool(folder)
    taken, made = 0.0, results(count, rng)
    for first in range(0, count, IN_ONE):
        some = [next(made) for _ in range(min(IN_ONE, count - first))]
        began = time.perf_counter()
        with spool._db.transaction(durable=False) as db:
            for identity, line in some:
                append_result(db, None, identity, line.to_dict())
        taken += time.perf_counter() - began
    spool.close()
    return 1e6 * taken / count


def questions(count: int) -> dict[str, Query]:
    """What visitors look for, the hard ones too."""
    middle, day = count // 2, timedelta(days=1)
    at = moment(middle).date()
    last = -(-count // AT_ONCE)
    return {
        "the newest": Query(),
        "the page in the middle": Query(page=max(1, last // 2)),
        "the last page": Query(page=last),
        "a patient": Query(f"P{middle // 3:07d}"),
        "an accession number": Query(f"A{middle // 2:07d}"),
        "a study's UID": Query(f"{ROOT_UID}.1.{middle // 2}"),
        "an object's UID": Query(f"{ROOT_UID}.2.{middle}"),
        "a file": Query(f"film-{middle:07d}.dcm"),
        "the begin of a few names": Query(f"film-{middle:07d}"[:-2]),
        "the begin of all names": Query("film"),
        "inside a name, among the newest": Query(f"{count - 7:07d}.dcm"),
        "what is not there": Query("nobody's"),
        "normal": Query(verdict="normal"),
        "errors": Query(verdict="error"),
        "three days": Query(since=at - day, until=at + day),
        "errors of three days": Query(verdict="error", since=at - day, until=at + day),
        "the begin of all names, errors of three days": Query("film", "error", at - day, at + day),
        "a patient's errors": Query(f"P{middle // 3:07d}", "error"),
    }


def asked(search: Search, query: Query, runs: int) -> dict[str, float]:
    """How much is found, and medians of the time; other work on the machine changes processor time least."""
    taken, processor = [], []
    for _ in range(runs):
        began = time.perf_counter(), time.process_time()
        page = search.find(query)
        ended = time.perf_counter(), time.process_time()
        taken.append(1000 * (ended[0] - began[0]))
        processor.append(1000 * (ended[1] - began[1]))
    figures = {"median_ms": np.median(taken), "p95_ms": np.percentile(taken, 95)}
    figures |= {"processor_ms": np.median(processor)}
    rounded = {name: round(float(value), 2) for name, value in figures.items()}
    return {"found": page.count, "more": page.more, **rounded}


def main(
    count: Annotated[int, typer.Option("--results", min=1, help="In the spool.")] = 1_000_000,
    runs: Annotated[int, typer.Option(min=1, help="Of each question.")] = 20,
    seed: Annotated[int, typer.Option(help="Of the verdicts.")] = 3,
    out: Annotated[Path, typer.Option(help="The result's file.")] = Path(
        "benchmarks/results/results_search.json"
    ),
) -> None:
    """Build, measure, print, write."""
    record = Record("runner.results_search", seed)
    with tempfile.TemporaryDirectory(prefix="sranogan-search-") as folder:
        stored_us = fill(Path(folder), count, random.Random(seed))
        size = (Path(folder) / "spool.sqlite").stat().st_size
        print(f"{count:,} results, {size / 1e6:,.0f} MB, {stored_us:.0f} us each to store", flush=True)
        search, found = Search(Path(folder)), {}
        for name, query in questions(count).items():
            found[name] = asked(search, query, runs)
            print(f"{name:46s} {found[name]}", flush=True)
    figures = {"size_mb": round(size / 1e6, 1), "store_us": round(stored_us, 1)}
    for kind in ("median_ms", "processor_ms"):
        figures[f"slowest_{kind}"] = max(one[kind] for one in found.values())
    record.write(out, results=count, runs=runs, **figures, questions=found)


if __name__ == "__main__":
    typer.run(main)
