"""serve.md says what is so: its examples run, its metrics and statuses are those that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra page is not installed")
pytest.importorskip("prometheus_client", reason="the extra page is not installed")
from prometheus_client.parser import text_string_to_metric_families

from sranogan_edge.uploads.limits import UploadSettings
from sranogan_edge.uploads.openapi import document
from tests.support.encoded_images import by_opencv
from tests.support.schema import operation
from tests.support.upload_bench import UploadBench, uploading

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guide" / "serve.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def bench() -> Iterator[UploadBench]:
    """Give what is served."""
    with uploading() as made:
        yield made


@pytest.mark.parametrize("number", [0, 1], ids=["one image", "several"])
def test_examples_run(
    bench: UploadBench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    """Each prints what was scored."""
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number]
    if "requests" in code:
        pytest.importorskip("requests", reason="requests is not installed")
    (tmp_path / "films").mkdir()
    for name, mean in (("film.png", 7), ("films/a.png", 9), ("films/b.png", 250)):
        (tmp_path / name).write_bytes(by_opencv(".png", np.full((20, 20), mean, np.uint8)))
    (tmp_path / "films" / "c.png").write_bytes(b"no image")
    monkeypatch.chdir(tmp_path)
    exec(code, {"URL": bench.url})
    said = capsys.readouterr().out.splitlines()
    if number == 0:
        assert said == ["normal 7.0"]
    else:
        assert said[:2] == ["a.png normal 9.0", "b.png anomalous 250.0"]
        assert said[2].startswith("c.png error c.png: not a JPEG")


def test_every_metric_is_explained(bench: UploadBench) -> None:
    """The table has the metrics of uploads that /metrics has, no more and no less."""
    families = text_string_to_metric_families(bench.ask("GET", "/metrics").said)
    there = {one.name for one in families if one.name.startswith("sranogan_uploads")}
    told = re.findall(r"^\| `(sranogan_\w+)` \|", PAGE, re.MULTILINE)
    assert {name.removesuffix("_total") for name in told} == there


def test_every_refusal_is_explained() -> None:
    """The table has the statuses that /openapi.json has."""
    table = PAGE.partition("## What is refused")[2].partition("\n## ")[0]
    told = re.findall(r"\b\d{3}\b", " ".join(re.findall(r"^\| (\d[\d, ]+) \|", table, re.MULTILINE)))
    answers = operation(document(UploadSettings()), "score")[2]["responses"]
    assert sorted(told) == sorted(set(answers) - {"200"})


def test_what_was_measured_is_what_stands_there() -> None:
    """Each row of the table is one of benchmarks/results/serving.json, and no score differed."""
    made = json.loads((ROOT / "benchmarks" / "results" / "serving.json").read_text())
    names = ("images_per_second", "least_ms", "median_ms", "p95_ms", "processor_ms")
    for way in made["ways"].values():
        row = " | ".join(f"{way[name]:.0f}" if way[name] >= 100 else f"{way[name]:.1f}" for name in names)
        assert f"| {row} |" in PAGE
    assert made["unequal_scores"] == 0


def test_bounds_are_the_defaults() -> None:
    """The numbers of the page are those of the code."""
    own = UploadSettings()
    for number in (
        f"{own.max_image_bytes // 2**20} MiB",
        f"{own.max_request_bytes // 2**30} GiB",
        f"({own.max_images:,})",
        f"({own.max_waiting})",
        f"{own.max_held_bytes // 2**20} MiB",
    ):
        assert number in PAGE
