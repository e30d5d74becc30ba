"""benchmarks/runner/latency.py and its page: ratios, turns, plain AnoGAN, and the table."""

from __future__ import annotations

import importlib
import json
import math
import random
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from keras_sranogan.run import Run


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))


@pytest.fixture
def latency() -> ModuleType:
    """Import the script."""
    return importlib.import_module("benchmarks.runner.latency")


@pytest.fixture
def page() -> ModuleType:
    """Import what writes its table."""
    return importlib.import_module("benchmarks.pages.latency_page")


def contender(latency: ModuleType, name: str, seen: list[str]) -> Any:
    """A bundle that takes no time and notes when it is called."""

    def score(x: Any) -> SimpleNamespace:
        seen.append(name)
        return SimpleNamespace(milliseconds={"search": 1.0, "head": 2.0})

    facts = {"recipe": "int8", "search": "learned", "steps": 4, "bytes": 2**20}
    detector = SimpleNamespace(score_x=score)
    return latency.Contender(name, facts, detector, {"int8": 400_000_000}, 1_000_000)


def turns(latency: ModuleType, clock: list[list[float]], cpu: list[float]) -> Any:
    """Made-up times."""
    return latency.Turns(np.array(clock), np.array(cpu), {"search": 1.0})


def test_a_ratio_is_that_of_the_pairs(latency: ModuleType) -> None:
    """Pairs that all stand 3 to 1 have that ratio and no spread, however the machine's speed drifts."""
    drift = np.array([1.0, 5.0, 0.5, 9.0, 2.0])
    found = latency.ratio(3 * drift, drift, seed=0)
    assert found["ratio"] == pytest.approx(3)
    assert found["interval"] == pytest.approx([3, 3])


def test_the_interval_holds_the_ratio_and_has_a_seed(latency: ModuleType) -> None:
    """Noisy pairs have an interval around the median, the same for the same seed."""
    rng = np.random.default_rng(0)
    slow, fast = rng.uniform(9, 11, 60), rng.uniform(4, 6, 60)
    found = latency.ratio(slow, fast, seed=1)
    low, high = found["interval"]
    assert 1.6 < low < found["ratio"] < high < 2.6
    assert latency.ratio(slow, fast, seed=1) == found


def test_everyone_has_every_turn(latency: ModuleType) -> None:
    """In each turn each contender scores as many frames in one go, in an order that changes."""
    seen: list[str] = []
    three = [contender(latency, name, seen) for name in "abc"]
    advanced: list[int] = []
    found = latency.take_turns(three, np.zeros((2, 4, 4, 1)), 6, random.Random(0), lambda: advanced.append(1))
    assert len(advanced) == 6
    goes = ["".join(seen[i : i + latency.FRAMES]) for i in range(0, len(seen), latency.FRAMES)]
    assert all(go == go[0] * latency.FRAMES for go in goes)
    orders = ["".join(go[0] for go in goes[i : i + 3]) for i in range(0, len(goes), 3)]
    assert all(sorted(order) == list("abc") for order in orders)
    assert len(set(orders)) > 1
    for one in found:
        assert one.clock.shape == (6, latency.FRAMES - 1)
        assert one.cpu.shape == (6,)
        assert one.stages == {"search": 1.0, "head": 2.0}


def test_a_row_tells_times_ratios_and_the_floor(latency: ModuleType) -> None:
    """Medians, quiet times, ratios to the first, and the floor that the peak sets, with the gap to it."""
    first = turns(latency, [[1.0, 3.0], [1.0, 3.0]], [2.0, 2.0])
    other = turns(latency, [[4.0, 12.0], [4.0, 12.0]], [6.0, 6.0])
    peak = latency.Peak(int8=400.0, float32=100.0, memory=10.0)
    row = latency.summarise(contender(latency, "x", []), other, first, peak, 0)
    assert row["clock_ms"]["median"] == 8
    assert row["clock_ms"]["least"] == 4
    assert row["cpu_ms"]["median"] == 6
    assert row["over_first"]["clock"]["ratio"] == pytest.approx(4)
    assert row["over_first"]["cpu"]["ratio"] == pytest.approx(3)
    assert row["floor_ms"] == pytest.approx({"arithmetic": 1.0, "weights": 0.1})
    assert row["cpu_over_floor"] == pytest.approx(6)


def test_without_a_peak_there_is_no_floor(latency: ModuleType) -> None:
    """A machine whose peak could not be measured leaves the floor out instead of guessing."""
    times = turns(latency, [[1.0, 1.0]], [1.0])
    peak = latency.Peak(None, None, None, "no runtime")
    row = latency.summarise(contender(latency, "x", []), times, times, peak, 0)
    assert row["floor_ms"] == {"arithmetic": None, "weights": None}
    assert row["cpu_over_floor"] is None


def test_plain_anogan_is_set_against_its_own_round(latency: ModuleType) -> None:
    """Each image of plain AnoGAN is compared with the turns just before it."""
    rounds = [turns(latency, [[10.0, 10.0]], [5.0]), turns(latency, [[20.0, 20.0]], [5.0])]
    found = latency.against_anogan([(1000.0, 900.0), (4000.0, 1000.0)], rounds)
    assert found["over_first"]["clock"] == {"median": 150.0, "least": 100.0, "most": 200.0}
    assert found["over_first"]["cpu"] == {"median": 190.0, "least": 180.0, "most": 200.0}
    whole = latency.joined(rounds)
    assert whole.clock.shape == (2, 2)
    assert whole.cpu.tolist() == [5.0, 5.0]


