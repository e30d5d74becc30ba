"""What the measurements of a bundle amount to, as JSON: times, rates, and how far from the machine's peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sranogan_edge.bench.graphs import GraphCost, graph_cost
from sranogan_edge.bench.measure import Configuration, Distribution, Measured
from sranogan_edge.bench.peak import Peak
from sranogan_edge.bench.settings import BenchSettings
from sranogan_edge.bundle.bundle import GRAPHS, Bundle, signature
from sranogan_edge.device import DeviceFacts

SCHEMA_VERSION = 1
RUNS = {"search": 1, "reconstruct": 1, "features": 2, "head": 1}  # of each graph for one frame

Report = dict[str, Any]  # JSON's own types, nested
Peaks = Mapping[tuple[str, int], Peak]
Costs = Mapping[tuple[str, int], GraphCost | None]


@dataclass
class Bench:
    """All that one call of ``sranogan-bench`` learned so far.

    Attributes:
        command: as it was called.
        started_at: UTC, ISO 8601.
        path: of the bundle.
        bundle: its contents.
        settings: how it was measured.
        device: facts before the first measurement.
        measured: in the order of measurement.
        peaks: by backend in use and threads.
        complete: whether nothing is left to measure.
    """

    command: str
    started_at: str
    path: Path
    bundle: Bundle
    settings: BenchSettings
    device: DeviceFacts
    measured: list[Measured] = field(default_factory=list)
    peaks: dict[tuple[str, int], Peak] = field(default_factory=dict)
    complete: bool = False


def report(bench: Bench) -> Report:
    """Return everything as JSON's own types."""
    costs = bundle_costs(bench.bundle)
    return {
        "schema_version": SCHEMA_VERSION,
        "command": bench.command,
        "started_at": bench.started_at,
        "complete": bench.complete,
        "device": {**asdict(bench.device), "busy": bench.device.busy},
        "bundle": _bundle(bench.path, bench.bundle, costs),
        "settings": asdict(bench.settings),
        "peaks": [
            {"backend": backend, "threads": threads, **asdict(peak)}
            for (backend, threads), peak in bench.peaks.items()
        ],
        "configurations": [
            {**_configuration(one, costs, bench.peaks), **_speed_up(one, bench.measured)}
            for one in bench.measured
        ],
    }


def bundle_costs(bundle: Bundle) -> Costs:
    """Return what a run of each graph costs, by graph and step budget."""
    return {
        (name, steps): graph_cost(bundle.graphs[name], signature(name, steps))
        for name in GRAPHS
        for steps in bundle.budgets
    }


def macs_per_frame(costs: Costs, steps: int) -> dict[str, int] | None:
    """Return multiplications of one frame by arithmetic; None where a graph could not be counted."""
    total: dict[str, int] = {}
    for name, runs in RUNS.items():
        cost = costs[name, steps]
        if cost is None:
            return None
        for kind, count in cost.macs.items():
            total[kind] = total.get(kind, 0) + runs * count
    return total


def floor_ms(macs: Mapping[str, int] | None, peak: Peak | None) -> float | None:
    """Return the milliseconds that ``macs`` take at the peak; None where a part of it is not known."""
    if macs is None or peak is None:
        return None
    rates = {"int8": peak.int8, "dynamic": peak.int8, "float32": peak.float32}
    total = 0.0
    for kind, count in macs.items():
        rate = rates.get(kind)
        if not rate:
            return None
        total += count / rate / 1e6
    return total


def _bundle(path: Path, bundle: Bundle, costs: Costs) -> dict[str, Any]:
    graphs = {}
    for name in GRAPHS:
        told = {signature(name, steps): costs[name, steps] for steps in sorted(bundle.budgets)}
        graphs[name] = {
            "bytes": len(bundle.graphs[name]),
            "runs_per_frame": RUNS[name],
            "signatures": {key: asdict(cost) if cost else None for key, cost in told.items()},
        }
    search = bundle.details.get("search", {})
    return {
        "path": str(path),
        "sha256": bundle.sha256,
        "bytes": path.stat().st_size,
        "recipe": bundle.details.get("recipe"),
        "search": search.get("kind"),
        "steps": bundle.steps,
        "budgets": sorted(bundle.budgets),
        "size": bundle.size,
        "search_size": bundle.search_size,
        "graphs": graphs,
    }


