"""What times amount to: rates, floors, the JSON, and the tables for people."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sranogan_edge.bench.graphs import GraphCost
from sranogan_edge.bench.measure import Configuration, Measured
from sranogan_edge.bench.peak import Peak
from sranogan_edge.bench.report import RUNS, Bench, bundle_costs, floor_ms, macs_per_frame, report
from sranogan_edge.bench.settings import BenchSettings
from sranogan_edge.bench.table import print_report
from sranogan_edge.bench.worker import Samples, make_frames, tiles_of
from sranogan_edge.bundle.bundle import Bundle, read_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.device import DeviceFacts
from sranogan_edge.errors import BackendError
from sranogan_edge.runtime.graphs import open_graphs

STAGES = ("preprocess", "search", "reconstruct", "features", "residual", "head", "score")
PEAK = Peak(int8=400.0, float32=100.0, memory=10.0)
COSTS = {
    ("search", 8): GraphCost({"int8": 800, "float32": 10}, 50, 9),
    ("reconstruct", 8): GraphCost({"int8": 100}, 5, 2),
    ("features", 8): GraphCost({"dynamic": 20}, 5, 2),
    ("head", 8): GraphCost({"int8": 7}, 5, 2),
}


@pytest.fixture(scope="module")
def bundle(tiny_bundle: Path) -> Bundle:
    """Give the tiny bundle."""
    return read_bundle(tiny_bundle)


def device(**facts: Any) -> DeviceFacts:
    """A quiet machine of four cores."""
    known: dict[str, Any] = {
        "model": "NVIDIA Jetson",
        "cpu": "Cortex-A78AE",
        "cores": 4,
        "instructions": ("asimddp",),
        "governor": ("schedutil",),
        "clock_mhz": (729.6, 1510.4),
        "clock_limit_mhz": (1510.4, 1510.4),
        "memory_mib": 7620,
        "system": "Linux",
        "distribution": "Ubuntu",
        "l4t": "R36",
        "power_mode": "15W",
        "temperatures": {"cpu-thermal": 48.0},
        "load": 0.5,
        "python": "3.10.12",
        "versions": {"numpy": "2.2"},
    }
    return DeviceFacts(**{**known, **facts})


def measured(bundle: Bundle, backend: str = "xnnpack", fell: str | None = None) -> Measured:
    """Two frames of 8 and 10 ms, 1 ms of each for every stage but the search."""
    times = {stage: [1.0, 1.0] for stage in STAGES} | {"search": [2.0, 4.0], "total": [8.0, 10.0]}
    samples = Samples(
        backend="xnnpack" if fell else backend,
        label="LiteRT",
        fallback_reason=fell,
        milliseconds=times,
        seconds=0.02,
        cpu_seconds=0.016,
        startup_ms={"imports": 300.0, "read": 20.0, "choose": 0.0, "load": 100.0, "prove": 80.0},
        memory_mib={"imported": 50.0, "ready": 90.0, "peak": 100.0},
        load=0.7,
        temperatures={},
    )
    return Measured(Configuration(backend, 1, bundle.steps), samples)


def bench(path: Path, bundle: Bundle, **changes: Any) -> Bench:
    """A bench of one configuration."""
    one = Bench(
        command="sranogan-bench x",
        started_at="2026-01-01T00:00:00Z",
        path=path,
        bundle=bundle,
        settings=BenchSettings(),
        device=device(),
        measured=[measured(bundle)],
        peaks={("xnnpack", 1): PEAK},
        complete=True,
    )
    return replace(one, **changes)


def printed(figures: dict[str, Any], width: int = 80) -> str:
    """What a person sees."""
    console = Console(file=io.StringIO(), width=width)
    print_report(figures, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_macs_of_a_frame() -> None:
    """Features run twice; arithmetics are kept apart; one graph that cannot be counted leaves no sum."""
    assert macs_per_frame(COSTS, 8) == {"int8": 907, "float32": 10, "dynamic": 40}
    assert macs_per_frame({**COSTS, ("head", 8): None}, 8) is None


def test_graphs_run_as_often_as_is_counted(bundle: Bundle) -> None:
    """One image calls each graph just as often as the multiplications are counted for."""
    calls: Counter[str] = Counter()

    class Counting:
        def __init__(self, name: str, graph: Any) -> None:
            self.name, self.graph = name, graph

        def __call__(self, inputs: Any) -> Any:
            calls[self.name] += 1
            return self.graph(inputs)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.graph, name)

    graphs = open_graphs(bundle)
    counting: Any = {name: Counting(name, graph) for name, graph in graphs.by_name.items()}
    detector = Detector(bundle, replace(graphs, by_name=counting))
    calls.clear()
    detector.score_x(bundle.golden_x[0])
    assert calls == RUNS


def test_the_floor_is_the_sum_at_each_peak() -> None:
    """4e8 int8 at 400e9/s take 1 ms, 1e8 float32 at 100e9/s another; rounding on the fly is int8's."""
    assert floor_ms({"int8": 400_000_000}, PEAK) == pytest.approx(1)
    assert floor_ms({"int8": 400_000_000, "float32": 100_000_000}, PEAK) == pytest.approx(2)
    assert floor_ms({"dynamic": 400_000_000}, PEAK) == pytest.approx(1)
    assert floor_ms({}, PEAK) == 0


