"""The example in C++: built as docs/guide/cpp.md says, it scores golden cases as the exporter did."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sranogan_edge.bundle.bundle import Bundle, read_bundle, write_bundle
from sranogan_edge.detector.detector import Detector
from sranogan_edge.runtime.graphs import open_graphs
from sranogan_edge.scoring.density import Gaussian

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = REPOSITORY / "docs" / "guide" / "cpp.md"
HEADERS = ("opencv4/opencv2/imgproc.hpp", "nlohmann/json.hpp")
CLOSE = {"dynamic": 0.05}  # its activations are rounded by what a kernel sees; of the others
VERY_CLOSE = 1e-3


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the example by the page's commands; skips where its compiler or libraries are not there."""
    missing = [one for one in HEADERS if not (Path("/usr/include") / one).exists()]
    if missing or not shutil.which("g++"):
        pytest.skip(f"no {', '.join(missing) or 'g++'}: apt install g++ and what docs/guide/cpp.md names")
    (block,) = re.findall(r"^```\n(LITERT=.*?)^```", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    build, _, call = block.strip().rpartition("\n")
    assert call == "./score chest.sranogan"
    folder = tmp_path_factory.mktemp("cpp")
    (folder / "edge").symlink_to(REPOSITORY / "edge")
    script = build.replace("python -c", f"'{sys.executable}' -c")
    subprocess.run(["bash", "-euc", script], cwd=folder, check=True)
    return folder / "score"


def scored(program: Path, bundle: Path, *steps: str) -> tuple[int, list[float], str]:
    """Run it: exit code, scores, all that it said."""
    done = subprocess.run([program, bundle, *steps], capture_output=True, text=True, check=False)
    scores = [float(one) for one in re.findall(r"^case \d+: (\S+), ", done.stdout, re.M)]
    return done.returncode, scores, done.stdout + done.stderr


def check(program: Path, path: Path, close: float = VERY_CLOSE) -> None:
    """Each budget's golden cases score as they were exported."""
    bundle = read_bundle(path)
    for steps in bundle.budgets:
        code, scores, said = scored(program, path, str(steps))
        assert code == 0, said
        assert scores == pytest.approx(list(bundle.with_steps(steps).golden.scores), abs=close)


@pytest.mark.parametrize("recipe", ["float32", "float16", "dynamic", "int8"])
def test_each_recipe(program: Path, export_tiny: Callable[[str], Path], recipe: str) -> None:
    """Floats, integers at the borders, and weights alone in integers."""
    check(program, export_tiny(recipe), CLOSE.get(recipe, VERY_CLOSE))


@pytest.mark.parametrize("name", ["budgets_bundle", "colour_bundle"])
def test_budgets_and_colour(program: Path, request: pytest.FixtureRequest, name: str) -> None:
    """Every number of search steps, and images of three channels."""
    check(program, request.getfixturevalue(name))


def judged_as_tiles(bundle: Bundle) -> Bundle:
    """The same with the parts of tiles, the image beside its residual, and the highest two of them."""
    rng = np.random.default_rng(0)
    sizes = {"residual": 449, "head": len(bundle.density.parts["head"].center), "peak": 1}
    parts = {
        name: Gaussian(
            rng.normal(size=size).astype(np.float32),
            np.diag(rng.uniform(0.1, 1, size)).astype(np.float32),
            1.0,
            0.5,
        )
        for name, size in sizes.items()
    }
    density = replace(bundle.density, parts=parts, highest=2)
    scores = []
    for steps in bundle.budgets:
        graphs = open_graphs(bundle.with_steps(steps))
        detector = Detector(bundle.with_steps(steps), graphs)
        scores.append([density.score(detector.measure_x(x).reconstruction.measured) for x in bundle.golden_x])
    budgets = {
        steps: replace(one, density=density, golden_scores=np.array(told))
        for (steps, one), told in zip(bundle.budgets.items(), scores, strict=True)
    }
    return replace(bundle, budgets=budgets)


def test_parts_of_tiles(program: Path, export_tiny: Callable[[str], Path], tmp_path: Path) -> None:
    """What is judged of a tile alone: its peak, and the image itself, and not the part that says least."""
    write_bundle(judged_as_tiles(read_bundle(export_tiny("float32"))), tmp_path / "tiles.sranogan")
    check(program, tmp_path / "tiles.sranogan")


def shifted(bundle: Bundle) -> Bundle:
    """The same with golden scores that no machine gives."""
    budgets = {
        steps: replace(one, golden_scores=one.golden_scores + 10) for steps, one in bundle.budgets.items()
    }
    return replace(bundle, budgets=budgets)


def test_a_case_that_scores_otherwise(program: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    """It is named, and the exit code is 5."""
    write_bundle(shifted(read_bundle(tiny_bundle)), tmp_path / "off.sranogan")
    code, _, said = scored(program, tmp_path / "off.sranogan")
    assert code == 5
    assert ": OFF" in said


@pytest.mark.parametrize("content", [b"", b"no bundle", b"PK\x05\x06", b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_bundle(program: Path, tmp_path: Path, content: bytes) -> None:
    """One message and exit code 5; so with a budget that is not there, and 2 without a file's name."""
    (tmp_path / "bad.sranogan").write_bytes(content)
    code, _, said = scored(program, tmp_path / "bad.sranogan")
    assert (code, said.startswith("error: ")) == (5, True)


def test_what_cannot_be_asked(program: Path, tiny_bundle: Path) -> None:
    """A number of steps that the bundle has not; no bundle at all."""
    code, _, said = scored(program, tiny_bundle, "999")
    assert (code, "no signature steps_999" in said) == (5, True)
    assert subprocess.run([program], capture_output=True, check=False).returncode == 2
