"""``sranogan-compare``: models side by side, from saved evaluations or scored now."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner, Result

from keras_sranogan.comparison.cli import app
from keras_sranogan.comparison.compare import MOST_SHOWN, compare
from keras_sranogan.comparison.judged import Judged, saved_of
from keras_sranogan.comparison.report import model_rows, print_comparison, render_comparison
from keras_sranogan.machine import circumstances
from keras_sranogan.run_record import PROVENANCE, SETTINGS
from keras_sranogan.settings import TrainSettings
from sranogan_edge.errors import DataError, ExitCode

NORMALS, ABNORMALS = 60, 40


def judged(model: str, shift: float, seed: int = 0, count: int = NORMALS + ABNORMALS) -> Judged:
    """A model that tells abnormals by so much; the same seed draws the same noise."""
    rng = np.random.default_rng(seed)
    abnormal = np.arange(count) >= NORMALS
    return Judged(
        model=model,
        kind="run",
        source="scored now",
        data="drawn",
        split="test",
        keys=tuple(f"{number:03d}.png" for number in range(count)),
        labels=tuple("ILL" if one else "NORMAL" for one in abnormal),
        abnormal=abnormal,
        groups=np.arange(count) // 2,
        score=rng.normal(size=count) + shift * abnormal,
        threshold=1.5,
    )


def run_folder(folder: Path, name: str) -> Path:
    """A folder that looks like a finished run."""
    (folder / name / "detector").mkdir(parents=True)
    (folder / name / "detector" / "calibration.json").touch()
    (folder / name / SETTINGS).write_text(json.dumps(TrainSettings().to_dict()))
    (folder / name / PROVENANCE).write_text(json.dumps({"data": "drawn", "started": name}))
    return folder / name


def save(run: Path, one: Judged, **changes: Any) -> None:
    """Save an evaluation in a run, as sranogan-evaluate --json does."""
    rows = zip(one.keys, one.labels, one.abnormal, one.groups, one.score, strict=True)
    images = [
        {"key": key, "label": label, "abnormal": bool(ill), "group": int(group), "score": float(score)}
        for key, label, ill, group, score in rows
    ]
    figures = {
        "model_kind": "run",
        "data": one.data,
        "split": one.split,
        "threshold": one.threshold,
        "provenance": {**json.loads((run / PROVENANCE).read_text()), "minutes": {}},
        "images": images,
    }
    (run / "evaluation.json").write_text(json.dumps({**figures, **changes}))


def command(*arguments: object) -> Result:
    """Run the command inside this process."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})


def test_each_model_has_its_figures_on_the_images_in_common() -> None:
    """AUROC, interval, sensitivity and specificity are those of the shared images, in whatever order."""
    one, other = judged("a", 2.0), judged("b", 1.0, seed=1)
    mixed = np.random.default_rng(2).permutation(len(other.keys))[:90]
    part = replace(
        other,
        keys=tuple(other.keys[n] for n in mixed),
        labels=tuple(other.labels[n] for n in mixed),
        abnormal=other.abnormal[mixed],
        groups=other.groups[mixed],
        score=other.score[mixed],
    )
    found = compare([one, part])
    kept = np.sort(mixed)
    assert found["n_normal"] + found["n_abnormal"] == 90
    assert found["left_out"] == {"a": 10, "b": 0}
    for model, row in zip((one, other), found["models"], strict=True):
        score, ill = model.score[kept], model.abnormal[kept]
        assert row["auroc"] == pytest.approx(roc_auc_score(ill, score))
        assert row["auroc_ci"][0] < row["auroc"] < row["auroc_ci"][1]
        assert row["sensitivity"] == pytest.approx((score > 1.5)[ill].mean())
        assert row["specificity"] == pytest.approx((score <= 1.5)[~ill].mean())


def test_a_difference_is_told_by_its_interval() -> None:
    """A clearly better model has an interval above 0; the same scores differ by exactly nothing."""
    found = compare([judged("weak", 0.3), judged("strong", 3.0), replace(judged("weak", 0.3), model="same")])
    strong, same = found["differences"]
    assert (strong["model"], strong["to"]) == ("strong", "weak")
    assert strong["auroc_ci"][0] > 0
    assert (same["auroc"], same["auroc_ci"]) == (0, [0, 0])
    assert compare([judged("a", 1.0), judged("b", 1.0, seed=1)]) == compare(
        [judged("a", 1.0), judged("b", 1.0, seed=1)]
    )  # equal seeds, equal draws


def test_the_image_that_they_disagree_on_most_stands_first() -> None:
    """One image that a model puts last and the other first leads the list, with what each says of it."""
    one = judged("a", 2.0)
    turned = one.score.copy()
    turned[int(np.argmin(one.score))] = one.score.max() + 1
    found = compare([one, replace(one, model="b", score=turned)])["disagreements"]
    first = found[0]
    assert first["key"] == one.keys[int(np.argmin(one.score))]
    assert first["apart"] == 1
    assert [said["flagged"] for said in first["models"]] == [False, True]
    assert [said["rank"] for said in first["models"]] == [0, 1]
    assert len(found) <= MOST_SHOWN
    assert compare([one, replace(one, model="b")])["disagreements"] == []