@pytest.mark.parametrize(
    ("macs", "peak"),
    [({"int8": 1}, replace(PEAK, int8=None)), ({"int16": 1}, PEAK), (None, PEAK), ({"int8": 1}, None)],
)
def test_no_floor_without_a_peak(macs: dict[str, int] | None, peak: Peak | None) -> None:
    """Arithmetic whose peak is not known has no floor, rather than too low a one."""
    assert floor_ms(macs, peak) is None


def test_the_report_is_json(tiny_bundle: Path, bundle: Bundle) -> None:
    """The report holds all that it should under the names that the documentation tells, as strict JSON."""
    figures = json.loads(json.dumps(report(bench(tiny_bundle, bundle)), allow_nan=False))
    assert set(figures) == {
        "schema_version",
        "command",
        "started_at",
        "complete",
        "device",
        "bundle",
        "settings",
        "peaks",
        "configurations",
    }
    assert figures["schema_version"] == 1
    assert figures["bundle"]["sha256"] == bundle.sha256
    assert figures["bundle"]["bytes"] == tiny_bundle.stat().st_size
    assert figures["bundle"]["budgets"] == sorted(bundle.budgets)
    assert set(figures["bundle"]["graphs"]) == {"search", "reconstruct", "features", "head"}
    assert figures["peaks"] == [{"backend": "xnnpack", "threads": 1, **vars(PEAK)}]
    (one,) = figures["configurations"]
    assert (one["asked"], one["backend"], one["threads"], one["error"]) == ("xnnpack", "xnnpack", 1, None)
    assert set(one["milliseconds"]) == {*STAGES, "total", "from_x"}
    assert set(one["milliseconds"]["search"]) == {"p50", "p95", "p99", "mean", "least", "most"}
    assert (one["frames"], one["frames_per_second"], one["cpu_milliseconds"]) == (2, 100.0, 8.0)
    assert one["startup_milliseconds"]["total"] == 500.0
    assert one["memory_mib"]["peak"] == 100.0


def test_rates_are_over_the_median(tiny_bundle: Path, bundle: Bundle) -> None:
    """GMAC/s and the share of the peak follow from the counts and the median time of the stage."""
    (one,) = report(bench(tiny_bundle, bundle))["configurations"]
    macs = macs_per_frame(bundle_costs(bundle), bundle.steps)
    assert macs is not None
    frame = one["arithmetic"]["frame"]
    assert one["milliseconds"]["from_x"]["p50"] == 8.0
    assert frame["macs"] == macs
    assert frame["gmacs_per_second"] == pytest.approx(sum(macs.values()) / 8.0 / 1e6, abs=0.01)
    assert frame["floor_milliseconds"] == pytest.approx(floor_ms(macs, PEAK), abs=1e-4)
    assert frame["share_of_peak"] == pytest.approx(frame["floor_milliseconds"] / 8.0, abs=1e-4)
    features = bundle_costs(bundle)["features", bundle.steps]
    assert features is not None
    assert one["arithmetic"]["features"]["macs"] == {k: 2 * v for k, v in features.macs.items()}


def test_without_a_peak_rates_stand_alone(tiny_bundle: Path, bundle: Bundle) -> None:
    """A backend that has no peak has rates, no shares, and a note that says why."""
    peak = Peak(None, None, 10.0, "it takes no such graph")
    figures = report(bench(tiny_bundle, bundle, peaks={("xnnpack", 1): peak}))
    frame = figures["configurations"][0]["arithmetic"]["frame"]
    assert frame["gmacs_per_second"] > 0
    assert (frame["floor_milliseconds"], frame["share_of_peak"]) == (None, None)
    assert "int8 - GMAC/s, float32 - GMAC/s; memory 10.0 GB/s (it takes no such graph)" in printed(figures)


def test_tables_fit_a_terminal(tiny_bundle: Path, bundle: Bundle) -> None:
    """Every table fits 80 columns with its headers whole, and the facts stand above."""
    figures = report(bench(tiny_bundle, bundle))
    text = printed(figures)
    for word in ("p50 ms", "frames/s", "of peak", "search", "from x", "imports", "MMAC a run", "15W", "48.0"):
        assert word in text
    tables = text[text.index("from frame to") : text.index("peak of convolutions")]
    assert max(len(line) for line in tables.splitlines()) <= 80
    assert "…" not in text
    assert "warning" not in text