@pytest.mark.slow
def test_both_ways_of_plain_anogan_search(tiny_run: Run) -> None:
    """The compiled loop and ``fit`` both lower the paper's loss, and a second image starts anew."""
    plain = importlib.import_module("benchmarks.runner.latency_anogan").plain_anogan
    x = tiny_run.representative()[:2]
    few, many = plain(tiny_run, 1), plain(tiny_run, 60)
    for way in ("compiled", "fit"):
        before, after = few[way](x[0]), many[way](x[0])
        assert math.isfinite(before)
        assert after < before
    first = many["fit"](x[0])
    many["fit"](x[1])
    assert many["fit"](x[0]) == pytest.approx(first, rel=1e-3)


@pytest.mark.slow
def test_from_bundles_to_the_table(
    latency: ModuleType,
    page: ModuleType,
    tiny_run: Run,
    export_tiny: Callable[[str], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The whole command: every budget of every bundle and both ways of plain AnoGAN have a row."""
    monkeypatch.setattr(latency, "one_thread", lambda: None)  # TensorFlow has begun in this process
    bundles = [export_tiny("int8"), export_tiny("float32")]
    out = tmp_path / "results" / "latency.json"
    latency.main(tiny_run.folder, bundles, out, 2, 1, 3, 0)
    found = json.loads(out.read_text(), parse_constant=pytest.fail)
    assert [row["recipe"] for row in found["rows"] if row["default"]] == ["int8", "float32"]
    assert found["rows"][0]["over_first"]["cpu"]["ratio"] == 1
    assert list(found["anogan"]) == ["compiled", "fit"]
    text = page.table(found)
    assert text.count("\n| ") >= len(found["rows"]) + 1
    assert all(len(line) <= 120 or line.startswith("|") for line in text.splitlines())


def test_the_table(page: ModuleType) -> None:
    """Each row has its figures, missing ones a dash; a busy machine is said."""
    row = {
        "recipe": "int8",
        "search": "learned",
        "steps": 1,
        "bytes": 3 * 2**20,
        "clock_ms": {"median": 8.0, "quiet": 7.0},
        "cpu_ms": {"median": 6.5},
        "over_first": {"cpu": {"ratio": 1.0, "interval": [0.9, 1.1]}},
        "macs": None,
        "floor_ms": {"arithmetic": None, "weights": None},
    }
    times = {"median": 1234.0, "least": 1000.0, "most": 2000.0}
    anogan = {"cpu_ms": [9000.0], "clock_ms": [9999.0], "over_first": {"cpu": times}}
    result = {
        "rows": [row],
        "anogan": {"compiled": anogan, "fit": anogan},
        "anogan_steps": 500,
        "anogan_images": 3,
        "peak": {"int8": 400.0, "float32": None, "memory": None},
        "device": {"cpu": "AMD EPYC", "cores": 2},
        "loads": [0.5, None, 1.5],
        "turns": 120,
        "frames_a_turn": 4,
        "side_px": 128,
    }
    text = page.table(result)
    assert (
        "| int8, learned search, 1 step | 6.50 | 1.00 (0.90 to 1.10) | 8.00 | 7.00 | - | - | 3.00 |" in text
    )
    assert "| plain AnoGAN in Keras, `fit`, 500 steps | 9,000 | 1,234 (1,000 to 2,000) | 9,999 |" in text
    assert "other programs ran" not in text
    assert "other programs ran" in page.table({**result, "loads": [4.0]})


def test_the_page_shows_the_committed_figures(page: ModuleType) -> None:
    """What stands between the page's markers is that of the result files, where these were committed."""
    text = page.PAGE.read_text()
    assert page.page(text) == text


def test_the_page_takes_results_in(page: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result file, once there, takes the place of what stood between its markers; nothing else moves."""
    (tmp_path / "bench.json").write_text("{}")
    monkeypatch.setattr(page, "EXAMPLE", tmp_path / "bench.json")
    monkeypatch.setattr(page, "RESULT", tmp_path / "none.json")
    monkeypatch.setattr(page, "example", lambda figures: "the example\n")
    marks = "<!-- {0}:begin -->\nold\n<!-- {0}:end -->"
    found = page.page(f"a\n{marks.format('example')}\nb\n{marks.format('latency')}\nc\n")
    assert "<!-- example:begin -->\nthe example\n<!-- example:end -->\nb\n" in found
    assert f"<!-- latency:begin -->\n{page.NOT_YET}<!-- latency:end -->\nc\n" in found


def test_the_example_is_what_is_printed(page: ModuleType) -> None:
    """The example is the command and its report, in a block of code."""
    facts = dict.fromkeys(("model", "memory_mib", "distribution", "l4t", "power_mode", "load"))
    device = {"cpu": "A CPU", "cores": 2, "busy": False, "system": "Linux", **facts}
    device |= {"clock_mhz": [], "governor": [], "instructions": []}
    bundle = {"path": "x", "bytes": 2**20, "recipe": "int8", "search": "learned", "budgets": [4], "size": 128}
    figures = {
        "command": "sranogan-bench x",
        "complete": True,
        "device": {**device, "temperatures": {}, "versions": {}},
        "bundle": bundle,
        "configurations": [],
        "peaks": [],
        "settings": {"repeats": 200, "warm_up": 20, "frame_side": 1024},
    }
    text = page.example(figures)
    assert text.startswith("```\n$ sranogan-bench x\ndevice       A CPU, 2 cores\n")
    assert text.endswith("in a process of its own\n```\n")