def test_what_cannot_be_compared_is_refused() -> None:
    """No image in common, or an image that is normal to one and abnormal to the other, is an error."""
    one = judged("a", 1.0)
    with pytest.raises(DataError, match="no image was judged by all models"):
        compare([one, replace(one, model="b", keys=tuple(f"x{key}" for key in one.keys))])
    with pytest.raises(DataError, match=r"000\.png is normal to a, and abnormal"):
        compare([one, replace(one, model="b", abnormal=~one.abnormal)])


def test_one_class_has_no_auroc() -> None:
    """Normals alone are listed without figures that they cannot give, on page and terminal too."""
    found = compare([judged("a", 0.0, count=NORMALS), judged("b", 0.0, seed=1, count=NORMALS)])
    assert [row["auroc"] for row in found["models"]] == [None, None]
    assert found["differences"][0] == {"model": "b", "to": "a", "auroc": None, "auroc_ci": None}
    print_comparison(found)
    assert "<table>" in render_comparison({**circumstances("drawn", "test", 0), **found})


def test_every_figure_is_legible_in_80_columns() -> None:
    """Names may be long: models have numbers, and no figure is cut."""
    found = compare([judged("/a/long/path/" * 9 + "one", 0.5), judged("two", 2.5, seed=1)])
    out = io.StringIO()
    print_comparison({**circumstances("drawn", "test", 0), **found}, Console(file=out, width=80))
    lines = out.getvalue().splitlines()
    for cells in model_rows(found):
        assert any(all(cell in line for cell in cells[:-1]) for line in lines), cells
        assert any(line.startswith("model ") and line.endswith(cells[-1]) for line in lines)


def test_saved_evaluations_are_compared_without_a_backend(tmp_path: Path) -> None:
    """Two runs with evaluations of their own end in a table, a JSON file and a page that loads nothing."""
    runs = [run_folder(tmp_path, name) for name in ("one", "<b>two</b>")]
    for run, shift in zip(runs, (0.5, 2.5), strict=True):
        save(run, judged(str(run), shift))
    done = command(*runs, "--json", tmp_path / "c.json", "--report", tmp_path / "c.html")
    assert done.exit_code == ExitCode.OK, done.output
    found = json.loads((tmp_path / "c.json").read_text())
    assert [row["source"] for row in found["models"]] == [str(run / "evaluation.json") for run in runs]
    assert f"{found['models'][1]['auroc']:.3f}" in done.stdout
    page = (tmp_path / "c.html").read_text()
    assert "&lt;b&gt;two" in page
    assert "<script" not in page
    assert "http" not in page


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"split": "val"}, "another split"),
        ({"provenance": {"data": "drawn", "started": "later"}}, "another training in this folder"),
        ({"images": []}, "an evaluation of an earlier version"),
    ],
)
def test_an_evaluation_of_something_else_is_not_taken(
    tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    """What is saved counts for this model and split alone; without it and without --data that is said."""
    runs = [run_folder(tmp_path, name) for name in ("one", "two")]
    for run in runs:
        save(run, judged(str(run), 1.0))
    save(runs[1], judged("two", 1.0), **changes)
    done = command(*runs)
    assert done.exit_code == ExitCode.BAD_DATA, why
    assert f"no evaluation of split test is saved for {runs[1]}" in done.stderr
    assert str(runs[0]) not in done.stderr
    assert "--data DIR" in done.stderr
    assert saved_of(runs[0], "other data", "test") is None


def test_wrong_usage(tmp_path: Path) -> None:
    """One model, or one named twice, is nothing to compare; a damaged file is named."""
    one, two = run_folder(tmp_path, "one"), run_folder(tmp_path, "two")
    assert command(one).exit_code == ExitCode.USAGE
    assert command(one, two, tmp_path / "two" / ".." / "one").exit_code == ExitCode.USAGE
    (one / "evaluation.json").write_text("{")
    done = command(one, two)
    assert done.exit_code == ExitCode.BAD_DATA
    assert "evaluation.json: cannot be read as an evaluation" in done.stderr


def test_models_are_scored_where_nothing_is_saved(
    tiny_bundle: Path, budgets_bundle: Path, tmp_path: Path
) -> None:
    """Two bundles on a data source: both are scored as sranogan-evaluate scores them."""
    data = "phantom?test=3&size=64"
    done = command(tiny_bundle, budgets_bundle, "--data", data, "--json", tmp_path / "c.json")
    assert done.exit_code == ExitCode.OK, done.output
    found = json.loads((tmp_path / "c.json").read_text())
    assert [row["kind"] for row in found["models"]] == ["bundle", "bundle"]
    assert {row["source"] for row in found["models"]} == {"scored now"}
    assert found["n_normal"] == 3
    assert found["n_abnormal"] >= 3
    assert found["split"] == "test"