def test_doubts_are_warnings(tiny_bundle: Path, bundle: Bundle) -> None:
    """A busy machine, a fall-back, a failure and an interruption are each said, equal ones once."""
    failures = [
        Measured(Configuration("gpu", threads, 3), error=BackendError("no adapter \x1b[31m"))
        for threads in (1, 2)
    ]
    fell = measured(bundle, "auto", "the GPU takes 90 ms, XNNPACK 9 ms")
    doubtful = bench(tiny_bundle, bundle, measured=[fell, *failures], device=device(load=2.5), complete=False)
    figures = report(doubtful)
    assert figures["device"]["busy"] is True
    assert figures["configurations"][1]["error"] == {
        "kind": "BackendError",
        "message": "no adapter \x1b[31m",
    }
    text = printed(figures, 200)
    assert "the load is 2.5 on 4 cores" in text
    assert "auto, 1 thread" in text
    assert "ran on LiteRT: the GPU takes 90 ms, XNNPACK 9 ms" in text
    assert "auto → xnnpack" in text
    assert "gpu, 1 thread, 3 steps; gpu, 2 threads, 3 steps: not measured: BackendError: no adapter" in text
    assert "\x1b[31m" not in text
    assert "interrupted" in text


def test_nothing_measured_has_no_tables(tiny_bundle: Path, bundle: Bundle) -> None:
    """An interruption before the first result still prints the machine and the bundle."""
    text = printed(report(bench(tiny_bundle, bundle, measured=[], peaks={}, complete=False)))
    assert "Cortex-A78AE" in text
    assert "p50" not in text


def test_a_machine_that_tells_nothing(tiny_bundle: Path, bundle: Bundle) -> None:
    """Missing facts are left out of the text and null in the JSON."""
    bare = device(
        model=None,
        memory_mib=None,
        distribution=None,
        l4t=None,
        power_mode=None,
        load=None,
        instructions=(),
        governor=(),
        clock_mhz=(),
        temperatures={},
        versions={},
    )
    figures = report(bench(tiny_bundle, bundle, device=bare))
    assert figures["device"]["power_mode"] is None
    text = printed(figures)
    assert "None" not in text
    assert "power mode" not in text


def test_of_tiles_the_time_of_one_is_told_too(tiny_bundle: Path, bundle: Bundle) -> None:
    """A frame of 20 tiles takes 20 times the multiplications, and a twentieth of its time for each."""
    whole = measured(bundle)
    assert whole.samples is not None
    tiled = replace(whole, samples=replace(whole.samples, tiles=20))
    one, of_tiles = (
        report(bench(tiny_bundle, bundle, measured=[made]))["configurations"][0] for made in (whole, tiled)
    )
    assert "tiles" not in one
    assert of_tiles["tiles"] == {"count": 20, "milliseconds_each": 9 / 20}
    macs, times = one["arithmetic"]["frame"]["macs"], of_tiles["arithmetic"]["frame"]["macs"]
    assert times == {kind: 20 * count for kind, count in macs.items()}
    shown = printed(report(bench(tiny_bundle, bundle, measured=[tiled])), 200)
    assert "covered with 20 tiles; p50 ms of one, by row: 0.45" in shown


def test_frames_of_a_bundle_of_tiles_are_covered(bundle: Bundle) -> None:
    """The worker counts the tiles of its square frames; a frame that is no larger than one has one."""
    tiled = replace(bundle, preprocess=replace(bundle.preprocess, fit="tile", tile_px=64))
    assert [tiles_of(tiled, side) for side in (64, 112, 160)] == [1, 4, 9]
    assert tiles_of(bundle, 160) == 1


def test_frames_may_be_long(tiny_bundle: Path, bundle: Bundle) -> None:
    """A frame of 4,000 x 3,000 pixels has 88 tiles of 512, and the whole is one more; few frames are made."""
    tiled = replace(bundle, preprocess=replace(bundle.preprocess, fit="tile", tile_px=512))
    assert tiles_of(tiled, 3000, 4000) == 88
    both = replace(bundle, preprocess=replace(tiled.preprocess, tile_whole=True))
    assert tiles_of(both, 3000, 4000) == 89
    frames = make_frames(bundle, 3000, 4000)
    assert {frame.pixels.shape for frame in frames} == {(3000, 4000)}
    assert len(frames) == 5 < len(bundle.golden_x)
    shown = printed(report(bench(tiny_bundle, bundle, settings=BenchSettings(3, 1, 3000, 4000))), 200)
    assert "3 frames of 4000x3000 pixels" in shown


def test_threads_are_compared_with_fewer_of_the_same(tiny_bundle: Path, bundle: Bundle) -> None:
    """Two threads that take half of the time are twice as fast as one; of other backends nothing is told."""
    one = measured(bundle).samples
    assert one is not None
    half = {stage: [value / 2 for value in values] for stage, values in one.milliseconds.items()}
    rows = [
        Measured(Configuration("xnnpack", 1, bundle.steps), one),
        Measured(Configuration("xnnpack", 2, bundle.steps), replace(one, milliseconds=half)),
        Measured(Configuration("onnx", 2, bundle.steps), one),
    ]
    found = report(bench(tiny_bundle, bundle, measured=rows))
    told = [row.get("speed_up") for row in found["configurations"]]
    assert told == [None, {"times": 2.0, "of_threads": 1}, None]
    assert "2 threads are 2.00 times as fast as 1" in printed(found, 200)