def _configuration(one: Measured, costs: Costs, peaks: Peaks) -> dict[str, Any]:
    asked: Configuration = one.configuration
    result: dict[str, Any] = {"asked": asked.backend, "threads": asked.threads, "steps": asked.steps}
    if one.samples is None:
        return {**result, "error": {"kind": type(one.error).__name__, "message": str(one.error)}}
    samples, milliseconds = one.samples, one.milliseconds()
    frames = len(samples.milliseconds["total"])
    return {
        **result,
        "error": None,
        "backend": samples.backend,
        "label": samples.label,
        "fallback_reason": samples.fallback_reason,
        "frames": frames,
        "milliseconds": {stage: asdict(times) for stage, times in milliseconds.items()},
        **_tiles(samples.tiles, milliseconds["total"]),
        "frames_per_second": round(frames / samples.seconds, 2),
        "cpu_milliseconds": round(1000 * samples.cpu_seconds / frames, 3),
        "startup_milliseconds": {
            **{name: round(ms, 1) for name, ms in samples.startup_ms.items()},
            "total": round(sum(samples.startup_ms.values()), 1),
        },
        "memory_mib": {name: round(mib, 1) for name, mib in samples.memory_mib.items()},
        "arithmetic": arithmetic(one, costs, peaks.get((samples.backend, asked.threads))),
        "load": samples.load,
        "temperatures": samples.temperatures,
    }


def _tiles(count: int, whole: Distribution) -> dict[str, Any]:
    """Return how many tiles a frame has, and the median milliseconds of one; nothing of a whole."""
    return {} if count == 1 else {"tiles": {"count": count, "milliseconds_each": round(whole.p50 / count, 4)}}


def _speed_up(one: Measured, measured: Sequence[Measured]) -> dict[str, Any]:
    """Return how many times as fast as fewer threads it is: the fewest of the same backend and steps."""
    asked = one.configuration
    others = [
        other
        for other in measured
        if other.samples and replace(other.configuration, threads=asked.threads) == asked
    ]
    least = min(others, key=lambda other: other.configuration.threads, default=one)
    if one.samples is None or least.configuration.threads == asked.threads:
        return {}
    times = least.milliseconds()["total"].p50 / one.milliseconds()["total"].p50
    return {"speed_up": {"times": round(times, 3), "of_threads": least.configuration.threads}}


def arithmetic(one: Measured, costs: Costs, peak: Peak | None) -> dict[str, Any]:
    """Return multiplications, achieved rate, and share of the peak: of the whole frame and of each graph.

    Rates are over the median of the stage (for the frame: from x in memory on), whatever else it does.
    """
    steps, times = one.configuration.steps, one.milliseconds()
    tiles = one.samples.tiles if one.samples else 1
    whole = macs_per_frame(costs, steps)
    macs = {kind: tiles * count for kind, count in whole.items()} if whole else None
    found = {"frame": _rate(macs, times["from_x"].p50, peak)}
    for name, runs in RUNS.items():
        cost = costs[name, steps]
        macs = {kind: tiles * runs * count for kind, count in cost.macs.items()} if cost else None
        found[name] = _rate(macs, times[name].p50, peak)
    return found


def _rate(macs: Mapping[str, int] | None, milliseconds: float, peak: Peak | None) -> dict[str, Any]:
    floor = floor_ms(macs, peak)
    return {
        "macs": dict(macs) if macs is not None else None,
        "gmacs_per_second": None if macs is None else round(sum(macs.values()) / milliseconds / 1e6, 2),
        "floor_milliseconds": None if floor is None else round(floor, 4),
        "share_of_peak": None if floor is None else round(floor / milliseconds, 4),
    }
