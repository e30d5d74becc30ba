"""``sranogan-export``: what it parses, prints and ends with."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from keras_sranogan.run import Run
from keras_sranogan.settings import TrainSettings
from sranogan_edge.bundle.bundle import GRAPHS, read_bundle
from sranogan_edge.errors import ExitCode
from sranogan_export import write_bundle as module
from sranogan_export.cli import app
from sranogan_export.finetune.quantize_aware import Gain
from sranogan_export.proof import compare_plot, compare_table
from sranogan_export.recipe import ExportOptions
from sranogan_export.write_bundle import ExportResult


def export(*arguments: object) -> Result:
    """Run the command inside this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


Asked = list[tuple[Path, ExportOptions, Path]]


class Equal:
    """Stands in for a proof of equality."""

    def to_dict(self) -> dict[str, object]:
        return {"steps": 4}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Asked:
    """Stand in for the export itself, of a run in ``tmp_path``, and give what it was asked for."""
    calls: Asked = []
    (tmp_path / "detector").mkdir()
    (tmp_path / "detector" / "calibration.json").touch()
    (tmp_path / "settings.json").write_text(json.dumps(TrainSettings().to_dict()))

    def stand_in(
        run: Run, options: ExportOptions, out: Path, progress: object, *, audit: str, key: Path | None
    ) -> ExportResult:
        calls.append((run.folder, options, out))
        out.write_bytes(b"bundle")
        counts = {"all": {"CONV_2D": 3}, "float32": {"SQRT": 1}}
        return ExportResult(
            path=out,
            graph_bytes={"search": 2048},
            operators={"search_steps_4": counts},
            gains=[Gain("encoder", 0.02, 0.0123, "qat")],
            reconstruction_l1={4: 0.2},
            threshold=float("inf"),
            equality=Equal(),  # type: ignore[arg-type]  # only shown and written
        )

    monkeypatch.setattr(compare_plot, "plot", lambda found, path: path.touch())
    monkeypatch.setattr(compare_table, "print_tables", lambda found, console: console.print("equal"))
    monkeypatch.setattr(module, "export_run", stand_in)
    return calls


def test_export_for_real(tiny_run: Run, tiny_bundle: Path, tmp_path: Path) -> None:
    """A run exported a second time gives the same file to the byte, and its figures too."""
    out, figures = tmp_path / "b.sranogan", tmp_path / "figures.json"
    done = export(tiny_run.folder, "--out", out, "--ptq", "--json", figures)
    assert done.exit_code == ExitCode.OK, (done.output, done.exception)
    assert out.read_bytes() == tiny_bundle.read_bytes()
    bundle = read_bundle(out)
    found = json.loads(figures.read_text(), parse_constant=pytest.fail)
    assert found["bundle_bytes"] == out.stat().st_size
    assert found["graph_bytes"] == {name: len(model) for name, model in bundle.graphs.items()}
    assert found["operators"] == bundle.details["operators"]
    assert found["equality"]["normals"] > 0
    assert (tmp_path / "b.equality.png").stat().st_size > 0
    assert all(name in done.stdout for name in (*GRAPHS, "MiB"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ExportOptions(recipe="int8", engine="keras")),
        (["--int8"], ExportOptions()),
        (["--float16"], ExportOptions(recipe="float16")),
        (["--dynamic"], ExportOptions(recipe="dynamic")),
        (["--float32", "--steps", "0"], ExportOptions(recipe="float32", steps=0)),
        (["--ptq", "--budgets", "0,2, 8"], ExportOptions(engine="none", budgets=(0, 2, 8))),
        (["--qat", "tfmot", "--seed", "7"], ExportOptions(engine="tfmot", seed=7)),
        (["--search", "learned", "--onnx"], ExportOptions(search="learned", onnx=True)),
    ],
)
def test_options(asked: Asked, tmp_path: Path, options: list[str], expected: ExportOptions) -> None:
    """Each choice has its option; fine-tuned int8 is the default."""
    done = export(tmp_path, "--out", tmp_path / "b.sranogan", *options)
    assert done.exit_code == ExitCode.OK, (done.output, done.exception)
    assert asked == [(tmp_path, expected, tmp_path / "b.sranogan")]


def test_fine_tuning_is_shown(asked: Asked, tmp_path: Path) -> None:
    """What each network gained stands in a table, and in the figures."""
    done = export(tmp_path, "--out", tmp_path / "b", "--json", tmp_path / "f.json")
    assert asked
    assert "encoder" in done.stdout
    assert "1.23%" in done.stdout
    (gain,) = json.loads((tmp_path / "f.json").read_text())["gains"]
    assert (gain["network"], gain["kept"], gain["engine"]) == ("encoder", "qat", "keras")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--qat", "brevitas"], "keras, tfmot"),
        (["--ptq", "--qat", "keras"], "--ptq and --qat keras"),
        (["--budgets", "two"], "received 'two'"),
    ],
)
def test_choices_that_do_not_exist(asked: Asked, tmp_path: Path, options: list[str], said: str) -> None:
    """An unknown engine, contradicting options and budgets that are no numbers are wrong usage."""
    done = export(tmp_path, "--out", tmp_path / "b", *options)
    assert done.exit_code == ExitCode.USAGE
    assert said in done.stderr
    assert not asked


def test_missing_threshold_is_null(asked: Asked, tmp_path: Path) -> None:
    """An infinite threshold is null in the JSON file, which knows no Infinity."""
    assert export(tmp_path, "--out", tmp_path / "b", "--json", tmp_path / "f.json").exit_code == ExitCode.OK
    found = json.loads((tmp_path / "f.json").read_text(), parse_constant=pytest.fail)
    assert found["threshold"] is None
    assert asked


def test_two_recipes_at_once(asked: Asked, tmp_path: Path) -> None:
    """Two recipes are wrong usage, and the message names both."""
    done = export(tmp_path, "--out", tmp_path / "b", "--int8", "--float16")
    assert done.exit_code == ExitCode.USAGE
    assert "int8 and float16" in done.stderr
    assert not asked


def test_unwritable_figures(asked: Asked, tmp_path: Path) -> None:
    """Figures that cannot be written are exit code 6, and say that the bundle stands."""
    done = export(tmp_path, "--out", tmp_path / "b", "--json", tmp_path / "missing" / "f.json")
    assert done.exit_code == ExitCode.CANNOT_WRITE
    assert "The bundle is complete" in done.stderr
    assert asked


def test_no_run(tmp_path: Path) -> None:
    """A folder that is no finished run is exit code 7, one message without a traceback."""
    done = export(tmp_path, "--out", tmp_path / "b.sranogan")
    assert done.exit_code == ExitCode.BAD_RUN
    assert "not a finished run" in done.stderr
    assert "Traceback" not in done.output


def test_unwritable_bundle(tiny_run: Run, tmp_path: Path) -> None:
    """A bundle that cannot be written is exit code 6."""
    done = export(tiny_run.folder, "--out", tmp_path / "missing" / "b.sranogan")
    assert done.exit_code == ExitCode.CANNOT_WRITE
    assert "--out" in done.stderr


@pytest.mark.parametrize("steps", [-1, 65])
def test_steps_out_of_range(tiny_run: Run, tmp_path: Path, steps: int) -> None:
    """Too few or too many steps are wrong usage."""
    done = export(tiny_run.folder, "--out", tmp_path / "b.sranogan", "--steps", steps)
    assert done.exit_code == ExitCode.USAGE
    assert "64" in done.stderr or "--steps" in done.stderr


def test_random_start(tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with a random start is wrong usage, with the reason."""
    search = replace(tiny_run.settings.search, start="random")
    monkeypatch.setattr(Run, "settings", replace(tiny_run.settings, search=search))
    done = export(tiny_run.folder, "--out", tmp_path / "b.sranogan")
    assert done.exit_code == ExitCode.USAGE
    assert "start=random" in done.stderr


def test_help_tells_the_exit_codes() -> None:
    """--help explains every exit code that the command can end with."""
    text = export("--help").stdout
    assert all(re.search(rf"\b{code}\s+\w", text) for code in (0, 2, 5, 6, 7, 8, 130))
